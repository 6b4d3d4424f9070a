//! Examines how a receiver is set up before any case is played: its state probe, its webhook, its calls of the API.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::context::CaseContext;
use super::error::{humane, is_success, problem, redirects_to, refused};
use super::judged::seed_of;
use super::lane::{Lane, Turn};
use super::run::Run;
use crate::clock::PollTimeout;
use crate::contract::SyncId;
use crate::delivery::{Answer, Failure, Outcome};
use crate::fake::{Call, FakeParagon, Misconfigured, SyncHandle};

/// Pause before an event that was answered wrongly is sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// Id of a sync that does not exist.
const NO_SYNC: &str = "00000000-0000-4000-8000-000000000000";

/// Remedy if there is no secure connection.
const NO_TLS: &str = "name its certificate, or that of its authority, with --ca FILE, accept any certificate with \
                      --insecure, or use an http URL";

/// Remedy for what the receiver itself may be the cause of.
const JUDGED: &str = "the cases judge this";

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetUpPart {
    /// The state probe.
    State,
    /// What holds for a new sync: the callback that registers it works, and the receiver holds none of its records.
    NewSync,
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
            Self::NewSync => "new sync",
            Self::Webhook => "webhook",
            Self::Api => "calls",
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

/// Examines the set-up with a new user, one sync and a few events.
pub(super) async fn examine(run: &Run<'_>) -> Examination {
    const NAME: &str = "set-up";
    let permit = run.turns.clone().acquire_owned().await.ok();
    let turn = Turn::with(run.turns.clone(), permit);
    let lane = Lane::open(run, NAME, seed_of(run.target.seed, NAME), turn).await;
    let context = CaseContext::new(lane, NAME.to_owned(), None, false);
    let findings = parts(&context).await;
    // The API keeps the user and the sync, because the receiver may still be at work on them.
    run.watch.end();
    Examination { findings }
}

/// Examines one part after the other, as long as the next one can work.
async fn parts(context: &CaseContext<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(state) = state(context).await {
        findings.push(state);
        if findings[0].health == Health::Wrong {
            return findings;
        }
    }
    context.create("set-up.pdf");
    let sync = match context.enable().await {
        Ok(sync) => sync,
        Err(stop) => {
            findings.push(Finding::new(SetUpPart::NewSync, Health::Wrong, stop.told(), ""));
            return findings;
        }
    };
    let webhook = webhook(context, &sync).await;
    // A receiver that fetches before it answers may refuse events because its calls fail.
    let may_call = webhook.health != Health::Wrong;
    findings.push(webhook);
    if may_call {
        findings.push(api(context).await);
    }
    findings
}

/// Tries the state probe, if there is one. A receiver that has just begun to listen may need a moment. A probe that asks
/// for one sync asks for one that does not exist.
async fn state(context: &CaseContext<'_>) -> Option<Finding> {
    let looks = context.run.looks.as_ref()?;
    let nothing = SyncId::from(NO_SYNC);
    let mut patience = PollTimeout::of(context.run.target.settle);
    loop {
        match looks.look(&[&nothing]).await {
            Ok(_) => break Some(Finding::right(SetUpPart::State, "the receiver lists its records")),
            Err(_) if patience.again().await => {}
            Err(error) => {
                let is_of_one =
                    context.run.target.state.as_ref().is_some_and(|probe| probe.look_at(&nothing).is_some());
                let remedy = match is_of_one {
                    _ if error.is_tls() => NO_TLS,
                    false => "it must return the JSON that --state-url describes, without a redirect or a sign-in",
                    true => {
                        "it must return the JSON that --state-url describes, without a redirect or a sign-in, and list \
                         no records for a sync that it does not know"
                    }
                };
                break Some(Finding::new(SetUpPart::State, Health::Wrong, error.to_string(), remedy));
            }
        }
    }
}

/// Lets the sync run, and looks at the response to its first event. A receiver that has just begun to listen may need a
/// moment, so an event that is answered wrongly is sent again and again for a while.
async fn webhook(context: &CaseContext<'_>, sync: &SyncHandle) -> Finding {
    let (url, patience) = (context.webhook(), PollTimeout::of(context.run.target.settle));
    context.paragon.settle().await;
    let first = context.timeline().attempts().next().map(|attempt| attempt.record.outcome.clone());
    let Some(mut outcome) = first else {
        return Finding::new(SetUpPart::Webhook, Health::Unknown, "no event was sent", "");
    };
    let event = context.complete(sync, 1).to_string();
    loop {
        let finding = answer(url, &outcome);
        if finding.health != Health::Wrong || patience.is_over() {
            return finding;
        }
        context.a_while(AGAIN).await;
        outcome = context.paragon.post_raw(url, event.as_bytes()).await;
    }
}

/// Judges the response to an event. A response that says where or as whom to call is about the set-up; any other one is
/// about the receiver.
fn answer(url: &Url, outcome: &Outcome) -> Finding {
    let Some(why) = problem(outcome) else {
        return Finding::right(SetUpPart::Webhook, format!("{url} answered an event with {outcome}"));
    };
    let (health, place, remedy) = match outcome {
        Outcome::Answered(Answer { status: 300..=399, headers, .. }) => (
            Health::Wrong,
            redirects_to(headers),
            "use the URL that takes events itself; the policy follows no redirect (`webhook.redirect`, assumed)",
        ),
        Outcome::Answered(Answer { status: 401 | 403 | 407, .. }) => (
            Health::Wrong,
            String::new(),
            "exempt the path, or use --header for what the receiver demands; no credentials of Paragon are known",
        ),
        Outcome::Answered(Answer { status: 404 | 405 | 410, .. }) => (
            Health::Wrong,
            String::new(),
            "use the path of the webhook endpoint; a receiver that must know its users needs --before-sync",
        ),
        Outcome::Failed(Failure::Tls(_)) => (Health::Wrong, String::new(), NO_TLS),
        Outcome::Failed(Failure::NotHttp(_)) => {
            (Health::Wrong, String::new(), "check the port and the scheme of the URL")
        }
        _ => (Health::Unknown, String::new(), JUDGED),
    };
    Finding::new(SetUpPart::Webhook, health, format!("{url}: {why}{place}"), remedy)
}

/// Waits until a call of the Sync API succeeds.
async fn api(context: &CaseContext<'_>) -> Finding {
    let within = TO_CALL.min(context.run.target.settle);
    let mut patience = PollTimeout::of(within);
    let finding = |health, seen: String, remedy: &str| Finding::new(SetUpPart::Api, health, seen, remedy);
    loop {
        let timeline = context.timeline();
        if let Some(Call { method, path, status, .. }) = timeline.calls().find(|call| is_success(call.status)) {
            return Finding::right(SetUpPart::Api, format!("{method} {path} was answered {status}"));
        }
        if patience.again().await {
            continue;
        }
        let paragon = context.run.paragon;
        let Some(last) = timeline.calls().last() else {
            let seen = format!("no call arrived at {} within {}", paragon.api_url(), humane(within));
            let remedy = "if the receiver calls at once, check its PARAGON_API_URL, and that no proxy takes its calls";
            let remedy = match proxy(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
                None => remedy.to_owned(),
                Some(name) => format!(
                    "{remedy}: {name} is set, and a receiver that ignores NO_PROXY sends its calls to that proxy; start \
                     it without {name}"
                ),
            };
            return finding(Health::Unknown, seen, &remedy);
        };
        let is_wrong = timeline.calls().all(|call| call.misconfigured.is_some());
        return match last.misconfigured.filter(|_| is_wrong) {
            Some(part) => finding(Health::Wrong, refused(last), &remedy(part, paragon)),
            None => finding(Health::Unknown, refused(last), JUDGED),
        };
    }
}

/// Returns the environment variable that names a proxy for calls over http. `is_set` says which variables have a value.
fn proxy(is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].into_iter().find(|name| is_set(name))
}

fn remedy(wrong: Misconfigured, paragon: &FakeParagon) -> String {
    match wrong {
        Misconfigured::BaseUrl => {
            format!("the paths of the API begin with {}/api/: correct the receiver's base URL", paragon.api_url())
        }
        Misconfigured::Project => format!(
            "give the receiver the project id {}, or run with --project and the receiver's id",
            paragon.project().id
        ),
        Misconfigured::SigningKey => {
            "give the receiver the key that `paragon-testkit key` prints, or run with --signing-key and the receiver's key"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_for_http_is_found_by_its_variable() {
        let of = |set: &[&str]| proxy(|name| set.contains(&name));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["HTTPS_PROXY", "NO_PROXY"]), None);
        assert_eq!(of(&["ALL_PROXY", "http_proxy"]), Some("http_proxy"));
    }
}
