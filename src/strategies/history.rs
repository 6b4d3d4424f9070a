use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::Params;
use super::policy::policy;
use super::provider::{Incoherence, extension, members};
use crate::contract::{File, Pipeline, SpecialRecord, UserId, sample_integration};
use crate::delivery::Policy;
use crate::scenario::{Action, Fault, Scenario, Step};

/// Parameters of generated histories.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryParams {
    /// Edge cases in the objects, and the contract revision. Default [`Params::tidy`]: objects look as a provider has
    /// them.
    pub payloads: Params,
    /// Contradictions in the objects, in addition to edge cases. Default none: an object is created before it changes,
    /// each version is later than the previous one, folders exist, and sizes and hashes are those of the contents.
    pub incoherent: Vec<Incoherence>,
    /// Kinds of files that no history contains. Default none.
    pub without: Vec<SpecialRecord>,
    /// Maximum number of users. Default 2.
    pub users: usize,
    /// Maximum number of syncs of an account. Several syncs show the same external ids under different record ids.
    /// Default 2.
    pub syncs: usize,
    /// Pipelines to sync. Default: files.
    pub pipelines: Vec<Pipeline>,
    /// Number of rounds. In each round, something can happen to each user. After the rounds, everything works for a
    /// day. Default 0 to 20.
    pub rounds: RangeInclusive<usize>,
    /// Faults that can occur. Default all; none for a history without faults.
    pub faults: Vec<Fault>,
    /// Whether the delivery policy is generated too. Default false: [`Policy::paragon_assumed`].
    pub policies: bool,
}

impl HistoryParams {
    /// Sets the edge cases in the objects, and the contract revision.
    #[must_use]
    pub fn payloads(mut self, payloads: Params) -> Self {
        self.payloads = payloads;
        self
    }

    /// Sets the contradictions in the objects.
    #[must_use]
    pub fn incoherent(mut self, incoherent: impl IntoIterator<Item = Incoherence>) -> Self {
        self.incoherent = incoherent.into_iter().collect();
        self
    }

    /// Sets the kinds of files that no history contains.
    #[must_use]
    pub fn without(mut self, without: impl IntoIterator<Item = SpecialRecord>) -> Self {
        self.without = without.into_iter().collect();
        self
    }

    /// Sets the maximum number of users.
    #[must_use]
    pub fn users(mut self, users: usize) -> Self {
        self.users = users;
        self
    }

    /// Sets the maximum number of syncs of an account.
    #[must_use]
    pub fn syncs(mut self, syncs: usize) -> Self {
        self.syncs = syncs;
        self
    }

    /// Sets the pipelines to sync.
    #[must_use]
    pub fn pipelines(mut self, pipelines: impl IntoIterator<Item = Pipeline>) -> Self {
        self.pipelines = pipelines.into_iter().collect();
        self
    }

    /// Sets the number of rounds.
    #[must_use]
    pub fn rounds(mut self, rounds: RangeInclusive<usize>) -> Self {
        self.rounds = rounds;
        self
    }

    /// Sets the faults that can occur.
    #[must_use]
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = faults.into_iter().collect();
        self
    }

    /// Generates the delivery policy too.
    #[must_use]
    pub fn with_policies(mut self) -> Self {
        self.policies = true;
        self
    }
}

impl Default for HistoryParams {
    fn default() -> Self {
        Self {
            payloads: Params::tidy(),
            incoherent: Vec::new(),
            without: Vec::new(),
            users: 2,
            syncs: 2,
            pipelines: vec![Pipeline::Files],
            rounds: 0..=20,
            faults: Fault::ALL.to_vec(),
            policies: false,
        }
    }
}

/// Something that may happen to a user, if it is possible at that point. Any part of a list of chances makes a valid
/// history, so lists shrink by dropping chances.
#[derive(Clone, Debug)]
enum Chance {
    Nothing,
    /// Creates an object, possibly in an existing folder or for an existing company.
    Create(Pipeline, Map<String, Value>, Option<Index>),
    /// Changes an object. There is one change for each pipeline; the one for the object's pipeline is used.
    Update(Which, BTreeMap<Pipeline, Map<String, Value>>),
    Delete(Which),
    Reenable(Pipeline, usize),
}

/// Selects a live object: the one that was touched last, or any.
#[derive(Clone, Copy, Debug)]
enum Which {
    Last,
    Any(Index),
}

/// A chance for each user, the time that passes afterwards, and a fault that begins, with its duration in rounds.
type Round = (Vec<Chance>, Duration, Option<(Fault, usize)>);

/// Maximum number of rounds that a fault lasts.
const LONGEST: usize = 4;

