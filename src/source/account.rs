use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::permission::{DefaultOwner, Item, PermissionLog, Role};
use super::{Collection, Synthetic};
use crate::clock::{Moment, duration};
use crate::contract::{CredentialId, ExternalId, Object, Pipeline, ProjectId, UserId};

/// One connected account of a user in an integration, and what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    user: UserId,
    integration: String,
    credential: CredentialId,
    collections: BTreeMap<Pipeline, Collection>,
    permissions: PermissionLog,
    troubles: Vec<Ongoing>,
}

/// What stands in the way of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Trouble {
    /// The provider asks to wait: status `RATE_LIMITED`, no webhook (`sync.transient`, documented).
    RateLimited {
        /// How long.
        #[serde(with = "duration")]
        backoff: Duration,
    },
    /// The provider is not reached. Tried again by itself, no webhook (`sync.transient`, documented).
    Network,
    /// The access token has expired. It is renewed and the run goes on, no webhook (`sync.transient`, documented).
    AccessTokenExpired,
    /// The user has taken access back: `sync_errored`, status `ERRORED` (`sync.errored`, documented).
    CredentialRevoked,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ongoing {
    trouble: Trouble,
    /// So many runs still meet it; nothing means until it is mended.
    runs: Option<u32>,
}

impl Account {
    /// An empty account; its credential follows from project, user, integration and `name`, which tells several
    /// accounts of a user apart.
    pub fn new(project: &ProjectId, user: &UserId, integration: &str, name: &str) -> Self {
        Self {
            user: user.clone(),
            integration: integration.to_owned(),
            credential: CredentialId::derive(project, user, integration, name),
            collections: BTreeMap::new(),
            permissions: PermissionLog::new(),
            troubles: Vec::new(),
        }
    }

    /// What is wrong with an account that was read.
    pub(crate) fn problem(&self) -> Option<String> {
        self.collections
            .iter()
            .find_map(|(pipeline, collection)| collection.problem().map(|why| format!("collections.{pipeline}.{why}")))
    }

    /// Whose account it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The integration, such as `googledrive`.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// The credential that stands for the account.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// What a pipeline pulls from it; `None` while nothing was ever put there.
    pub fn collection(&self, pipeline: Pipeline) -> Option<&Collection> {
        self.collections.get(&pipeline)
    }

    /// What a pipeline pulls from it, to change it. Permissions follow only what is changed through the account.
    pub fn collection_mut(&mut self, pipeline: Pipeline) -> &mut Collection {
        self.collections
            .entry(pipeline)
            .or_insert_with(|| Collection::new(&self.credential, &self.integration, pipeline))
    }

    /// The collection that an object lives or lived in.
    pub fn collection_of(&self, id: &ExternalId) -> Option<&Collection> {
        self.collections.values().find(|collection| collection.number_of(id).is_some())
    }

    /// Who the files of the account belong to unless something else is said: an e-mail address.
    pub fn owner(&self) -> String {
        format!("{}@example.com", self.user)
    }

    /// Who may do what with its files and folders.
    pub fn permissions(&self) -> &PermissionLog {
        &self.permissions
    }

    /// Fills an empty pipeline with objects that are computed when they are looked at; false when it is not empty.
    /// None of them is younger than `now`. Files belong to the account's owner; what their folders are is not looked at
    /// for permissions.
    pub fn fill(&mut self, pipeline: Pipeline, synthetic: Synthetic, now: Moment) -> bool {
        let synthetic = Synthetic { until: synthetic.until.min(now), ..synthetic };
        let filled = self.collection_mut(pipeline).fill(synthetic);
        if filled && pipeline == Pipeline::Files {
            let files = 0..synthetic.count;
            self.permissions = PermissionLog::owned_by(DefaultOwner { files, user: self.owner(), since: now });
        }
        filled
    }

    /// A new object. What it leaves open is filled in as in [`Collection::create`]. A file belongs to the account's owner.
    pub fn create(&mut self, object: Object, now: Moment) -> ExternalId {
        let id = self.collection_mut(object.pipeline()).create(object, now);
        if let Some(item) = self.item(&id) {
            let owner = self.owner();
            self.permissions.grant(&owner, Role::IsOwner, item, now);
        }
        self.follow(&id, now);
        id
    }

