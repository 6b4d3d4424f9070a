use std::time::Duration;

use super::Stopwatch;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Asks again and again until the answer is `Some`, for at most `within` of real time; `None` when it never was.
/// Asks at least once, and once more when the time is over.
///
/// A receiver may answer its webhook first and work afterwards, so a test waits for what it expects:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
/// let mut asked = 0;
/// let third = paragon_testkit::clock::eventually(Duration::from_secs(5), async || {
///     asked += 1;
///     (asked == 3).then_some(asked)
/// });
/// assert_eq!(third.await, Some(3));
/// # }
/// ```
#[expect(clippy::disallowed_methods, reason = "the one place that sleeps, between two looks at a condition")]
pub async fn eventually<T>(within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    let mut pause = FIRST_PAUSE;
    loop {
        let last = watch.elapsed() >= within;
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        if last {
            return None;
        }
        tokio::time::sleep(pause.min(within.saturating_sub(watch.elapsed()))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
