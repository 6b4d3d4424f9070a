//! The run that `check` and `replay` share. Starts the fake and, with `--spawn`, the receiver; lets the suite judge the
//! receiver; prints the results and writes the reports; ends the receiver.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use paragon_testkit::FakeParagon;
use paragon_testkit::check::{CaseResult, Judgment, Probe, StateUrl, Suite, Verdict};
use paragon_testkit::clock::Stopwatch;
use paragon_testkit::contract::{Revision, SpecialRecord};
use paragon_testkit::delivery::Policy;
use paragon_testkit::fake::Server;
use paragon_testkit::report::{self, Report, Text, exits};
use paragon_testkit::scenario::Scenario;

use crate::args::API_PORT;
use crate::interrupt::interrupted;
use crate::plan::{Aim, PROJECT};
use crate::progress::Progress;
use crate::selection::Selection;
use crate::shell::StateCmd;
use crate::spawn::{Receiver, connects};
use crate::tail::LAST_WORDS;
use crate::{findings, output, reports, shell};

/// Number of timeline entries that the fake keeps. The bound limits the memory, even if a receiver calls the fake in a
/// loop.
const TIMELINE: usize = 200_000;

/// Number of lines of the receiver's output that are printed after a failure.
const LAST_LINES: usize = 5;

/// The results so far.
#[derive(Default)]
struct Seen {
    results: Vec<CaseResult>,
    /// Number of verdicts that the whole run will have.
    planned: usize,
}

/// Error that ends a run: the exit code, and the message to print.
struct Unable(u8, String);

/// All that defines a run: the receiver, the settings of the fake, and what to judge.
pub(crate) struct Play<'a> {
    pub(crate) aim: &'a Aim,
    pub(crate) seed: u64,
    pub(crate) revision: Revision,
    pub(crate) policy: &'a Policy,
    pub(crate) judging: Judging<'a>,
    pub(crate) color: bool,
}

pub(crate) enum Judging<'a> {
    Cases(&'a Selection),
    Scenario(&'a Path, &'a Scenario),
    /// The set-up is examined, and the receiver is not judged.
    SetUp,
}

/// Way in which a run has ended that was not interrupted.
enum Ended {
    Judged(Box<Judgment>),
    /// The set-up was examined, with this exit code.
    Examined(u8),
}

