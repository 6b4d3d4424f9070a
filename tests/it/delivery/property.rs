//! Runs random steps on the queue and on the model, and compares them.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use paragon_testkit::clock::Timestamp;
use paragon_testkit::delivery::{
    Answer, Attempt, Batch, DeliveryFault, DeliveryFaultKind, Failure, Outcome, Policy, Purpose, Queue, Rules,
    WebhookState, WhileOff,
};
use paragon_testkit::strategies;

use super::model::Model;

const START: Timestamp = Timestamp::from_millis(0);

fn started(policy: Policy) -> Queue {
    let mut queue = Queue::new(policy, 7).unwrap();
    queue.register("http://127.0.0.1:9/".parse().unwrap(), START);
    queue.take_changes();
    queue
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered(Answer::new(status))
}

/// A step of a random history of a queue.
#[derive(Clone, Debug)]
enum Step {
    Enqueue(usize),
    /// Sends the next due event, if there is one.
    Next,
    Pass(u64),
    /// Ends one of the attempts in flight.
    End(usize, Outcome),
    Disable,
    Enable,
    Duplicate,
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(answered(200)),
        6 => select(vec![201_u16, 301, 404, 410, 429, 500, 503]).prop_map(answered),
        1 => Just(Outcome::Failed(Failure::Refused)),
        1 => Just(Outcome::Failed(Failure::TimedOut)),
        1 => Just(Outcome::Failed(Failure::ConnectTimedOut)),
    ];
    prop_oneof![
        4 => (1..4_usize).prop_map(Step::Enqueue),
        6 => Just(Step::Next),
        2 => (0..100_000_u64).prop_map(Step::Pass),
        10 => (0..8_usize, outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => Just(Step::Disable),
        1 => Just(Step::Enable),
        1 => Just(Step::Duplicate),
        1 => Just(Step::Lose),
    ]
}

struct Both {
    queue: Queue,
    model: Model,
    rules: Rules,
    flying: Vec<Attempt>,
    now: Timestamp,
    /// Every attempt that the queue handed out, and every decision, as text.
    story: String,
}

impl Both {
    fn new(policy: &Policy) -> Self {
        let queue = started(policy.clone());
        let rules = queue.rules().clone();
        Self { queue, model: Model::default(), rules, flying: Vec::new(), now: START, story: String::new() }
    }

    fn changes(&mut self) {
        for change in self.queue.take_changes() {
            self.story += &change.text;
            if change.to == WebhookState::Enabled {
                self.model.enabled();
            }
        }
    }

    fn enqueue(&mut self, faults: &mut Vec<DeliveryFaultKind>) {
        let before = self.queue.state();
        let fault = faults.pop();
        if let Some(what) = fault {
            self.queue.end_all();
            self.queue.begin(DeliveryFault::new(what).next(1));
        }
        let enqueued = self.queue.enqueue(b"{}", self.now);
        self.changes();
        let off = matches!(self.queue.state(), WebhookState::Enabled | WebhookState::OnTrial);
        let expected = match (off, self.rules.while_off, fault) {
            (false, WhileOff::Drop, _) | (_, _, Some(DeliveryFaultKind::Lose)) => 0,
            (_, _, Some(DeliveryFaultKind::Duplicate)) => 2,
            _ => 1,
        };
        assert_eq!(enqueued.deliveries.len(), expected, "{before:?} {fault:?}");
        self.queue.end_all();
        self.model.enqueued(&enqueued.deliveries, self.now);
    }

    fn poll(&mut self) {
        let polled = self.queue.poll(self.now);
        self.changes();
        self.model.dropped(&polled.expired);
        for attempt in polled.attempts {
            self.model.sent(&attempt, &self.rules, self.queue.state(), self.now);
            let _ =
                write!(self.story, "{:?} {} {} {:?};", attempt.delivery, attempt.number, attempt.due, attempt.headers);
            self.flying.push(attempt);
        }
        assert!(self.queue.next_due().is_none_or(|due| due > self.now), "what was due is sent");
        assert_eq!(self.queue.pending(), self.model.waiting(), "nothing is lost");
    }

    fn end(&mut self, which: usize, outcome: &Outcome) {
        if self.flying.is_empty() {
            return;
        }
        let attempt = self.flying.remove(which % self.flying.len());
        let before = self.queue.state();
        let (copy, id, purpose) = (attempt.clone(), attempt.delivery, attempt.purpose);
        let completed = self.queue.complete(attempt, outcome.clone(), self.now);
        if purpose == Purpose::Event {
            let states = (before, self.queue.state());
            let expected = self.model.ended(&copy, outcome, &self.rules, states, self.now);
            expected(&completed.record.decision);
            self.model.decided(id, completed.record.decision);
        }
        let _ = write!(self.story, "{:?};", completed.record);
        self.model.dropped(&completed.dropped);
        self.changes();
    }

    fn run(mut self, steps: &[Step]) -> Self {
        let mut faults = Vec::new();
        for step in steps {
            match step {
                Step::Enqueue(events) => (0..*events).for_each(|_| self.enqueue(&mut faults)),
                Step::Next => {
                    if let Some(due) = self.queue.next_due() {
                        self.now = self.now.max(due);
                        self.poll();
                    }
                }
                Step::Pass(millis) => self.now = self.now + std::time::Duration::from_millis(*millis),
                Step::End(which, outcome) => self.end(*which, outcome),
                Step::Disable => {
                    let dropped = self.queue.disable("disabled by hand");
                    self.model.dropped(&dropped);
                    self.changes();
                }
                Step::Enable => {
                    self.queue.enable("enabled by hand");
                    self.changes();
                }
                Step::Duplicate => faults.push(DeliveryFaultKind::Duplicate),
                Step::Lose => faults.push(DeliveryFaultKind::Lose),
            }
        }
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_the_model_expects(
        policy in strategies::policy(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        // The model supports only one event in a request, and no `Retry-After`; other tests cover both.
        let policy = policy.batch(Batch::NONE);
        let both = Both::new(&policy).run(&steps);
        let again = Both::new(&policy).run(&steps);
        prop_assert_eq!(both.story, again.story, "the same seed, the same bytes");
    }
}
