//! Reads the state of the receiver, and prepares the receiver: the shell commands of `--state-cmd`, `--before-sync` and
//! `--reset-cmd`.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use paragon_testkit::check::{HeldRecord, Looking, Probe, ProbeError};
use paragon_testkit::contract::{Pipeline, SyncId};
use paragon_testkit::delivery::{Answer, Failure, Http, Outcome, Request, Transport as _};
use paragon_testkit::fake::SyncHandle;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStdout, Command};
use url::Url;

use crate::group::Group;
use crate::tail::{LAST_WORDS, Tail};

/// Timeout of a command that is run many times.
const WITHIN: Duration = Duration::from_secs(5);

/// Timeout of the command of `--reset-cmd`, which is run once.
const RESET_WITHIN: Duration = Duration::from_secs(30);

/// A shell command, and the variables that are added to its environment.
#[derive(Clone)]
struct Shell {
    command: String,
    environment: Vec<(String, String)>,
    /// Timeout of the command.
    within: Duration,
}

/// Kills the command and all processes that it started when dropped. The drop also happens after a timeout, and when
/// the program is interrupted.
struct EndOnDrop(Group);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Shell {
    /// Prepares a command with the timeout [`WITHIN`].
    fn new<const N: usize>(command: String, environment: [(&str, String); N]) -> Self {
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Self { command, environment, within: WITHIN }
    }

    /// Runs the command, and returns its standard output. An error contains the last line of standard error.
    async fn run(&self) -> Result<String, String> {
        let errors = Tail::default();
        let (status, printed) = self.run_with(whole, &errors).await?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&printed).into_owned());
        }
        let said = errors.text();
        let last = said.trim().lines().last().unwrap_or("the command printed nothing to standard error");
        Err(format!("the command ended with {status}: {last}"))
    }

    /// Runs the command for its effect. An error contains the last lines that the command printed.
    async fn act(&self) -> Result<(), String> {
        let printed = Tail::default();
        let keep = async |stdout| {
            printed.keep(stdout).await;
            Ok(())
        };
        let why = match self.run_with(keep, &printed).await {
            Ok((status, ())) if status.success() => return Ok(()),
            Ok((status, ())) => format!("the command ended with {status}"),
            Err(why) => why,
        };
        let lines = printed.lines(LAST_WORDS);
        Err(if lines.is_empty() { format!("{why}, and printed nothing") } else { format!("{why}:\n{lines}") })
    }

    /// Runs the command. `read` reads the standard output, and `errors` keeps the end of standard error.
    async fn run_with<T>(
        &self,
        read: impl AsyncFnOnce(ChildStdout) -> Result<T, String>,
        errors: &Tail,
    ) -> Result<(ExitStatus, T), String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).envs(self.environment.iter().map(|(name, value)| (name, value)));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        shell.process_group(0);
        let mut shell = shell.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
        let group = EndOnDrop(Group::led_by(shell.id()));
        let (Some(stdout), Some(stderr)) = (shell.stdout.take(), shell.stderr.take()) else {
            return Err("the output of sh is not connected".to_owned());
        };
        let ended = async {
            let status = shell.wait().await.map_err(|error| format!("cannot wait for the command: {error}"));
            // A process that the command left running would keep the output open.
            group.0.end();
            status
        };
        let kept = async {
            errors.keep(stderr).await;
            Ok(())
        };
        let ran = tokio::time::timeout(self.within, async { tokio::try_join!(ended, read(stdout), kept) }).await;
        let ran = ran.map_err(|_| format!("the command did not end within {} s", self.within.as_secs()))?;
        ran.map(|(status, read, ())| (status, read))
    }
}

/// Reads an output to its end. Returns an error if the output is longer than [`HeldRecord::MAX_STATE_BYTES`].
async fn whole(output: ChildStdout) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    let bound = HeldRecord::MAX_STATE_BYTES;
    let more = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    output
        .take(more)
        .read_to_end(&mut read)
        .await
        .map_err(|error| format!("the output of the command cannot be read: {error}"))?;
    if read.len() > bound {
        return Err(format!("the command printed more than {} MiB, which is the limit", bound / 1024 / 1024));
    }
    Ok(read)
}

/// The command of `--state-cmd`, which prints the records that the receiver holds.
pub(crate) struct StateCmd {
    command: String,
    port: u16,
}

