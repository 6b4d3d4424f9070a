use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde_json::{Map, Value};

use super::context::MINUTE;
use crate::contract::{Object, Pipeline, UserId};
use crate::scenario::{Action, Fault, Scenario, Step};

/// Search for a shorter history that still fails. The shrinker plays no history itself: in each round it suggests some,
/// and is told which of them fail.
///
/// It first leaves out whole users, then stretches of steps down to single steps, then faults, times and the content of
/// records. It repeats this until nothing more can be left out.
pub(super) struct Shrinker {
    best: Scenario,
    pass: usize,
    /// Number of the next candidate in the pass.
    at: usize,
    /// Whether something became simpler since the first pass last began.
    progress: bool,
    /// History without everything that several failing candidates of the last round left out.
    bold: Option<Scenario>,
    round: Vec<Candidate>,
}

struct Candidate {
    scenario: Scenario,
    /// Number of the candidate in the pass. `None` if it combines several candidates.
    number: Option<usize>,
}

/// Creates the candidate with this number. Returns `None` when there are no more.
type Pass = fn(&Scenario, usize) -> Option<Scenario>;

const PASSES: [Pass; 6] =
    [without_user, without_steps, without_fault, without_fault_of_step, with_less_time, with_plainer_records];

/// Index of the pass that leaves out stretches of steps.
const STEPS: usize = 1;

impl Shrinker {
    pub(super) fn new(failing: Scenario) -> Self {
        Self { best: tidied(failing), pass: 0, at: 0, progress: false, bold: None, round: Vec::new() }
    }

    /// Returns at most `count` histories to try next, all from one pass. Returns none when nothing more can be left
    /// out.
    pub(super) fn suggest(&mut self, count: usize) -> Vec<Scenario> {
        let bold = self.bold.take().filter(|bold| bold.steps != self.best.steps);
        self.round = bold.map(|scenario| Candidate { scenario, number: None }).into_iter().collect();
        while self.round.len() < count {
            let Some(pass) = PASSES.get(self.pass) else {
                if !self.progress {
                    break;
                }
                (self.pass, self.at, self.progress) = (0, 0, false);
                continue;
            };
            match pass(&self.best, self.at).map(tidied) {
                Some(scenario) => {
                    if scenario.steps != self.best.steps {
                        self.round.push(Candidate { scenario, number: Some(self.at) });
                    }
                    self.at += 1;
                }
                None if self.round.is_empty() => (self.pass, self.at) = (self.pass + 1, 0),
                None => break,
            }
        }
        self.round.iter().map(|candidate| candidate.scenario.clone()).collect()
    }

    /// Takes the outcome of each suggested history: `true` if it failed. The shortest failing history becomes the best
    /// one. If several candidates failed, the next round also suggests a history without everything that any of them
    /// left out.
    pub(super) fn tell(&mut self, fails: &[bool]) {
        let round = std::mem::take(&mut self.round);
        let failing: Vec<_> = round.iter().zip(fails).filter(|(_, fails)| **fails).map(|(one, _)| one).collect();
        let Some(shortest) = failing.iter().min_by_key(|one| one.scenario.steps.len()) else { return };
        self.progress = true;
        let numbers: Vec<_> = failing.iter().filter_map(|one| one.number).collect();
        // A combined history was made from an earlier best one, so its parts cannot be combined again.
        if failing.len() > 1 && failing.len() == numbers.len() {
            self.bold = Some(tidied(self.without_all(&numbers)));
        }
        if let Some(first) = numbers.iter().min() {
            let count = self.best.steps.len();
            self.at = match self.pass {
                STEPS => first_of_length(shortest.scenario.steps.len(), length_of(count, *first)),
                // The steps or faults of the first failing candidate are gone, so its number now belongs to another
                // candidate.
                _ => *first,
            };
        }
        self.best = shortest.scenario.clone();
    }

    /// Returns the best history without everything that the candidates with these numbers leave out.
    fn without_all(&self, numbers: &[usize]) -> Scenario {
        if self.pass == STEPS {
            let count = self.best.steps.len();
            let stretches: Vec<_> = numbers.iter().filter_map(|number| stretch(count, *number)).collect();
            let mut shorter = self.best.clone();
            let mut index = 0;
            shorter.steps.retain(|_| {
                index += 1;
                !stretches.iter().any(|stretch| stretch.contains(&(index - 1)))
            });
            return shorter.possible();
        }
        // Applied from the last number to the first, so that the smaller numbers stay valid.
        numbers
            .iter()
            .rev()
            .fold(self.best.clone(), |shorter, number| PASSES[self.pass](&shorter, *number).unwrap_or(shorter))
    }