/// Generates histories: changes, syncs and times that respect the lifecycle of objects, with faults in between. At the
/// end a day passes without faults, so that a correct receiver can catch up. Histories shrink to few steps and stay
/// valid.
///
/// Objects look as a provider has them. [`HistoryParams::payloads`] adds edge cases; [`HistoryParams::incoherent`] adds
/// contradictions that no provider produces.
///
/// ```
/// use paragon_testkit::scenario::Fault;
/// use paragon_testkit::strategies::{HistoryParams, history};
/// use proptest::prelude::*;
///
/// let faults = vec![Fault::ReceiverUnreachable, Fault::EventsDoubled];
/// let params = HistoryParams::default().faults(faults);
/// proptest!(|(scenario in history(params))| {
///     prop_assert!(scenario.check().is_ok());
/// });
/// ```
///
/// # Panics
///
/// Panics if there is no pipeline to sync.
#[track_caller]
pub fn history(params: HistoryParams) -> impl Strategy<Value = Scenario> {
    assert!(!params.pipelines.is_empty(), "expected at least one pipeline for a history, got none");
    let (users, syncs) = (params.users.max(1), params.syncs.max(1));
    let revision = params.payloads.revision;
    let first = params.pipelines[0];
    // Most effects take a minute.
    let times = prop_oneof![
        3 => Just(Duration::ZERO),
        5 => Just(Duration::from_secs(60)),
        3 => select([1, 59, 61, 600, 3_600, 86_399, 86_400, 90_000].map(Duration::from_secs).to_vec()),
    ];
    let created = params.pipelines.iter().map(|pipeline| {
        let pipeline = *pipeline;
        let object = members(pipeline, params.payloads, &params.incoherent, &params.without);
        (object, weighted(0.5, any::<Index>()))
            .prop_map(move |(record, within)| Chance::Create(pipeline, record, within))
            .boxed()
    });
    let change_of = |pipeline| change(pipeline, &params);
    let changes: Vec<_> = params.pipelines.iter().map(|pipeline| (Just(*pipeline), change_of(*pipeline))).collect();
    // Bugs show up when one object meets several faults.
    let which = || prop_oneof![2 => Just(Which::Last), 1 => any::<Index>().prop_map(Which::Any)];
    let chance = prop_oneof![
        2 => Just(Chance::Nothing),
        4 => proptest::strategy::Union::new(created),
        7 => (which(), changes).prop_map(|(which, set)| Chance::Update(which, set.into_iter().collect())),
        3 => which().prop_map(Chance::Delete),
        2 => (select(params.pipelines.clone()), 0..syncs).prop_map(|(pipeline, sync)| Chance::Reenable(pipeline, sync)),
    ];
    let faults = if params.faults.is_empty() {
        Just(None).boxed()
    } else {
        weighted(0.45, (select(params.faults), 1..=LONGEST)).boxed()
    };
    let policies = if params.policies { policy().boxed() } else { Just(Policy::paragon_assumed()).boxed() };
    let rounds = vec((vec(chance, users), times, faults), params.rounds);
    (rounds, 0..1_000_000_u64, policies).prop_map(move |(rounds, seed, policy)| Scenario {
        revision,
        policy,
        ..Scenario::new(seed, happen(rounds, first))
    })
}

/// Generates the members that a change sets. The extension of a file name is added later, because it depends on the
/// file.
fn change(pipeline: Pipeline, params: &HistoryParams) -> BoxedStrategy<Map<String, Value>> {
    let objects = members(pipeline, params.payloads, &params.incoherent, &params.without);
    let strategy = objects.prop_map(move |mut members| {
        let extension = extension(&members);
        if let Some(Value::String(name)) = members.get_mut("name").filter(|_| pipeline == Pipeline::Files) {
            name.truncate(name.len() - extension.len());
        }
        members.retain(|name, value| match pipeline {
            // A change omits the size if the source decides it.
            Pipeline::Files => match name.as_str() {
                "name" | "customFields" | "updatedAt" => true,
                "size" => !value.is_null(),
                _ => false,
            },
            _ => !["createdAt", "objectType", "accountId"].contains(&name.as_str()),
        });
        members
    });
    strategy.boxed()
}

fn user(number: usize) -> UserId {
    format!(
        "user_{}",
        ["ada", "bob", "cyd", "dee", "eve"].get(number).map_or_else(|| number.to_string(), ToString::to_string)
    )
    .into()
}

/// Objects and syncs of a user.
#[derive(Default)]
struct Has {
    /// Live objects. The last one is the one that was touched last.
    live: Vec<Live>,
    syncs: Vec<(Pipeline, usize)>,
}

/// A live object.
#[derive(Clone)]
struct Live {
    object: String,
    pipeline: Pipeline,
    /// Extension that the name of a file ends with.
    extension: &'static str,
    is_folder: bool,
    /// Folder of a file, or company of a deal.
    refers_to: Option<String>,
}

