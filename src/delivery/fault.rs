use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chance::{Probability, choose};
use super::transport::Wire;
use crate::clock::duration;

/// Kind of fault that is injected into deliveries on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum DeliveryFaultKind {
    /// The event is sent twice, one after the other.
    Duplicate,
    /// This many copies of the event are sent at once, even if the policy allows fewer concurrent requests.
    Together(u32),
    /// The event is sent late, by up to this duration. The seed decides.
    Delay(#[serde(with = "duration")] Duration),
    /// The event is sent after up to three later events that are due at the same time.
    Reorder,
    /// The event is never sent.
    Lose,
    /// An attempt is made twice, one request after the other, whatever the first response is.
    Resend,
    /// An attempt does not reach the receiver, as if the receiver were down.
    Unreachable,
    /// An attempt is sent in this way.
    Wire(Wire),
}

/// [`DeliveryFaultKind`] with conditions on the events or attempts that it affects. Without conditions it affects all of them.
/// With both conditions, `next` counts the events or attempts that the probability decides about.
///
/// ```
/// use paragon_testkit::delivery::{DeliveryFault, DeliveryFaultKind};
///
/// let rare: DeliveryFault = serde_json::from_str(r#"{"what": "duplicate", "probability": 0.05}"#)?;
/// assert_eq!(rare, DeliveryFault::new(DeliveryFaultKind::Duplicate).probability(0.05));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeliveryFault {
    /// Kind of the fault.
    pub what: DeliveryFaultKind,
    /// Number of coming events, or attempts, that can be affected. `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Probability with which each event, or attempt, is affected. `None` means always. The seed decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Probability>,
}

impl DeliveryFaultKind {
    /// Returns the number of the kind, for random choices.
    fn number(self) -> u64 {
        match self {
            Self::Duplicate => 1,
            Self::Together(_) => 2,
            Self::Delay(_) => 3,
            Self::Reorder => 4,
            Self::Lose => 5,
            Self::Resend => 6,
            Self::Unreachable => 7,
            Self::Wire(_) => 8,
        }
    }
}

impl From<DeliveryFaultKind> for DeliveryFault {
    fn from(kind: DeliveryFaultKind) -> Self {
        Self::new(kind)
    }
}

impl DeliveryFault {
    /// Creates a fault that affects every event, or every attempt.
    pub fn new(what: DeliveryFaultKind) -> Self {
        Self { what, next: None, probability: None }
    }

    /// Limits the fault to the next `number` events, or attempts.
    #[must_use]
    pub fn next(mut self, number: u64) -> Self {
        self.next = Some(number);
        self
    }

    /// Lets the fault affect each event, or attempt, with this probability, from 0 to 1. The seed decides.
    ///
    /// # Panics
    ///
    /// When `probability` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(Probability::try_from(probability).unwrap_or_else(|error| panic!("{error}")));
        self
    }
}

/// All active faults, with the number of events or attempts that each has seen. Unknown members are ignored when a state
/// is imported, because earlier versions wrote more of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DeliveryFaults {
    held: Vec<ActiveFault>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ActiveFault {
    #[serde(alias = "adversity")]
    fault: DeliveryFault,
    met: u64,
    /// Time of the last choice.
    #[serde(default)]
    last_choice: Duration,
    /// Number of choices at that time.
    #[serde(default)]
    choices_then: u64,
}

impl DeliveryFaults {
    pub(super) fn add(&mut self, fault: DeliveryFault) {
        self.held.push(ActiveFault { fault, met: 0, last_choice: Duration::ZERO, choices_then: 0 });
    }

    pub(super) fn end(&mut self, what: DeliveryFaultKind) {
        self.held.retain(|held| held.fault.what != what);
    }

