use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::duration;

/// A span that may be without bound. In JSON it is `none`, or text such as `3h 30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl Limit {
    /// No bound.
    pub const NONE: Self = Self(None);

    /// This one.
    pub const fn of(span: Duration) -> Self {
        Self(Some(span))
    }

    /// Whether a span is longer.
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

/// How long after each failed attempt of an event the next one follows, and how many follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Backoff {
    /// None follows.
    None,
    /// One follows for each of these, in turn.
    List(#[serde(with = "duration::list")] Vec<Duration>),
    /// `base`, then each time `factor` as long as before.
    Exponential {
        /// Before the first retry.
        #[serde(with = "duration")]
        base: Duration,
        /// At least 1; with 1 all are the same.
        factor: f64,
        /// None is longer.
        at_most: Limit,
        /// How many follow.
        retries: u32,
    },
}

impl Backoff {
    /// The wait after so many failed attempts of an event, at least 1; `None` when it was the last one.
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
                Some(format!("expected a base above 0 and a factor from 1 on, got {base:?} and {factor}"))
            }
            _ => None,
        }
    }
}

/// How the wait before a retry is varied, so that not all retries come at once. The seed decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all.
    None,
    /// By this share of it, up or down.
    Symmetric(f64),
    /// By up to this much, up.
    Additive(#[serde(with = "duration")] Duration),
    /// To anything from nothing to itself.
    Full,
}

impl Jitter {
    /// A wait, varied; `fraction` is from 0 to below 1.
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

/// In whole milliseconds, which is what moments are counted in; a thousand years when it is longer.
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
    fn waits_follow_the_list_or_the_factor() {
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
    fn limits_read_as_text() {
        for (text, limit) in [("\"none\"", Limit::NONE), ("\"1h 30m\"", Limit::of(Duration::from_secs(5_400)))] {
            assert_eq!(serde_json::from_str::<Limit>(text).unwrap(), limit);
            assert_eq!(serde_json::to_string(&limit).unwrap(), text);
        }
        let error = serde_json::from_str::<Limit>("\"soon\"").unwrap_err().to_string();
        assert!(error.contains("soon") && error.contains("or none"), "{error}");
    }
}
