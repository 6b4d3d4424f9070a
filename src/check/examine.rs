//! Examines how a receiver is set up, before any case is played: its webhook, its calls of the Sync API, its state.

use std::fmt;
use std::time::Duration;

use super::context::{CaseContext, MINUTE, fresh};
use super::error::{CaseError, problem};
use super::judged::seed_of;
use super::lane::{Lane, Turn};
use super::run::Run;
use crate::clock::PollTimeout;
use crate::delivery::{Answer, Failure, Outcome};
use crate::fake::{Call, FakeParagon, Misconfigured, Project, Timeline};

/// Time that a state probe has until it must work, and that a webhook has before it is asked again.
const MOMENT: Duration = Duration::from_secs(1);

/// Time in which a receiver is expected to call the Sync API after an event. A receiver that polls may take longer.
const TO_CALL: Duration = Duration::from_secs(3);

/// What an examination of a receiver's set-up has found; see [`Suite::examine`](super::Suite::examine).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Examination {
    /// One finding for each part of the set-up that was looked at.
    pub findings: Vec<Finding>,
}

/// Finding about one part of a receiver's set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The part.
    pub part: SetUpPart,
    /// Whether the part is right.
    pub health: Health,
    /// What was seen.
    pub seen: String,
    /// What to do about it; empty if nothing has to be done.
    pub remedy: String,
}

/// Part of a receiver's set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SetUpPart {
    /// The state probe.
    State,
    /// The callback that registers a sync with the receiver.
    BeforeSync,
    /// The webhook endpoint.
    Webhook,
    /// The calls of the Sync API: the base URL, the project and the signing key of the tokens.
    Api,
}

/// Whether a part of a receiver's set-up is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// The part works.
    Right,
    /// The part is set up wrongly, so a judgment would say nothing about the receiver.
    Wrong,
    /// The part was not seen to work. The receiver itself may be the cause, so it can be judged.
    Unknown,
}

impl Examination {
    /// Returns whether a part is set up wrongly.
    pub fn is_wrong(&self) -> bool {
        self.wrong().next().is_some()
    }

    /// Returns the findings about parts that are set up wrongly.
    pub fn wrong(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.health == Health::Wrong)
    }
}

/// Prints the part, what was seen, and the remedy, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.seen)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

impl fmt::Display for SetUpPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::State => "state",
            Self::BeforeSync => "before sync",
            Self::Webhook => "webhook",
            Self::Api => "Sync API",
        })
    }
}

impl Finding {
    fn new(part: SetUpPart, health: Health, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part, health, seen: seen.into(), remedy: remedy.into() }
    }

    fn right(part: SetUpPart, seen: impl Into<String>) -> Self {
        Self::new(part, Health::Right, seen, "")
    }
}

/// Examines the set-up with a new user, one sync and at most a few events.
pub(super) async fn examine(run: &Run<'_>) -> Examination {
    const NAME: &str = "set-up";
    let permit = run.turns.clone().acquire_owned().await.ok();
    let turn = Turn::with(run.turns.clone(), permit);
    let lane = Lane::open(run, NAME, seed_of(run.target.seed, NAME), turn).await;
    let context = CaseContext::new(lane, NAME.to_owned(), None, false);
    let mut findings = Vec::new();
    let state = state(&context).await;
    let is_seen = state.as_ref().is_none_or(|finding| finding.health == Health::Right);
    findings.extend(state);
    if is_seen {
        let mark = run.paragon.timeline_mark();
        if let Some(unready) = ready(&context).await {
            findings.push(unready);
        } else {
            let webhook = webhook(&context).await;
            // A receiver that fetches before it answers refuses events because its calls fail.
            let may_call = webhook.health != Health::Wrong;
            findings.push(webhook);
            if may_call {
                findings.push(api(&context, run.paragon, mark).await);
            }
        }
    }
    Examination { findings }
}

/// Enables a sync. Returns what is wrong with the receiver's set-up before any event of the sync.
async fn ready(context: &CaseContext<'_>) -> Option<Finding> {
    context.create("set-up.pdf");
    let wrong = |part, stop: CaseError| Some(Finding::new(part, Health::Wrong, stop.told(), ""));
    let sync = match context.drive.enable("files") {
        Ok(sync) => sync,
        Err(error) => return Some(Finding::new(SetUpPart::Webhook, Health::Unknown, error.to_string(), "")),
    };
    if let Err(stop) = context.introduce(&sync).await {
        return wrong(SetUpPart::BeforeSync, stop);
    }
    fresh(&context.held(sync.id()).await).err().and_then(|stop| wrong(SetUpPart::State, stop))
}

/// Tries the state probe, if there is one. A receiver that has just begun to listen may need a moment.
async fn state(context: &CaseContext<'_>) -> Option<Finding> {
    let looks = context.run.looks.as_ref()?;
    let mut patience = PollTimeout::of(MOMENT);
    loop {
        match looks.look().await {
            Ok(_) => break Some(Finding::right(SetUpPart::State, "the receiver lists its records")),
            Err(_) if patience.again().await => {}
            Err(error) => {
                let remedy = "it must return the JSON that --state-url describes, without a redirect or a sign-in";
                break Some(Finding::new(SetUpPart::State, Health::Wrong, error.to_string(), remedy));
            }
        }
    }
}