impl Has {
    /// Removes one of the objects and returns it.
    fn pick(&mut self, which: Which) -> Option<Live> {
        match which {
            Which::Any(index) if !self.live.is_empty() => Some(self.live.remove(index.index(self.live.len()))),
            _ => self.live.pop(),
        }
    }

    /// Removes an object that no other object refers to, and returns it. A folder is emptied before it is removed.
    fn pick_unused(&mut self, which: Which) -> Option<Live> {
        let mut picked = self.pick(which)?;
        while let Some(user) = self.live.iter().rposition(|live| live.refers_to.as_ref() == Some(&picked.object)) {
            let user = self.live.remove(user);
            self.live.push(std::mem::replace(&mut picked, user));
        }
        Some(picked)
    }

    /// Returns an object that an object of this pipeline can refer to, and the member for the reference.
    fn pick_target(&self, pipeline: Pipeline, index: Index) -> Option<(&'static str, String)> {
        let (member, target): (_, fn(&Live) -> bool) = match pipeline {
            Pipeline::Files => ("parentFolderId", |live| live.is_folder),
            Pipeline::Deals => ("accountId", |live| live.pipeline == Pipeline::Companies),
            _ => return None,
        };
        // Objects of another integration are in another account.
        let of_account = |live: &&Live| sample_integration(live.pipeline).0 == sample_integration(pipeline).0;
        let targets: Vec<_> = self.live.iter().filter(|live| target(live)).filter(of_account).collect();
        (!targets.is_empty()).then(|| (member, targets[index.index(targets.len())].object.clone()))
    }
}

/// Returns the steps for the chances that are possible.
fn happen(rounds: Vec<Round>, first: Pipeline) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut objects = 0;
    let mut users: BTreeMap<usize, Has> = BTreeMap::new();
    let mut during: BTreeMap<Fault, usize> = BTreeMap::new();
    for (chances, then, trouble) in rounds {
        if let Some((fault, rounds)) = trouble {
            during.insert(fault, rounds);
        }
        let begin = steps.len();
        for (who, chance) in chances.into_iter().enumerate() {
            let action = act(who, chance, users.entry(who).or_default(), &mut objects, first);
            steps.extend(action.map(Step::new));
        }
        if steps.len() == begin && !then.is_zero() {
            steps.push(Step::new(Action::Advance { by: then }));
        } else if let Some(last) = steps[begin..].last_mut() {
            last.then = then;
        }
        steps[begin..].iter_mut().for_each(|step| step.during = during.keys().copied().collect());
        during.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
    }
    if users.values().all(|has| has.syncs.is_empty()) {
        steps.push(Step::new(enable(0, first, 0)));
    }
    steps.push(Step::new(Action::Advance { by: Duration::from_secs(86_400) }));
    steps
}

/// Returns the action for a chance. If the chance is not possible, a user without a sync enables one.
fn act(who: usize, chance: Chance, has: &mut Has, objects: &mut usize, first: Pipeline) -> Option<Action> {
    let happened = match chance {
        Chance::Nothing => return None,
        Chance::Create(pipeline, mut record, within) => {
            *objects += 1;
            let object = format!("object-{objects}");
            // An existing `parentFolderId` refers to a missing folder on purpose: see `Incoherence`.
            let target = within.and_then(|index| has.pick_target(pipeline, index));
            let target = target.filter(|(member, _)| *member != "parentFolderId" || !record.contains_key(*member));
            if let Some((member, target)) = &target {
                record.insert((*member).to_owned(), json!({"object": target}));
            }
            has.live.push(Live {
                object: object.clone(),
                pipeline,
                extension: extension(&record),
                is_folder: pipeline == Pipeline::Files && is_folder(&record),
                refers_to: target.map(|(_, target)| target),
            });
            let integration = sample_integration(pipeline).0.to_owned();
            Some(Action::Create { user: user(who), integration, pipeline, object, record })
        }
        Chance::Update(which, mut set) => has.pick(which).map(|live| {
            has.live.push(live.clone());
            let mut set = set.remove(&live.pipeline).unwrap_or_default();
            if let Some(Value::String(name)) = set.get_mut("name") {
                name.push_str(live.extension);
            }
            Action::Update { object: live.object, set }
        }),
        Chance::Delete(which) => has.pick_unused(which).map(|live| Action::Delete { object: live.object }),
        Chance::Reenable(pipeline, which) => (!has.syncs.contains(&(pipeline, which))).then(|| {
            has.syncs.push((pipeline, which));
            enable(who, pipeline, which)
        }),
    };
    happened.or_else(|| {
        has.syncs.is_empty().then(|| {
            has.syncs.push((first, 0));
            enable(who, first, 0)
        })
    })
}