/// Stands for the id of a sync in the command of `--state-cmd`.
const SYNC: &str = "{sync}";

impl StateCmd {
    /// Makes a probe from a command. The command gets the port of the receiver as `PORT`.
    pub(crate) fn new(command: String, port: u16) -> Self {
        Self { command, port }
    }

    /// Runs the command, and reads the state that it prints. The id of a sync is quoted for the shell. Paragon's ids
    /// are UUIDs, which stay as they are, so they can also be put between quotes.
    async fn read(&self, sync: Option<SyncId>) -> Result<Vec<HeldRecord>, String> {
        let port = ("PORT", self.port.to_string());
        let shell = match sync {
            None => Shell::new(self.command.clone(), [port]),
            Some(sync) => {
                let word = shlex::try_quote(sync.as_str()).map_err(|error| format!("the sync id {sync:?}: {error}"))?;
                let command = self.command.replace(SYNC, &word);
                Shell::new(command, [port, ("PARAGON_SYNC_ID", sync.to_string())])
            }
        };
        HeldRecord::parse(&shell.run().await?)
    }

    fn looking(&self, sync: Option<SyncId>) -> Looking<'_> {
        Box::pin(async {
            let wrong = |why| ProbeError::new(format!("the state command {:?} does not work: {why}", self.command));
            self.read(sync).await.map_err(wrong)
        })
    }
}

impl Probe for StateCmd {
    fn look(&self) -> Looking<'_> {
        self.looking(None)
    }

    fn look_at(&self, sync: &SyncId) -> Option<Looking<'_>> {
        self.command.contains(SYNC).then(|| self.looking(Some(sync.clone())))
    }
}

/// What `--before-sync` does to register a sync with the receiver.
#[derive(Clone)]
pub(crate) enum BeforeSync {
    /// Runs this shell command.
    Run(String),
    /// Posts the sync as JSON to this URL, with these headers, over this transport.
    Post(Url, HeaderMap, Http),
}

impl BeforeSync {
    /// Registers a sync. `port` is the port of the receiver.
    pub(crate) fn register(
        &self,
        port: u16,
        sync: &SyncHandle,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (how, pipeline, of) = (self.clone(), sync.pipeline().map_or("", Pipeline::name), sync.envelope());
        async move {
            match how {
                Self::Run(command) => {
                    let environment = [
                        ("PORT", port.to_string()),
                        ("PARAGON_USER_ID", of.user.id.to_string()),
                        ("PARAGON_SYNC_ID", of.sync_instance_id.to_string()),
                        ("PARAGON_INTEGRATION", of.sync),
                        ("PARAGON_PIPELINE", pipeline.to_owned()),
                        ("PARAGON_CREDENTIAL_ID", of.credential_id.map(|id| id.to_string()).unwrap_or_default()),
                    ];
                    let shell = Shell::new(command, environment);
                    let ran = shell.run().await;
                    ran.map(drop)
                        .map_err(|why| format!("the command {:?} of --before-sync failed: {why}", shell.command))
                }
                Self::Post(url, headers, http) => {
                    let body = json!({
                        "user": of.user.id, "syncInstanceId": of.sync_instance_id, "integration": of.sync,
                        "pipeline": pipeline, "credentialId": of.credential_id,
                    });
                    post(&http, &url, headers, &body)
                        .await
                        .map_err(|why| format!("the URL {url} of --before-sync failed: {why}"))
                }
            }
        }
    }
}

/// Runs the command of `--reset-cmd` in this environment.
pub(crate) async fn reset(command: &str, environment: Vec<(String, String)>) -> Result<(), String> {
    let shell = Shell { command: command.to_owned(), environment, within: RESET_WITHIN };
    shell.act().await.map_err(|why| format!("--reset-cmd {command:?}: {why}"))
}

/// Posts a body to a URL of the receiver, which must answer 2xx.
async fn post(http: &Http, url: &Url, headers: HeaderMap, body: &Value) -> Result<(), String> {
    let mut request = Request::new(url.clone(), body.to_string().as_bytes());
    (request.headers, request.timeouts.total) = (headers, WITHIN);
    match http.send(&request).await {
        Outcome::Answered(Answer { status: 200..=299, .. }) => Ok(()),
        outcome @ Outcome::Failed(Failure::Tls(_)) => Err(format!("{outcome} (see --ca and --insecure)")),
        outcome => Err(format!("expected a 2xx response, got {outcome}")),
    }
}
