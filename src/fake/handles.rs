use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::shared::{Guard, Shared, lock};
use crate::clock::Moment;
use crate::contract::api::EventLogEntry;
use crate::contract::{
    CredentialId, Envelope, ExternalId, Frequency, Object, Pipeline, RecordId, SyncId, Synced, UserId,
};
use crate::source::permission::Role;
use crate::source::{Account, Collection, Synthetic, Trouble};
use crate::sync::{EnableError, RunKind, Status, Update};

/// A Connected User. Made by [`FakeParagon::user`](super::FakeParagon::user).
#[derive(Clone)]
pub struct User {
    pub(super) world: Arc<Shared>,
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
        self.connect_as(integration, "default")
    }

    /// One of several accounts of the user in an integration, told apart by a name of yours.
    pub fn connect_as(&self, integration: &str, name: &str) -> Connection {
        let credential = lock(&self.world).connect(&self.id, integration, name);
        Connection { world: self.world.clone(), credential }
    }
}

/// An object that was put into an account: its external id, and what kind it is.
pub struct Item<T> {
    id: ExternalId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Item<T> {
    fn new(id: ExternalId) -> Self {
        Self { id, kind: PhantomData }
    }

    /// Its external id.
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

/// An account in the simulated integration. What is changed here is seen by the syncs when they run.
///
/// # Panics
///
/// What it does panics after the fake was reset, or another state was put in its place, unless the account is there again.
#[derive(Clone)]
pub struct Connection {
    world: Arc<Shared>,
    credential: CredentialId,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.credential).finish()
    }
}