fn is_folder(record: &Map<String, Value>) -> bool {
    let kind = record.get("mimeType").and_then(Value::as_str).unwrap_or_default();
    File { mime_type: kind.to_owned(), ..File::named("") }.is_folder()
}

fn enable(who: usize, pipeline: Pipeline, which: usize) -> Action {
    let (integration, configuration) = sample_integration(pipeline);
    let configuration_name = if which == 0 { "default".to_owned() } else { format!("sync-{which}") };
    Action::Enable { user: user(who), integration: integration.to_owned(), pipeline, configuration_name, configuration }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    fn everything() -> HistoryParams {
        HistoryParams { policies: true, pipelines: Pipeline::ALL.to_vec(), ..HistoryParams::default() }
    }

    proptest! {
        #[test]
        fn histories_are_possible_and_survive_the_file_format(scenario in history(everything())) {
            prop_assert!(scenario.check().is_ok(), "{:?}", scenario.check());
            let file = serde_json::from_str(&scenario.to_json()).unwrap();
            prop_assert_eq!(Contract { layer: Layer::Strict, ..Contract::default() }.validate("scenario", &file), []);
            prop_assert_eq!(Scenario::parse(&scenario.to_json()).unwrap(), scenario);
        }
    }

    #[test]
    fn files_lie_in_folders_and_deals_are_of_companies() {
        let mut runner = TestRunner::deterministic();
        let strategy = history(HistoryParams { rounds: 20..=40, ..everything() });
        let scenarios = std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current()).take(10);
        let steps: Vec<_> = scenarios.flat_map(|scenario| scenario.steps).collect();
        for member in ["parentFolderId", "accountId"] {
            let refers = |step: &Step| matches!(&step.action, Action::Create { record, .. } if record.get(member).is_some_and(Value::is_object));
            assert!(steps.iter().any(refers), "{member}");
        }
    }

    #[test]
    fn histories_contain_special_files_unless_they_are_left_out() {
        let files = |scenario: &Scenario| -> Vec<File> {
            let changed = scenario.steps.iter().filter_map(|step| match &step.action {
                Action::Create { record, .. } => Some(record.clone()),
                Action::Update { set, .. } => Some(set.clone()),
                _ => None,
            });
            let whole = changed.map(|set| {
                let mut members = File::named("a.pdf");
                members.size = Some(1);
                let Ok(Value::Object(mut members)) = serde_json::to_value(members) else { unreachable!() };
                members.extend(set);
                members.remove("parentFolderId");
                serde_json::from_value(members.into()).unwrap()
            });
            whole.collect()
        };
        for kind in SpecialRecord::ALL {
            // Without edge cases, histories contain folders and Google-native documents only.
            let plain = matches!(kind, SpecialRecord::Folders | SpecialRecord::GoogleDocs);
            let payloads = if plain { Params::tidy() } else { Params::default() };
            let incoherent = if plain { vec![] } else { Incoherence::ALL.to_vec() };
            let params = HistoryParams { payloads, incoherent, rounds: 20..=40, ..HistoryParams::default() };
            let contains = |params: HistoryParams| {
                let mut runner = TestRunner::deterministic();
                let strategy = history(params);
                let scenarios = std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current());
                scenarios.take(30).flat_map(|scenario| files(&scenario)).any(|file| kind.includes(&file))
            };
            assert!(!contains(params.clone().without([kind])), "{kind}");
            assert!(!plain || contains(params), "{kind}");
        }
    }

    #[test]
    fn histories_stay_valid_while_they_shrink_to_a_few_steps() {
        let mut runner = TestRunner::deterministic();
        let deletes =
            |scenario: &Scenario| scenario.steps.iter().any(|step| matches!(step.action, Action::Delete { .. }));
        let mut shrunk = 0;
        for _ in 0..60 {
            let mut tree =
                history(HistoryParams { rounds: 0..=6, ..HistoryParams::default() }).new_tree(&mut runner).unwrap();
            if !deletes(&tree.current()) {
                continue;
            }
            // Shrinks as proptest does: every simpler history that still has a deletion is kept.
            let mut simpler = tree.simplify();
            while simpler {
                tree.current().check().unwrap();
                simpler = if deletes(&tree.current()) { tree.simplify() } else { tree.complicate() };
            }
            shrunk += 1;
            let kinds: Vec<_> =
                tree.current().steps.iter().map(|step| serde_json::to_value(step).unwrap()["do"].clone()).collect();
            assert_eq!(kinds, ["create", "delete", "enable", "advance"]);
        }
        assert!(shrunk > 3, "{shrunk}");
    }
}
