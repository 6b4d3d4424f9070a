use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::reads::Unfetched;
use super::shared::{Guard, Shared};
use crate::clock::Timestamp;
use crate::contract::api::EventLogEntry;
use crate::contract::{
    CredentialId, Envelope, ExternalId, Frequency, Object, Pipeline, RecordId, SyncId, Synced, UserId,
};
use crate::source::permission::Role;
use crate::source::{Account, Collection, ProviderFault, Synthetic};
use crate::sync::{EnableError, RunKind, Status, Update};

/// A Connected User, returned by [`FakeParagon::user`](super::FakeParagon::user).
#[derive(Clone)]
pub struct User {
    pub(super) shared: Arc<Shared>,
    pub(super) id: UserId,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.id).finish()
    }
}

impl User {
    /// Returns the user's id: `user.id` in the events, `sub` in the tokens.
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// Returns the user's account in an integration, such as `googledrive`. The account is created if it does not
    /// exist, and is empty at first.
    pub fn connect(&self, integration: &str) -> Connection {
        self.connect_as(integration, "default")
    }

    /// Returns one of several accounts of the user in an integration. The accounts are told apart by a name that you
    /// choose.
    pub fn connect_as(&self, integration: &str, name: &str) -> Connection {
        let credential = self.shared.lock().simulation.connect(&self.id, integration, name);
        Connection { shared: self.shared.clone(), credential }
    }
}

/// An object that was put into an account: its external id, and its kind.
pub struct Item<T> {
    id: ExternalId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Item<T> {
    fn new(id: ExternalId) -> Self {
        Self { id, kind: PhantomData }
    }

    /// Returns the external id.
    pub fn id(&self) -> &ExternalId {
        &self.id
    }
}

impl<T> Deref for Item<T> {
    type Target = ExternalId;
    fn deref(&self) -> &ExternalId {
        &self.id
    }
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self::new(self.id.clone())
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<T> Eq for Item<T> {}

impl<T> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// An account in the simulated integration. Syncs see changes of the account when they run.
///
/// # Panics
///
/// The methods panic after the fake was reset or its state was replaced, unless the new state contains the account.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    credential: CredentialId,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.credential).finish()
    }
}

