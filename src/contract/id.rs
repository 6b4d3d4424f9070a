use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it stands in JSON.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

ids! {
    /// A project of the company in Paragon: the last part of a token's `aud`.
    ProjectId
    /// A Connected User: `user.id` of an event, `sub` of a token.
    UserId
    /// One connected account of a user: `credentialId`.
    CredentialId
    /// A sync: `syncInstanceId` of an event, `id` in the Sync API.
    SyncId
    /// A record as Paragon knows it: `recordId` of an event, `id` of a record.
    RecordId
    /// A record as the provider knows it: `externalId`.
    ExternalId
}

impl ProjectId {
    /// The project that a seed stands for. Everything else that is made from the seed hangs below it.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("paragon-testkit:{seed}").as_bytes()).to_string())
    }
}

impl UserId {
    /// A user that no other case and no other seed has.
    pub(crate) fn for_case(project: &ProjectId, seed: u64, case: &str) -> Self {
        let id = derive(&["user", project.as_str(), &seed.to_string(), case]).replace('-', "").to_uppercase();
        Self(format!("user_{}", &id[..26]))
    }
}

impl SyncId {
    /// The same project, user, integration, pipeline and configuration always give the same id
    /// (documented: a sync that is created again has its old id; version 5 is observed).
    pub(crate) fn derive(
        project: &ProjectId,
        user: &UserId,
        integration: &str,
        pipeline: &str,
        configuration: &str,
    ) -> Self {
        Self(derive(&["sync", project.as_str(), user.as_str(), integration, pipeline, configuration]))
    }
}

impl RecordId {
    /// A record keeps its id for as long as its sync lives; in another sync it has another one (observed).
    pub(crate) fn derive(sync: &SyncId, external: &ExternalId) -> Self {
        Self(derive(&["record", sync.as_str(), external.as_str()]))
    }
}

impl CredentialId {
    pub(crate) fn derive(project: &ProjectId, user: &UserId, integration: &str) -> Self {
        Self(derive(&["credential", project.as_str(), user.as_str(), integration]))
    }
}

impl ExternalId {
    pub(crate) fn derive(credential: &CredentialId, number: u64) -> Self {
        Self(derive(&["external", credential.as_str(), &number.to_string()]).replace('-', ""))
    }
}

/// Length-prefixed, so that no two lists of parts read the same.
fn derive(parts: &[&str]) -> String {
    let name = parts.iter().fold(String::new(), |name, part| format!("{name}{}:{part};", part.len()));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_5_and_depend_on_every_part() {
        let project = ProjectId::from_seed(1);
        let user = UserId::from("ada");
        let id = SyncId::derive(&project, &user, "googledrive", "files", "default");
        assert_eq!(id, SyncId::derive(&project, &user, "googledrive", "files", "default"));
        assert_ne!(id, SyncId::derive(&project, &user, "googledrive", "files", "other"));
        assert_ne!(id, SyncId::derive(&project, &UserId::from("bob"), "googledrive", "files", "default"));
        assert_ne!(id, SyncId::derive(&ProjectId::from_seed(2), &user, "googledrive", "files", "default"));
        assert_eq!(Uuid::parse_str(id.as_str()).map(|id| id.get_version_num()), Ok(5));
        assert_ne!(derive(&["ab", "c"]), derive(&["a", "bc"]));
    }
}