    pub(super) fn best(&self) -> &Scenario {
        &self.best
    }
}

/// Returns the history with this user's steps only. The faults and the time of the other steps stay.
pub(super) fn of_user(scenario: &Scenario, user: &UserId) -> Scenario {
    idle(scenario, |owner| owner != user)
}

/// Returns the same history with fewer steps in which only time passes. Their time moves to the step before, if the
/// same faults are active.
fn tidied(mut scenario: Scenario) -> Scenario {
    let mut tidy: Vec<Step> = Vec::new();
    for mut step in scenario.steps {
        let Action::Advance { by } = &mut step.action else {
            tidy.push(step);
            continue;
        };
        *by += std::mem::take(&mut step.then);
        match tidy.last_mut() {
            _ if by.is_zero() => {}
            Some(before) if before.during == step.during => match &mut before.action {
                Action::Advance { by: already } => *already += *by,
                _ => before.then += *by,
            },
            _ => tidy.push(step),
        }
    }
    scenario.steps = tidy;
    scenario
}

/// Leaves out the steps of one user. The time of these steps stays.
fn without_user(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let owners = owners(scenario);
    let users: BTreeSet<_> = owners.iter().flatten().cloned().collect();
    if users.len() < 2 {
        return None;
    }
    let user = users.into_iter().nth(number)?;
    Some(idle(scenario, |owner| *owner == user))
}

/// Returns the user of each step.
fn owners(scenario: &Scenario) -> Vec<Option<UserId>> {
    let mut objects = BTreeMap::new();
    let owner = |step: &Step| match &step.action {
        Action::Create { user, object, .. } => {
            objects.insert(object.clone(), user.clone());
            Some(user.clone())
        }
        Action::Enable { user, .. } => Some(user.clone()),
        Action::Update { object, .. } | Action::Delete { object } => objects.get(object).cloned(),
        Action::Advance { .. } => None,
    };
    scenario.steps.iter().map(owner).collect()
}

/// Replaces the actions of these users by time that passes.
fn idle(scenario: &Scenario, of: impl Fn(&UserId) -> bool) -> Scenario {
    let mut scenario = scenario.clone();
    let owners = owners(&scenario);
    for (step, owner) in scenario.steps.iter_mut().zip(owners) {
        if owner.is_some_and(|owner| of(&owner)) {
            step.action = Action::Advance { by: Duration::ZERO };
        }
    }
    tidied(scenario)
}

/// Leaves out one stretch of steps: first a half, then a quarter and so on, down to single steps, from the end to the
/// start.
fn without_steps(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let mut shorter = scenario.clone();
    shorter.steps.drain(stretch(scenario.steps.len(), number)?);
    Some(shorter.possible())
}

/// Returns the lengths of the stretches that are left out of `count` steps, the longest first.
fn lengths(count: usize) -> impl Iterator<Item = usize> {
    let halved = |length: &usize| (*length > 1).then(|| length.div_ceil(2));
    std::iter::successors((count > 0).then(|| count.div_ceil(2)), halved)
}

/// Returns the stretch of steps with this number, or `None` if there are fewer stretches.
fn stretch(count: usize, number: usize) -> Option<Range<usize>> {
    let mut left = number;
    for length in lengths(count) {
        let stretches = count.div_ceil(length);
        if left < stretches {
            let end = count - left * length;
            return Some(end.saturating_sub(length)..end);
        }
        left -= stretches;
    }
    None
}

/// Returns the length of the stretch with this number. The last stretch of each length may be shorter.
fn length_of(count: usize, number: usize) -> usize {
    let mut left = number;
    let length = lengths(count).find(|length| {
        let stretches = count.div_ceil(*length);
        let is_here = left < stretches;
        left = left.saturating_sub(stretches);
        is_here
    });
    length.unwrap_or(1)
}

/// Returns the number of the first stretch that is not longer than `longest`.
fn first_of_length(count: usize, longest: usize) -> usize {
    lengths(count).take_while(|length| *length > longest).map(|length| count.div_ceil(length)).sum()
}

