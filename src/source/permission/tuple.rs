use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::clock::Moment;
use crate::contract::RecordId;
use crate::contract::api::{PermissionChange, TupleKey};

/// Enums whose variants have the names that the API gives them.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As the API names it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The one that the API names so.
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
    /// What permissions are about.
    ObjectType {
        /// A file.
        File = "file",
        /// A folder, which hands its permissions down to what is in it.
        Folder = "folder",
    }

    /// What a user may do with a file or a folder. Each includes the ones before it.
    Role {
        /// Read it.
        CanRead = "can_read",
        /// Change it.
        CanWrite = "can_write",
        /// Own it; not handed down by a folder, whose owner may write what is in it.
        IsOwner = "is_owner",
    }

    /// What stands behind the `#` of a userset: a [`Role`], or what a [`Tie`] says.
    Relation {
        /// [`Role::CanRead`]
        CanRead = "can_read",
        /// [`Role::CanWrite`]
        CanWrite = "can_write",
        /// [`Role::IsOwner`]
        IsOwner = "is_owner",
        /// The users that were made owner.
        Owner = "owner",
        /// The users that were made editor, here or above, and the owners.
        Editor = "editor",
        /// The users that were made viewer, here or above.
        Viewer = "viewer",
        /// The folders that it is in.
        Parent = "parent",
    }

    /// What happened to a tuple, as `OpenFGA` names it.
    Operation {
        /// It holds now.
        Write = "TUPLE_OPERATION_WRITE",
        /// It does not hold any more.
        Delete = "TUPLE_OPERATION_DELETE",
    }
}

impl Role {
    /// Whether a folder hands it down to what is in it.
    pub(super) fn is_handed_down(self) -> bool {
        self != Self::IsOwner
    }

    /// The ties that give a user this role: its own and those of the roles that include it.
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

/// A file or a folder, by the number of its record in the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Which of the two.
    #[serde(rename = "type")]
    pub kind: ObjectType,
    /// The record's number.
    pub number: u64,
}

impl Item {
    pub(super) const FIRST: Self = Self::file(0);
    pub(super) const LAST: Self = Self::folder(u64::MAX);

    /// The file with this number.
    pub const fn file(number: u64) -> Self {
        Self { kind: ObjectType::File, number }
    }

    /// The folder with this number.
    pub const fn folder(number: u64) -> Self {
        Self { kind: ObjectType::Folder, number }
    }

    /// Such as `file:` and a record id.
    pub fn text(self, record: &impl Fn(u64) -> RecordId) -> String {
        format!("{}:{}", self.kind, record(self.number))
    }
}

/// What an item has to do with a user or with a folder. Users are e-mail addresses, a folder is the number of its record.
// The order counts: an item's users come before its folders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// The user owns it.
    Owner(String),
    /// The user may write it.
    Editor(String),
    /// The user may read it.
    Viewer(String),
    /// It is in the folder.
    Parent(u64),
}

impl Tie {
    /// The tie that gives a user a role.
    pub fn of(role: Role, user: impl Into<String>) -> Self {
        match role {
            Role::CanRead => Self::Viewer(user.into()),
            Role::CanWrite => Self::Editor(user.into()),
            Role::IsOwner => Self::Owner(user.into()),
        }
    }

    /// Its name.
    pub const fn relation(&self) -> Relation {
        match self {
            Self::Owner(_) => Relation::Owner,
            Self::Editor(_) => Relation::Editor,
            Self::Viewer(_) => Relation::Viewer,
            Self::Parent(_) => Relation::Parent,
        }
    }

    /// The role that it gives, when it is about a user.
    pub(super) const fn role(&self) -> Option<Role> {
        match self {
            Self::Owner(_) => Some(Role::IsOwner),
            Self::Editor(_) => Some(Role::CanWrite),
            Self::Viewer(_) => Some(Role::CanRead),
            Self::Parent(_) => None,
        }
    }

    /// The user, when it is about one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Owner(user) | Self::Editor(user) | Self::Viewer(user) => Some(user),
            Self::Parent(_) => None,
        }
    }

    /// `user:` and an e-mail address, or `folder:` and a record id.
    pub(super) fn subject(&self, record: &impl Fn(u64) -> RecordId) -> String {
        match self {
            Self::Owner(user) | Self::Editor(user) | Self::Viewer(user) => format!("user:{user}"),
            Self::Parent(folder) => Item::folder(*folder).text(record),
        }
    }
}

/// One fact: an item and a tie of it.
// The order counts: the tuples of an item stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// What it is about.
    pub item: Item,
    /// What holds of it.
    pub tie: Tie,
}

/// A tuple that was written or deleted.
///
/// ```
/// use paragon_testkit::clock::Moment;
/// use paragon_testkit::contract::RecordId;
/// use paragon_testkit::source::permission::{Item, Operation, Role, Tie, Tuple, TupleChange};
///
/// let tuple = Tuple { item: Item::file(7), tie: Tie::of(Role::CanRead, "ada@example.com") };
/// let change = TupleChange { at: Moment::from_millis(0), operation: Operation::Write, tuple };
/// let change = change.to_api(&|number| RecordId::from(format!("record-{number}")));
/// assert_eq!(change.tuple_key.user, "user:ada@example.com");
/// assert_eq!(change.tuple_key.relation, "viewer");
/// assert_eq!(change.tuple_key.object, "file:record-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TupleChange {
    /// When.
    #[serde(with = "millis")]
    pub at: Moment,
    /// Which of the two.
    pub operation: Operation,
    /// What.
    pub tuple: Tuple,
}

impl TupleChange {
    /// As the feed of changes tells it. Records are asked for by number, those that are gone as well.
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

/// Moments as milliseconds since 1970: a text would not hold the ones that no calendar has.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::Moment;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(in super::super) fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_millis())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        i64::deserialize(deserializer).map(Moment::from_millis)
    }
}
