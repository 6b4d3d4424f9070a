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
use crate::contract::{File, Pipeline, UserId, sample_integration};
use crate::delivery::Policy;
use crate::scenario::{Action, Fault, Scenario, Step};

/// What happens in generated histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryParams {
    /// How many edge cases the objects have, and the revision. Default [`Params::tidy`]: objects look as a provider has
    /// them.
    pub payloads: Params,
    /// What is wrong with the objects beyond edge cases. Default nothing: an object is created before it changes, each of
    /// its versions is later than the one before, folders exist, and sizes and hashes are those of the contents.
    pub incoherent: Vec<Incoherence>,
    /// How many users there are at most. Default 2.
    pub users: usize,
    /// How many syncs an account has at most: several show the same external ids under different record ids. Default 2.
    pub syncs: usize,
    /// What is synced. Default files.
    pub pipelines: Vec<Pipeline>,
    /// How many rounds there are, before the end at which everything works for a day; in each, something happens to
    /// each user. Default 0 to 20.
    pub rounds: RangeInclusive<usize>,
    /// Which troubles there are. Default all; none for a quiet life.
    pub faults: Vec<Fault>,
    /// Whether the delivery policy is generated too. Default false: [`Policy::paragon_assumed`].
    pub policies: bool,
}

impl Default for HistoryParams {
    fn default() -> Self {
        Self {
            payloads: Params::tidy(),
            incoherent: Vec::new(),
            users: 2,
            syncs: 2,
            pipelines: vec![Pipeline::Files],
            rounds: 0..=20,
            faults: Fault::ALL.to_vec(),
            policies: false,
        }
    }
}

/// Something that may happen to a user, if it can when its turn comes. Any part of a list of these makes a valid
/// history, so they shrink by leaving some out.
#[derive(Clone, Debug)]
enum Chance {
    Nothing,
    /// Perhaps in one of the folders that there are, or with one of the companies.
    Create(Pipeline, Map<String, Value>, Option<Index>),
    /// Of each pipeline a change: that of the object's own is taken.
    Update(Which, BTreeMap<Pipeline, Map<String, Value>>),
    Delete(Which),
    Enable(Pipeline, usize),
}

/// One of the objects that live: the one that was touched last, or any.
#[derive(Clone, Copy, Debug)]
enum Which {
    Last,
    Any(Index),
}

/// What happens to each user, how much time passes then, and what trouble begins, for how many rounds.
type Round = (Vec<Chance>, Duration, Option<(Fault, usize)>);

/// Of how many rounds a trouble lasts, at most.
const LONGEST: usize = 4;

