//! `serve`: runs the fake Paragon as a server.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use paragon_testkit::FakeParagon;
use paragon_testkit::contract::{Pipeline, integration as integration_named, sample_integration};
use paragon_testkit::fake::Synthetic;
use paragon_testkit::fake::{Builder, Timeline};
use paragon_testkit::report::exits;
use paragon_testkit::scenario::Scenario;
use serde_json::{Map, Value, json};
use url::Url;

use crate::interrupt::interrupted;
use crate::{args, output, plan, policies};

/// Number of timeline entries that the fake keeps. The state of the fake does not depend on the timeline.
const TIMELINE: usize = 10_000;
/// Id of the user whose accounts `--source` fills.
const USER: &str = "user_demo";
/// Largest number of records of a pipeline in `--source`. It bounds the memory, because a sync keeps a bit for each
/// record.
const MOST: u64 = 100_000_000;
/// Number of lines that may wait to be written to standard error. Further lines are left out.
const AHEAD: usize = 1_000;

/// Error that ends the server: the exit code, and the message to print.
struct Unable(u8, String);

/// The checked options of `serve`.
struct Served {
    builder: Builder,
    webhook: Option<Url>,
    scenario: Option<Scenario>,
    sources: Vec<Source>,
}

/// One pipeline of `--source`.
struct Source {
    integration: String,
    pipeline: Pipeline,
    configuration: Map<String, Value>,
    count: u64,
}

pub(crate) fn run(typed: &args::Serve) -> u8 {
    let outcome = prepare(typed).map_err(|error| Unable(exits::USAGE, error)).and_then(|served| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Unable(exits::UNREACHABLE, format!("cannot start the program: {error}")))?;
        runtime.block_on(serve(typed, served))
    });
    match outcome {
        Ok(()) => exits::PASSED,
        Err(Unable(code, why)) => {
            output::error(&why);
            code
        }
    }
}

fn prepare(typed: &args::Serve) -> Result<Served, String> {
    let webhook = typed.webhook.as_ref().map(|text| plan::url("--webhook", text, 0)).transpose()?;
    let load = |file: &std::path::PathBuf| {
        Scenario::load(file).map_err(|error| {
            if error.is_unreadable() {
                format!("--scenario {error}")
            } else {
                format!("--scenario {}: {error}", file.display())
            }
        })
    };
    let scenario = typed.scenario.as_ref().map(load).transpose()?;
    let sources = typed.source.as_ref().map(|text| source(text)).transpose()?.unwrap_or_default();
    let mut builder = FakeParagon::builder().host(typed.host).port(typed.port).admin().timeline_limit(TIMELINE);
    // There is no limit beyond the timeout of the policy: the receiver has the whole timeout in real time.
    builder = builder.answer_within(Duration::MAX);
    if let Some(scenario) = &scenario {
        builder = builder.scenario(scenario);
    }
    if let Some(seed) = typed.seed {
        builder = builder.seed(seed);
    }
    if let Some(revision) = typed.revision {
        builder = builder.revision(revision);
    }
    if let Some(name) = &typed.policy {
        builder = builder.policy(policies::named(name)?);
    }
    builder = builder.trust(plan::trust(&typed.trust)?);
    builder = builder.project(typed.project.as_deref().unwrap_or(plan::PROJECT));
    if let Some(file) = &typed.signing_key {
        builder = builder.signing_key(plan::signing_key(file)?);
    }
    if let Some(start) = typed.start.or_else(|| (typed.speed > 0.0).then(plan::this_second)) {
        builder = builder.start_at(start);
    }
    Ok(Served { builder, webhook, scenario, sources })
}

fn source(text: &str) -> Result<Vec<Source>, String> {
    let wrong = |why: &str| format!("--source {text:?}: {why}");
    let expected = || wrong("expected PIPELINE=COUNT, such as files=1000,contacts=50");
    let (mut named, mut pipelines) = (None, Vec::<(Pipeline, u64)>::new());
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(expected)?;
        if name == "integration" {
            named = Some(value);
            continue;
        }
        let all = Pipeline::ALL.map(Pipeline::name);
        let unknown = || wrong(&format!("expected one of {}, got {name:?}", all.join(", ")));
        let pipeline = Pipeline::from_name(name).ok_or_else(unknown)?;
        let count = value.parse().ok().filter(|count| *count <= MOST);
        let count = count.ok_or_else(|| wrong(&format!("expected a number up to {MOST}, got {value:?}")))?;
        if pipelines.iter().any(|(known, _)| *known == pipeline) {
            return Err(wrong(&format!("{name} is given twice")));
        }
        pipelines.push((pipeline, count));
    }
    if pipelines.is_empty() {
        return Err(expected());
    }
    let of = |(pipeline, count): (Pipeline, u64)| {
        let (integration, configuration) =
            named.map_or_else(|| sample_integration(pipeline), |name| (name, Map::new()));
        let known = integration_named(integration).map_err(|error| wrong(&error.to_string()))?;
        let problem = known.check(pipeline, &configuration).err().and_then(|problems| problems.into_iter().next());
        match problem {
            Some(problem) => Err(wrong(&format!("{integration}: {problem}"))),
            None => Ok(Source { integration: integration.to_owned(), pipeline, configuration, count }),
        }
    };
    pipelines.into_iter().map(of).collect()
}

