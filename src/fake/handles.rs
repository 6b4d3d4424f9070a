use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::world::{World, lock};
use crate::contract::{CredentialId, Envelope, ExternalId, File, RecordId, SyncId, UserId};
use crate::sync::EnableError;

/// A Connected User. Made by [`FakeParagon::user`](super::FakeParagon::user).
#[derive(Clone)]
pub struct User {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) id: UserId,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.id).finish()
    }
}

impl User {
    /// `user.id` of the events, `sub` of the tokens.
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// The user's account in an integration, such as `googledrive`; empty at first.
    pub fn connect(&self, integration: &str) -> Connection {
        let credential = lock(&self.world).connect(&self.id, integration);
        Connection { world: self.world.clone(), credential }
    }
}

/// An account in the simulated integration. What is changed here is seen by the syncs when they run.
#[derive(Clone)]
pub struct Connection {
    world: Arc<Mutex<World>>,
    credential: CredentialId,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.credential).finish()
    }
}

impl Connection {
    /// Puts a file into the account.
    pub fn create(&self, file: File) -> ExternalId {
        lock(&self.world).change(&self.credential, |account, now| {
            let told = ("created", file.name.clone());
            (account.create(file, now), Some(told))
        })
    }

    /// Changes a file.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    #[track_caller]
    pub fn update(&self, file: &ExternalId, change: impl FnOnce(&mut File)) {
        let found = lock(&self.world).change(&self.credential, |account, now| {
            let found = account.update(file, change, now);
            (found, found.then(|| ("updated", World::file_name(account, file))))
        });
        assert!(found, "cannot update {file}: there is no such file in this account");
    }

    /// Deletes a file.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    #[track_caller]
    pub fn delete(&self, file: &ExternalId) {
        let deleted = lock(&self.world).change(&self.credential, |account, _| {
            let deleted = account.delete(file);
            let told = deleted.as_ref().map(|file| ("deleted", file.name.clone()));
            (deleted, told)
        });
        assert!(deleted.is_some(), "cannot delete {file}: there is no such file in this account");
    }

    /// What is in the account now.
    pub fn files(&self) -> Vec<(ExternalId, File)> {
        let world = lock(&self.world);
        let account = world.connections.get(&self.credential);
        account
            .into_iter()
            .flat_map(crate::source::Connection::files)
            .map(|(id, file)| (id.clone(), file.clone()))
            .collect()
    }

    /// Enables a sync, as the app could by `POST /api/syncs`. It runs when the clock is settled or advanced.
    ///
    /// # Errors
    ///
    /// When the account has this sync already, or the pipeline is not `files`.
    pub fn enable(&self, pipeline: &str) -> Result<Sync, EnableError> {
        self.enable_as(pipeline, "default")
    }

    /// Enables one of several syncs of the account, told apart by `configurationName`.
    ///
    /// # Errors
    ///
    /// As [`Connection::enable`].
    pub fn enable_as(&self, pipeline: &str, configuration_name: &str) -> Result<Sync, EnableError> {
        let mut world = lock(&self.world);
        let world = &mut *world;
        let Some(account) = world.connections.get(&self.credential) else { unreachable!("handles are of accounts") };
        let id = world.engine.enable(account, pipeline, configuration_name, world.clock.now())?.id.clone();
        Ok(Sync { world: self.world.clone(), id })
    }
}

/// A sync that is enabled.
#[derive(Clone)]
pub struct Sync {
    world: Arc<Mutex<World>>,
    id: SyncId,
}

impl fmt::Debug for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sync").field(&self.id).finish()
    }
}

impl Sync {
    /// `syncInstanceId` of its events.
    pub fn id(&self) -> &SyncId {
        &self.id
    }

    /// The records that a receiver should hold now, as the API serves them.
    pub fn records(&self) -> Vec<Value> {
        lock(&self.world).records(&self.id)
    }

    /// The records that live and were not fetched since their last change; true beside those of which an older
    /// version was fetched.
    pub fn unfetched(&self) -> Vec<(RecordId, bool)> {
        lock(&self.world).unfetched(&self.id)
    }

    /// The record that stands for a file, once a run has seen it.
    pub fn record_of(&self, file: &ExternalId) -> Option<RecordId> {
        lock(&self.world).engine.get(&self.id)?.record_of(file).cloned()
    }

    /// The members that each of its events has, to write one by hand.
    pub fn envelope(&self) -> Envelope {
        let world = lock(&self.world);
        world.engine.get(&self.id).unwrap_or_else(|| unreachable!("handles are of syncs")).envelope()
    }
}
