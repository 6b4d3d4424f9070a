//! `--state-cmd`: a command that prints what the receiver holds.

use std::process::Stdio;
use std::time::Duration;

use paragon_testkit::check::{Held, Looking, Probe, ProbeError};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::group::Group;

/// How long the command may take.
const WITHIN: Duration = Duration::from_secs(5);

/// How many bytes of its standard error are kept, the last ones.
const ERROR_BYTES: usize = 8 * 1024;

pub(crate) struct StateCmd {
    pub(crate) command: String,
    /// So that the command can reach the receiver.
    pub(crate) port: u16,
}

/// Ends the command, and everything that it started, when the look is over: also when nobody waits for it any more,
/// because the time is over or the program was interrupted.
struct EndOnDrop(Group);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl StateCmd {
    async fn run(&self) -> Result<Vec<Held>, String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).env("PORT", self.port.to_string());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        shell.process_group(0);
        let mut shell = shell.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
        let group = EndOnDrop(Group::led_by(shell.id()));
        let (stdout, stderr) = (shell.stdout.take(), shell.stderr.take());
        let ended = async {
            let status = shell.wait().await.map_err(|error| format!("it cannot be waited for: {error}"));
            // What it left running would keep the output open.
            group.0.end();
            status
        };
        let ran = async { tokio::try_join!(ended, whole(stdout), async { Ok(tail(stderr).await) }) };
        let ran = tokio::time::timeout(WITHIN, ran).await;
        let (status, stdout, stderr) = ran.map_err(|_| format!("it did not end within {} s", WITHIN.as_secs()))??;
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            let last = said.trim().lines().last().unwrap_or("nothing on standard error");
            return Err(format!("it ended with {status}: {last}"));
        }
        Held::parse(&String::from_utf8_lossy(&stdout))
    }
}

/// Reads an output to its end, and gives up when it is longer than a state may be.
async fn whole(output: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    let Some(output) = output else { return Ok(read) };
    let bound = Held::MAX_STATE_BYTES;
    let more = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    output.take(more).read_to_end(&mut read).await.map_err(|error| format!("it cannot be read: {error}"))?;
    if read.len() > bound {
        return Err(format!("it printed more than {} MiB, and no more is read", bound / 1024 / 1024));
    }
    Ok(read)
}

/// Reads an output to its end, and keeps the last bytes.
async fn tail(output: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    let Some(mut output) = output else { return kept };
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(ERROR_BYTES);
        kept.drain(..surplus);
    }
    kept
}

impl Probe for StateCmd {
    fn look(&self) -> Looking<'_> {
        Box::pin(async {
            let look = self.run().await;
            look.map_err(|why| ProbeError(format!("the state command {:?} is of no use: {why}", self.command)))
        })
    }
}
