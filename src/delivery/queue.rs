use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::policy::Policy;
use super::stored::Stored;
use super::transport::{Failure, Outcome};
use crate::clock::Moment;

/// One event on its way, over all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(u64);

impl std::fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0 + 1)
    }
}

/// Whether the sender delivers at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookState {
    /// No URL is set.
    Unset,
    /// Events are delivered.
    Enabled,
    /// Events are dropped (`webhook.missed`, assumed).
    Disabled,
}

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Adversity {
    /// Attempts do not reach the receiver, as if it were down.
    pub unreachable: bool,
    /// Each event is sent twice, one after the other.
    pub duplicate: bool,
}

/// A request to be made now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The first is 1.
    pub number: u32,
    /// When it should be sent.
    pub due: Moment,
    /// To where.
    pub url: Url,
    /// What.
    pub body: Arc<[u8]>,
    /// It must not be sent, and fails with [`Failure::Unreachable`].
    pub unreachable: bool,
}

/// One attempt, as it stands on the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The first is 1.
    pub number: u32,
    /// When it should have been sent.
    pub due: Moment,
    /// When it was sent.
    pub sent: Moment,
    /// What came of it.
    pub outcome: Outcome,
    /// What follows from that.
    pub decision: Decision,
    /// Why: the rule that decided.
    pub rule: &'static str,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The event is delivered.
    Delivered,
    /// It is sent again.
    RetryAt(Moment),
    /// The retries are used up.
    GivenUp,
    /// This failure disabled the webhook, or it was disabled meanwhile.
    Disabled,
}

/// What [`Queue::complete`] answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completed {
    /// For the timeline.
    pub record: AttemptRecord,
    /// The deliveries that were still to come and that the disabling of the webhook ended.
    pub dropped: Vec<DeliveryId>,
}

#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) delivery: DeliveryId,
    pub(super) number: u32,
    pub(super) body: Arc<[u8]>,
}

/// Everything that waits for its time, the state of the webhook, and the policy that rules both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Queue {
    pub(super) policy: Policy,
    pub(super) url: Option<Url>,
    pub(super) enabled: bool,
    /// Due, then the order in which it was planned.
    pub(super) pending: BTreeMap<(Moment, u64), Pending>,
    pub(super) planned: u64,
    pub(super) deliveries: u64,
    pub(super) failures_in_a_row: u32,
    /// What goes wrong on purpose, from now on.
    pub adversity: Adversity,
}

