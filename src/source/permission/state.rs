use std::collections::BTreeSet;
use std::iter;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::tuple::millis;
use super::{Item, ObjectType, Operation, PermissionLog, Role, Tie, Tuple, TupleChange};
use crate::clock::Moment;

/// Who owns the files that are computed and not stored: so many that a tuple for each would fill the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultOwner {
    /// The numbers of the files.
    pub files: Range<u64>,
    /// The owner's e-mail address.
    pub user: String,
    /// Since when.
    #[serde(with = "millis")]
    pub since: Moment,
}

impl DefaultOwner {
    /// How many files there are.
    pub(super) fn count(&self) -> u64 {
        self.files.end.saturating_sub(self.files.start)
    }

    /// The fact about one of the files.
    pub(super) fn tuple(&self, number: u64) -> Tuple {
        Tuple { item: Item::file(number), tie: Tie::Owner(self.user.clone()) }
    }
}

/// What a sync knows of who may do what. A check costs the folders above an item; a list of objects costs what was
/// granted and what lies below it, and the files of a [`DefaultOwner`] only as far as it is read.
///
/// ```
/// use paragon_testkit::clock::Moment;
/// use paragon_testkit::source::permission::{DefaultOwner, Item, ObjectType, PermissionLog, Permissions, Role};
///
/// let now = Moment::from_millis(0);
/// let many = DefaultOwner { files: 0..10_000_000, user: "ada@example.com".into(), since: now };
/// let mut log = PermissionLog::owned_by(many);
/// log.grant("bob@example.com", Role::CanRead, Item::file(7), now);
/// log.remove(Item::file(0), now);
///
/// let mut seen = Permissions::of(&log);
/// seen.catch_up(&log);
/// assert_eq!(seen.users(Item::file(7), Role::CanRead), ["ada@example.com", "bob@example.com"]);
/// let objects = seen.objects(ObjectType::File, "ada@example.com", Role::IsOwner, 0);
/// assert_eq!(objects.take(2).collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Permissions {
    pub(super) default_owner: Option<DefaultOwner>,
    /// Files of which the default owner is not the owner any more.
    disowned: BTreeSet<u64>,
    tuples: BTreeSet<Tuple>,
    applied: usize,
    /// The tuples the other way round: what a user or a folder has to do with.
    #[serde(skip)]
    items: BTreeSet<(Tie, Item)>,
}

/// What is written of [`Permissions`]; the rest follows from it.
#[derive(Deserialize)]
struct Stored {
    default_owner: Option<DefaultOwner>,
    disowned: BTreeSet<u64>,
    tuples: BTreeSet<Tuple>,
    applied: usize,
}

impl From<Stored> for Permissions {
    fn from(stored: Stored) -> Self {
        let Stored { default_owner, disowned, tuples, applied } = stored;
        let mut permissions = Self { default_owner, disowned, applied, ..Self::default() };
        for tuple in tuples {
            permissions.write(&tuple);
        }
        permissions
    }
}

impl Permissions {
    /// What a sync knows before it has read anything of the log.
    pub fn of(log: &PermissionLog) -> Self {
        Self { default_owner: log.default_owner().cloned(), ..Self::default() }
    }

    /// Applies what the log holds beyond [`Permissions::applied`], and says how many changes these were.
    pub fn catch_up(&mut self, log: &PermissionLog) -> usize {
        let new = log.changes().get(self.applied..).unwrap_or_default();
        for change in new {
            self.apply(change);
        }
        new.len()
    }

    /// Applies the next change; false when it changed nothing.
    pub fn apply(&mut self, change: &TupleChange) -> bool {
        self.applied += 1;
        match change.operation {
            Operation::Write => self.write(&change.tuple),
            Operation::Delete => self.delete(&change.tuple),
        }
    }

    /// How many changes have been applied.
    pub fn applied(&self) -> usize {
        self.applied
    }

    /// Whether somebody has granted exactly this, or the item is in this folder.
    pub fn holds(&self, tuple: &Tuple) -> bool {
        self.tuples.contains(tuple) || self.is_default(tuple) && !self.disowned.contains(&tuple.item.number)
    }

    /// Whether the user may.
    pub fn check(&self, item: Item, user: &str, role: Role) -> bool {
        let mut grants: Vec<Tuple> = role.ties(user).map(|tie| Tuple { item, tie }).collect();
        self.givers(item, role).into_iter().any(|giver| {
            grants.iter_mut().any(|grant| {
                grant.item = giver;
                self.holds(grant)
            })
        })
    }

    /// Everybody who may, in the order of their addresses.
    pub fn users(&self, item: Item, role: Role) -> Vec<&str> {
        let mut users = BTreeSet::new();
        for giver in self.givers(item, role) {
            users.extend(self.default_owner_of(giver));
            let granted = self.ties(giver).filter(|tie| tie.role().is_some_and(|given| given >= role));
            users.extend(granted.filter_map(Tie::user));
        }
        users.into_iter().collect()
    }

