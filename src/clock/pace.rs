use std::time::Duration;

use super::{Stopwatch, Timestamp};

/// Maximum wait, in real time, before the caller has to look at the clock again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Virtual time that passes by itself, from a moment on, at a multiple of the speed of real time.
///
/// ```
/// use std::time::Duration;
/// use paragon_testkit::clock::{Timestamp, Pace};
///
/// let standing = Pace::new(Timestamp::from_millis(0), 0.0);
/// assert_eq!(standing.now(), Timestamp::from_millis(0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    from: Timestamp,
    since: Stopwatch,
    speed: f64,
}

impl Pace {
    /// Starts virtual time now, at `from`.
    ///
    /// # Panics
    ///
    /// Panics if the speed is negative or not finite.
    #[track_caller]
    pub fn new(from: Timestamp, speed: f64) -> Self {
        assert!(speed.is_finite() && speed >= 0.0, "expected a speed of at least 0, got {speed}");
        Self { from, since: Stopwatch::start(), speed }
    }

    /// Returns the speed as a multiple of real time; 0 if virtual time stands still.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Returns the current virtual time.
    pub fn now(&self) -> Timestamp {
        self.from + seconds(self.since.elapsed().as_secs_f64() * self.speed)
    }

    /// Waits until virtual time reaches `moment`, but at most an hour of real time. The caller has to look at the clock
    /// again.
    #[expect(clippy::disallowed_methods, reason = "time that passes by itself is waited for")]
    pub async fn wait_for(&self, moment: Timestamp) {
        let real = seconds((moment - self.now()).as_secs_f64() / self.speed);
        tokio::time::sleep(real.min(LONGEST_WAIT)).await;
    }
}

/// Converts seconds to a duration. Returns [`Duration::MAX`] if no duration can hold the value.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_virtual_clock_runs_at_the_given_speed() {
        let start = Timestamp::from_millis(0);
        let fast = Pace::new(start, 1e9);
        let a_day = start + Duration::from_secs(86_400);
        fast.wait_for(a_day).await;
        assert!(fast.now() >= a_day);
        assert_eq!(Pace::new(start, 0.0).now(), start);
        assert_eq!(Pace::new(start, f64::MAX).wait_for(start).await, ());
    }

    #[test]
    #[should_panic(expected = "expected a speed of at least 0, got -1")]
    fn a_negative_speed_is_refused() {
        Pace::new(Timestamp::from_millis(0), -1.0);
    }
}