impl Connection {
    /// The world, in which the account is.
    #[track_caller]
    fn world(&self) -> Guard<'_> {
        let world = lock(&self.world);
        let is_there = world.accounts.contains_key(&self.credential);
        if !is_there {
            drop(world);
            panic!(
                "the account {} is gone: the fake was reset, or another state was put in its place",
                self.credential
            );
        }
        world
    }

    /// `credentialId` of the events of its syncs.
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
        Item::new(self.world().create(&self.credential, object))
    }

    /// Fills a pipeline of the account with objects that are computed when they are looked at: ten million cost
    /// nothing. What is created later comes after them.
    ///
    /// # Panics
    ///
    /// When there is something in the pipeline already.
    #[track_caller]
    pub fn fill(&self, pipeline: Pipeline, synthetic: Synthetic) {
        let mut world = self.world();
        let now = world.clock.now();
        let filled = world.account(&self.credential).fill(pipeline, synthetic, now);
        drop(world);
        assert!(filled, "cannot fill the {pipeline} of this account: they are not empty");
    }

    /// Changes an object.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn update<T: Synced>(&self, item: &Item<T>, change: impl FnOnce(&mut T)) {
        // Not under the lock: the closure may ask the fake something.
        let mut object: Object = self.object(item).into();
        object.touch(self.world().clock.now().as_millis());
        if let Some(object) = T::of(&mut object) {
            change(object);
        }
        let found = self.world().update(&self.credential, &item.id, |now| *now = object);
        assert!(found, "cannot update {}: it was deleted meanwhile", item.id);
    }

    /// What an object holds now.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn object<T: Synced>(&self, item: &Item<T>) -> T {
        let object = self.world().account(&self.credential).collection(T::PIPELINE).and_then(|all| all.get(item));
        let object = object.and_then(|mut object| T::of(&mut object).cloned());
        object.unwrap_or_else(|| panic!("cannot find {}: there is no such object in this account", item.id))
    }

    /// Puts an earlier version of an object back, its `updatedAt` included: some providers date a version that somebody
    /// restores to the day on which it was written. A receiver is told of `record_updated`, and finds a time that is
    /// older than the one it holds.
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
    /// When there is no such object.
    #[track_caller]
    pub fn restore<T: Synced>(&self, item: &Item<T>, earlier: T) {
        self.touch("restored", item, |collection, id, _| collection.restore(id, earlier.into()));
    }

    /// Deletes an object.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn delete(&self, object: &ExternalId) {
        self.touch("deleted", object, |collection, id, _| collection.delete(id));
    }

    /// Takes the account's access to an object away: to Paragon that is a deletion.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn revoke_access(&self, object: &ExternalId) {
        self.touch("revoked access to", object, |collection, id, _| collection.hide(id));
    }

    /// Gives the account's access to an object back.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn grant_access(&self, object: &ExternalId) {
        self.touch("granted access to", object, Collection::show);
    }

    /// Makes the provider fail when an object is read: the sync sends `record_errored` with this message and goes on.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn make_unreadable(&self, object: &ExternalId, message: &str) {
        self.touch("broke", object, |collection, id, _| collection.break_reading(id, Some(message)));
    }

    /// Ends what [`Connection::make_unreadable`] began.
    ///
    /// # Panics
    ///
    /// When there is no such object.
    #[track_caller]
    pub fn make_readable(&self, object: &ExternalId) {
        self.touch("mended", object, |collection, id, _| collection.break_reading(id, None));
    }

    #[track_caller]
    fn touch(
        &self,
        verb: &'static str,
        id: &ExternalId,
        change: impl FnOnce(&mut Collection, &ExternalId, Moment) -> Option<Object>,
    ) {
        let mut world = self.world();
        let now = world.clock.now();
        let found = world.touch(&self.credential, verb, id, |collection, id| change(collection, id, now));
        drop(world);
        assert!(found, "cannot find {id}: there is no such object in this account");
    }

    /// Gives somebody, by e-mail address, a role on a file or a folder and on what lies in it.
    ///
    /// # Panics
    ///
    /// When there is no such file or folder.
    #[track_caller]
    pub fn share(&self, object: &ExternalId, user: &str, role: Role) {
        self.access(object, |account, now| account.share(object, user, role, now));
    }

    /// Takes a role back that was given by [`Connection::share`]; the account's owner may lose theirs too.
    ///
    /// # Panics
    ///
    /// When there is no such file or folder.
    #[track_caller]
    pub fn unshare(&self, object: &ExternalId, user: &str, role: Role) {
        self.access(object, |account, now| account.unshare(object, user, role, now));
    }

    /// Who owns what is created here: an e-mail address.
    #[track_caller]
    pub fn owner(&self) -> String {
        self.world().account(&self.credential).owner()
    }

    #[track_caller]
    fn access(&self, object: &ExternalId, change: impl FnOnce(&mut Account, Moment) -> bool) {
        let mut world = self.world();
        let now = world.clock.now();
        let account = world.account(&self.credential);
        let found = account.collection(Pipeline::Files).is_some_and(|files| files.get(object).is_some());
        if found {
            change(account, now);
        }
        drop(world);
        assert!(found, "cannot find {object}: there is no such file in this account");
    }

    /// Puts something in the way of the next `runs` runs of this account's syncs; of all of them until it is
    /// [mended](Connection::mend), without a number.
    #[track_caller]
    pub fn trouble(&self, trouble: Trouble, runs: Option<u32>) {
        self.world().trouble(&self.credential, trouble, runs);
    }

    /// Ends all troubles of the account. A sync that is `ERRORED` has to be enabled again as well.
    #[track_caller]
    pub fn mend(&self) {
        self.world().mend(&self.credential);
    }

    /// What of a kind is in the account now.
    #[track_caller]
    pub fn objects<T: Synced>(&self) -> Vec<(Item<T>, T)> {
        let mut world = self.world();
        let collection = world.account(&self.credential).collection_mut(T::PIPELINE);
        let of_kind = |(id, mut object): (ExternalId, Object)| Some((Item::new(id), T::of(&mut object)?.clone()));
        collection.objects().filter_map(of_kind).collect()
    }

    /// Enables a sync, as the app could by `POST /api/syncs`. It runs when the clock is settled or advanced.
    ///
    /// # Errors
    ///
    /// When the account has this sync already, or the integration does not have the pipeline.
    #[track_caller]
    pub fn enable(&self, pipeline: &str) -> Result<Sync, EnableError> {
        self.enable_as(pipeline, "default")
    }

    /// Enables one of several syncs of the account, told apart by `configurationName`.
    ///
    /// # Errors
    ///
    /// As [`Connection::enable`].
    #[track_caller]
    pub fn enable_as(&self, pipeline: &str, configuration_name: &str) -> Result<Sync, EnableError> {
        self.enable_with(pipeline, configuration_name, Map::new(), None)
    }

    /// Enables a sync with a configuration and a frequency.
    ///
    /// # Errors
    ///
    /// As [`Connection::enable`].
    #[track_caller]
    pub fn enable_with(
        &self,
        pipeline: &str,
        configuration_name: &str,
        configuration: Map<String, Value>,
        frequency: Option<Frequency>,
    ) -> Result<Sync, EnableError> {
        let mut world = self.world();
        let id = world.enable(&self.credential, pipeline, configuration_name, configuration, frequency)?;
        Ok(Sync { world: self.world.clone(), id })
    }
}