    /// The numbers of the files, or of the folders, that the user may use, in ascending order. Those below `from` are
    /// left out: a long list can be read in pieces.
    pub fn objects<'a>(
        &'a self,
        kind: ObjectType,
        user: &str,
        role: Role,
        from: u64,
    ) -> impl Iterator<Item = u64> + use<'a> {
        let default = self.default_owner.as_ref().filter(|owner| kind == ObjectType::File && owner.user == user);
        let owned = default.map_or(0..0, |owner| owner.files.clone());
        let mut others = self.reached(role.ties(user), role.is_handed_down());
        others.retain(|item| {
            let number = item.number;
            item.kind == kind && number >= from && (!owned.contains(&number) || self.disowned.contains(&number))
        });
        let mut others = others.into_iter().map(|item| item.number).peekable();
        let mut owned = (owned.start.max(from)..owned.end).filter(|number| !self.disowned.contains(number)).peekable();
        iter::from_fn(move || match (owned.peek(), others.peek()) {
            (Some(one), Some(other)) if other < one => others.next(),
            (Some(_), _) => owned.next(),
            (None, _) => others.next(),
        })
    }

    /// What is stored of an item: its users, then its folders.
    pub(super) fn ties(&self, item: Item) -> impl Iterator<Item = &Tie> {
        let (first, last) = (Tie::Owner(String::new()), Tie::Parent(u64::MAX));
        self.tuples.range(Tuple { item, tie: first }..=Tuple { item, tie: last }).map(|tuple| &tuple.tie)
    }

    /// The folders that an item is in. More than one is possible while a sync has seen half of a move.
    pub(super) fn parents(&self, item: Item) -> impl Iterator<Item = u64> {
        let tuple = |folder| Tuple { item, tie: Tie::Parent(folder) };
        let parents = self.tuples.range(tuple(0)..=tuple(u64::MAX));
        parents.filter_map(|tuple| if let Tie::Parent(folder) = tuple.tie { Some(folder) } else { None })
    }

    /// The items that have this tie.
    pub(super) fn items(&self, tie: Tie) -> impl Iterator<Item = Item> {
        self.items.range((tie.clone(), Item::FIRST)..=(tie, Item::LAST)).map(|(_, item)| *item)
    }

    pub(super) fn default_owner_of(&self, item: Item) -> Option<&str> {
        let owner = self.default_owner.as_ref()?;
        let owns = item.kind == ObjectType::File && owner.files.contains(&item.number);
        (owns && !self.disowned.contains(&item.number)).then_some(&*owner.user)
    }

    /// The item itself, and the folders above that hand the role down to it. Each is visited once, so folders that
    /// were moved into each other end.
    fn givers(&self, item: Item, role: Role) -> Vec<Item> {
        let mut givers = vec![item];
        let mut seen = BTreeSet::from([item]);
        let mut next = 0;
        while role.is_handed_down() && next < givers.len() {
            let above = self.parents(givers[next]).map(Item::folder).filter(|folder| seen.insert(*folder));
            givers.extend(above.collect::<Vec<_>>());
            next += 1;
        }
        givers
    }

    /// The items that have one of the ties, and what lies below them.
    fn reached(&self, ties: impl Iterator<Item = Tie>, below: bool) -> BTreeSet<Item> {
        let mut reached: BTreeSet<Item> = ties.flat_map(|tie| self.items(tie)).collect();
        let mut open: Vec<Item> = if below { reached.iter().copied().collect() } else { Vec::new() };
        while let Some(item) = open.pop() {
            if item.kind == ObjectType::Folder {
                open.extend(self.items(Tie::Parent(item.number)).filter(|child| reached.insert(*child)));
            }
        }
        reached
    }

    fn is_default(&self, tuple: &Tuple) -> bool {
        self.default_owner.as_ref().is_some_and(|owner| {
            let Tuple { item, tie } = tuple;
            item.kind == ObjectType::File
                && owner.files.contains(&item.number)
                && matches!(tie, Tie::Owner(user) if *user == owner.user)
        })
    }

    fn write(&mut self, tuple: &Tuple) -> bool {
        if self.is_default(tuple) {
            return self.disowned.remove(&tuple.item.number);
        }
        self.items.insert((tuple.tie.clone(), tuple.item));
        self.tuples.insert(tuple.clone())
    }

    fn delete(&mut self, tuple: &Tuple) -> bool {
        if self.is_default(tuple) {
            return self.disowned.insert(tuple.item.number);
        }
        self.items.remove(&(tuple.tie.clone(), tuple.item));
        self.tuples.remove(tuple)
    }
}
