use std::collections::BTreeSet;
use std::iter;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::tuple::millis;
use super::{ObjectType, Operation, PermissionItem, Role, Tie, Tuple, TupleChange};
use crate::clock::Timestamp;

/// The owner of synthetic files. One tuple for each of these files would take too much memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultOwner {
    /// The numbers of the files.
    pub files: Range<u64>,
    /// The owner's e-mail address.
    pub user: String,
    /// Time at which the ownership begins.
    #[serde(with = "millis")]
    pub since: Timestamp,
}

impl DefaultOwner {
    /// Returns the number of files.
    pub(super) fn count(&self) -> u64 {
        self.files.end.saturating_sub(self.files.start)
    }

    /// Returns the owner tuple of one of the files.
    pub(super) fn tuple(&self, number: u64) -> Tuple {
        Tuple { item: PermissionItem::file(number), tie: Tie::Owner(self.user.clone()) }
    }
}

/// The permissions that a sync has applied so far. A check costs as much as there are folders above the item. A list of
/// objects costs as much as there are grants of the user and items below them. The files of a [`DefaultOwner`] cost
/// only as much as is read of them.
///
/// ```
/// use paragon_testkit::clock::Timestamp;
/// use paragon_testkit::source::permission::{DefaultOwner, PermissionItem, ObjectType, PermissionLog, Permissions, Role};
///
/// let now = Timestamp::from_millis(0);
/// let many = DefaultOwner { files: 0..10_000_000, user: "ada@example.com".into(), since: now };
/// let mut log = PermissionLog::owned_by(many);
/// log.grant("bob@example.com", Role::CanRead, PermissionItem::file(7), now);
/// log.remove(PermissionItem::file(0), now);
///
/// let mut seen = log.start();
/// log.catch_up(&mut seen);
/// assert_eq!(seen.users(PermissionItem::file(7), Role::CanRead), ["ada@example.com", "bob@example.com"]);
/// let objects = seen.objects(ObjectType::File, "ada@example.com", Role::IsOwner, 0);
/// assert_eq!(objects.take(2).collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Permissions {
    pub(super) default_owner: Option<DefaultOwner>,
    /// Files that the default owner no longer owns.
    disowned: BTreeSet<u64>,
    tuples: BTreeSet<Tuple>,
    applied: usize,
    /// Reverse index of the tuples: the items of each tie.
    #[serde(skip)]
    items: BTreeSet<(Tie, PermissionItem)>,
}

/// Serialized form of [`Permissions`]. The other field is computed from it.
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
    /// Returns permissions without any change: only those of the default owner.
    pub fn owned_by(default_owner: Option<DefaultOwner>) -> Self {
        Self { default_owner, ..Self::default() }
    }

    /// Applies the next change. Returns false if it had no effect.
    pub fn apply(&mut self, change: &TupleChange) -> bool {
        self.applied += 1;
        match change.operation {
            Operation::Write => self.write(&change.tuple),
            Operation::Delete => self.delete(&change.tuple),
        }
    }

    /// Returns the number of changes applied so far.
    pub fn applied(&self) -> usize {
        self.applied
    }

    /// Returns whether exactly this tuple holds: a direct grant, or the membership of an item in a folder.
    pub fn holds(&self, tuple: &Tuple) -> bool {
        self.tuples.contains(tuple) || self.is_default(tuple) && !self.disowned.contains(&tuple.item.number)
    }

    /// Returns whether the user has the role for the item.
    pub fn check(&self, item: PermissionItem, user: &str, role: Role) -> bool {
        let mut grants: Vec<Tuple> = role.ties(user).map(|tie| Tuple { item, tie }).collect();
        self.givers(item, role).into_iter().any(|giver| {
            grants.iter_mut().any(|grant| {
                grant.item = giver;
                self.holds(grant)
            })
        })
    }

    /// Returns all users with the role for the item, sorted by address.
    pub fn users(&self, item: PermissionItem, role: Role) -> Vec<&str> {
        let mut users = BTreeSet::new();
        for giver in self.givers(item, role) {
            users.extend(self.default_owner_of(giver));
            let granted = self.ties(giver).filter(|tie| tie.role().is_some_and(|given| given >= role));
            users.extend(granted.filter_map(Tie::user));
        }
        users.into_iter().collect()
    }

    /// Returns the numbers of the files or folders for which the user has the role, in ascending order. Numbers below
    /// `from` are left out, so that a long list can be read in pages.
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

    /// Returns the stored ties of an item: users first, then folders. The default owner is not included.
    pub(super) fn ties(&self, item: PermissionItem) -> impl Iterator<Item = &Tie> {
        let (first, last) = (Tie::Owner(String::new()), Tie::Parent(u64::MAX));
        self.tuples.range(Tuple { item, tie: first }..=Tuple { item, tie: last }).map(|tuple| &tuple.tie)
    }

    /// Returns the folders that contain the item. There can be more than one while a sync has applied half of a move.
    pub(super) fn parents(&self, item: PermissionItem) -> impl Iterator<Item = u64> {
        let tuple = |folder| Tuple { item, tie: Tie::Parent(folder) };
        let parents = self.tuples.range(tuple(0)..=tuple(u64::MAX));
        parents.filter_map(|tuple| if let Tie::Parent(folder) = tuple.tie { Some(folder) } else { None })
    }

    /// Returns the items that have this tie.
    pub(super) fn items(&self, tie: Tie) -> impl Iterator<Item = PermissionItem> {
        self.items.range((tie.clone(), PermissionItem::FIRST)..=(tie, PermissionItem::LAST)).map(|(_, item)| *item)
    }

    pub(super) fn default_owner_of(&self, item: PermissionItem) -> Option<&str> {
        let owner = self.default_owner.as_ref()?;
        let owns = item.kind == ObjectType::File && owner.files.contains(&item.number);
        (owns && !self.disowned.contains(&item.number)).then_some(&*owner.user)
    }

    /// Returns the item and the folders above it that pass the role on to it. Each folder is visited once, so cycles of
    /// folders end.
    fn givers(&self, item: PermissionItem, role: Role) -> Vec<PermissionItem> {
        let mut givers = vec![item];
        let mut seen = BTreeSet::from([item]);
        let mut next = 0;
        while role.is_handed_down() && next < givers.len() {
            let above = self.parents(givers[next]).map(PermissionItem::folder).filter(|folder| seen.insert(*folder));
            givers.extend(above.collect::<Vec<_>>());
            next += 1;
        }
        givers
    }

    /// Returns the items that have one of the ties and, if `below` is true, everything in these folders.
    fn reached(&self, ties: impl Iterator<Item = Tie>, below: bool) -> BTreeSet<PermissionItem> {
        let mut reached: BTreeSet<PermissionItem> = ties.flat_map(|tie| self.items(tie)).collect();
        let mut open: Vec<PermissionItem> = if below { reached.iter().copied().collect() } else { Vec::new() };
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
