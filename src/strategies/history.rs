use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use super::Params;
use super::payload::payload;
use super::policy::policy;
use crate::contract::{Pipeline, SAMPLE_OBJECT, UserId, sample_integration};
use crate::delivery::Policy;
use crate::scenario::{Action, Fault, Scenario, Step};

/// What happens in generated histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryParams {
    /// How odd the objects are, and the revision. Default as in [`Params`].
    pub payloads: Params,
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
            payloads: Params::default(),
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
    Create(Pipeline, Map<String, Value>),
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
        members(pipeline, params.payloads).prop_map(move |record| Chance::Create(pipeline, record)).boxed()
    });
    let changes: Vec<_> =
        params.pipelines.iter().map(|pipeline| (Just(*pipeline), change(*pipeline, params.payloads))).collect();
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

/// The members of an object, without its ids.
fn members(pipeline: Pipeline, params: Params) -> impl Strategy<Value = Map<String, Value>> {
    // The steps of a scenario are of the newest revision; the API speaks another one if asked to.
    let params = Params { revision: crate::contract::Revision::default(), ..params };
    payload(pipeline.schema(), params).prop_map(move |value| {
        let Value::Object(mut members) = value else { unreachable!("records are objects") };
        for id in ["id", "externalId"] {
            members.remove(id);
        }
        if pipeline == Pipeline::CustomObjects {
            members.insert("objectType".to_owned(), SAMPLE_OBJECT.into());
        }
        members
    })
}

/// What a change sets.
fn change(pipeline: Pipeline, params: Params) -> impl Strategy<Value = Map<String, Value>> {
    members(pipeline, params).prop_map(move |mut members| {
        members.retain(|name, _| match pipeline {
            Pipeline::Files => ["name", "size", "customFields"].contains(&name.as_str()),
            _ => !["createdAt", "updatedAt", "objectType"].contains(&name.as_str()),
        });
        members
    })
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
    live: Vec<(String, Pipeline)>,
    syncs: Vec<(Pipeline, usize)>,
}

impl Has {
    fn pick(&mut self, which: Which) -> Option<(String, Pipeline)> {
        match which {
            Which::Any(index) if !self.live.is_empty() => Some(self.live.remove(index.index(self.live.len()))),
            _ => self.live.pop(),
        }
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
        Chance::Create(pipeline, record) => {
            *objects += 1;
            let object = format!("object-{objects}");
            has.live.push((object.clone(), pipeline));
            let integration = sample_integration(pipeline).0.to_owned();
            Some(Action::Create { user: user(who), integration, pipeline, object, record })
        }
        Chance::Update(which, mut set) => has.pick(which).map(|(object, pipeline)| {
            has.live.push((object.clone(), pipeline));
            Action::Update { object, set: set.remove(&pipeline).unwrap_or_default() }
        }),
        Chance::Delete(which) => has.pick(which).map(|(object, _)| Action::Delete { object }),
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
    fn they_stay_valid_while_they_shrink_to_few_steps() {
        let mut runner = TestRunner::deterministic();
        let deletes =
            |scenario: &Scenario| scenario.steps.iter().any(|step| matches!(step.action, Action::Delete { .. }));
        let mut shrunk = 0;
        for _ in 0..20 {
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
