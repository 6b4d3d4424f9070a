//! The last output of a process, for messages about the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Number of bytes that are kept from the end of the output.
const BYTES: usize = 8 * 1024;

/// Number of lines that are shown of the output of a process that has ended.
pub(crate) const LAST_WORDS: usize = 20;

/// The end of what a process printed. All clones share the same text.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Reads an output to its end, and keeps the last bytes. Several outputs may be read at the same time.
    pub(crate) async fn keep(&self, mut output: impl AsyncRead + Unpin) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = output.read(&mut buffer).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&buffer[..read]);
            let surplus = kept.len().saturating_sub(BYTES);
            kept.drain(..surplus);
        }
    }

    /// Returns what was kept.
    pub(crate) fn text(&self) -> String {
        let kept: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// Returns the last lines, at most `most`, each marked as quoted.
    pub(crate) fn lines(&self, most: usize) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().map(|line| format!("  | {line}")).collect();
        lines[lines.len().saturating_sub(most)..].join("\n")
    }
}
