use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::permission::{DefaultOwner, PermissionItem, PermissionLog, Role};
use super::{Collection, Synthetic};
use crate::clock::{Timestamp, duration};
use crate::contract::{CredentialId, ExternalId, Object, Pipeline, ProjectId, UserId};

/// One connected account of a user in an integration, with its objects and their permissions.
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

/// A provider-side problem that affects the runs of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ProviderFaultKind {
    /// The provider rate-limits the run: status `RATE_LIMITED`, no webhook (`sync.transient`, documented).
    RateLimited {
        /// Time to wait before the retry.
        #[serde(with = "duration")]
        backoff: Duration,
    },
    /// The provider cannot be reached. The run is retried automatically, no webhook (`sync.transient`, documented).
    Network,
    /// The access token has expired. It is renewed and the run continues, no webhook (`sync.transient`, documented).
    AccessTokenExpired,
    /// The user has revoked access: `sync_errored`, status `ERRORED` (`sync.errored`, documented).
    CredentialRevoked,
}

/// [`ProviderFaultKind`], and the number of runs that it affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderFault {
    /// Kind of the fault.
    pub what: ProviderFaultKind,
    /// Number of coming runs that are affected. `None` means every run until the fault is ended.
    pub next: Option<u32>,
}

impl ProviderFault {
    /// Creates a fault that affects every run until the fault is ended.
    pub fn new(what: ProviderFaultKind) -> Self {
        Self { what, next: None }
    }

    /// Limits the fault to the next `runs` runs.
    #[must_use]
    pub fn next(mut self, runs: u32) -> Self {
        self.next = Some(runs);
        self
    }
}

