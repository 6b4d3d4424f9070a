use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::duration;

/// Upper bound on a span, or no bound. In JSON it is `none`, or text such as `3h 30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl Limit {
    /// No bound.
    pub const NONE: Self = Self(None);

    /// Creates a bound of this length.
    pub const fn of(span: Duration) -> Self {
        Self(Some(span))
    }

    /// Returns whether a span is longer than the bound.
    pub fn is_passed_by(self, span: Duration) -> bool {
        self.0.is_some_and(|limit| span > limit)
    }

    fn clamp(self, span: Duration) -> Duration {
        self.0.map_or(span, |limit| span.min(limit))
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(span) => duration::serialize(span, serializer),
            None => serializer.serialize_str("none"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "none" => Ok(Self::NONE),
            text => duration::parse(text).map(Self::of).map_err(|why| de::Error::custom(format!("{why}, or none"))),
        }
    }
}

/// Waits before the retries of an event, which also give the number of retries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Backoff {
    /// No retry.
    None,
    /// One retry for each of these waits, in turn.
    List(#[serde(with = "duration::list")] Vec<Duration>),
    /// A wait of `base`, and then waits that are each `factor` times as long as the one before.
    Exponential {
        /// Wait before the first retry.
        #[serde(with = "duration")]
        base: Duration,
        /// Factor from one wait to the next, at least 1. With 1 all waits are the same.
        factor: f64,
        /// Upper bound on each wait.
        at_most: Limit,
        /// Number of retries.
        retries: u32,
    },
}

impl Backoff {
    /// Returns the wait after `failed` failed attempts of an event, at least 1. Returns `None` if no retry follows.
    pub fn after(&self, failed: u32) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::List(waits) => waits.get(usize::try_from(failed).ok()?.checked_sub(1)?).copied(),
            Self::Exponential { base, factor, at_most, retries } => (failed <= *retries).then(|| {
                let power = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
                at_most.clamp(scaled(*base, factor.powi(power)))
            }),
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Exponential { base, factor, .. } if base.is_zero() || !factor.is_finite() || *factor < 1.0 => {
                Some(format!("expected a base above 0 and a factor of at least 1, got {base:?} and {factor}"))
            }
            _ => None,
        }
    }
}

/// Random variation of the wait before a retry, so that retries do not all come at once. The seed decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Jitter {
    /// No variation.
    None,
    /// Variation by up to this share of the wait, up or down.
    Symmetric(f64),
    /// Additional wait of up to this duration.
    Additive(#[serde(with = "duration")] Duration),
    /// Random wait between nothing and the whole wait.
    Full,
}

impl Jitter {
    /// Returns the varied wait. `fraction` is from 0 to below 1.
    pub fn vary(self, wait: Duration, fraction: f64) -> Duration {
        match self {
            Self::None => wait,
            Self::Symmetric(share) => scaled(wait, 1.0 - share + 2.0 * share * fraction),
            Self::Additive(span) => wait.saturating_add(scaled(span, fraction)),
            Self::Full => scaled(wait, fraction),
        }
    }

    pub(super) fn problem(self) -> Option<String> {
        let share = if let Self::Symmetric(share) = self { share } else { 0.0 };
        let wrong = !(0.0..=1.0).contains(&share);
        wrong.then(|| format!("expected a share from 0 to 1, got {share}"))
    }
}

/// Returns `span` multiplied by `by`, in whole milliseconds, which is the unit of moments. A longer result than a
/// thousand years is cut to a thousand years.
pub(super) fn scaled(span: Duration, by: f64) -> Duration {
    const LONGEST: f64 = 1_000.0 * 365.0 * 86_400.0 * 1_000.0;
    let millis = (span.as_secs_f64() * 1_000.0 * by).round().clamp(0.0, LONGEST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in bounds")]
    Duration::from_millis(millis as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &Backoff) -> Vec<u64> {
        (1..).map_while(|failed| backoff.after(failed)).map(|wait| wait.as_secs()).take(20).collect()
    }

    #[test]
    fn waits_come_from_the_list_or_the_factor() {
        let list = Backoff::List([5, 300].map(Duration::from_secs).into());
        assert_eq!(seconds(&list), [5, 300]);
        assert!(seconds(&Backoff::None).is_empty());
        let base = Duration::from_secs(30);
        let doubling =
            Backoff::Exponential { base, factor: 2.0, at_most: Limit::of(Duration::from_secs(200)), retries: 5 };
        assert_eq!(seconds(&doubling), [30, 60, 120, 200, 200]);
        let endless = Backoff::Exponential { base, factor: 10.0, at_most: Limit::NONE, retries: u32::MAX };
        assert_eq!(endless.after(u32::MAX).unwrap().as_secs(), 31_536_000_000, "a thousand years, and no overflow");
    }

    #[test]
    fn jitter_stays_in_its_bounds() {
        let wait = Duration::from_secs(100);
        for (jitter, least, most) in [
            (Jitter::None, 100.0, 100.0),
            (Jitter::Symmetric(0.2), 80.0, 120.0),
            (Jitter::Additive(Duration::from_secs(5)), 100.0, 105.0),
            (Jitter::Full, 0.0, 100.0),
        ] {
            let [low, high] = [0.0, 0.999_999].map(|fraction| jitter.vary(wait, fraction).as_secs_f64());
            assert!((low - least).abs() < 0.01 && (high - most).abs() < 0.01, "{jitter:?}: {low} to {high}");
        }
    }

    #[test]
    fn limits_are_read_from_text() {
        for (text, limit) in [("\"none\"", Limit::NONE), ("\"1h 30m\"", Limit::of(Duration::from_secs(5_400)))] {
            assert_eq!(serde_json::from_str::<Limit>(text).unwrap(), limit);
            assert_eq!(serde_json::to_string(&limit).unwrap(), text);
        }
        let error = serde_json::from_str::<Limit>("\"soon\"").unwrap_err().to_string();
        assert!(error.contains("soon") && error.contains("or none"), "{error}");
    }
}
