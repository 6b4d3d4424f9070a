use std::time::Duration;

use super::Stopwatch;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Calls `ask` again and again until it returns `Some`, for at most `within` of real time. Returns `None` if `ask`
/// never returned `Some`. Calls `ask` at least once, and once more when the time is over.
///
/// A receiver may answer its webhook first and work afterwards, so a test waits for what it expects:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
/// let mut asked = 0;
/// let third = paragon_testkit::clock::eventually(Duration::from_secs(5), || {
///     asked += 1;
///     let answer = (asked == 3).then_some(asked);
///     async move { answer }
/// });
/// assert_eq!(third.await, Some(3));
/// # }
/// ```
pub async fn eventually<T, F>(within: Duration, mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let mut patience = PollTimeout::of(within);
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        if !patience.again().await {
            return None;
        }
    }
}

/// Waits for this long in real time.
#[cfg(feature = "check")]
pub(crate) async fn pass(span: Duration) {
    let _ = eventually(span, || async { None::<()> }).await;
}

/// Timeout of a polling loop, for loops that [`eventually`] does not fit.
#[derive(Clone, Copy, Debug)]
pub struct PollTimeout {
    watch: Stopwatch,
    within: Duration,
    pause: Duration,
    over: bool,
}

impl PollTimeout {
    /// Starts a timeout of `within`, in real time, from now.
    pub fn of(within: Duration) -> Self {
        Self { watch: Stopwatch::start(), within, pause: FIRST_PAUSE, over: false }
    }

    /// Returns whether the time is over.
    pub fn is_over(&self) -> bool {
        self.watch.elapsed() >= self.within
    }

    /// Waits a little before the next look at the condition. Returns false if the time is over and the loop has looked
    /// once more since then.
    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps, between two looks at a condition")]
    pub async fn again(&mut self) -> bool {
        if self.over {
            return false;
        }
        tokio::time::sleep(self.pause.min(self.within.saturating_sub(self.watch.elapsed()))).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.over = self.watch.elapsed() >= self.within;
        true
    }
}
