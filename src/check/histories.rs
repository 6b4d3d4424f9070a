use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::contract::Pipeline;
use crate::scenario::{Fault, Scenario};
use crate::strategies::{HistoryParams, Params, history};

/// Number and kind of the histories that the `conv-` cases play.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histories {
    /// Number of histories that each case plays, rounded up to a multiple of 3, and at least 3. Each history belongs to
    /// one user. Default 36.
    pub cases: usize,
    /// Time after which a case begins no further history. Shrinking a history that fails may take six times as long.
    /// Default 10 s.
    pub max_time: Duration,
    /// Pipelines that are synced. The default is files.
    pub pipelines: Vec<Pipeline>,
}

impl Histories {
    /// Sets the number of histories that each case plays.
    #[must_use]
    pub fn cases(mut self, cases: usize) -> Self {
        self.cases = cases;
        self
    }

    /// Sets the time after which a case begins no further history.
    #[must_use]
    pub fn max_time(mut self, max_time: Duration) -> Self {
        self.max_time = max_time;
        self
    }

    /// Sets the pipelines that are synced.
    #[must_use]
    pub fn pipelines(mut self, pipelines: impl IntoIterator<Item = Pipeline>) -> Self {
        self.pipelines = pipelines.into_iter().collect();
        self
    }
}

impl Default for Histories {
    fn default() -> Self {
        Self { cases: 36, max_time: Duration::from_secs(10), pipelines: vec![Pipeline::Files] }
    }
}

/// Number of histories that go on side by side, each with its own user.
pub(super) const SIDE_BY_SIDE: usize = 3;

/// Number of batches of `SIDE_BY_SIDE` histories that are under way at a time.
pub(super) const BATCHES: usize = 12;

/// Maximum number of syncs of an account.
const SYNCS: usize = 2;

/// Generator of histories. The same seed and case give the same histories.
pub(super) struct Source {
    runner: TestRunner,
    params: HistoryParams,
}

impl Source {
    pub(super) fn new(seed: u64, case: &str, faults: &[Fault], pipelines: &[Pipeline]) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (place, byte) in case.bytes().enumerate() {
            bytes[8 + place % 24] ^= byte.rotate_left(u32::try_from(place / 24).unwrap_or_default());
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let params = HistoryParams {
            payloads: Params::tidy(),
            incoherent: Vec::new(),
            users: SIDE_BY_SIDE,
            syncs: SYNCS,
            pipelines: pipelines.to_vec(),
            rounds: 12..=20,
            faults: faults.to_vec(),
            policies: false,
        };
        Self { runner: TestRunner::new_with_rng(Config::default(), rng), params }
    }

    /// Returns the next scenario, with several histories side by side.
    pub(super) fn next(&mut self) -> Scenario {
        let made = history(self.params.clone()).new_tree(&mut self.runner);
        made.unwrap_or_else(|reason| unreachable!("histories reject nothing: {reason}")).current()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_depend_only_on_the_seed() {
        let made = |seed, case| {
            let mut source = Source::new(seed, case, Fault::ALL, &Pipeline::ALL);
            [source.next(), source.next()]
        };
        assert_eq!(made(1, "conv-quiet"), made(1, "conv-quiet"));
        assert_ne!(made(1, "conv-quiet"), made(2, "conv-quiet"));
        assert_ne!(made(1, "conv-quiet"), made(1, "conv-api"));
        let [first, second] = made(1, "conv-quiet");
        assert_ne!(first, second);
    }
}