/// A sync that is enabled.
#[derive(Clone)]
pub struct Sync {
    pub(super) world: Arc<Shared>,
    pub(super) id: SyncId,
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

    /// What it pulls; `None` when it is deleted.
    #[cfg(feature = "check")]
    pub(crate) fn pipeline(&self) -> Option<Pipeline> {
        lock(&self.world).engine.get(&self.id).map(|sync| sync.pipeline)
    }

    /// Where it is in its life; `None` when it is deleted.
    pub fn status(&self) -> Option<Status> {
        lock(&self.world).engine.get(&self.id).map(|sync| sync.status)
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

    /// The cursor after which so many records and tombstones come: where a client stands that has pulled all the others.
    /// `None` when there are not more than that.
    pub fn cursor_before_end(&self, records: usize) -> Option<String> {
        lock(&self.world).engine.get(&self.id)?.feed.cursor_before_end(records)
    }

    /// The record that stands for an object, once a run has seen it.
    pub fn record_of(&self, object: &ExternalId) -> Option<RecordId> {
        let world = lock(&self.world);
        let sync = world.engine.get(&self.id)?;
        sync.record_of(object, world.accounts.get(sync.credential())?)
    }

    /// The members that each of its events has, to write one by hand.
    ///
    /// # Panics
    ///
    /// When it is deleted.
    #[track_caller]
    pub fn envelope(&self) -> Envelope {
        let world = lock(&self.world);
        world.engine.get(&self.id).unwrap_or_else(|| panic!("the sync {} is deleted", self.id)).envelope()
    }

    /// What its runs did, as Paragon's dashboard shows it, oldest first.
    pub fn event_log(&self) -> Vec<(Moment, EventLogEntry)> {
        let world = lock(&self.world);
        world.engine.get(&self.id).map(|sync| sync.event_log().collect()).unwrap_or_default()
    }

    /// Pauses it, as the app could by `POST /api/syncs/{syncId}/disable`.
    pub fn disable(&self) {
        let mut world = lock(&self.world);
        let now = world.clock.now();
        world.engine.disable(&self.id, now);
    }

    /// Lets it go on where it stopped, as the app could by `POST /api/syncs/{syncId}/reenable`.
    pub fn reenable(&self) {
        let mut world = lock(&self.world);
        let now = world.clock.now();
        world.engine.reenable(&self.id, now);
    }

    /// Gives it another frequency, from its next run on.
    pub fn set_frequency(&self, frequency: Frequency) {
        self.change(Update { frequency: Some(frequency), ..Update::default() });
    }

    /// Lets it read another account of the same user; a full run follows.
    ///
    /// # Panics
    ///
    /// When the account is gone: see [`Connection`].
    #[track_caller]
    pub fn use_account(&self, account: &Connection) {
        drop(account.world());
        self.change(Update { credential: Some(account.credential.clone()), ..Update::default() });
    }

    fn change(&self, update: Update) {
        let mut world = lock(&self.world);
        let now = world.clock.now();
        world.engine.update(&self.id, update, now);
    }

    /// Makes a run due now, without waiting for its time.
    pub fn run_soon(&self, kind: RunKind) {
        let mut world = lock(&self.world);
        let now = world.clock.now();
        world.engine.run_soon(&self.id, kind, now);
    }

    /// Runs now, also while a receiver is being told of something else. Its events go out as soon as the policy lets
    /// them, or with the next [`settle`](super::FakeParagon::settle).
    pub fn run_now(&self, kind: RunKind) {
        let mut world = lock(&self.world);
        let now = world.clock.now();
        world.engine.run_soon(&self.id, kind, now);
        world.run_due();
    }

    /// Deletes it and its records, as the app could by `DELETE /api/syncs/{syncId}`.
    pub fn delete(&self) {
        lock(&self.world).delete_sync(&self.id);
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
