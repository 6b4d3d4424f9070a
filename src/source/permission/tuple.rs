use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::clock::Timestamp;
use crate::contract::RecordId;
use crate::contract::api::{PermissionChange, TupleKey};

/// Defines enums whose variants have the names that the API uses.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name in the API.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Returns the value with this name in the API.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

named! {
    /// Kind of an object that has permissions.
    ObjectType {
        /// A file.
        File = "file",
        /// A folder. It passes its permissions on to its contents.
        Folder = "folder",
    }

    /// What a user may do with a file or a folder. Each role includes the roles before it.
    Role {
        /// The user may read the object.
        CanRead = "can_read",
        /// The user may change the object.
        CanWrite = "can_write",
        /// The user owns the object. A folder does not pass this role on: the owner of a folder may write its contents.
        IsOwner = "is_owner",
    }

    /// The part after the `#` of a userset: a [`Role`], or the relation of a [`Tie`].
    Relation {
        /// [`Role::CanRead`]
        CanRead = "can_read",
        /// [`Role::CanWrite`]
        CanWrite = "can_write",
        /// [`Role::IsOwner`]
        IsOwner = "is_owner",
        /// Users with the owner role on the item itself.
        Owner = "owner",
        /// Users with the editor or owner role on the item or on a folder above it.
        Editor = "editor",
        /// Users with the viewer role on the item or on a folder above it.
        Viewer = "viewer",
        /// Folders that contain the item.
        Parent = "parent",
    }

    /// What happened to a tuple, with the names of `OpenFGA`.
    Operation {
        /// The tuple was added.
        Write = "TUPLE_OPERATION_WRITE",
        /// The tuple was removed.
        Delete = "TUPLE_OPERATION_DELETE",
    }
}

impl Role {
    /// Returns whether a folder passes the role on to its contents.
    pub(super) fn is_handed_down(self) -> bool {
        self != Self::IsOwner
    }

    /// Returns the ties that give a user this role: its own tie and those of the roles that include it.
    pub(super) fn ties(self, user: &str) -> impl Iterator<Item = Tie> {
        Self::ALL.iter().filter(move |role| **role >= self).map(move |role| Tie::of(*role, user))
    }
}

impl From<Role> for Relation {
    fn from(role: Role) -> Self {
        match role {
            Role::CanRead => Self::CanRead,
            Role::CanWrite => Self::CanWrite,
            Role::IsOwner => Self::IsOwner,
        }
    }
}

/// A file or a folder, identified by the number of its record in the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PermissionItem {
    /// Whether the item is a file or a folder.
    #[serde(rename = "type")]
    pub kind: ObjectType,
    /// Number of the record.
    pub number: u64,
}

impl PermissionItem {
    pub(super) const FIRST: Self = Self::file(0);
    pub(super) const LAST: Self = Self::folder(u64::MAX);

    /// Returns the file with this number.
    pub const fn file(number: u64) -> Self {
        Self { kind: ObjectType::File, number }
    }

    /// Returns the folder with this number.
    pub const fn folder(number: u64) -> Self {
        Self { kind: ObjectType::Folder, number }
    }

    /// Returns the name in the API: the kind and the record id, such as `file:` and an id.
    pub fn text(self, record: &impl Fn(u64) -> RecordId) -> String {
        format!("{}:{}", self.kind, record(self.number))
    }
}

/// The relation of an item to a user or to a folder. Users are e-mail addresses; a folder is the number of its record.
// The order of the variants matters: the users of an item sort before its folders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// The user owns the item.
    Owner(String),
    /// The user may write the item.
    Editor(String),
    /// The user may read the item.
    Viewer(String),
    /// The item is in the folder.
    Parent(u64),
}

impl Tie {
    /// Returns the tie that gives a user a role.
    pub fn of(role: Role, user: impl Into<String>) -> Self {
        match role {
            Role::CanRead => Self::Viewer(user.into()),
            Role::CanWrite => Self::Editor(user.into()),
            Role::IsOwner => Self::Owner(user.into()),
        }
    }

    /// Returns the relation of the tie.
    pub const fn relation(&self) -> Relation {
        match self {
            Self::Owner(_) => Relation::Owner,
            Self::Editor(_) => Relation::Editor,
            Self::Viewer(_) => Relation::Viewer,
            Self::Parent(_) => Relation::Parent,
        }
    }

    /// Returns the role that the tie gives; `None` for a folder.
    pub(super) const fn role(&self) -> Option<Role> {
        match self {
            Self::Owner(_) => Some(Role::IsOwner),
            Self::Editor(_) => Some(Role::CanWrite),
            Self::Viewer(_) => Some(Role::CanRead),
            Self::Parent(_) => None,
        }
    }

    /// Returns the user; `None` for a folder.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Owner(user) | Self::Editor(user) | Self::Viewer(user) => Some(user),
            Self::Parent(_) => None,
        }
    }

    /// Returns the subject in the API: `user:` and an e-mail address, or `folder:` and a record id.
    pub(super) fn subject(&self, record: &impl Fn(u64) -> RecordId) -> String {
        match self {
            Self::Owner(user) | Self::Editor(user) | Self::Viewer(user) => format!("user:{user}"),
            Self::Parent(folder) => PermissionItem::folder(*folder).text(record),
        }
    }
}

/// A permission tuple: an item and one of its ties.
// The order of the fields matters: the tuples of an item are adjacent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// The item that has the tie.
    pub item: PermissionItem,
    /// The tie of the item.
    pub tie: Tie,
}

/// A tuple that was written or deleted.
///
/// ```
/// use paragon_testkit::clock::Timestamp;
/// use paragon_testkit::contract::RecordId;
/// use paragon_testkit::source::permission::{PermissionItem, Operation, Role, Tie, Tuple, TupleChange};
///
/// let tuple = Tuple { item: PermissionItem::file(7), tie: Tie::of(Role::CanRead, "ada@example.com") };
/// let change = TupleChange { at: Timestamp::from_millis(0), operation: Operation::Write, tuple };
/// let change = change.to_api(&|number| RecordId::from(format!("record-{number}")));
/// assert_eq!(change.tuple_key.user, "user:ada@example.com");
/// assert_eq!(change.tuple_key.relation, "viewer");
/// assert_eq!(change.tuple_key.object, "file:record-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TupleChange {
    /// Time of the change.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// Whether the tuple was written or deleted.
    pub operation: Operation,
    /// The tuple that changed.
    pub tuple: Tuple,
}

impl TupleChange {
    /// Returns the change as the feed of changes shows it. `record` returns the record id for a number, and must also
    /// know the numbers of deleted records.
    pub fn to_api(&self, record: &impl Fn(u64) -> RecordId) -> PermissionChange {
        let Tuple { item, tie } = &self.tuple;
        PermissionChange {
            tuple_key: TupleKey {
                user: tie.subject(record),
                relation: tie.relation().name().to_owned(),
                object: item.text(record),
                other: Map::new(),
            },
            operation: self.operation.name().to_owned(),
            timestamp: self.at.to_string(),
            other: Map::new(),
        }
    }
}

/// Serializes times as milliseconds since 1970, because text cannot represent times outside the calendar.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(in super::super) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_millis())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}
