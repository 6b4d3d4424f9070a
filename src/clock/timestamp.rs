use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in milliseconds since 1970. Prints as RFC 3339 with milliseconds, as Paragon does (observed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the moment this many milliseconds after the beginning of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the beginning of 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses a time in RFC 3339; returns `None` if the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|timestamp| Self(timestamp.as_millisecond()))
    }

    /// Returns the time of the wall clock. Tokens are checked against this time, because the receiver mints them by the
    /// wall clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the wall clock")]
    pub fn wall() -> Self {
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self(millis(since_1970))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

/// Returns the time since `earlier`; zero if `earlier` is later.
impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("expected a time in RFC 3339, got {text:?}")))
    }
}

/// Formats a span for a timeline: `+1d 02:03:04`, with `.005` only if there are milliseconds.
pub fn offset(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let day = if days > 0 { format!("{days}d ") } else { String::new() };
    let fraction = if span.subsec_millis() > 0 { format!(".{:03}", span.subsec_millis()) } else { String::new() };
    format!("+{day}{hours:02}:{minutes:02}:{:02}{fraction}", seconds % 60)
}

/// Serde format for durations as people write them, such as `1h 30m`.
pub(crate) mod duration {
    use std::time::Duration;

    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn text(duration: Duration) -> String {
        SignedDuration::try_from(duration).map_or_else(|_| format!("{}s", duration.as_secs()), |d| format!("{d:#}"))
    }

    pub(crate) fn parse(text: &str) -> Result<Duration, String> {
        let expected = || format!("expected a duration such as 90s or 1h 30m, got {text:?}");
        let duration: SignedDuration = text.parse().map_err(|_| expected())?;
        duration.try_into().map_err(|_| expected())
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    /// The same format for an optional duration.
    pub(crate) mod option {
        use super::{Deserialize, Deserializer, Duration, Serializer, de};

        #[expect(clippy::ref_option, reason = "serde asks for it")]
        pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => super::serialize(duration, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| super::parse(&text).map_err(de::Error::custom)).transpose()
        }
    }

    /// The same format for a list of durations.
    pub(crate) mod list {
        use super::{Deserialize, Deserializer, Duration, Serializer, de};

        pub(crate) fn serialize<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(durations.iter().map(|duration| super::text(*duration)))
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
            let texts = Vec::<String>::deserialize(deserializer)?;
            texts.iter().map(|text| super::parse(text).map_err(de::Error::custom)).collect()
        }
    }
}

/// A clock that stands still until it is moved, and never goes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clock {
    now: Timestamp,
}

impl Clock {
    /// Returns a clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { now: start }
    }

    /// Returns the time that the clock shows.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the clock forward. A moment in the past has no effect.
    pub fn advance_to(&mut self, moment: Timestamp) {
        self.now = self.now.max(moment);
    }
}

/// Stopwatch for real time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts a stopwatch")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Returns the real time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_printed_in_the_form_of_paragon() {
        let moment = Timestamp::parse("2025-07-18T21:47:05.926Z").unwrap();
        assert_eq!(moment.to_string(), "2025-07-18T21:47:05.926Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), format!("{} ms", i64::MAX));
    }

    #[test]
    fn a_clock_never_goes_back() {
        let mut clock = Clock::starting_at(Timestamp::from_millis(10));
        clock.advance_to(Timestamp::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(10));
        assert_eq!(Timestamp::from_millis(5) - Timestamp::from_millis(10), Duration::ZERO);
    }

    #[test]
    fn offsets_are_readable() {
        assert_eq!(offset(Duration::from_secs(61)), "+00:01:01");
        assert_eq!(offset(Duration::from_millis(93_784_005)), "+1d 02:03:04.005");
    }
}