fn without_fault(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let faults: BTreeSet<Fault> = scenario.steps.iter().flat_map(|step| step.during.iter().copied()).collect();
    let fault = faults.into_iter().nth(number)?;
    let mut calmer = scenario.clone();
    calmer.steps.iter_mut().for_each(|step| step.during.retain(|during| *during != fault));
    Some(calmer)
}

fn without_fault_of_step(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let places =
        scenario.steps.iter().enumerate().flat_map(|(step, it)| (0..it.during.len()).map(move |at| (step, at)));
    let (step, at) = places.collect::<Vec<_>>().into_iter().nth(number)?;
    let mut calmer = scenario.clone();
    calmer.steps[step].during.remove(at);
    Some(calmer)
}

/// Shortens the time of one step to zero or to a minute.
fn with_less_time(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let mut quicker = scenario.clone();
    let step = quicker.steps.get_mut(number / 2)?;
    let less = if number.is_multiple_of(2) { Duration::ZERO } else { MINUTE };
    let shorten = |span: &mut Duration| *span = less.min(*span);
    shorten(&mut step.then);
    if let Action::Advance { by } = &mut step.action {
        shorten(by);
    }
    Some(quicker)
}

fn with_plainer_records(scenario: &Scenario, number: usize) -> Option<Scenario> {
    let mut plainer = scenario.clone();
    let mut pipelines = BTreeMap::new();
    for (index, step) in plainer.steps.iter_mut().enumerate() {
        match &mut step.action {
            Action::Create { object, pipeline, record, .. } => {
                pipelines.insert(object.clone(), *pipeline);
                if index == number {
                    *record = plain(*pipeline, object);
                    return Some(plainer.possible());
                }
            }
            Action::Update { object, set } if index == number => {
                let pipeline = pipelines.get(object).copied().unwrap_or(Pipeline::Files);
                let named = plain(pipeline, &format!("{object} after step {}", index + 1));
                let was = plain(pipeline, object);
                *set = named.into_iter().filter(|(name, value)| was.get(name) != Some(value)).collect();
                return Some(plainer.possible());
            }
            _ if index == number => return Some(plainer),
            _ => {}
        }
    }
    None
}