impl Connection {
    /// Locks the state. Panics if the state does not contain the account.
    #[track_caller]
    fn state(&self) -> Guard<'_> {
        let state = self.shared.lock();
        let is_there = state.simulation.accounts.get(&self.credential).is_some();
        if !is_there {
            drop(state);
            panic!(
                "the account {} is gone: the fake was reset, or another state was put in its place",
                self.credential
            );
        }
        state
    }

    /// Returns the `credentialId` in the events of the account's syncs.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// Puts an object into the account: a file, a contact, a ticket.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::contract::Ticket;
    ///
    /// let jira = FakeParagon::start().await.user("ada").connect("jira");
    /// let bug = jira.create(Ticket::named("It is broken"));
    /// jira.update(&bug, |ticket| ticket.priority = "urgent".into());
    /// # }
    /// ```
    #[track_caller]
    pub fn create<T: Synced>(&self, object: T) -> Item<T> {
        let object: Object = object.into();
        Item::new(self.state().simulation.create(&self.credential, object))
    }

    /// Fills a pipeline of the account with objects that are computed when they are read: ten million objects cost
    /// nothing. Objects that are created later come after them.
    ///
    /// # Panics
    ///
    /// Panics if the pipeline has ever contained an object.
    #[track_caller]
    pub fn fill(&self, pipeline: Pipeline, synthetic: Synthetic) {
        let mut state = self.state();
        let now = state.simulation.clock.now();
        let filled = state.simulation.account(&self.credential).fill(pipeline, synthetic, now);
        drop(state);
        assert!(filled, "cannot fill the {pipeline} of this account: they are not empty");
    }

    /// Changes an object.
    ///
    /// `change` gets a copy, and may ask the fake something. If another thread changes the object meanwhile, its change is
    /// overwritten.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn update<T: Synced>(&self, item: &Item<T>, change: impl FnOnce(&mut T)) {
        // The closure runs without the lock, because it may call methods of the fake.
        let mut object: Object = self.object(item).into();
        object.touch(self.state().simulation.clock.now().as_millis());
        if let Some(object) = T::of(&mut object) {
            change(object);
        }
        let found = self.state().simulation.update(&self.credential, &item.id, |now| *now = object);
        assert!(found, "cannot update {}: it was deleted meanwhile", item.id);
    }

    /// Returns the present version of an object.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn object<T: Synced>(&self, item: &Item<T>) -> T {
        let object =
            self.state().simulation.account(&self.credential).collection(T::PIPELINE).and_then(|all| all.get(item));
        let object = object.and_then(|mut object| T::of(&mut object).cloned());
        object.unwrap_or_else(|| panic!("cannot find {}: there is no such object in this account", item.id))
    }

    /// Puts an earlier version of an object back, including its `updatedAt`. Some providers give a restored version the
    /// time at which it was first written. A receiver gets `record_updated`, and finds a time that is older than the
    /// one it holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::contract::File;
    ///
    /// let drive = FakeParagon::start().await.user("ada").connect("googledrive");
    /// let report = drive.create(File::named("report.pdf"));
    /// let first = drive.object(&report);
    /// drive.update(&report, |file| file.name = "worse.pdf".into());
    /// drive.restore(&report, first.clone());
    /// assert_eq!(drive.object(&report), first);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn restore<T: Synced>(&self, item: &Item<T>, earlier: T) {
        self.touch("restored", item, |collection, id, _| collection.restore(id, earlier.into()));
    }

    /// Deletes an object.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn delete(&self, object: &ExternalId) {
        self.touch("deleted", object, |collection, id, _| collection.delete(id));
    }

    /// Takes the account's access to an object away. For Paragon this is a deletion.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn revoke_access(&self, object: &ExternalId) {
        self.touch("revoked access to", object, |collection, id, _| collection.hide(id));
    }

    /// Gives the account's access to an object back.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn grant_access(&self, object: &ExternalId) {
        self.touch("granted access to", object, Collection::show);
    }

    /// Makes the provider fail when an object is read. The sync sends `record_errored` with this message and goes on.
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn make_unreadable(&self, object: &ExternalId, message: &str) {
        self.touch("broke", object, |collection, id, _| collection.break_reading(id, Some(message)));
    }

    /// Makes an object readable again after [`Connection::make_unreadable`].
    ///
    /// # Panics
    ///
    /// Panics if there is no such object.
    #[track_caller]
    pub fn make_readable(&self, object: &ExternalId) {
        self.touch("mended", object, |collection, id, _| collection.break_reading(id, None));
    }

    #[track_caller]
    fn touch(
        &self,
        verb: &'static str,
        id: &ExternalId,
        change: impl FnOnce(&mut Collection, &ExternalId, Timestamp) -> Option<Object>,
    ) {
        let mut state = self.state();
        let now = state.simulation.clock.now();
        let found = state.simulation.change(&self.credential, verb, id, |collection, id| change(collection, id, now));
        drop(state);
        assert!(found, "cannot find {id}: there is no such object in this account");
    }

    /// Gives a user a role on a file, or on a folder and everything in it. `user` is an e-mail address.
    ///
    /// # Panics
    ///
    /// Panics if there is no such file or folder.
    #[track_caller]
    pub fn share(&self, object: &ExternalId, user: &str, role: Role) {
        self.access(object, |account, now| account.share(object, user, role, now));
    }

    /// Takes back a role that was given by [`Connection::share`]. The role of the account's owner can be taken back as
    /// well.
    ///
    /// # Panics
    ///
    /// Panics if there is no such file or folder.
    #[track_caller]
    pub fn unshare(&self, object: &ExternalId, user: &str, role: Role) {
        self.access(object, |account, now| account.unshare(object, user, role, now));
    }

    /// Returns the e-mail address of the user who owns the objects that are created here.
    #[track_caller]
    pub fn owner(&self) -> String {
        self.state().simulation.account(&self.credential).owner()
    }

    #[track_caller]
    fn access(&self, object: &ExternalId, change: impl FnOnce(&mut Account, Timestamp) -> bool) {
        let mut state = self.state();
        let now = state.simulation.clock.now();
        let account = state.simulation.account(&self.credential);
        let found = account.collection(Pipeline::Files).is_some_and(|files| files.get(object).is_some());
        if found {
            change(account, now);
        }
        drop(state);
        assert!(found, "cannot find {object}: there is no such file or folder in this account");
    }

    /// Injects a fault of the provider into the runs of this account's syncs. If only a
    /// [`ProviderFaultKind`](crate::fake::ProviderFaultKind) is given, the fault affects every run until the account's
    /// faults are [ended](Connection::end_provider_faults).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::fake::{ProviderFault, ProviderFaultKind};
    ///
    /// let drive = FakeParagon::start().await.user("ada").connect("googledrive");
    /// drive.provider_fault(ProviderFault::new(ProviderFaultKind::Network).next(2));
    /// # }
    /// ```
    #[track_caller]
    pub fn provider_fault(&self, fault: impl Into<ProviderFault>) {
        self.state().simulation.provider_fault(&self.credential, fault.into());
    }

    /// Ends all faults of the account's provider. A sync that is `ERRORED` has to be enabled again as well.
    #[track_caller]
    pub fn end_provider_faults(&self) {
        self.state().simulation.end_provider_faults(&self.credential);
    }

    /// Returns all objects of a kind that are in the account now.
    #[track_caller]
    pub fn objects<T: Synced>(&self) -> Vec<Listed<T>> {
        let mut state = self.state();
        let collection = state.simulation.account(&self.credential).collection_mut(T::PIPELINE);
        let of_kind = |(id, mut object): (ExternalId, Object)| {
            Some(Listed { item: Item::new(id), object: T::of(&mut object)?.clone() })
        };
        collection.objects().filter_map(of_kind).collect()
    }

    /// Enables a sync, as the app could with `POST /api/syncs`. The sync runs when the clock is settled or advanced.
    ///
    /// # Errors
    ///
    /// Returns an error if the account has this sync already, or if the integration does not have the pipeline.
    #[track_caller]
    pub fn enable(&self, pipeline: &str) -> Result<SyncHandle, EnableError> {
        self.enable_as(pipeline, "default")
    }

    /// Enables one of several syncs of the account. The syncs are told apart by their `configurationName`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Connection::enable`].
    #[track_caller]
    pub fn enable_as(&self, pipeline: &str, configuration_name: &str) -> Result<SyncHandle, EnableError> {
        self.enable_with(pipeline, configuration_name, Map::new(), None)
    }

    /// Enables a sync with a configuration and a frequency.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Connection::enable`].
    #[track_caller]
    pub fn enable_with(
        &self,
        pipeline: &str,
        configuration_name: &str,
        configuration: Map<String, Value>,
        frequency: Option<Frequency>,
    ) -> Result<SyncHandle, EnableError> {
        let mut state = self.state();
        let id = state.simulation.enable(&self.credential, pipeline, configuration_name, configuration, frequency)?;
        Ok(SyncHandle { shared: self.shared.clone(), id })
    }
}