impl From<ProviderFaultKind> for ProviderFault {
    fn from(what: ProviderFaultKind) -> Self {
        Self::new(what)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ongoing {
    trouble: ProviderFaultKind,
    /// Number of runs that are still affected; `None` means every run until [`Account::end_faults`].
    runs: Option<u32>,
}

impl Account {
    /// Creates an empty account. Its credential is derived from project, user, integration and `name`. The name
    /// distinguishes several accounts of one user.
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

    /// Returns the first inconsistency in a deserialized account.
    pub(crate) fn problem(&self) -> Option<String> {
        self.collections
            .iter()
            .find_map(|(pipeline, collection)| collection.problem().map(|why| format!("collections.{pipeline}.{why}")))
    }

    /// Returns the user who owns the account.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns the integration, such as `googledrive`.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// Returns the credential that identifies the account.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// Returns the collection that a pipeline pulls from; `None` if the pipeline was never used.
    pub fn collection(&self, pipeline: Pipeline) -> Option<&Collection> {
        self.collections.get(&pipeline)
    }

    /// Returns the collection that a pipeline pulls from, for changes; creates an empty one if needed. Changes made
    /// through this reference do not update the permissions; changes made through the methods of the account do.
    pub fn collection_mut(&mut self, pipeline: Pipeline) -> &mut Collection {
        self.collections
            .entry(pipeline)
            .or_insert_with(|| Collection::new(&self.credential, &self.integration, pipeline))
    }

    /// Returns the collection that contains an object or contained it before its deletion.
    pub fn collection_of(&self, id: &ExternalId) -> Option<&Collection> {
        self.collections.values().find(|collection| collection.number_of(id).is_some())
    }

    /// Returns the default owner of the account's files, an e-mail address.
    pub fn owner(&self) -> String {
        format!("{}@example.com", self.user)
    }

    /// Returns the permission log of the account's files and folders.
    pub fn permissions(&self) -> &PermissionLog {
        &self.permissions
    }

    /// Fills an empty pipeline with synthetic objects, which are computed on access. Returns false if the pipeline is
    /// not empty.
    ///
    /// No object has a time after `now`. The files belong to the account's owner. The folders of synthetic files do not
    /// count for permissions.
    pub fn fill(&mut self, pipeline: Pipeline, synthetic: Synthetic, now: Timestamp) -> bool {
        let synthetic = Synthetic { until: synthetic.until.min(now), ..synthetic };
        let filled = self.collection_mut(pipeline).fill(synthetic);
        if filled && pipeline == Pipeline::Files {
            let files = 0..synthetic.count;
            self.permissions = PermissionLog::owned_by(DefaultOwner { files, user: self.owner(), since: now });
        }
        filled
    }

    /// Creates an object and returns its id. Members that the object leaves open are filled in as in
    /// [`Collection::create`]. A file belongs to the account's owner.
    pub fn create(&mut self, object: Object, now: Timestamp) -> ExternalId {
        let id = self.collection_mut(object.pipeline()).create(object, now);
        if let Some(item) = self.item(&id) {
            let owner = self.owner();
            self.permissions.grant(&owner, Role::IsOwner, item, now);
        }
        self.follow(&id, now);
        id
    }

    /// Applies `change` to an object and updates the permissions. Returns `None` if the object does not exist.
    pub fn change<T>(
        &mut self,
        id: &ExternalId,
        now: Timestamp,
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

    /// Grants a role to a user. Returns false if there is no such file or folder, or if the role was granted already.
    pub fn share(&mut self, id: &ExternalId, user: &str, role: Role, now: Timestamp) -> bool {
        self.item(id).is_some_and(|item| self.permissions.grant(user, role, item, now))
    }

    /// Revokes a role of a user. Returns false if there is no such file or folder, or if the role was not granted.
    pub fn unshare(&mut self, id: &ExternalId, user: &str, role: Role, now: Timestamp) -> bool {
        self.item(id).is_some_and(|item| self.permissions.revoke(user, role, item, now))
    }

    /// Returns the permission item of a live file or folder.
    fn item(&self, id: &ExternalId) -> Option<PermissionItem> {
        let files = self.collection(Pipeline::Files)?;
        files.item(files.number_of(id)?)
    }

    /// Records the current folder of an item in the permission log, because a folder passes its permissions on.
    fn follow(&mut self, id: &ExternalId, now: Timestamp) {
        let Some(item) = self.item(id) else { return };
        let Some(Object::File(file)) = self.collection_of(id).and_then(|files| files.get(id)) else { return };
        let parent = file.parent_folder_id.and_then(|parent| self.item(&parent)).map(|parent| parent.number);
        self.permissions.put(item, parent, now);
    }

    /// Makes the next `runs` runs meet a problem; with `None`, every run until [`Account::end_faults`].
    pub fn inject(&mut self, fault: impl Into<ProviderFault>) {
        let ProviderFault { what, next } = fault.into();
        if next != Some(0) {
            self.troubles.push(Ongoing { trouble: what, runs: next });
        }
    }

    /// Ends all problems.
    pub fn end_faults(&mut self) {
        self.troubles.clear();
    }

    /// Returns the current problems, oldest first. A run meets the oldest one.
    pub fn troubles(&self) -> impl Iterator<Item = ProviderFaultKind> {
        self.troubles.iter().map(|ongoing| ongoing.trouble)
    }

    /// Returns whether the user has revoked access.
    pub fn is_revoked(&self) -> bool {
        self.troubles().any(|trouble| trouble == ProviderFaultKind::CredentialRevoked)
    }

    /// Returns the problem that affects the run that begins now, if any, and counts that run.
    pub(crate) fn meet(&mut self) -> Option<ProviderFaultKind> {
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
    fn provider_faults_strike_in_order_and_as_often_as_they_say() {
        let mut account = Account::new(&"p".into(), &"u".into(), "box", "default");
        account.inject(ProviderFault::new(ProviderFaultKind::Network).next(2));
        account.inject(ProviderFault::new(ProviderFaultKind::AccessTokenExpired).next(0));
        account.inject(ProviderFaultKind::CredentialRevoked);
        let met: Vec<_> = (0..4).filter_map(|_| account.meet()).collect();
        let revoked = ProviderFaultKind::CredentialRevoked;
        assert_eq!(met, [ProviderFaultKind::Network, ProviderFaultKind::Network, revoked, revoked]);
        assert!(account.is_revoked());
        account.end_faults();
        assert_eq!((account.meet(), account.is_revoked()), (None, false));
    }

    #[test]
    fn accounts_of_one_user_have_credentials_of_their_own() {
        let account = |name| Account::new(&"p".into(), &"u".into(), "box", name);
        assert_eq!(account("default").credential(), account("default").credential());
        assert_ne!(account("default").credential(), account("work").credential());
    }
}