/// Histories: changes, syncs and times that respect the lifecycle, with troubles meanwhile. At the end a day passes
/// without any, so that a right receiver can be right. They shrink to few steps and stay valid.
///
/// Objects look as a provider has them. Edge cases are asked for by [`HistoryParams::payloads`], what no provider does by
/// [`HistoryParams::incoherent`].
///
/// ```
/// use paragon_testkit::scenario::Fault;
/// use paragon_testkit::strategies::{HistoryParams, history};
/// use proptest::prelude::*;
///
/// let faults = vec![Fault::ReceiverUnreachable, Fault::EventsDoubled];
/// let params = HistoryParams { faults, ..HistoryParams::default() };
/// proptest!(|(scenario in history(params))| {
///     prop_assert!(scenario.check().is_ok());
/// });
/// ```
///
/// # Panics
///
/// When there is no pipeline to sync.
#[track_caller]
pub fn history(params: HistoryParams) -> impl Strategy<Value = Scenario> {
    assert!(!params.pipelines.is_empty(), "a history needs a pipeline");
    let (users, syncs) = (params.users.max(1), params.syncs.max(1));
    let revision = params.payloads.revision;
    let first = params.pipelines[0];
    // A minute is what most things take.
    let times = prop_oneof![
        3 => Just(Duration::ZERO),
        5 => Just(Duration::from_secs(60)),
        3 => select([1, 59, 61, 600, 3_600, 86_399, 86_400, 90_000].map(Duration::from_secs).to_vec()),
    ];
    let created = params.pipelines.iter().map(|pipeline| {
        let pipeline = *pipeline;
        let object = members(pipeline, params.payloads, &params.incoherent);
        (object, weighted(0.5, any::<Index>()))
            .prop_map(move |(record, within)| Chance::Create(pipeline, record, within))
            .boxed()
    });
    let change_of = |pipeline| change(pipeline, params.payloads, &params.incoherent);
    let changes: Vec<_> = params.pipelines.iter().map(|pipeline| (Just(*pipeline), change_of(*pipeline))).collect();
    // Troubles show where one object meets several of them.
    let which = || prop_oneof![2 => Just(Which::Last), 1 => any::<Index>().prop_map(Which::Any)];
    let chance = prop_oneof![
        2 => Just(Chance::Nothing),
        4 => proptest::strategy::Union::new(created),
        7 => (which(), changes).prop_map(|(which, set)| Chance::Update(which, set.into_iter().collect())),
        3 => which().prop_map(Chance::Delete),
        2 => (select(params.pipelines.clone()), 0..syncs).prop_map(|(pipeline, sync)| Chance::Enable(pipeline, sync)),
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

/// What a change sets. The name of a file has its extension later: it depends on the file.
fn change(pipeline: Pipeline, params: Params, incoherent: &[Incoherence]) -> BoxedStrategy<Map<String, Value>> {
    let strategy = members(pipeline, params, incoherent).prop_map(move |mut members| {
        let extension = extension(&members);
        if let Some(Value::String(name)) = members.get_mut("name").filter(|_| pipeline == Pipeline::Files) {
            name.truncate(name.len() - extension.len());
        }
        members.retain(|name, value| match pipeline {
            // A change that leaves the size to the source does not speak of it.
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

/// What a user has.
#[derive(Default)]
struct Has {
    /// The last one is the one that was touched last.
    live: Vec<Live>,
    syncs: Vec<(Pipeline, usize)>,
}

/// An object that lives.
#[derive(Clone)]
struct Live {
    object: String,
    pipeline: Pipeline,
    /// The extension that the name of a file has.
    extension: &'static str,
    is_folder: bool,
    /// The folder that a file lies in, the company of a deal.
    refers_to: Option<String>,
}

impl Has {
    /// Takes one of the objects out.
    fn pick(&mut self, which: Which) -> Option<Live> {
        match which {
            Which::Any(index) if !self.live.is_empty() => Some(self.live.remove(index.index(self.live.len()))),
            _ => self.live.pop(),
        }
    }

    /// Takes one of the objects out that no other one refers to: a folder is emptied before it goes.
    fn pick_unused(&mut self, which: Which) -> Option<Live> {
        let mut picked = self.pick(which)?;
        while let Some(user) = self.live.iter().rposition(|live| live.refers_to.as_ref() == Some(&picked.object)) {
            let user = self.live.remove(user);
            self.live.push(std::mem::replace(&mut picked, user));
        }
        Some(picked)
    }

    /// One of the objects that one of a pipeline may refer to.
    fn pick_target(&self, pipeline: Pipeline, index: Index) -> Option<(&'static str, String)> {
        let (member, target): (_, fn(&Live) -> bool) = match pipeline {
            Pipeline::Files => ("parentFolderId", |live| live.is_folder),
            Pipeline::Deals => ("accountId", |live| live.pipeline == Pipeline::Companies),
            _ => return None,
        };
        // Those of another integration are in another account.
        let of_account = |live: &&Live| sample_integration(live.pipeline).0 == sample_integration(pipeline).0;
        let targets: Vec<_> = self.live.iter().filter(|live| target(live)).filter(of_account).collect();
        (!targets.is_empty()).then(|| (member, targets[index.index(targets.len())].object.clone()))
    }
}

/// The steps that those chances make which can happen.
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

/// What a chance comes to; where it cannot happen, a user without a sync gets one.
fn act(who: usize, chance: Chance, has: &mut Has, objects: &mut usize, first: Pipeline) -> Option<Action> {
    let happened = match chance {
        Chance::Nothing => return None,
        Chance::Create(pipeline, mut record, within) => {
            *objects += 1;
            let object = format!("object-{objects}");
            // A `parentFolderId` that is there already refers to no folder on purpose: see `Incoherence`.
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
        Chance::Enable(pipeline, which) => (!has.syncs.contains(&(pipeline, which))).then(|| {
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
        fn histories_can_happen_and_survive_the_file(scenario in history(everything())) {
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
    fn they_stay_valid_while_they_shrink_to_few_steps() {
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
            // As proptest does it: whatever still has a deletion is kept.
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
