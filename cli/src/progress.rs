//! Progress line on standard error: which case is running, and for how long. The line is redrawn in place.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use paragon_testkit::check::Starting;
use paragon_testkit::clock::Stopwatch;

/// The progress line. Prints nothing if standard error is not a terminal.
#[derive(Clone)]
pub(crate) struct Progress(Option<Arc<Mutex<Line>>>);

#[derive(Default)]
struct Line {
    running: Option<(Starting, Stopwatch)>,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        Self((wanted && std::io::stderr().is_terminal()).then(Arc::default))
    }

    pub(crate) fn start(&self, starting: &Starting) {
        self.change(|line| line.running = Some((*starting, Stopwatch::start())));
    }

    /// Removes the line from the terminal, so that something else can be printed.
    pub(crate) fn clear(&self) {
        self.change(|line| {
            line.running = None;
            if std::mem::take(&mut line.shown) {
                print("\r\x1b[K");
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        if let Some(line) = &self.0 {
            change(&mut line.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Redraws the line every 200 ms. Never returns: the caller stops it by dropping the future.
    pub(crate) async fn show(&self) {
        if self.0.is_none() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            self.change(|line| {
                if let Some((Starting { case, before, of, .. }, since)) = &line.running {
                    let (id, number, seconds) = (case.id, before + 1, since.elapsed().as_secs());
                    print(&format!("\r\x1b[K{number}/{of} {id} {seconds} s"));
                    line.shown = true;
                }
            });
        }
    }
}

fn print(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