/// Sends events of the sync, and looks at the responses. What a receiver refuses at first is sent once more.
async fn webhook(context: &CaseContext<'_>) -> Finding {
    let url = context.webhook();
    context.paragon.settle().await;
    let mut finding = answers(url, &context.timeline());
    if finding.health == Health::Wrong {
        context.a_while(MOMENT).await;
        context.create("set-up again.pdf");
        context.paragon.advance(MINUTE).await;
        finding = answers(url, &context.timeline());
    }
    finding
}

/// Judges the responses to all events so far. A response that says where or as whom to call is about the set-up; any
/// other one is about the receiver.
fn answers(url: &url::Url, timeline: &Timeline) -> Finding {
    let attempts: Vec<_> = timeline.attempts().collect();
    let finding = |health, seen: String, remedy: &str| Finding::new(SetUpPart::Webhook, health, seen, remedy);
    if let Some(answered) = attempts.iter().find(|attempt| problem(&attempt.record.outcome).is_none()) {
        let (event, status) = (answered.event, &answered.record.outcome);
        return Finding::right(SetUpPart::Webhook, format!("{url} answered {event} with {status}"));
    }
    let Some(last) = attempts.last() else {
        return finding(Health::Unknown, "no event was sent".to_owned(), "");
    };
    let told = |problem: &str| format!("{url}, {}: {problem}", last.event);
    let why = problem(&last.record.outcome).unwrap_or_default();
    let (health, remedy) = match &last.record.outcome {
        Outcome::Answered(Answer { status: 300..=399, .. }) => {
            (Health::Wrong, "Paragon follows no redirect to a sign-in: use the URL that takes events itself")
        }
        Outcome::Answered(Answer { status: 401 | 403 | 407, .. }) => (
            Health::Wrong,
            "Paragon sends no credentials: use --header for what the receiver demands, or exempt the path",
        ),
        Outcome::Answered(Answer { status: 404 | 405 | 410, .. }) => (
            Health::Wrong,
            "use the path of the webhook endpoint; a receiver that must know its users needs --before-sync",
        ),
        Outcome::Failed(Failure::Tls(_)) => {
            (Health::Wrong, "use an http URL, or a certificate that this machine trusts")
        }
        Outcome::Failed(Failure::NotHttp(_)) => (Health::Wrong, "check the port and the scheme of the URL"),
        _ => (Health::Unknown, "the cases judge this"),
    };
    finding(health, told(&why), remedy)
}

/// Waits until a call of the Sync API succeeds. `mark` is the beginning of the examination on the main timeline, where
/// calls are noted that belong to no user.
async fn api(context: &CaseContext<'_>, main: &FakeParagon, mark: usize) -> Finding {
    let mut patience = PollTimeout::of(TO_CALL.min(context.run.target.settle));
    loop {
        let (own, others) = (context.timeline(), main.timeline_since(mark));
        if let Some(call) = own.calls().find(|call| (200..300).contains(&call.status)) {
            return Finding::right(SetUpPart::Api, format!("{} was answered {}", request(call), call.status));
        }
        if patience.again().await {
            continue;
        }
        // Calls of other users may come from an earlier run. They count only if they show a wrong configuration.
        let misplaced = others.calls().filter(|call| call.misconfigured.is_some());
        let calls: Vec<_> = own.calls().chain(misplaced).collect();
        let Some(last) = calls.last() else {
            let seen = format!("no call arrived at {} within {} s", main.api_url(), TO_CALL.as_secs());
            let remedy = "if the receiver calls at once, check its PARAGON_API_URL, and that no proxy takes its calls";
            return Finding::new(SetUpPart::Api, Health::Unknown, seen, remedy);
        };
        let is_wrong = calls.iter().all(|call| call.misconfigured.is_some());
        let why = last.reason.as_deref().unwrap_or("no reason is known");
        let seen = format!("{} was answered {}: {why}", request(last), last.status);
        let (health, remedy) = match last.misconfigured.filter(|_| is_wrong) {
            Some(misconfigured) => (Health::Wrong, remedy(misconfigured, &main.api_url(), &main.project())),
            None => (Health::Unknown, "the cases judge this".to_owned()),
        };
        return Finding::new(SetUpPart::Api, health, seen, remedy);
    }
}

fn request(call: &Call) -> String {
    format!("{} {}", call.method, call.path)
}

fn remedy(misconfigured: Misconfigured, api: &str, project: &Project) -> String {
    match misconfigured {
        Misconfigured::BaseUrl => format!("the paths of the API begin with {api}/api/: correct the receiver's base URL"),
        Misconfigured::Project => {
            format!("give the receiver the project id {}, or run with --project and the receiver's id", project.id)
        }
        Misconfigured::SigningKey => {
            "give the receiver the key that `paragon-testkit key` prints, or run with --signing-key and the receiver's key"
                .to_owned()
        }
    }
}
