use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::policy::policy;
use super::{Params, file};
use crate::contract::{File, UserId};
use crate::delivery::Policy;
use crate::scenario::{Fault, Scenario, Step};

/// What happens in generated histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryParams {
    /// How odd the files are, and the revision. Default as in [`Params`].
    pub payloads: Params,
    /// How many users there are at most. Default 2.
    pub users: usize,
    /// How many syncs an account has at most: several show the same external ids under different record ids. Default 2.
    pub syncs: usize,
    /// How many things happen, before the end at which everything works again for a day. Default 0 to 30.
    pub steps: RangeInclusive<usize>,
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
            steps: 0..=30,
            faults: Fault::ALL.to_vec(),
            policies: false,
        }
    }
}

/// Something that may happen, if it can when its turn comes. Any part of a list of these makes a valid history, so
/// they shrink by leaving some out.
#[derive(Clone, Debug)]
enum Chance {
    Create(usize, Box<File>),
    Update(Index, Map<String, Value>),
    Delete(Index),
    Enable(usize, usize),
    Advance(Duration),
    Break(Fault),
    Mend(Index),
}

/// Histories of one integration: changes, syncs and times that respect the lifecycle, with troubles in between. At the
/// end everything is mended and a day passes, so that a right receiver can be right. They shrink to few steps and stay
/// valid.
///
/// ```
/// use paragon_testkit::strategies::{HistoryParams, history};
/// use proptest::prelude::*;
///
/// proptest!(|(scenario in history(HistoryParams { steps: 0..=10, ..HistoryParams::default() }))| {
///     prop_assert!(scenario.check().is_ok());
/// });
/// ```
pub fn history(params: HistoryParams) -> impl Strategy<Value = Scenario> {
    let (users, syncs) = (params.users.max(1), params.syncs.max(1));
    let revision = params.payloads.revision;
    let times = [1, 59, 60, 61, 600, 3_600, 86_399, 86_400, 90_000].map(Duration::from_secs).to_vec();
    let mut chances = vec![
        (6, (0..users, file(params.payloads)).prop_map(|(user, file)| Chance::Create(user, Box::new(file))).boxed()),
        (5, (any::<Index>(), change(params.payloads)).prop_map(|(which, set)| Chance::Update(which, set)).boxed()),
        (3, any::<Index>().prop_map(Chance::Delete).boxed()),
        (2, (0..users, 0..syncs).prop_map(|(user, sync)| Chance::Enable(user, sync)).boxed()),
        (5, select(times).prop_map(Chance::Advance).boxed()),
    ];
    if !params.faults.is_empty() {
        chances.push((2, select(params.faults).prop_map(Chance::Break).boxed()));
        chances.push((1, any::<Index>().prop_map(Chance::Mend).boxed()));
    }
    let policies = if params.policies { policy().boxed() } else { Just(Policy::paragon_assumed()).boxed() };
    let chances = vec(proptest::strategy::Union::new_weighted(chances), params.steps);
    (chances, 0..1_000_000_u64, policies).prop_map(move |(chances, seed, policy)| Scenario {
        revision,
        policy,
        ..Scenario::new(seed, happen(chances))
    })
}

/// What a change sets.
fn change(params: Params) -> impl Strategy<Value = Map<String, Value>> {
    file(params).prop_map(|file| {
        let Value::Object(mut members) = json!({"name": file.name, "size": file.size}) else {
            unreachable!("an object was just written")
        };
        members.extend(file.custom_fields.map(|fields| ("customFields".to_owned(), Value::Object(fields))));
        members
    })
}

const INTEGRATION: &str = "googledrive";

fn user(number: usize) -> UserId {
    format!(
        "user_{}",
        ["ada", "bob", "cyd", "dee", "eve"].get(number).map_or_else(|| number.to_string(), ToString::to_string)
    )
    .into()
}

/// The steps that those chances make which can happen.
fn happen(chances: Vec<Chance>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut files = 0;
    let mut live: Vec<String> = Vec::new();
    let mut syncs: Vec<(usize, usize)> = Vec::new();
    let mut broken: Vec<Fault> = Vec::new();
    let enable = |who: usize, which: usize| Step::Enable {
        user: user(who),
        integration: INTEGRATION.to_owned(),
        configuration_name: if which == 0 { "default".to_owned() } else { format!("sync-{which}") },
    };
    for chance in chances {
        match chance {
            Chance::Create(who, record) => {
                files += 1;
                let file = format!("file-{files}");
                live.push(file.clone());
                steps.push(Step::Create { user: user(who), integration: INTEGRATION.to_owned(), file, record });
            }
            Chance::Update(which, set) if !live.is_empty() => {
                steps.push(Step::Update { file: live[which.index(live.len())].clone(), set });
            }
            Chance::Delete(which) if !live.is_empty() => {
                steps.push(Step::Delete { file: live.remove(which.index(live.len())) });
            }
            Chance::Enable(who, which) if !syncs.contains(&(who, which)) => {
                syncs.push((who, which));
                steps.push(enable(who, which));
            }
            Chance::Advance(by) => steps.push(Step::Advance { by }),
            Chance::Break(fault) if !broken.contains(&fault) => {
                broken.push(fault);
                steps.push(Step::Break { fault });
            }
            Chance::Mend(which) if !broken.is_empty() => {
                steps.push(Step::Mend { fault: broken.remove(which.index(broken.len())) });
            }
            _ => {}
        }
    }
    if syncs.is_empty() {
        steps.push(enable(0, 0));
    }
    steps.extend(broken.into_iter().map(|fault| Step::Mend { fault }));
    steps.push(Step::Advance { by: Duration::from_secs(86_400) });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    proptest! {
        #[test]
        fn histories_can_happen_and_survive_the_file(scenario in history(HistoryParams { policies: true, ..HistoryParams::default() })) {
            prop_assert!(scenario.check().is_ok(), "{:?}", scenario.check());
            let file = serde_json::from_str(&scenario.to_json()).unwrap();
            prop_assert_eq!(Contract { layer: Layer::Strict, ..Contract::default() }.validate("scenario", &file), []);
            prop_assert_eq!(Scenario::parse(&scenario.to_json()).unwrap(), scenario);
        }
    }

    #[test]
    fn they_stay_valid_while_they_shrink_to_few_steps() {
        let mut runner = TestRunner::deterministic();
        let deletes = |scenario: &Scenario| scenario.steps.iter().any(|step| matches!(step, Step::Delete { .. }));
        let mut shrunk = 0;
        for _ in 0..40 {
            let mut tree = history(HistoryParams::default()).new_tree(&mut runner).unwrap();
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
        assert!(shrunk > 10, "{shrunk}");
    }
}
