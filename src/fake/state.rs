use super::api::{Api, Handled};
#[cfg(feature = "check")]
use super::entry::{EntryKind, Tally};
#[cfg(feature = "check")]
use super::evidence::{Activity, Proof};
use super::options::Options;
use super::project::{KeyError, Project};
use super::reads::{Reads, Unfetched};
use super::received::Received;
use super::simulation::{ReceiverAnswer, Simulation};
use crate::clock::Timestamp;
use crate::contract::{RecordId, SyncId};
use crate::delivery::{Attempt, Queue, Transmission};

/// Whole state of a fake. It does no I/O. Its parts own their data; the methods here concern both parts.
pub(super) struct State {
    pub(super) project: Project,
    /// Seed from which the contents and the choice of the calls that a fault strikes follow.
    pub(super) seed: u64,
    /// Generation counter, increased by every reset or import. Attempts of an older generation have no effect.
    pub(super) generation: u64,
    pub(super) simulation: Simulation,
    pub(super) api: Api,
}

impl State {
    pub(super) fn new(
        project: Project,
        queue: Queue,
        options: Options,
        start: Timestamp,
        seed: u64,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            api: Api::new(&project, options, seed)?,
            simulation: Simulation::new(project.id.clone(), queue, start),
            project,
            seed,
            generation: 0,
        })
    }

    /// Replaces this state by an empty one with this seed, as at the start, and returns the old state. The project, the
    /// policy, the options and the webhook's URL stay, and the numbers of the log continue.
    pub(super) fn replace(&mut self, seed: u64) -> Box<Self> {
        let mut empty = self.empty(seed);
        empty.simulation.journal = self.simulation.journal.next();
        empty.generation = self.generation + 1;
        Box::new(std::mem::replace(self, empty))
    }

    /// Returns an empty state with this seed, as at the start. It has the project, the policy, the options and the
    /// webhook's URL of this state.
    pub(super) fn empty(&self, seed: u64) -> Self {
        Self {
            project: self.project.clone(),
            seed,
            generation: 0,
            simulation: self.simulation.empty(seed, self.simulation.journal.empty()),
            api: self.api.empty(seed),
        }
    }

    /// Answers one request of the API. `wall` is the wall-clock time.
    pub(super) fn handle(&mut self, request: &Received<'_>, wall: Timestamp) -> Handled {
        self.api.handle(&mut self.simulation, request, wall)
    }

    /// Deletes a sync. Returns true if there was one.
    pub(super) fn delete_sync(&mut self, id: &SyncId) -> bool {
        self.api.reads.forget(id);
        self.simulation.engine.delete(id).is_some()
    }

    /// Moves the clock to the next run or attempt that is due by `until`, makes the runs, and returns the attempts to
    /// send. Returns `None` if nothing is due by then.
    pub(super) fn step(&mut self, until: Timestamp) -> Option<Vec<Attempt>> {
        if !self.simulation.run_next(until) {
            return None;
        }
        if let Some(evidence) = &mut self.api.reads.evidence {
            evidence.note_sending();
        }
        Some(self.simulation.poll())
    }

    /// Records the outcome of an attempt. Ignores an attempt of another generation.
    pub(super) fn complete(&mut self, attempt: Attempt, result: Transmission, generation: u64) {
        if generation != self.generation {
            return;
        }
        let answer = self.simulation.complete(attempt, result);
        if let (Some(evidence), Some(ReceiverAnswer { status, is_retried })) = (&mut self.api.reads.evidence, answer) {
            evidence.note_answer(status, is_retried);
        }
    }

    /// Returns the live records of a sync that were not served since their last change.
    pub(super) fn unfetched(&self, sync: &SyncId) -> Vec<Unfetched> {
        let Some(feed) = self.simulation.engine.get(sync).map(|sync| &sync.feed) else { return Vec::new() };
        let Reads { served, .. } = &self.api.reads;
        let was_served = |version| served.has(sync, version);
        let older =
            |version| std::iter::successors(feed.version_before(version), |version| feed.version_before(*version));
        let unfetched = feed.live_keys().filter(|(_, version)| !was_served(*version));
        let unfetched = unfetched
            .map(|(key, version)| Unfetched { record: feed.id_of(key), older_fetched: older(version).any(was_served) });
        unfetched.collect()
    }

    /// Returns whether the receiver was told the latest version of a record, or its deletion.
    #[cfg(feature = "check")]
    pub(super) fn proof(&self, sync: &SyncId, record: &RecordId) -> Proof {
        let told = || {
            let (feed, evidence) = (&self.simulation.engine.get(sync)?.feed, self.api.reads.evidence.as_ref()?);
            let key = feed.key_of(record)?;
            let (version, live) = feed.latest(key)?;
            let call = evidence.told(sync, version).or_else(|| evidence.gone(sync, key).filter(|_| !live))?;
            let call = self.simulation.journal.log.since(call).next().and_then(|(_, entry)| match &entry.what {
                EntryKind::Call(call) => Some(format!("{} {}", call.method, call.path)),
                _ => None,
            });
            Some(call.unwrap_or_else(|| "a call that the timeline has dropped".to_owned()))
        };
        told().map_or(Proof::NeverTold, Proof::Told)
    }

    /// Returns what the receiver has done so far.
    #[cfg(feature = "check")]
    pub(super) fn activity(&self) -> Activity {
        let Reads { evidence, work, last_call, .. } = &self.api.reads;
        let (news, rounds) = evidence.as_ref().map_or((0, 0), |evidence| (evidence.news(), evidence.rounds()));
        let Tally { attempts, calls, .. } = self.simulation.journal.tally;
        let has_answered = evidence.as_ref().is_some_and(|evidence| evidence.has_answered);
        Activity { attempts, calls, work: *work, rounds, news, last: *last_call, has_answered }
    }
}