    /// Removes all faults. Faults that are added later decide as if no others had been there before.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn list(&self) -> impl Iterator<Item = DeliveryFault> {
        self.held.iter().map(|held| held.fault)
    }

    /// Returns the faults that affect the next event, or the next attempt if `attempt` is true, in the order in which
    /// they were added. Each comes with a number that is derived from its random choice. Must be called exactly once
    /// for each event and attempt, because each call advances the counters.
    ///
    /// A choice depends on the seed, the kind of the fault, the time `at` since the webhook was set, and the number of
    /// choices before it at the same time. It does not depend on what happened at other times. So a history can be
    /// shortened, and the choices in the rest of the history stay the same.
    pub(super) fn strike(&mut self, seed: u64, attempt: bool, at: Duration) -> Vec<(DeliveryFaultKind, u64)> {
        let mut struck = Vec::new();
        for index in 0..self.held.len() {
            let kind = self.held[index].fault.what;
            let twins = self.held[..index].iter().filter(|before| before.fault.what == kind).count() as u64;
            let held = &mut self.held[index];
            let DeliveryFault { what, next, probability } = held.fault;
            let of_attempt =
                matches!(what, DeliveryFaultKind::Resend | DeliveryFaultKind::Unreachable | DeliveryFaultKind::Wire(_));
            if of_attempt != attempt || next.is_some_and(|next| held.met >= next) {
                continue;
            }
            if held.last_choice != at {
                (held.last_choice, held.choices_then) = (at, 0);
            }
            let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            let choice = choose(&[seed, what.number(), twins, millis, held.choices_then]);
            held.choices_then += 1;
            held.met += 1;
            if probability.is_none_or(|probability| probability.takes(choice)) {
                struck.push((what, choose(&[choice])));
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_at_one_time_do_not_depend_on_what_happened_at_others() {
        let minute = Duration::from_secs(60);
        let at_the_minute = |before: usize| {
            let mut faults = DeliveryFaults::default();
            faults.add(DeliveryFault::new(DeliveryFaultKind::Lose).probability(0.5));
            (0..before).for_each(|_| drop(faults.strike(7, false, Duration::ZERO)));
            (0..64).map(|_| faults.strike(7, false, minute).len()).collect::<Vec<_>>()
        };
        assert_eq!(at_the_minute(0), at_the_minute(5));
        let lost = at_the_minute(0).iter().sum::<usize>();
        assert!((16..48).contains(&lost), "{lost} of 64");
    }

    #[test]
    fn the_seed_decides_which_deliveries_a_fault_strikes_and_next_limits_them() {
        let mut faults = DeliveryFaults::default();
        faults.add(DeliveryFault::new(DeliveryFaultKind::Duplicate).probability(0.25));
        faults.add(DeliveryFault::new(DeliveryFaultKind::Lose).next(2));
        faults.add(DeliveryFault::new(DeliveryFaultKind::Unreachable));
        let mut again = faults.clone();
        let struck: Vec<Vec<DeliveryFaultKind>> = (0..1_000)
            .map(|_| faults.strike(7, false, Duration::ZERO).into_iter().map(|(what, _)| what).collect())
            .collect();
        let count = |what| struck.iter().flatten().filter(|struck| **struck == what).count();
        assert!((200..300).contains(&count(DeliveryFaultKind::Duplicate)), "{}", count(DeliveryFaultKind::Duplicate));
        assert_eq!((count(DeliveryFaultKind::Lose), count(DeliveryFaultKind::Unreachable)), (2, 0));
        assert_eq!(faults.strike(7, true, Duration::ZERO).len(), 1);
        for struck in struck {
            assert_eq!(
                again.strike(7, false, Duration::ZERO).into_iter().map(|(what, _)| what).collect::<Vec<_>>(),
                struck
            );
        }
        faults.end(DeliveryFaultKind::Duplicate);
        assert_eq!(faults.list().count(), 2);
    }

    #[test]
    fn faults_strike_independently_of_each_other() {
        let both = || {
            let mut faults = DeliveryFaults::default();
            faults.add(DeliveryFault::new(DeliveryFaultKind::Duplicate).probability(0.5));
            faults.add(DeliveryFault::new(DeliveryFaultKind::Reorder).probability(0.5));
            faults
        };
        let mut faults = both();
        let struck: Vec<_> = (0..100).map(|_| faults.strike(7, false, Duration::ZERO)).collect();
        assert!((10..40).contains(&struck.iter().filter(|struck| struck.len() == 2).count()), "{struck:?}");
        // After `clear`, the choices do not depend on the faults before it.
        faults.clear();
        assert_eq!(faults.list().count(), 0);
        faults.add(DeliveryFault::new(DeliveryFaultKind::Duplicate).probability(0.5));
        faults.add(DeliveryFault::new(DeliveryFaultKind::Reorder).probability(0.5));
        assert_eq!(struck, (0..100).map(|_| faults.strike(7, false, Duration::ZERO)).collect::<Vec<_>>());
    }
}
