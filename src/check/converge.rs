use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::histories::{SIDE_BY_SIDE, Source};
use super::shrink::{Shrinker, of_user};
use super::trial::{DAY, MINUTE, Stop, Trial, fresh};
use crate::clock::{Patience, Stopwatch, eventually};
use crate::contract::{Object, UserId};
use crate::delivery::WebhookState;
use crate::fake::Sync;
use crate::scenario::{Action, Fault, Scenario, Step};

/// While calls of the Sync API are to go wrong, a receiver that works on its own is given so long to make one.
const TO_CALL: Duration = Duration::from_millis(40);

/// A receiver that has done nothing for so long, and is wrong, is taken to stay so while a history is being shrunk.
const STUCK: Duration = Duration::from_millis(500);

/// Plays histories with these troubles, until one fails or the budget is spent; then the shortest that fails.
pub(super) async fn converges(trial: &Trial<'_>, faults: &[Fault]) -> Result<(), Stop> {
    let budget = trial.histories;
    let watch = Stopwatch::start();
    let mut play = Play { trial, number: 0 };
    if let Some(known) = trial.known()
        && let Some(wrong) = play.whole(&known).await?
    {
        return Err(play.shortest(known, wrong).await);
    }
    let mut source = Source::new(trial.seed, trial.case, faults, &budget.pipelines);
    let mut begun = 0;
    let mut open: Option<Played> = None;
    // While a receiver does what is left to do after some histories, the next ones, of other users, go on.
    loop {
        let more = begun < budget.cases.max(1) && (begun == 0 || watch.elapsed() < budget.max_time);
        let next = if more { Some(play.play(source.next()).await) } else { None };
        begun += SIDE_BY_SIDE;
        // Whatever became of the next ones.
        if let Some(played) = open.take()
            && let Some(wrong) = play.look(&played, Until::Settled).await?
        {
            next.iter().flatten().for_each(Played::end);
            return Err(play.shortest(played.scenario, wrong).await);
        }
        match next {
            Some(next) => open = Some(next?),
            None => return Ok(()),
        }
    }
}

/// Plays the scenario that was given, as it is.
pub(super) async fn replays(trial: &Trial<'_>) -> Result<(), Stop> {
    let scenario = trial.known().ok_or_else(|| Stop::NotEvaluable("there is no scenario to play".to_owned()))?;
    if !scenario.steps.iter().any(|step| matches!(step.action, Action::Enable { .. })) {
        return Err(Stop::NotEvaluable("the scenario enables no sync: there is nothing to hold".to_owned()));
    }
    let wrong = Play { trial, number: 0 }.whole(&scenario).await?;
    wrong.map_or(Ok(()), |wrong| Err(Stop::Fail(wrong.told)))
}

/// What was wrong after a history.
struct Wrong {
    /// Whose data, as the scenario calls them.
    users: Vec<UserId>,
    told: String,
}

/// How long a receiver that is wrong is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Settled,
    Stuck,
}

/// A history that was played.
struct Played {
    scenario: Scenario,
    /// What its users are called here.
    names: BTreeMap<UserId, UserId>,
    syncs: Vec<Sync>,
}

impl Played {
    /// Its syncs run no more.
    fn end(&self) {
        self.syncs.iter().for_each(Sync::disable);
    }
}

/// Plays histories, each on users of its own.
struct Play<'a> {
    trial: &'a Trial<'a>,
    number: usize,
}

