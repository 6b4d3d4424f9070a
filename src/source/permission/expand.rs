use serde_json::Map;

use super::{PermissionItem, Permissions, Relation, Tie};
use crate::contract::RecordId;
use crate::contract::api::{Computed, Leaf, TupleToUserset, Users, Userset, Usersets};

impl Permissions {
    /// Explains why users have a relation to an item. Returns the rule that defines the relation, with the users and
    /// folders that the rule names for this item. As in `OpenFGA`, the tree consists of one rule: it names other
    /// relations, and does not expand them. Call `expand` again for such a relation.
    ///
    /// ```
    /// use paragon_testkit::contract::RecordId;
    /// use paragon_testkit::source::permission::{PermissionItem, Permissions, Role};
    ///
    /// let tree = Permissions::default().expand(PermissionItem::file(7), Role::IsOwner, &|_| RecordId::from("0f"));
    /// assert_eq!(tree.name, "file:0f#is_owner");
    /// assert_eq!(tree.leaf.unwrap().computed.unwrap().userset, "file:0f#owner");
    /// ```
    pub fn expand(
        &self,
        item: PermissionItem,
        relation: impl Into<Relation>,
        record: &impl Fn(u64) -> RecordId,
    ) -> Userset {
        let relation = relation.into();
        let name = |relation: Relation| format!("{}#{relation}", item.text(record));
        let computed = |relation| Leaf { computed: Some(by_name(name(relation))), ..leaf() };
        let from_parent = |relation: Relation| {
            let folders = self.parents(item).map(|folder| PermissionItem::folder(folder).text(record));
            let computed = folders.map(|folder| by_name(format!("{folder}#{relation}"))).collect();
            let tupleset = name(Relation::Parent);
            Leaf { tuple_to_userset: Some(TupleToUserset { tupleset, computed, other: Map::new() }), ..leaf() }
        };
        let direct = || {
            let default = self.default_owner_of(item).filter(|_| relation == Relation::Owner);
            let default = default.map(|user| Tie::Owner(user.to_owned()).subject(record));
            let stored = self.ties(item).filter(|tie| tie.relation() == relation).map(|tie| tie.subject(record));
            let mut users: Vec<String> = default.into_iter().chain(stored).collect();
            users.sort_unstable();
            Leaf { users: Some(Users { users, other: Map::new() }), ..leaf() }
        };
        let leaves = match relation {
            Relation::CanRead => {
                vec![computed(Relation::Viewer), computed(Relation::Editor), from_parent(Relation::Viewer)]
            }
            Relation::CanWrite => vec![computed(Relation::Editor), from_parent(Relation::Editor)],
            Relation::IsOwner => vec![computed(Relation::Owner)],
            Relation::Editor => vec![direct(), computed(Relation::Owner), from_parent(Relation::Editor)],
            Relation::Viewer => vec![direct(), from_parent(Relation::Viewer)],
            Relation::Owner | Relation::Parent => vec![direct()],
        };
        let mut nodes: Vec<Userset> = leaves.into_iter().map(|leaf| node(name(relation), Some(leaf), None)).collect();
        match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            last => {
                nodes.extend(last);
                node(name(relation), None, Some(Usersets { nodes, other: Map::new() }))
            }
        }
    }
}

fn node(name: String, leaf: Option<Leaf>, union: Option<Usersets>) -> Userset {
    Userset { name, leaf, union, intersection: None, difference: None, other: Map::new() }
}

fn leaf() -> Leaf {
    Leaf { users: None, computed: None, tuple_to_userset: None, other: Map::new() }
}

fn by_name(userset: String) -> Computed {
    Computed { userset, other: Map::new() }
}
