//! `check`: starts the fake and, if asked to, the receiver; runs the suite; prints and writes what was found.

use std::time::Duration;

use paragon_testkit::FakeParagon;
use paragon_testkit::check::{Suite, Verdict};
use paragon_testkit::clock::{Patience, Stopwatch};
use paragon_testkit::fake::Server;
use paragon_testkit::report::{self, Report, Text, exits};
use url::Url;

use crate::interrupt::interrupted;
use crate::plan::Plan;
use crate::spawn::Receiver;
use crate::{args, cases, output};

/// Why nothing could be judged: what to print, and the exit code.
struct Unable(u8, String);

pub(crate) fn run(typed: args::Check, color: bool) -> u8 {
    let plan = match Plan::of(typed) {
        Ok(plan) => plan,
        Err(error) => {
            output::error(&error);
            return exits::USAGE;
        }
    };
    if plan.typed.list {
        output::result(&cases::table(plan.selected()));
        return exits::PASSED;
    }
    if plan.selected().next().is_none() {
        output::error("nothing is judged: no case matches; `paragon-testkit cases` lists them");
        return exits::NOTHING_JUDGED;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("cannot start: {error}"));
            return exits::UNREACHABLE;
        }
    };
    let outcome = runtime.block_on(judge(&plan, color));
    outcome.unwrap_or_else(|Unable(code, why)| {
        output::error(&why);
        code
    })
}

async fn judge(plan: &Plan, color: bool) -> Result<u8, Unable> {
    let mut builder =
        FakeParagon::builder().seed(plan.seed).port(plan.typed.api_port).answer_within(plan.typed.timeout);
    // A run may make many calls, and the fake should not keep something of each.
    builder = builder.server(Server::Hyper);
    builder = builder.revision(plan.typed.revision.name).policy(plan.policy.clone());
    if let Some(id) = &plan.typed.project {
        builder = builder.project(id.as_str());
    }
    if let Some(key) = &plan.signing_key {
        builder = builder.signing_key(key);
    }
    let paragon = builder.start().await.map_err(|error| match &plan.typed.signing_key {
        Some(file) if matches!(error, paragon_testkit::fake::StartError::Key(_)) => {
            Unable(exits::USAGE, format!("--signing-key {}: {error}", file.display()))
        }
        _ => Unable(exits::UNREACHABLE, error.to_string()),
    })?;
    announce(plan, &paragon);
    let mut receiver = match &plan.typed.spawn {
        None => None,
        Some(command) => Some(start(plan, command, &paragon).await?),
    };
    let outcome = tokio::select! {
        outcome = judge_receiver(plan, color, &paragon, &mut receiver) => outcome,
        () = interrupted() => Err(Unable(exits::INTERRUPTED, "interrupted".to_owned())),
    };
    if let Some(receiver) = receiver {
        receiver.stop().await;
    }
    outcome
}

async fn judge_receiver(
    plan: &Plan,
    color: bool,
    paragon: &FakeParagon,
    receiver: &mut Option<Receiver>,
) -> Result<u8, Unable> {
    wait_for(plan, receiver).await?;
    let text = Text { color };
    let mut suite = Suite::for_receiver(plan.webhook.clone())
        .seed(plan.seed)
        .settle(plan.typed.settle)
        .fail_fast(plan.typed.fail_fast)
        .select(|case| plan.selects(case))
        .on_result(|result| output::result(&text.case(result, &plan.reproduce(result.case.id))));
    if let Some(url) = &plan.state_url {
        suite = suite.state_url(url.clone());
    }
    let judgement = suite.run(paragon).await;
    output::result(&text.summary(&judgement));
    let report = Report::new(&judgement, |case| plan.reproduce(case)).to_json();
    for file in &plan.json {
        std::fs::write(file, &report)
            .map_err(|error| Unable(exits::UNREACHABLE, format!("--report json={}: {error}", file.display())))?;
    }
    if let Some(receiver) = receiver {
        if let Some(status) = receiver.ended() {
            output::note(&format!("the receiver ended by itself ({status}):\n{}", receiver.printed()));
        } else if judgement.count(Verdict::Fail) > 0 && !receiver.printed().is_empty() {
            output::note(&format!("the last lines of the receiver:\n{}", receiver.printed()));
        }
    }
    Ok(report::exit_code(&judgement))
}