impl Play<'_> {
    async fn whole(&mut self, scenario: &Scenario) -> Result<Option<Wrong>, Stop> {
        self.once(scenario, Until::Settled).await
    }

    async fn once(&mut self, scenario: &Scenario, until: Until) -> Result<Option<Wrong>, Stop> {
        let played = self.play(scenario.clone()).await?;
        self.look(&played, until).await
    }

    /// Plays it, and lets everything work again for a day.
    async fn play(&mut self, scenario: Scenario) -> Result<Played, Stop> {
        let (trial, paragon) = (self.trial, self.trial.paragon);
        self.number += 1;
        let mut names: BTreeMap<UserId, UserId> = BTreeMap::new();
        for user in scenario.users() {
            names.entry(user.clone()).or_insert_with(|| trial.user_named(&format!("{}/{user}", self.number)));
        }
        trial.turn_to(names.values().cloned().collect());
        // What the one before has left to be sent, and what became of the webhook, is not for this one.
        paragon.disable_webhook();
        paragon.calm();
        paragon.set_webhook(trial.webhook.clone()).await;
        // From the end of one step to the end of the next.
        let begun = AtomicUsize::new(paragon.timeline_mark());
        let impossible = |error: crate::scenario::ScenarioError| Stop::NotEvaluable(error.to_string());
        let after = |step: &Step| {
            let waits = step.during.iter().any(|fault| touches_api(*fault)) && !is_instant(step);
            let mark = begun.swap(paragon.timeline_mark(), Ordering::Relaxed);
            Box::pin(async move {
                if waits {
                    eventually(TO_CALL, || async { (trial.calls_since(mark) > 0).then_some(()) }).await;
                }
            }) as crate::fake::Waiting<'_>
        };
        let before = trial.held().await;
        let renamed = scenario.clone().with_users(|user| names[user].clone());
        let played = paragon.play_with(&renamed, &after).await;
        let syncs = played.map_err(impossible)?;
        trial.adopt(&syncs);
        fresh(&before, &syncs)?;
        if paragon.webhook() != WebhookState::Enabled {
            paragon.enable_webhook();
        }
        paragon.play(&finale(&renamed)).await.map_err(impossible)?;
        paragon.run_until_idle().await;
        Ok(Played { scenario, names, syncs })
    }

    /// What is wrong after it; it is over then.
    async fn look(&self, played: &Played, until: Until) -> Result<Option<Wrong>, Stop> {
        let all: Vec<&Sync> = played.syncs.iter().collect();
        let wrong = match until {
            Until::Settled => self.trial.right(&all).await,
            Until::Stuck => self.stuck(&all).await,
        };
        let mut users = Vec::new();
        if let Err(Stop::Fail(_)) = wrong {
            for sync in &played.syncs {
                let found = self.trial.wrong(&[sync]).await;
                if !found.map_err(|error| Stop::NotEvaluable(error.to_string()))?.is_empty() {
                    let of = sync.envelope().user.id;
                    users.extend(played.names.iter().find(|(_, name)| **name == of).map(|(user, _)| user.clone()));
                }
            }
        }
        played.end();
        match wrong {
            Ok(()) => Ok(None),
            Err(Stop::Fail(told)) => Ok(Some(Wrong { users, told })),
            Err(stop) => Err(stop),
        }
    }

    /// As [`Trial::right`], but a receiver that stands still is not waited for any longer.
    async fn stuck(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        let mut patience = Patience::of(self.trial.settle);
        let mut seen = None;
        let mut still = Stopwatch::start();
        loop {
            let found = self.trial.wrong(syncs).await.map_err(|error| Stop::NotEvaluable(error.to_string()))?;
            if found.is_empty() {
                return Ok(());
            }
            let told = found.join("\n");
            let now = Some((self.trial.calls_since(self.trial.mark()), told.clone()));
            if now != seen {
                (seen, still) = (now, Stopwatch::start());
            }
            if still.elapsed() >= STUCK || !patience.again().await {
                return Err(Stop::Fail(told));
            }
        }
    }

    /// The shortest history that still fails, told as a story.
    async fn shortest(&mut self, failing: Scenario, wrong: Wrong) -> Stop {
        let budget = Patience::of(3 * self.trial.histories.max_time);
        let length = failing.steps.len();
        let mut best = failing.clone();
        // One of the histories that went on side by side will do, if it fails alone.
        for user in &wrong.users {
            let alone = of_user(&failing, user);
            if matches!(self.once(&alone, Until::Stuck).await, Ok(Some(_))) {
                best = alone;
                break;
            }
        }
        let mut shrinker = Shrinker::new(best);
        let mut tried = 0;
        while let Some(candidate) = shrinker.suggest() {
            if budget.is_over() {
                break;
            }
            tried += 1;
            let fails = matches!(self.once(&candidate, Until::Stuck).await, Ok(Some(_)));
            shrinker.tell(candidate, fails);
        }
        // It was not waited for in earnest while it shrank.
        let best = shrinker.best().clone();
        let (best, told) = match self.whole(&best).await {
            Ok(Some(wrong)) => (best, wrong.told),
            _ => match self.whole(&failing).await {
                Ok(Some(again)) => (failing, again.told),
                _ => {
                    (failing, format!("{}\n(it did not fail again: whether it does is a matter of chance)", wrong.told))
                }
            },
        };
        let best = Scenario { policy: self.trial.paragon.policy(), revision: self.trial.paragon.revision(), ..best };
        let steps: Vec<_> = best.steps.iter().enumerate().map(|(at, step)| format!("  {}. {step}", at + 1)).collect();
        let count = best.steps.len();
        let how = if count < length {
            format!("shrunk from {length} steps to {count} by {tried} runs")
        } else {
            format!("{count} steps")
        };
        self.trial.keep(best);
        let steps = steps.join("\n");
        Stop::Fail(format!("{told}\nafter this history, {how}, and a day without trouble:\n{steps}"))
    }
}

/// A day in which everything works; and where events may be lost for good, one more event for each sync: who pulls at
/// each event has caught up then.
fn finale(scenario: &Scenario) -> Scenario {
    let mut steps = vec![Step::new(Action::Advance { by: DAY })];
    let lossy = |step: &Step| step.during.iter().any(|fault| loses_events(*fault));
    if scenario.steps.iter().any(lossy) {
        let accounts: BTreeSet<_> = scenario
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Enable { user, integration, pipeline, .. } => Some((user, integration, *pipeline)),
                _ => None,
            })
            .collect();
        steps.extend(accounts.into_iter().enumerate().map(|(number, (user, integration, pipeline))| {
            Step::new(Action::Create {
                user: user.clone(),
                integration: integration.clone(),
                pipeline,
                object: format!("last-{number}"),
                record: Object::named(pipeline, "the last one").to_members(),
            })
        }));
        steps.push(Step::new(Action::Advance { by: MINUTE }));
    }
    Scenario { steps, ..scenario.clone() }
}

/// Whether a sender may give up an event for it.
fn loses_events(fault: Fault) -> bool {
    matches!(fault, Fault::ReceiverUnreachable | Fault::WebhookDisabled) || touches_api(fault)
}

fn touches_api(fault: Fault) -> bool {
    matches!(fault, Fault::ApiUnavailable | Fault::ApiFlaky)
}

fn is_instant(step: &Step) -> bool {
    step.then.is_zero() && !matches!(step.action, Action::Advance { .. })
}
