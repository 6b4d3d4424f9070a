use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::names::{Names, Span};
use crate::fake::FakeParagon;

/// History of a fake and of its receiver, as text that is the same in each run.
///
/// Ids become `sync#1`, `record#3`, `credential#1`, `object#2` (an external id) and `cursor#1`, by their order of
/// appearance in the texts of this snapshot. Other UUIDs become `id#1`, and MD5 hashes `hash#1`. Times of the fake
/// become offsets from its start. Later times come from the receiver's own clock and become `[time]`. Earlier times are
/// data and stay.
pub struct Snapshot<'a> {
    paragon: &'a FakeParagon,
    names: Mutex<Names>,
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<'a> Snapshot<'a> {
    /// Creates a snapshot of this fake. Make one for each test, so that an id has the same name in all texts.
    pub fn of(paragon: &'a FakeParagon) -> Self {
        Self { paragon, names: Mutex::default() }
    }

    /// Returns what has happened so far, without the calls of the Sync API.
    pub fn timeline(&self) -> String {
        self.text(&self.paragon.timeline())
    }

    /// Returns the calls of the Sync API in the order in which they came, one per line. A receiver with several workers
    /// may make the calls in another order in the next run.
    pub fn calls(&self) -> String {
        let mut lines = String::new();
        for call in self.paragon.timeline().calls() {
            let why = call.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let _ = writeln!(lines, "{} {} -> {}{why}", call.method, call.path, call.status);
        }
        self.text(&lines)
    }

    /// Returns the state of the receiver, or any other value that serializes, as JSON. Members keep the order that
    /// their type gives them.
    ///
    /// # Panics
    ///
    /// When the value does not serialize to JSON.
    #[track_caller]
    pub fn state(&self, state: &(impl Serialize + ?Sized)) -> String {
        match serde_json::to_string_pretty(state) {
            Ok(json) => self.text(&json),
            Err(error) => panic!("the state cannot be written as JSON: {error}"),
        }
    }

    /// Returns any text with names in place of ids, and offsets in place of times.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::snapshot::Snapshot;
    ///
    /// let paragon = FakeParagon::start().await;
    /// let sync = paragon.user("ada").connect("googledrive").enable("files")?;
    /// let snapshot = Snapshot::of(&paragon);
    /// let log = format!("{} pulling {}", paragon.now(), sync.id());
    /// assert_eq!(snapshot.text(&log), "+00:00:00 pulling sync#1");
    /// # Ok(()) }
    /// ```
    pub fn text(&self, text: &(impl fmt::Display + ?Sized)) -> String {
        let span = Span { start: self.paragon.started_at(), now: self.paragon.now() };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.stable(&text.to_string(), span, |id| self.paragon.what_is(id))
    }

    /// Runs `assert`, and lets insta write the seed, the policy and the revision into the head of each new snapshot.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use paragon_testkit::{FakeParagon, snapshot::Snapshot};
    /// let paragon = FakeParagon::builder().seed(7).start().await.unwrap();
    /// let snapshot = Snapshot::of(&paragon);
    /// snapshot.bind(|| insta::assert_snapshot!(snapshot.timeline()));
    /// # }
    /// ```
    #[cfg(feature = "insta")]
    pub fn bind<R>(&self, assert: impl FnOnce() -> R) -> R {
        let (seed, policy, revision) = (self.paragon.seed(), self.paragon.policy(), self.paragon.revision());
        let mut settings = insta::Settings::clone_current();
        settings.set_description(format!("seed {seed}, policy {}, revision {}", policy.name, revision.name()));
        settings.set_omit_expression(true);
        settings.bind(assert)
    }
}