impl Play<'_> {
    pub(crate) fn run(&self) -> u8 {
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                output::error(&format!("cannot start the program: {error}"));
                return exits::UNREACHABLE;
            }
        };
        runtime.block_on(self.play()).unwrap_or_else(|Unable(code, why)| {
            output::error(&why);
            code
        })
    }

    async fn play(&self) -> Result<u8, Unable> {
        // A signal interrupts the run from here on.
        let mut interrupted = std::pin::pin!(interrupted());
        let typed = &self.aim.typed;
        let is_told = typed.spawn.is_some() || typed.ready_json;
        let port = typed.api_port.unwrap_or(if is_told { 0 } else { API_PORT });
        let mut builder = FakeParagon::builder().seed(self.seed).port(port).answer_within(typed.timeout);
        // A run may make many calls. Unlike wiremock, hyper keeps nothing of a call.
        builder = builder.server(Server::Hyper).timeline_limit(TIMELINE);
        builder = builder.revision(self.revision).policy(self.policy.clone()).start_at(self.aim.start);
        builder = builder.headers(self.aim.headers.clone()).trust(self.aim.trust.clone());
        builder = builder.project(typed.project.as_deref().unwrap_or(PROJECT));
        if let Some(key) = &self.aim.signing_key {
            builder = builder.signing_key(key);
        }
        let paragon = builder.start().await.map_err(|error| match &typed.signing_key {
            Some(file) if error.is_signing_key() => {
                Unable(exits::USAGE, format!("--signing-key {}: {error}", file.display()))
            }
            _ if error.is_port() && typed.api_port.is_none() => {
                Unable(exits::UNREACHABLE, format!("{error}; use another port with --api-port"))
            }
            _ => Unable(exits::UNREACHABLE, error.to_string()),
        })?;
        reports::remove_old(&self.aim.reports);
        self.announce(&paragon);
        let receiver = self.receiver(&paragon).await?;
        let (progress, seen, watch) = (Progress::new(!typed.ready_json), Mutex::<Seen>::default(), Stopwatch::start());
        let judged = tokio::select! {
            judged = self.judge(&paragon, &receiver, &progress, &seen) => Some(judged),
            () = progress.show() => unreachable!("it is shown until something else ends"),
            () = &mut interrupted => None,
        };
        progress.clear();
        let outcome = match judged {
            Some(Ok(Ended::Judged(judgment))) => self.tell(&judgment, &receiver, None).await,
            Some(Ok(Ended::Examined(code))) => Ok(code),
            Some(Err(unable)) => Err(unable),
            None if matches!(self.judging, Judging::SetUp) => Err(Unable(exits::INTERRUPTED, "interrupted".to_owned())),
            None => {
                let Seen { results, planned } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
                let (target, policy) = (self.aim.webhook.clone(), self.policy.name.clone());
                let took = watch.elapsed();
                let judgment = Judgment::of_results(target, self.seed, policy, self.revision, results, took)
                    .narrowed(self.without(), self.aim.members.clone());
                let told = self.tell(&judgment, &receiver, Some(planned)).await;
                if let Err(Unable(_, why)) = told {
                    output::error(&why);
                }
                Err(Unable(exits::INTERRUPTED, "interrupted".to_owned()))
            }
        };
        if !receiver.end(false).await {
            let url = &self.aim.webhook;
            output::note(&format!("something still listens at {url}: the receiver seems to run in the background"));
        }
        outcome
    }

    async fn judge(
        &self,
        paragon: &FakeParagon,
        receiver: &Receiver,
        progress: &Progress,
        seen: &Mutex<Seen>,
    ) -> Result<Ended, Unable> {
        receiver.listens().await.map_err(|why| Unable(exits::UNREACHABLE, why))?;
        if let Some(command) = &self.aim.typed.reset_cmd {
            let reset = shell::reset(command, self.environment(paragon)).await;
            reset.map_err(|why| Unable(exits::UNREACHABLE, why))?;
        }
        let suite = self.suite(receiver, progress, seen);
        let examination = suite.examine(paragon).await;
        let judgment = match self.judging {
            Judging::SetUp => return Ok(Ended::Examined(findings::tell(&examination))),
            _ if examination.is_wrong() => return Err(Unable(exits::UNREACHABLE, findings::wrong(&examination))),
            Judging::Cases(plan) => {
                findings::warn(&examination);
                plan.suite(suite).run(paragon).await
            }
            Judging::Scenario(_, scenario) => {
                findings::warn(&examination);
                suite.replay(paragon, scenario).await
            }
        };
        Ok(Ended::Judged(Box::new(judgment)))
    }

    /// Prints the summary and writes the reports. `interrupted` is `None` for a whole run, and the number of planned
    /// verdicts for an interrupted one.
    async fn tell(&self, judgment: &Judgment, receiver: &Receiver, interrupted: Option<usize>) -> Result<u8, Unable> {
        output::result(&self.text().summary(judgment));
        let mut report = Report::new(judgment, |case| self.reproduce(case));
        if let Some(planned) = interrupted {
            report = report.interrupted();
            let judged = judgment.results.len();
            output::result(&match planned {
                0 => "interrupted before the first case\n".to_owned(),
                planned => format!("interrupted: {judged} of {planned} verdicts were reached\n"),
            });
        }
        if let Judging::Cases(plan) = self.judging {
            plan.remember(judgment, &report.to_json(), interrupted.is_some());
        }
        if let Some(status) = receiver.ended()
            && !connects(&self.aim.webhook).await
        {
            output::note(&format!("the receiver ended by itself ({status}):\n{}", receiver.printed(LAST_WORDS)));
        } else if judgment.count(Verdict::Fail) > 0 && !receiver.printed(LAST_LINES).is_empty() {
            output::note(&format!("the last lines that the receiver printed:\n{}", receiver.printed(LAST_LINES)));
        }
        if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
            output::result(&report::annotations(&report));
        }
        reports::write(&self.aim.reports, &report).map_err(|error| Unable(exits::UNREACHABLE, error))?;
        if let Judging::Cases(plan) = self.judging
            && let Some(told) = plan.write_known(judgment).map_err(|error| Unable(exits::UNREACHABLE, error))?
        {
            output::result(&told);
            // By the new list, all failures are known.
            return Ok(if judgment.judged() { exits::PASSED } else { exits::NOTHING_JUDGED });
        }
        Ok(report::exit_code(judgment))
    }

    /// Returns the kinds of records that no case contains.
    fn without(&self) -> Vec<SpecialRecord> {
        match self.judging {
            Judging::Cases(plan) => plan.typed.without.clone(),
            Judging::Scenario(..) | Judging::SetUp => Vec::new(),
        }
    }

    /// Returns the state probe of `--state-url` or `--state-cmd`; `None` without these options.
    fn probe(&self) -> Option<Box<dyn Probe>> {
        match (&self.aim.state_url, &self.aim.typed.state_cmd) {
            (Some(url), _) => {
                let probe = StateUrl::with_headers(url.clone(), self.aim.headers.clone());
                Some(Box::new(probe.trust(&self.aim.trust)))
            }
            (None, Some(command)) => Some(Box::new(StateCmd::new(command.clone(), self.aim.port))),
            (None, None) => None,
        }
    }

    /// Returns a suite for the receiver, with the options that all verbs share.
    fn suite<'a>(&'a self, receiver: &'a Receiver, progress: &'a Progress, seen: &'a Mutex<Seen>) -> Suite<'a> {
        let note = move |note: &dyn Fn(&mut Seen)| note(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        let text = self.text();
        let mut suite = Suite::for_receiver(self.aim.webhook.clone())
            .seed(self.seed)
            .users(&self.aim.users)
            .settle(self.aim.typed.settle)
            .patience(self.aim.typed.patience)
            .compare(self.aim.members.compared())
            .on_start(move |starting| {
                progress.start(starting);
                note(&|seen| seen.planned = starting.of);
            })
            .on_result(move |result| {
                progress.clear();
                note(&|seen| seen.results.push(result.clone()));
                output::result(&text.case(result, &self.reproduce(result.case.id)));
            });
        for member in self.aim.members.ignored() {
            suite = suite.ignore_member(member);
        }
        if let Some(probe) = self.probe() {
            suite = suite.state(probe);
        }
        if receiver.is_ours() {
            suite = suite.process(receiver);
        }
        if let Some(before_sync) = &self.aim.before_sync {
            suite = suite.before_sync(|sync| before_sync.register(self.aim.port, sync));
        }
        suite
    }

    /// Returns the writer of the results. A scenario is one case, whose verdict is always printed.
    fn text(&self) -> Text {
        let verbose = if let Judging::Cases(plan) = self.judging { plan.typed.verbose } else { true };
        output::text(self.color, verbose)
    }

    /// Returns the command that runs a case again.
    fn reproduce(&self, case: &str) -> String {
        match self.judging {
            Judging::Cases(plan) => plan.reproduce(case),
            Judging::Scenario(file, _) => {
                let seed = self.aim.typed.seed.map(|seed| ("--seed", seed.to_string()));
                self.aim.again("replay", Some(file), seed.as_slice())
            }
            Judging::SetUp => self.aim.again("doctor", None, &[]),
        }
    }

    /// Returns the environment variables that a receiver needs. The signing key is among them: print it only on request
    /// (`--ready-json`).
    fn environment(&self, paragon: &FakeParagon) -> Vec<(String, String)> {
        let project = paragon.project();
        [
            ("PORT", self.aim.port.to_string()),
            ("PARAGON_API_URL", paragon.api_url()),
            ("PARAGON_PROJECT_ID", project.id.to_string()),
            ("PARAGON_SIGNING_KEY", project.signing_key),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn announce(&self, paragon: &FakeParagon) {
        let typed = &self.aim.typed;
        let environment = self.environment(paragon);
        if typed.ready_json {
            let map: serde_json::Map<_, _> =
                environment.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            output::result(&format!("{}\n", serde_json::Value::Object(map)));
        }
        let version = env!("CARGO_PKG_VERSION");
        output::note(&format!("judging {}, seed {}, paragon-testkit {version}", self.aim.webhook, self.seed));
        output::options_from(typed.configuration.file.as_deref());
        if typed.spawn.is_none() && !typed.ready_json {
            let own_key = typed.signing_key.as_ref().map(|file| format!("the key in {}", file.display()));
            output::note("the receiver must have been started with these environment variables:");
            for (name, value) in &environment {
                let shown = match name.as_str() {
                    "PARAGON_SIGNING_KEY" => {
                        own_key.as_deref().unwrap_or("the public test key: --ready-json prints it")
                    }
                    _ => value,
                };
                output::note(&format!("  {name}={shown}"));
            }
        }
    }

    /// Returns the receiver, and starts it if `--spawn` is given.
    async fn receiver(&self, paragon: &FakeParagon) -> Result<Receiver, Unable> {
        let typed = &self.aim.typed;
        let mut environment = self.environment(paragon);
        let project = paragon.project();
        let fill = |template: &str| {
            template
                .replace("{api_url}", &paragon.api_url())
                .replace("{port}", &self.aim.port.to_string())
                .replace("{project_id}", project.id.as_str())
                .replace("{signing_key}", &project.signing_key)
        };
        environment.extend(without_proxy(|name| std::env::var(name).ok()));
        environment.extend(self.aim.env.iter().map(|(name, template)| (name.clone(), fill(template))));
        let receiver = Receiver::new(typed.spawn.clone(), environment, self.aim.webhook.clone(), typed.wait_for);
        if receiver.is_ours() {
            if connects(&self.aim.webhook).await {
                let why = format!(
                    "something already listens at {}: stop that program, or use {{port}} in the URL",
                    self.aim.webhook
                );
                return Err(Unable(exits::UNREACHABLE, why));
            }
            receiver.start().await.map_err(|error| Unable(exits::UNREACHABLE, format!("--spawn: {error}")))?;
        }
        Ok(receiver)
    }
}

/// Returns `NO_PROXY` and `no_proxy` with the local addresses added. If the shell has a proxy, it would otherwise take
/// the receiver's calls of the Sync API, which it cannot deliver.
fn without_proxy(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    const NAMES: [&str; 2] = ["NO_PROXY", "no_proxy"];
    const OURS: [&str; 3] = ["127.0.0.1", "localhost", "::1"];
    let known = |name| variable(name).filter(|value| !value.is_empty());
    // A program may read only one of the two variables, so both get the hosts, even if only one has them.
    let extended = |name| {
        let named = known(name).or_else(|| NAMES.into_iter().find_map(known));
        let mut hosts: Vec<String> = named.iter().flat_map(|named| named.split(',')).map(str::to_owned).collect();
        for ours in OURS {
            if hosts.iter().all(|host| host.trim() != ours) {
                hosts.push(ours.to_owned());
            }
        }
        (name.to_owned(), hosts.join(","))
    };
    NAMES.map(extended).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_addresses_are_added_to_those_that_need_no_proxy() {
        let told = |known: &[(&str, &str)]| {
            let known =
                |name: &str| known.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            without_proxy(known).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let ours = "127.0.0.1,localhost,::1";
        assert_eq!(told(&[]), [format!("NO_PROXY={ours}"), format!("no_proxy={ours}")]);
        let both = [format!("NO_PROXY=.corp,{ours}"), format!("no_proxy=.corp,{ours}")];
        assert_eq!(told(&[("NO_PROXY", ".corp"), ("no_proxy", "")]), both);
        assert_eq!(told(&[("no_proxy", ".corp")]), both);
        assert_eq!(told(&[("no_proxy", "localhost")])[0], "NO_PROXY=localhost,127.0.0.1,::1");
    }
}
