//! A receiver that the program starts itself.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Of what the receiver prints so many bytes are kept, the last ones.
const TAIL: usize = 8 * 1024;

/// A running receiver. It ends with [`Receiver::stop`], or when this program does, however that comes about.
pub(crate) struct Receiver {
    supervisor: Child,
    printed: Arc<Mutex<VecDeque<u8>>>,
}

impl Receiver {
    /// Must be called within a tokio runtime.
    pub(crate) fn start(command: &str, env: impl IntoIterator<Item = (String, String)>) -> std::io::Result<Self> {
        let mut supervisor = Command::new(std::env::current_exe()?);
        supervisor.args(["__supervise", command]).envs(env);
        supervisor.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C on the terminal is for the program, which then ends the receiver in order.
        #[cfg(unix)]
        supervisor.process_group(0);
        let mut supervisor = supervisor.spawn()?;
        let printed = Arc::default();
        if let Some(stdout) = supervisor.stdout.take() {
            tokio::spawn(keep_tail(stdout, Arc::clone(&printed)));
        }
        if let Some(stderr) = supervisor.stderr.take() {
            tokio::spawn(keep_tail(stderr, Arc::clone(&printed)));
        }
        Ok(Self { supervisor, printed })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.supervisor.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// The last lines that it printed.
    pub(crate) fn printed(&self) -> String {
        let printed: Vec<u8> = lock(&self.printed).iter().copied().collect();
        let printed = String::from_utf8_lossy(&printed);
        let lines: Vec<_> = printed.lines().map(|line| format!("  | {line}")).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends it, and everything it started.
    pub(crate) async fn stop(mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait().await;
    }
}

fn lock(printed: &Mutex<VecDeque<u8>>) -> std::sync::MutexGuard<'_, VecDeque<u8>> {
    printed.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep_tail(mut from: impl AsyncRead + Unpin, printed: Arc<Mutex<VecDeque<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let mut printed = lock(&printed);
        printed.extend(&buffer[..read]);
        let surplus = printed.len().saturating_sub(TAIL);
        printed.drain(..surplus);
    }
}
