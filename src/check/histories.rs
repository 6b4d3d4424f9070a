use std::collections::BTreeMap;
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::contract::{File, Pipeline, SpecialRecord};
use crate::scenario::{Action, Fault, Scenario};
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
    pub(super) fn new(
        seed: u64,
        case: &str,
        faults: &[Fault],
        pipelines: &[Pipeline],
        without: &[SpecialRecord],
    ) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (place, byte) in case.bytes().enumerate() {
            bytes[8 + place % 24] ^= byte.rotate_left(u32::try_from(place / 24).unwrap_or_default());
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let params = HistoryParams {
            payloads: Params::tidy(),
            incoherent: Vec::new(),
            without: without.to_vec(),
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

/// Returns whether a scenario creates a file of one of these kinds, or changes a file so that it is of one.
pub(super) fn contains(scenario: &Scenario, kinds: &[SpecialRecord]) -> bool {
    let mut files: BTreeMap<&str, File> = BTreeMap::new();
    scenario.steps.iter().any(|step| {
        let (object, set) = match &step.action {
            Action::Create { object, pipeline: Pipeline::Files, record, .. } => {
                files.insert(object, File::named(""));
                (object, record)
            }
            Action::Update { object, set } => (object, set),
            _ => return false,
        };
        let Some(file) = files.get_mut(object.as_str()) else { return false };
        let text = |name: &str| set.get(name).and_then(Value::as_str).map(str::to_owned);
        file.name = text("name").unwrap_or_else(|| file.name.clone());
        file.mime_type = text("mimeType").unwrap_or_else(|| file.mime_type.clone());
        file.size = set.get("size").map_or(file.size, Value::as_u64);
        kinds.iter().any(|kind| kind.includes(file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_contain_no_kind_that_is_left_out() {
        use SpecialRecord::{Folders, GoogleDocs};
        let scenarios = |without: &[SpecialRecord]| {
            let mut source = Source::new(3, "conv-quiet", &[], &[Pipeline::Files], without);
            std::iter::repeat_with(|| source.next()).take(20).collect::<Vec<_>>()
        };
        for kinds in [&[Folders][..], &[GoogleDocs], &SpecialRecord::ALL] {
            assert!(scenarios(&[]).iter().any(|scenario| contains(scenario, kinds)), "{kinds:?}");
            assert!(!scenarios(kinds).iter().any(|scenario| contains(scenario, kinds)), "{kinds:?}");
        }
        // A change counts like a creation.
        let step = |json: &str| serde_json::from_str(json).unwrap();
        let create = r#"{"do": "create", "user": "ada", "integration": "googledrive", "pipeline": "files",
            "object": "a", "record": {"name": "a.pdf", "mimeType": "application/pdf", "size": 1}}"#;
        let update = r#"{"do": "update", "object": "a", "set": {"size": 0}}"#;
        let scenario = |steps: &[&str]| Scenario::new(0, steps.iter().map(|json| step(json)).collect::<Vec<_>>());
        assert!(!contains(&scenario(&[create]), &SpecialRecord::ALL));
        assert!(contains(&scenario(&[create, update]), &[SpecialRecord::EmptyFiles]));
        assert!(!contains(&scenario(&[create, update]), &[SpecialRecord::LargeFiles]));
    }

    #[test]
    fn histories_depend_only_on_the_seed() {
        let made = |seed, case| {
            let mut source = Source::new(seed, case, Fault::ALL, &Pipeline::ALL, &[]);
            [source.next(), source.next()]
        };
        assert_eq!(made(1, "conv-quiet"), made(1, "conv-quiet"));
        assert_ne!(made(1, "conv-quiet"), made(2, "conv-quiet"));
        assert_ne!(made(1, "conv-quiet"), made(1, "conv-api"));
        let [first, second] = made(1, "conv-quiet");
        assert_ne!(first, second);
    }
}