    /// Does something to an object; `None` when it does not live here.
    pub fn change<T>(
        &mut self,
        id: &ExternalId,
        now: Moment,
        change: impl FnOnce(&mut Collection, &ExternalId) -> Option<T>,
    ) -> Option<T> {
        let before = self.item(id);
        let collection = self.collections.values_mut().find(|collection| collection.number_of(id).is_some())?;
        let answer = change(collection, id);
        match (before, self.item(id)) {
            (Some(gone), None) => drop(self.permissions.remove(gone, now)),
            _ => self.follow(id, now),
        }
        answer
    }

    /// Gives somebody a role; false when there is no such file or folder, or it was given before.
    pub fn share(&mut self, id: &ExternalId, user: &str, role: Role, now: Moment) -> bool {
        self.item(id).is_some_and(|item| self.permissions.grant(user, role, item, now))
    }

    /// Takes a role back; false when there is no such file or folder, or it was not given.
    pub fn unshare(&mut self, id: &ExternalId, user: &str, role: Role, now: Moment) -> bool {
        self.item(id).is_some_and(|item| self.permissions.revoke(user, role, item, now))
    }

    /// A file or folder that lives here.
    fn item(&self, id: &ExternalId) -> Option<Item> {
        let files = self.collection(Pipeline::Files)?;
        files.item(files.number_of(id)?)
    }

    /// What it lies in hands its permissions down.
    fn follow(&mut self, id: &ExternalId, now: Moment) {
        let Some(item) = self.item(id) else { return };
        let Some(Object::File(file)) = self.collection_of(id).and_then(|files| files.get(id)) else { return };
        let parent = file.parent_folder_id.and_then(|parent| self.item(&parent)).map(|parent| parent.number);
        self.permissions.put(item, parent, now);
    }

    /// Puts something in the way of the next `runs` runs; of all runs until it is mended, without a number.
    pub fn trouble(&mut self, trouble: Trouble, runs: Option<u32>) {
        if runs != Some(0) {
            self.troubles.push(Ongoing { trouble, runs });
        }
    }

    /// Ends all troubles.
    pub fn mend(&mut self) {
        self.troubles.clear();
    }

    /// What stands in the way, worst last met: a run meets the oldest one first.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble> {
        self.troubles.iter().map(|ongoing| ongoing.trouble)
    }

    /// Whether the user has taken access back.
    pub fn is_revoked(&self) -> bool {
        self.troubles().any(|trouble| trouble == Trouble::CredentialRevoked)
    }

    /// What the run that begins now meets, if anything.
    pub(crate) fn meet(&mut self) -> Option<Trouble> {
        let ongoing = self.troubles.first_mut()?;
        let trouble = ongoing.trouble;
        if let Some(runs) = &mut ongoing.runs {
            *runs -= 1;
            if *runs == 0 {
                self.troubles.remove(0);
            }
        }
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_met_in_order_and_so_often() {
        let mut account = Account::new(&"p".into(), &"u".into(), "box", "default");
        account.trouble(Trouble::Network, Some(2));
        account.trouble(Trouble::AccessTokenExpired, Some(0));
        account.trouble(Trouble::CredentialRevoked, None);
        let met: Vec<_> = (0..4).filter_map(|_| account.meet()).collect();
        let revoked = Trouble::CredentialRevoked;
        assert_eq!(met, [Trouble::Network, Trouble::Network, revoked, revoked]);
        assert!(account.is_revoked());
        account.mend();
        assert_eq!((account.meet(), account.is_revoked()), (None, false));
    }

    #[test]
    fn accounts_of_one_user_have_credentials_of_their_own() {
        let account = |name| Account::new(&"p".into(), &"u".into(), "box", name);
        assert_eq!(account("default").credential(), account("default").credential());
        assert_ne!(account("default").credential(), account("work").credential());
    }
}
