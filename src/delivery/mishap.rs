use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chance::{Probability, choose};
use super::transport::Wire;
use crate::clock::duration;

/// Kind of fault that is injected into deliveries on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mishap {
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

/// [`Mishap`] with conditions on the events or attempts that it affects. Without conditions it affects all of them.
/// With both conditions, `next` counts the events or attempts that the probability decides about.
///
/// ```
/// use paragon_testkit::delivery::{Adversity, Mishap};
///
/// let rare: Adversity = serde_json::from_str(r#"{"what": "duplicate", "probability": 0.05}"#)?;
/// assert_eq!(rare, Adversity::new(Mishap::Duplicate).probability(0.05));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Adversity {
    /// Kind of the fault.
    pub what: Mishap,
    /// Number of coming events, or attempts, that can be affected. `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Probability with which each event, or attempt, is affected. `None` means always. The seed decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Probability>,
}

impl Adversity {
    /// Creates a fault that affects every event, or every attempt.
    pub fn new(what: Mishap) -> Self {
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

/// All active faults, with the number of events or attempts that each has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mishaps {
    added: u64,
    held: Vec<Held>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    number: u64,
    adversity: Adversity,
    met: u64,
}

impl Mishaps {
    pub(super) fn add(&mut self, adversity: Adversity) {
        self.added += 1;
        self.held.push(Held { number: self.added, adversity, met: 0 });
    }

    pub(super) fn end(&mut self, what: Mishap) {
        self.held.retain(|held| held.adversity.what != what);
    }

    /// Removes all faults. Faults that are added later decide as if no others had been there before.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn list(&self) -> impl Iterator<Item = Adversity> {
        self.held.iter().map(|held| held.adversity)
    }

    /// Returns the faults that affect the next event, or the next attempt if `attempt` is true, in the order in which
    /// they were added. Each comes with a number that is derived from its random choice. Must be called exactly once
    /// for each event and attempt, because each call advances the counters.
    pub(super) fn strike(&mut self, seed: u64, attempt: bool) -> Vec<(Mishap, u64)> {
        let mut struck = Vec::new();
        for held in &mut self.held {
            let Adversity { what, next, probability } = held.adversity;
            let of_attempt = matches!(what, Mishap::Resend | Mishap::Unreachable | Mishap::Wire(_));
            if of_attempt != attempt || next.is_some_and(|next| held.met >= next) {
                continue;
            }
            let choice = choose(&[seed, held.number, held.met]);
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
    fn the_seed_decides_and_the_next_are_counted() {
        let mut mishaps = Mishaps::default();
        mishaps.add(Adversity::new(Mishap::Duplicate).probability(0.25));
        mishaps.add(Adversity::new(Mishap::Lose).next(2));
        mishaps.add(Adversity::new(Mishap::Unreachable));
        let mut again = mishaps.clone();
        let struck: Vec<Vec<Mishap>> =
            (0..1_000).map(|_| mishaps.strike(7, false).into_iter().map(|(what, _)| what).collect()).collect();
        let count = |what| struck.iter().flatten().filter(|struck| **struck == what).count();
        assert!((200..300).contains(&count(Mishap::Duplicate)), "{}", count(Mishap::Duplicate));
        assert_eq!((count(Mishap::Lose), count(Mishap::Unreachable)), (2, 0));
        assert_eq!(mishaps.strike(7, true).len(), 1);
        for struck in struck {
            assert_eq!(again.strike(7, false).into_iter().map(|(what, _)| what).collect::<Vec<_>>(), struck);
        }
        mishaps.end(Mishap::Duplicate);
        assert_eq!(mishaps.list().count(), 2);
    }

    #[test]
    fn each_strikes_by_itself() {
        let both = || {
            let mut mishaps = Mishaps::default();
            mishaps.add(Adversity::new(Mishap::Duplicate).probability(0.5));
            mishaps.add(Adversity::new(Mishap::Reorder).probability(0.5));
            mishaps
        };
        let mut mishaps = both();
        let struck: Vec<_> = (0..100).map(|_| mishaps.strike(7, false)).collect();
        assert!((10..40).contains(&struck.iter().filter(|struck| struck.len() == 2).count()), "{struck:?}");
        // After `clear`, the choices do not depend on the faults before it.
        mishaps.clear();
        assert_eq!(mishaps.list().count(), 0);
        mishaps.add(Adversity::new(Mishap::Duplicate).probability(0.5));
        mishaps.add(Adversity::new(Mishap::Reorder).probability(0.5));
        assert_eq!(struck, (0..100).map(|_| mishaps.strike(7, false)).collect::<Vec<_>>());
    }
}