/// What a receiver must know. The key goes only to the receiver, or to whoever asks for it.
fn environment(plan: &Plan, paragon: &FakeParagon) -> Vec<(String, String)> {
    let project = paragon.project();
    [
        ("PORT", plan.port.to_string()),
        ("PARAGON_API_URL", paragon.api_url()),
        ("PARAGON_PROJECT_ID", project.id.to_string()),
        ("PARAGON_SIGNING_KEY", project.signing_key),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn announce(plan: &Plan, paragon: &FakeParagon) {
    let environment = environment(plan, paragon);
    if plan.typed.ready_json {
        let map: serde_json::Map<_, _> =
            environment.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        output::result(&format!("{}\n", serde_json::Value::Object(map)));
    }
    output::note(&format!("judging {}, seed {}", plan.webhook, plan.seed));
    if plan.typed.spawn.is_none() && !plan.typed.ready_json {
        let own_key = plan.typed.signing_key.as_ref().map(|file| format!("the key in {}", file.display()));
        output::note("the receiver must have been started with");
        for (name, value) in &environment {
            let shown = match name.as_str() {
                "PARAGON_SIGNING_KEY" => own_key.as_deref().unwrap_or("the public test key: --ready-json prints it"),
                _ => value,
            };
            output::note(&format!("  {name}={shown}"));
        }
    }
}

async fn start(plan: &Plan, command: &str, paragon: &FakeParagon) -> Result<Receiver, Unable> {
    if connects(&plan.webhook).await {
        let why = format!("something listens at {} already: end it, or use {{port}} in the URL", plan.webhook);
        return Err(Unable(exits::UNREACHABLE, why));
    }
    let mut environment = environment(plan, paragon);
    let project = paragon.project();
    let fill = |template: &str| {
        template
            .replace("{api_url}", &paragon.api_url())
            .replace("{port}", &plan.port.to_string())
            .replace("{project_id}", project.id.as_str())
            .replace("{signing_key}", &project.signing_key)
    };
    environment.extend(plan.env.iter().map(|(name, template)| (name.clone(), fill(template))));
    Receiver::start(command, environment).map_err(|error| Unable(exits::UNREACHABLE, format!("--spawn: {error}")))
}

async fn wait_for(plan: &Plan, receiver: &mut Option<Receiver>) -> Result<(), Unable> {
    let watch = Stopwatch::start();
    let mut patience = Patience::of(plan.typed.wait_for);
    loop {
        if connects(&plan.webhook).await {
            return Ok(());
        }
        if let Some(receiver) = receiver
            && let Some(status) = receiver.ended()
        {
            let printed = receiver.printed();
            let printed = if printed.is_empty() { "it printed nothing".to_owned() } else { printed };
            let why = format!("the receiver ended before it listened at {} ({status}):\n{printed}", plan.webhook);
            return Err(Unable(exits::UNREACHABLE, why));
        }
        if !patience.again().await {
            let waited = watch.elapsed().as_secs();
            let mut why = format!("nothing listens at {} after {waited} s (--wait-for)", plan.webhook);
            if let Some(printed) = receiver.as_ref().map(Receiver::printed).filter(|printed| !printed.is_empty()) {
                why = format!("{why}; the receiver printed:\n{printed}");
            }
            return Err(Unable(exits::UNREACHABLE, why));
        }
    }
}

async fn connects(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = (host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80));
    let connecting = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address));
    connecting.await.is_ok_and(|connected| connected.is_ok())
}