/// An object in an account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed<T> {
    /// Handle of the object.
    pub item: Item<T>,
    /// Present version of the object.
    pub object: T,
}

/// An entry of the event log of a sync.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedEntry {
    /// Time of the entry, by the virtual clock.
    pub at: Timestamp,
    /// The entry, as Paragon's dashboard shows it.
    pub entry: EventLogEntry,
}

/// A sync that was enabled.
#[derive(Clone)]
pub struct SyncHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) id: SyncId,
}

impl fmt::Debug for SyncHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SyncHandle").field(&self.id).finish()
    }
}

impl SyncHandle {
    /// Returns the `syncInstanceId` in the events of the sync.
    pub fn id(&self) -> &SyncId {
        &self.id
    }

    /// Returns the pipeline that the sync pulls; `None` if the sync is deleted.
    pub fn pipeline(&self) -> Option<Pipeline> {
        self.shared.lock().simulation.engine.get(&self.id).map(|sync| sync.pipeline)
    }

    /// Returns the status of the sync; `None` if the sync is deleted.
    pub fn status(&self) -> Option<Status> {
        self.shared.lock().simulation.engine.get(&self.id).map(|sync| sync.status)
    }

    /// Returns the records that a receiver should hold now, as the API serves them.
    pub fn records(&self) -> Vec<Value> {
        self.shared.lock().simulation.records(&self.id)
    }

    /// Returns the live records that were not fetched since their last change.
    pub fn unfetched(&self) -> Vec<Unfetched> {
        self.shared.lock().unfetched(&self.id)
    }

    /// Returns the cursor that is followed by the last `records` records and tombstones: the position of a client that
    /// has pulled all the others. Returns `None` if the feed does not have more records and tombstones than that.
    pub fn cursor_before_end(&self, records: usize) -> Option<String> {
        self.shared.lock().simulation.engine.get(&self.id)?.feed.cursor_before_end(records)
    }

    /// Returns the id of the record of an object. Returns `None` until a run has seen the object.
    pub fn record_of(&self, object: &ExternalId) -> Option<RecordId> {
        let state = self.shared.lock();
        let sync = state.simulation.engine.get(&self.id)?;
        sync.record_of(object, state.simulation.accounts.get(sync.credential())?)
    }