impl Queue {
    /// Without a URL; see [`Queue::register`].
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            url: None,
            enabled: false,
            pending: BTreeMap::new(),
            planned: 0,
            deliveries: 0,
            failures_in_a_row: 0,
            adversity: Adversity::default(),
        }
    }

    /// The rules it follows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Sets the URL and enables the webhook. What is still to come goes to the new URL.
    pub fn register(&mut self, url: Url) {
        self.url = Some(url);
        self.enable();
    }

    /// Delivers again, and forgets the failures.
    pub fn enable(&mut self) {
        self.enabled = true;
        self.failures_in_a_row = 0;
    }

    /// Stops delivering; answers what was still to come, which is dropped.
    pub fn disable(&mut self) -> Vec<DeliveryId> {
        self.enabled = false;
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.delivery).collect()
    }

    /// Whether it delivers.
    pub fn state(&self) -> WebhookState {
        match (&self.url, self.enabled) {
            (None, _) => WebhookState::Unset,
            (Some(_), true) => WebhookState::Enabled,
            (Some(_), false) => WebhookState::Disabled,
        }
    }

    /// Where it delivers to.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// How many attempts are still to come.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many attempts in a row have failed.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// Takes a body to deliver at once. Answers its deliveries: none while nothing is delivered, two when events
    /// are duplicated on purpose.
    pub fn enqueue(&mut self, body: &[u8], now: Moment) -> Vec<DeliveryId> {
        if self.state() != WebhookState::Enabled {
            return Vec::new();
        }
        let body: Arc<[u8]> = body.into();
        let copies = if self.adversity.duplicate { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let delivery = DeliveryId(self.deliveries);
                self.deliveries += 1;
                self.plan(now, Pending { delivery, number: 1, body: body.clone() });
                delivery
            })
            .collect()
    }

    fn plan(&mut self, due: Moment, pending: Pending) {
        self.pending.insert((due, self.planned), pending);
        self.planned += 1;
    }

    /// When the next attempt is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.pending.first_key_value().map(|((due, _), _)| *due)
    }

    /// The attempts that are due, in order. Each must be handed back to [`Queue::complete`].
    pub fn poll(&mut self, now: Moment) -> Vec<Attempt> {
        let Some(url) = self.url.clone() else { return Vec::new() };
        let mut attempts = Vec::new();
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.key().0;
            let Pending { delivery, number, body } = entry.remove();
            let unreachable = self.adversity.unreachable;
            attempts.push(Attempt { delivery, number, due, url: url.clone(), body, unreachable });
        }
        attempts
    }

    /// What came of an attempt that was sent at `sent`. Delivered is what was answered 2xx (`webhook.2xx`).
    pub fn complete(&mut self, attempt: Attempt, outcome: Outcome, sent: Moment) -> Completed {
        let Attempt { delivery, number, due, body, .. } = attempt;
        let mut dropped = Vec::new();
        let success = matches!(outcome, Outcome::Answered { status: 200..=299, .. });
        let (decision, rule) = if success {
            self.failures_in_a_row = 0;
            (Decision::Delivered, "webhook.2xx")
        } else {
            self.failures_in_a_row += 1;
            if self.enabled && self.failures_in_a_row >= self.policy.disable_after {
                dropped = self.disable();
            }
            // A time-out is short in real time and takes as long as the policy says in virtual time.
            let timed_out = matches!(outcome, Outcome::Failed(Failure::TimedOut));
            let known = if timed_out { sent + self.policy.timeout } else { sent };
            let retry = usize::try_from(number - 1).ok().and_then(|i| self.policy.retry_after.get(i));
            match retry {
                _ if !self.enabled => (Decision::Disabled, "webhook.disable"),
                Some(after) => {
                    let again = known + *after;
                    self.plan(again, Pending { delivery, number: number + 1, body });
                    (Decision::RetryAt(again), "webhook.retry")
                }
                None => (Decision::GivenUp, "webhook.retry"),
            }
        };
        Completed { record: AttemptRecord { delivery, number, due, sent, outcome, decision, rule }, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Moment = Moment::from_millis(0);

    fn queue() -> Queue {
        let mut queue = Queue::new(Policy::paragon_assumed());
        queue.register("http://127.0.0.1:9/".parse().unwrap());
        queue
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, body: String::new() }
    }

    /// Answers every attempt until nothing is due; what was decided, and when, in seconds.
    fn drive(queue: &mut Queue, mut answer: impl FnMut(&Attempt) -> Outcome) -> Vec<(u64, u32, Decision)> {
        let mut log = Vec::new();
        while let Some(due) = queue.next_due() {
            for attempt in queue.poll(due) {
                let outcome = answer(&attempt);
                let record = queue.complete(attempt, outcome, due).record;
                log.push(((due - START).as_secs(), record.number, record.decision));
            }
        }
        log
    }

    #[test]
    fn a_failing_event_is_tried_on_schedule_and_then_given_up() {
        let mut queue = queue();
        queue.enqueue(b"x", START);
        let log = drive(&mut queue, |_| answered(500));
        let times: Vec<_> = log.iter().map(|(at, ..)| *at).collect();
        assert_eq!(times, [0, 10, 130, 730, 4_330, 16_930]);
        assert_eq!(log.last().unwrap().2, Decision::GivenUp);
    }

    #[test]
    fn only_2xx_delivers() {
        for (status, delivered) in [(200, true), (204, true), (299, true), (199, false), (301, false), (410, false)] {
            let mut queue = queue();
            queue.enqueue(b"x", START);
            let attempt = queue.poll(START).pop().unwrap();
            let decision = queue.complete(attempt, answered(status), START).record.decision;
            assert_eq!(decision == Decision::Delivered, delivered, "{status}");
        }
    }

    #[test]
    fn a_time_out_is_booked_in_virtual_time() {
        let mut queue = queue();
        queue.enqueue(b"x", START);
        let attempt = queue.poll(START).pop().unwrap();
        let decision = queue.complete(attempt, Outcome::Failed(Failure::TimedOut), START).record.decision;
        assert_eq!(decision, Decision::RetryAt(START + Duration::from_secs(20)), "10 s time-out and 10 s back-off");
    }

    #[test]
    fn failures_in_a_row_disable_and_a_success_forgets_them() {
        let mut queue = queue();
        for _ in 0..25 {
            queue.enqueue(b"x", START);
        }
        let mut attempts = queue.poll(START).into_iter();
        for _ in 0..19 {
            queue.complete(attempts.next().unwrap(), answered(500), START);
        }
        queue.complete(attempts.next().unwrap(), answered(200), START);
        queue.complete(attempts.next().unwrap(), answered(500), START);
        assert_eq!(queue.state(), WebhookState::Enabled);
        drive(&mut queue, |_| answered(500));
        assert_eq!(queue.state(), WebhookState::Disabled);
        assert_eq!(queue.next_due(), None, "what was to come is dropped");
        let late = queue.complete(attempts.next().unwrap(), answered(500), START);
        assert_eq!(late.record.decision, Decision::Disabled);
        assert_eq!(queue.enqueue(b"y", START), [], "events are dropped meanwhile");
        queue.enable();
        assert_eq!(queue.enqueue(b"z", START).len(), 1);
    }

    #[test]
    fn adversity_is_seen_by_the_attempts() {
        let mut queue = queue();
        queue.adversity = Adversity { duplicate: true, unreachable: true };
        assert_eq!(queue.enqueue(b"x", START).len(), 2);
        assert!(queue.poll(START).iter().all(|attempt| attempt.unreachable && &*attempt.body == b"x"));
    }
}
