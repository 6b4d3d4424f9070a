//! `--state-cmd`: a command that prints what the receiver holds.

use std::process::Stdio;
use std::time::Duration;

use paragon_testkit::check::{Held, Looking, Probe, ProbeError};
use tokio::process::Command;

/// A look may take so long.
const WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct StateCmd {
    pub(crate) command: String,
    /// So that the command can reach the receiver.
    pub(crate) port: u16,
}

impl StateCmd {
    async fn run(&self) -> Result<Vec<Held>, String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).env("PORT", self.port.to_string());
        shell.stdin(Stdio::null()).kill_on_drop(true);
        let ran = tokio::time::timeout(WITHIN, shell.output()).await;
        let ran = ran.map_err(|_| format!("it printed nothing within {} s", WITHIN.as_secs()))?;
        let output = ran.map_err(|error| format!("cannot run sh: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("nothing on standard error");
            return Err(format!("it ended with {}: {last}", output.status));
        }
        Held::parse(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Probe for StateCmd {
    fn look(&self) -> Looking<'_> {
        Box::pin(async {
            let look = self.run().await;
            look.map_err(|why| ProbeError(format!("the state command {:?} is of no use: {why}", self.command)))
        })
    }
}
