//! The receiver under test. With `--spawn` the program starts the receiver, and restarts it after a case has ended it.
//! Without `--spawn` the user starts the receiver.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use paragon_testkit::check::{Acting, Process, ProcessError};
use paragon_testkit::clock::PollTimeout;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use url::Url;

use crate::supervise::AT_ONCE;
use crate::tail::{LAST_WORDS, Tail};

/// Time within which the port of an ended receiver must be closed.
const GONE_WITHIN: Duration = Duration::from_secs(3);

/// Error message for a receiver whose port is still open [`GONE_WITHIN`] after its process was ended.
const IN_BACKGROUND: &str = "the port still answers after the process was ended: it seems to run in the background; \
                             start it in the foreground";

/// The receiver under test. A spawned receiver ends with [`Receiver::end`], and also whenever this program ends, even
/// if the program is killed.
pub(crate) struct Receiver {
    /// Shell command that starts the receiver; `None` if the user starts the receiver.
    command: Option<String>,
    environment: Vec<(String, String)>,
    webhook: Url,
    /// Time within which the receiver must listen.
    within: Duration,
    running: tokio::sync::Mutex<Option<Child>>,
    printed: Tail,
}

impl Receiver {
    pub(crate) fn new(
        command: Option<String>,
        environment: Vec<(String, String)>,
        webhook: Url,
        within: Duration,
    ) -> Self {
        let (running, printed) = (tokio::sync::Mutex::default(), Tail::default());
        Self { command, environment, webhook, within, running, printed }
    }

    /// Returns whether this program starts and ends the receiver.
    pub(crate) fn is_ours(&self) -> bool {
        self.command.is_some()
    }

    /// Starts the receiver, if this program is to start it.
    pub(crate) async fn start(&self) -> std::io::Result<()> {
        let Some(command) = &self.command else { return Ok(()) };
        let mut supervisor = Command::new(own_program()?);
        supervisor.args(["__supervise", command]).envs(self.environment.iter().map(|(name, value)| (name, value)));
        supervisor.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a process group of its own, the supervisor does not get the Ctrl-C of the terminal. The program gets the
        // Ctrl-C, and then ends the receiver by SIGTERM.
        #[cfg(unix)]
        supervisor.process_group(0);
        let mut supervisor = supervisor.spawn()?;
        if let Some(stdout) = supervisor.stdout.take() {
            let printed = self.printed.clone();
            tokio::spawn(async move { printed.keep(stdout).await });
        }
        if let Some(stderr) = supervisor.stderr.take() {
            let printed = self.printed.clone();
            tokio::spawn(async move { printed.keep(stderr).await });
        }
        *self.running.lock().await = Some(supervisor);
        Ok(())
    }

    /// Returns the exit status, if the receiver has ended by itself.
    pub(crate) fn ended(&self) -> Option<String> {
        let mut running = self.running.try_lock().ok()?;
        running.as_mut()?.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Returns the last lines that the receiver printed, at most `most`.
    pub(crate) fn printed(&self, most: usize) -> String {
        self.printed.lines(most)
    }

    /// Ends the receiver and all processes that it started: with SIGKILL if `at_once`, otherwise with SIGTERM first.
    /// Returns whether the port is closed; it stays open if the receiver has moved to the background.
    pub(crate) async fn end(&self, at_once: bool) -> bool {
        if !self.is_ours() {
            return true;
        }
        if let Some(mut supervisor) = self.running.lock().await.take() {
            if let Some(mut stdin) = supervisor.stdin.take()
                && at_once
            {
                let _ = stdin.write_all(&[AT_ONCE]).await;
                let _ = stdin.flush().await;
            }
            let _ = supervisor.wait().await;
        }
        // Processes that the receiver started may end a moment later. Until then they would be taken for the next
        // receiver.
        let mut patience = PollTimeout::of(GONE_WITHIN);
        loop {
            if !connects(&self.webhook).await {
                return true;
            }
            if !patience.again().await {
                return false;
            }
        }
    }

    async fn end_or_say_why_not(&self, at_once: bool) -> Result<(), ProcessError> {
        if self.end(at_once).await { Ok(()) } else { Err(ProcessError::new(IN_BACKGROUND)) }
    }

    /// Waits until the receiver listens. Returns an error message if the receiver ends first or the time is over.
    pub(crate) async fn listens(&self) -> Result<(), String> {
        let mut patience = PollTimeout::of(self.within);
        loop {
            if connects(&self.webhook).await {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                let printed = self.printed(LAST_WORDS);
                let printed = if printed.is_empty() { "the receiver printed nothing".to_owned() } else { printed };
                return Err(format!(
                    "the receiver ended before it listened at {} ({status}):\n{printed}",
                    self.webhook
                ));
            }
            if !patience.again().await {
                let waited = humantime::format_duration(self.within);
                let why = format!("nothing listens at {} after {waited} (see --wait-for)", self.webhook);
                let printed = self.printed(LAST_WORDS);
                return Err(if printed.is_empty() { why } else { format!("{why}; the receiver printed:\n{printed}") });
            }
        }
    }
}

impl Process for &Receiver {
    fn kill(&self) -> Acting<'_> {
        Box::pin(self.end_or_say_why_not(true))
    }

    fn stop(&self) -> Acting<'_> {
        Box::pin(self.end_or_say_why_not(false))
    }

    fn launch(&self) -> Acting<'_> {
        Box::pin(async {
            let started = self.start().await;
            started.map_err(|error| ProcessError::new(format!("the receiver cannot be started again: {error}")))
        })
    }

    fn ready(&self) -> Acting<'_> {
        Box::pin(async { self.listens().await.map_err(ProcessError::new) })
    }

    fn is_running(&self) -> bool {
        let Ok(mut running) = self.running.try_lock() else { return true };
        let runs = running.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()));
        // A receiver that has moved to the background still runs, although the command that started it has ended.
        runs || answers(&self.webhook)
    }
}

/// Returns the path of this program. The program's file may have been replaced since the start, for example by a build;
/// on Linux this path leads to the running program all the same.
fn own_program() -> std::io::Result<PathBuf> {
    const RUNNING: &str = "/proc/self/exe";
    if Path::new(RUNNING).exists() { Ok(RUNNING.into()) } else { std::env::current_exe() }
}

/// Returns whether a connection to the host and port of the URL succeeds. Blocking version of [`connects`].
fn answers(url: &Url) -> bool {
    let Ok(addresses) = url.socket_addrs(|| None) else { return false };
    let connects = |address| std::net::TcpStream::connect_timeout(address, Duration::from_millis(200)).is_ok();
    addresses.iter().any(connects)
}

pub(crate) async fn connects(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = (host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80));
    let connecting = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address));
    connecting.await.is_ok_and(|connected| connected.is_ok())
}