async fn serve(typed: &args::Serve, served: Served) -> Result<(), Unable> {
    let mut interrupted = std::pin::pin!(interrupted());
    let paragon = served.builder.start().await.map_err(|error| match (&typed.signing_key, error) {
        (Some(file), error) if error.is_signing_key() => {
            Unable(exits::USAGE, format!("--signing-key {}: {error}", file.display()))
        }
        (_, error) => Unable(exits::UNREACHABLE, error.to_string()),
    })?;
    if !typed.host.is_loopback() {
        output::note(&format!(
            "warning: anybody who can reach {} can use the whole admin API, and can even create tokens",
            typed.host
        ));
    }
    if let Some(url) = &served.webhook {
        paragon.set_webhook(url.clone()).await;
    }
    for Source { integration, pipeline, configuration, count } in &served.sources {
        let account = paragon.user(USER).connect(integration);
        account.fill(*pipeline, Synthetic::new(*count, typed.seed.unwrap_or_default()));
        let enabled = account.enable_with(pipeline.name(), "default", configuration.clone(), None);
        enabled.map_err(|error| Unable(exits::USAGE, format!("--source: {error}")))?;
    }
    if let Some(scenario) = &served.scenario {
        let played = tokio::select! {
            played = paragon.play(scenario) => played,
            () = &mut interrupted => return Err(Unable(exits::INTERRUPTED, "interrupted".to_owned())),
        };
        played.map_err(|error| Unable(exits::USAGE, format!("--scenario: {error}")))?;
    }
    announce(typed, served.webhook.as_ref(), &paragon);
    let mut teller = (!typed.quiet).then(TimelinePrinter::start);
    let telling = async {
        match &mut teller {
            Some(teller) => teller.tell(&paragon).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = paragon.run(typed.speed) => match never {},
        () = telling => {}
        () = interrupted => {}
    }
    if let Some(teller) = teller {
        teller.end(&paragon);
    }
    output::result(&summary(&paragon));
    Ok(())
}

fn announce(typed: &args::Serve, webhook: Option<&Url>, paragon: &FakeParagon) {
    let (project, admin_url) = (paragon.project(), paragon.admin_url().unwrap_or_default());
    output::options_from(typed.configuration.file.as_deref());
    if typed.ready_json {
        let ready = json!({
            "apiUrl": paragon.api_url(), "adminUrl": admin_url, "projectId": project.id,
            "signingKey": project.signing_key, "webhook": webhook.map(Url::as_str),
        });
        output::result(&format!("{ready}\n"));
    } else {
        output::note(&format!("PARAGON_API_URL={}\nPARAGON_PROJECT_ID={}", paragon.api_url(), project.id));
        let own = typed.signing_key.as_ref().map(|file| format!("the key in {}", file.display()));
        let key = own.unwrap_or_else(|| "the public test key: --ready-json prints it".to_owned());
        output::note(&format!("PARAGON_SIGNING_KEY={key}\nadmin API {admin_url}"));
    }
    if webhook.is_none() && !typed.ready_json {
        output::note("no webhook is set: use --webhook, or PUT /_testkit/webhook");
    }
}

/// Prints the timeline to standard error. A thread writes the lines, so that a slow or missing reader does not block
/// the server.
struct TimelinePrinter {
    lines: SyncSender<String>,
    printed: Receiver<()>,
    mark: usize,
    left_out: u64,
}

impl TimelinePrinter {
    fn start() -> Self {
        let (lines, to_print) = sync_channel::<String>(AHEAD);
        let (done, printed) = sync_channel(1);
        std::thread::spawn(move || {
            for line in to_print {
                output::note(&line);
            }
            let _ = done.send(());
        });
        Self { lines, printed, mark: 0, left_out: 0 }
    }

    async fn tell(&mut self, paragon: &FakeParagon) {
        loop {
            let news = paragon.timeline_after(self.mark).await;
            self.mark = news.end();
            self.print(&news);
        }
    }

    fn print(&mut self, news: &Timeline) {
        for line in news.clone().with_calls().lines() {
            let left_out = self.left_out;
            let told = format!("{:<14} {left_out} lines were left out, because standard error is read too slowly", "");
            if left_out > 0 && self.lines.try_send(told).is_ok() {
                self.left_out = 0;
            }
            if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
                self.left_out += 1;
            }
        }
    }

    /// Prints the rest of the timeline, and waits until the thread has written everything, for at most 1 s.
    fn end(mut self, paragon: &FakeParagon) {
        self.print(&paragon.timeline().skip(self.mark));
        let Self { lines, printed, .. } = self;
        drop(lines);
        let _ = printed.recv_timeout(Duration::from_secs(1));
    }
}

fn summary(paragon: &FakeParagon) -> String {
    let tally = paragon.tally();
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {} of the Sync API, {} ({} delivered), the clock shows {}\n",
        count(tally.runs, "run"),
        count(tally.calls, "call"),
        count(tally.attempts, "attempt"),
        tally.delivered,
        paragon.now(),
    )
}
