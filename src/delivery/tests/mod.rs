mod policy;
mod presets;
mod queue;

use std::time::Duration;

use super::{Answer, Attempt, Decision, Failure, Outcome, Policy, Queue};
use crate::clock::Timestamp;

const START: Timestamp = Timestamp::from_millis(0);
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

fn assumed() -> Policy {
    Policy::paragon_assumed()
}

fn started(policy: Policy) -> Queue {
    let mut queue = Queue::new(policy, 7).unwrap();
    queue.register("http://127.0.0.1:9/".parse().unwrap(), START);
    queue.take_changes();
    queue
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered(Answer::new(status))
}

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed(failure)
}

/// One attempt: its time in milliseconds, its number, the decision, and the rule that made the decision.
type Told = (u64, u32, Decision, String);

/// Answers every attempt until nothing is due or 1,000 attempts were made. Returns the attempts.
fn drive(queue: &mut Queue, mut answer: impl FnMut(&Attempt) -> Outcome) -> Vec<Told> {
    let (mut told, mut now) = (Vec::new(), START);
    while let Some(due) = queue.next_due().filter(|_| queue.pending() > 0 && told.len() < 1_000) {
        now = now.max(due);
        for attempt in queue.poll(now).attempts {
            let outcome = answer(&attempt);
            let record = queue.complete(attempt, outcome, now).record;
            let at = u64::try_from((now - START).as_millis()).unwrap();
            told.push((at, record.number, record.decision, record.rule));
        }
    }
    told
}