    /// Returns the members that every event of the sync has. Use them to write an event by hand.
    ///
    /// # Panics
    ///
    /// Panics if the sync is deleted.
    #[track_caller]
    pub fn envelope(&self) -> Envelope {
        let state = self.shared.lock();
        state.simulation.engine.get(&self.id).unwrap_or_else(|| panic!("the sync {} is deleted", self.id)).envelope()
    }

    /// Returns the event log of the sync's runs, as Paragon's dashboard shows it, oldest first.
    pub fn event_log(&self) -> Vec<LoggedEntry> {
        let state = self.shared.lock();
        let sync = state.simulation.engine.get(&self.id);
        sync.map(|sync| sync.event_log().map(|(at, entry)| LoggedEntry { at, entry }).collect()).unwrap_or_default()
    }

    /// Pauses the sync, as the app could with `POST /api/syncs/{syncId}/disable`.
    pub fn disable(&self) {
        let mut state = self.shared.lock();
        let now = state.simulation.clock.now();
        state.simulation.engine.disable(&self.id, now);
    }

    /// Resumes the sync where it stopped, as the app could with `POST /api/syncs/{syncId}/reenable`.
    pub fn reenable(&self) {
        let mut state = self.shared.lock();
        let now = state.simulation.clock.now();
        state.simulation.engine.reenable(&self.id, now);
    }

    /// Changes the frequency of the sync, from the next run on.
    pub fn set_frequency(&self, frequency: Frequency) {
        self.change(Update { frequency: Some(frequency), ..Update::default() });
    }

    /// Makes the sync read another account of the same user. A full run follows.
    ///
    /// # Panics
    ///
    /// Panics if the account is gone; see [`Connection`].
    #[track_caller]
    pub fn use_account(&self, account: &Connection) {
        drop(account.state());
        self.change(Update { credential: Some(account.credential.clone()), ..Update::default() });
    }

    fn change(&self, update: Update) {
        let mut state = self.shared.lock();
        let now = state.simulation.clock.now();
        state.simulation.engine.update(&self.id, update, now);
    }

    /// Makes a run due now, before its scheduled time.
    pub fn run_soon(&self, kind: RunKind) {
        let mut state = self.shared.lock();
        let now = state.simulation.clock.now();
        state.simulation.engine.run_soon(&self.id, kind, now);
    }

    /// Makes a run now, even while deliveries to a receiver are in flight. The events of the run are sent as soon as
    /// the policy allows, or with the next [`settle`](super::FakeParagon::settle).
    pub fn run_now(&self, kind: RunKind) {
        let mut state = self.shared.lock();
        let now = state.simulation.clock.now();
        state.simulation.engine.run_soon(&self.id, kind, now);
        state.simulation.run_due();
    }

    /// Deletes the sync and its records, as the app could with `DELETE /api/syncs/{syncId}`.
    pub fn delete(&self) {
        self.shared.lock().delete_sync(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::contract::File;
    use crate::fake::FakeParagon;

    #[tokio::test]
    async fn a_change_may_ask_the_fake_something() {
        let paragon = FakeParagon::start().await;
        let drive = paragon.user("ada").connect("googledrive");
        let report = drive.create(File::named("report.pdf"));
        drive.update(&report, |file| file.name = format!("{} of {}", paragon.now(), drive.objects::<File>().len()));
        assert_eq!(drive.object(&report).name, format!("{} of 1", paragon.now()));
    }

    #[tokio::test]
    async fn a_restored_version_is_told_as_an_update_and_bears_its_old_time() {
        const MINUTE: Duration = Duration::from_secs(60);
        let paragon = FakeParagon::start().await;
        let drive = paragon.user("ada").connect("googledrive");
        let report = drive.create(File::named("first.md"));
        let sync = drive.enable("files").unwrap();
        paragon.settle().await;
        let (first, served_first) = (drive.object(&report), sync.records());
        drive.update(&report, |file| file.name = "second.md".into());
        paragon.advance(MINUTE).await;
        let served_second = sync.records();
        assert!(served_second[0]["updatedAt"].as_str() > served_first[0]["updatedAt"].as_str());

        drive.restore(&report, first);
        let mark = paragon.timeline_mark();
        paragon.advance(MINUTE).await;
        assert_eq!(sync.records(), served_first, "name, content and time are those of the first version");
        let timeline = paragon.timeline_since(mark).to_string();
        assert!(timeline.contains("record_updated"), "{timeline}");
        assert_eq!(sync.unfetched().len(), 1, "the receiver has to fetch it again");

        drive.update(&report, |file| file.name = "third.md".into());
        assert!(drive.object(&report).updated_at.as_deref() > served_second[0]["updatedAt"].as_str());
    }
}