/// Returns an object that has only a name.
fn plain(pipeline: Pipeline, name: &str) -> Map<String, Value> {
    Object::named(pipeline, name).to_members()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::histories::Source;

    /// Shrinks with at most `count` histories in a round. Returns the best history, the number of tries, and the number
    /// of rounds.
    fn shrunk_by(count: usize, scenario: Scenario, fails: impl Fn(&Scenario) -> bool) -> (Scenario, usize, usize) {
        let mut shrinker = Shrinker::new(scenario);
        let (mut tried, mut rounds) = (0, 0);
        loop {
            let candidates = shrinker.suggest(count);
            if candidates.is_empty() {
                return (shrinker.best().clone(), tried, rounds);
            }
            assert!(candidates.len() <= count);
            (tried, rounds) = (tried + candidates.len(), rounds + 1);
            assert!(tried < 2_000, "it does not end");
            let failed = |candidate: &Scenario| {
                candidate.check().unwrap();
                fails(candidate)
            };
            shrinker.tell(&candidates.iter().map(failed).collect::<Vec<_>>());
        }
    }

    fn shrunk(scenario: Scenario, fails: impl Fn(&Scenario) -> bool) -> (Scenario, usize) {
        let (best, tried, _) = shrunk_by(1, scenario, fails);
        (best, tried)
    }

    #[test]
    fn parallel_shrinking_ends_after_a_few_rounds() {
        for seed in 1..=20 {
            let mut source = Source::new(seed, "conv-test", Fault::ALL, &[Pipeline::Files], &[]);
            let updates = |scenario: &Scenario| {
                let mut of_each: BTreeMap<&str, usize> = BTreeMap::new();
                for step in &scenario.steps {
                    if let Action::Update { object, .. } = &step.action {
                        *of_each.entry(object).or_default() += 1;
                    }
                }
                of_each.into_values().max().unwrap_or_default()
            };
            let failing = std::iter::repeat_with(|| source.next()).find(|scenario| updates(scenario) >= 3).unwrap();
            let (best, _, rounds) = shrunk_by(8, failing, |scenario| updates(scenario) >= 3);
            assert_eq!(best.steps.len(), 4, "{}", best.to_json());
            assert!(rounds < 30, "{rounds} rounds");
        }
    }

    fn histories(faults: &[Fault]) -> Scenario {
        Source::new(7, "conv-test", faults, &Pipeline::ALL, &[]).next()
    }

    #[test]
    fn a_history_that_always_fails_shrinks_to_nothing() {
        let (best, _) = shrunk(histories(Fault::ALL), |_| true);
        assert_eq!(best.steps, []);
    }

    #[test]
    fn a_minimal_history_stays_as_it_is() {
        let failing = histories(Fault::ALL);
        let (best, tried) = shrunk(failing.clone(), |_| false);
        assert_eq!(best, tidied(failing));
        assert!(tried > best.steps.len(), "each step was left out once: {tried}");
    }

    #[test]
    fn only_the_steps_that_matter_are_left() {
        let matters = |scenario: &Scenario| {
            let updates = |step: &&Step| matches!(step.action, Action::Update { .. });
            let in_outage =
                scenario.steps.iter().filter(updates).filter(|step| step.during.contains(&Fault::ReceiverUnreachable));
            in_outage.count() >= 2
        };
        let mut source =
            Source::new(7, "conv-test", &[Fault::ReceiverUnreachable, Fault::EventsDoubled], &[Pipeline::Files], &[]);
        let failing = std::iter::repeat_with(|| source.next()).find(matters).unwrap();
        let (best, tried) = shrunk(failing.clone(), matters);
        let is = |which: fn(&Action) -> bool| best.steps.iter().filter(|step| which(&step.action)).count();
        let created = is(|action| matches!(action, Action::Create { .. }));
        assert_eq!(is(|action| matches!(action, Action::Update { .. })), 2);
        // The two updates concern one object, or one object each.
        assert!((1..=2).contains(&created) && best.steps.len() == created + 2, "{}", best.to_json());
        assert!(best.steps.iter().all(|step| step.then.is_zero() && !step.during.contains(&Fault::EventsDoubled)));
        assert!(tried < 300, "{tried}");
    }

    #[test]
    fn steps_of_other_users_are_replaced_by_time() {
        let scenario = histories(&[]);
        let time = |scenario: &Scenario| {
            let by = |step: &Step| if let Action::Advance { by } = step.action { by } else { Duration::ZERO };
            scenario.steps.iter().map(|step| step.then + by(step)).sum::<Duration>()
        };
        let user = UserId::from("user_ada");
        let of_ada = of_user(&scenario, &user);
        of_ada.check().unwrap();
        assert_eq!(time(&of_ada), time(&scenario));
        assert!(of_ada.steps.iter().all(|step| match &step.action {
            Action::Create { user: of, .. } | Action::Enable { user: of, .. } => *of == user,
            _ => true,
        }));
    }

    fn created(user: &str, object: &str) -> Step {
        let (user, integration) = (UserId::from(user), "googledrive".to_owned());
        let mut record = Object::named(Pipeline::Files, object).to_members();
        record.insert("size".to_owned(), 7.into());
        Step::new(Action::Create { user, integration, pipeline: Pipeline::Files, object: object.to_owned(), record })
    }

    fn time(by: Duration) -> Step {
        Step::new(Action::Advance { by })
    }

    fn with(step: Step, during: &[Fault]) -> Step {
        Step { during: during.to_vec(), ..step }
    }

    fn scenario(steps: &[Step]) -> Scenario {
        Scenario::new(7, steps.to_vec())
    }

    /// Returns the candidates of a pass, in order.
    fn made(pass: Pass, steps: &[Step]) -> Vec<Vec<Step>> {
        let scenario = scenario(steps);
        (0..100).map_while(|number| pass(&scenario, number)).map(|shorter| shorter.steps).collect()
    }

    #[test]
    fn time_is_merged_into_the_step_before_if_both_have_the_same_faults() {
        let down = &[Fault::ReceiverUnreachable];
        let steps = [
            created("ada", "a"),
            time(MINUTE).then(MINUTE),
            with(time(MINUTE), down),
            with(time(MINUTE), down),
            time(MINUTE),
            with(time(Duration::ZERO), down),
            with(created("ada", "b"), down),
            with(time(MINUTE), down),
        ];
        let tidy = [
            created("ada", "a").then(2 * MINUTE),
            with(time(2 * MINUTE), down),
            time(MINUTE),
            with(created("ada", "b"), down).then(MINUTE),
        ];
        assert_eq!(tidied(scenario(&steps)).steps, tidy);
    }

    #[test]
    fn users_are_removed_one_by_one_while_there_are_several() {
        let [a, b] = [created("ada", "a").then(MINUTE), created("bob", "b")];
        let update = Step::new(Action::Update { object: "a".to_owned(), set: Map::new() });
        assert_eq!(
            made(without_user, &[a.clone(), b.clone(), update.clone()]),
            [vec![time(MINUTE), b], vec![a.clone(), update.clone()]]
        );
        assert_eq!(made(without_user, &[a, update]), [[]; 0]);
    }

    #[test]
    fn halves_are_removed_first_and_then_single_steps_from_the_end() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|object| created("ada", object));
        let left = |steps: &[&Step]| steps.iter().map(|step| (*step).clone()).collect::<Vec<_>>();
        assert_eq!(
            made(without_steps, &[a.clone(), b.clone(), c.clone(), d.clone()]),
            [
                left(&[&a, &b]),
                left(&[&c, &d]),
                left(&[&a, &b, &c]),
                left(&[&a, &b, &d]),
                left(&[&a, &c, &d]),
                left(&[&b, &c, &d])
            ]
        );
        assert_eq!(made(without_steps, &[]), [[]; 0]);
    }

    #[test]
    fn faults_are_removed_everywhere_first_and_then_from_single_steps() {
        let (down, twice, late) = (Fault::ReceiverUnreachable, Fault::EventsDoubled, Fault::EventsDelayed);
        let steps = [with(created("ada", "a"), &[down, twice]), with(created("ada", "b"), &[down, late])];
        let during = |pass| {
            let during = |steps: Vec<Step>| steps.into_iter().map(|step| step.during).collect::<Vec<_>>();
            made(pass, &steps).into_iter().map(during).collect::<Vec<_>>()
        };
        let mut everywhere = during(without_fault);
        everywhere.sort();
        let mut expected =
            [vec![vec![twice], vec![late]], vec![vec![down], vec![down, late]], vec![vec![down, twice], vec![down]]];
        expected.sort();
        assert_eq!(everywhere, expected);
        assert_eq!(
            during(without_fault_of_step),
            [
                vec![vec![twice], vec![down, late]],
                vec![vec![down], vec![down, late]],
                vec![vec![down, twice], vec![late]],
                vec![vec![down, twice], vec![down]]
            ]
        );
    }

    #[test]
    fn times_are_shortened_to_none_or_a_minute() {
        let long = 10 * MINUTE;
        let steps = [created("ada", "a").then(long), time(long)];
        assert_eq!(
            made(with_less_time, &steps),
            [
                [created("ada", "a"), time(long)],
                [created("ada", "a").then(MINUTE), time(long)],
                [created("ada", "a").then(long), time(Duration::ZERO)],
                [created("ada", "a").then(long), time(MINUTE)],
            ]
        );
    }

    #[test]
    fn records_are_reduced_to_their_name() {
        let update =
            |set: &str| Step::new(Action::Update { object: "a".to_owned(), set: serde_json::from_str(set).unwrap() });
        let wide = update(r#"{"size": 9, "mimeType": "text/plain"}"#);
        let mut plainer = made(with_plainer_records, &[created("ada", "a"), time(MINUTE), wide.clone()]);
        assert_eq!(plainer.len(), 3, "{plainer:?}");
        assert_eq!(plainer[1], [created("ada", "a"), time(MINUTE), wide.clone()], "there is nothing to make plainer");
        let named = Object::named(Pipeline::Files, "a").to_members();
        let Action::Create { record, .. } = plainer[0].remove(0).action else { panic!("{plainer:?}") };
        assert_eq!((&record["name"], &record), (&"a".into(), &named));
        assert_eq!(plainer[0], [time(MINUTE), wide]);
        assert_eq!(plainer[2][..2], [created("ada", "a"), time(MINUTE)]);
        assert_eq!(plainer[2][2], update(r#"{"name": "a after step 3"}"#));
    }
}
