use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::scaled;
use crate::clock::duration;
use crate::delivery::transport::{Failure, Outcome};

/// What kind of outcome an attempt had, as far as a policy can tell them apart. Its name is in timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Class {
    /// The receiver answered with this status: `200`.
    Status(u16),
    /// Nothing listens there, or the fake plays an outage: `refused`.
    Refused,
    /// No connection in time: `connect_timeout`.
    ConnectTimeout,
    /// No answer in time: `timeout`.
    Timeout,
    /// The head of an answer, but not its end in time: `body_timeout`.
    BodyTimeout,
    /// An answer that goes on and on: `body_too_long`.
    BodyTooLong,
    /// The connection was reset: `reset`.
    Reset,
    /// It was closed before the end of an answer: `closed`.
    Closed,
    /// What came was no HTTP: `not_http`.
    NotHttp,
    /// The host has no address: `dns`.
    Dns,
    /// No TLS connection came about: `tls`.
    Tls,
    /// One redirect too many: `redirects`.
    Redirects,
    /// Anything else: `broken`.
    Broken,
}

const NAMES: [(&str, Class); 12] = [
    ("refused", Class::Refused),
    ("connect_timeout", Class::ConnectTimeout),
    ("timeout", Class::Timeout),
    ("body_timeout", Class::BodyTimeout),
    ("body_too_long", Class::BodyTooLong),
    ("reset", Class::Reset),
    ("closed", Class::Closed),
    ("not_http", Class::NotHttp),
    ("dns", Class::Dns),
    ("tls", Class::Tls),
    ("redirects", Class::Redirects),
    ("broken", Class::Broken),
];

impl Class {
    /// That of an outcome. Whether a long body matters is for the policy to say.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered(answer) => Self::Status(answer.status),
            Outcome::Failed(failure) => match failure {
                Failure::Refused | Failure::Unreachable => Self::Refused,
                Failure::ConnectTimedOut => Self::ConnectTimeout,
                Failure::TimedOut => Self::Timeout,
                Failure::BodyTimedOut { .. } => Self::BodyTimeout,
                Failure::Reset => Self::Reset,
                Failure::Closed => Self::Closed,
                Failure::NotHttp(_) => Self::NotHttp,
                Failure::Dns(_) => Self::Dns,
                Failure::Tls(_) => Self::Tls,
                Failure::TooManyRedirects => Self::Redirects,
                Failure::Broken(_) => Self::Broken,
            },
        }
    }

    /// No connection came about, so that the receiver has seen nothing.
    pub(crate) fn is_connect(self) -> bool {
        matches!(self, Self::Refused | Self::ConnectTimeout | Self::Dns | Self::Tls)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            other => f.write_str(NAMES.iter().find(|(_, class)| class == other).map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let class = NAMES.iter().find(|(name, _)| *name == text).map(|(_, class)| *class);
        let status = || text.parse().ok().filter(|status| (100..600).contains(status)).map(Self::Status);
        class.or_else(status).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("expected a status such as 429, or one of {names}, got {text:?}")
        })
    }
}

/// Which classes a [`ClassRule`] is for: a [`Class`], or several at once. In JSON it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum On {
    /// This one.
    Class(Class),
    /// Each status of a hundred: `4xx`.
    Hundred(u16),
    /// Whatever is no answer in time, and no answer at all: `network`.
    Network,
}

impl On {
    /// Whether a class is meant.
    pub fn holds(self, class: Class) -> bool {
        match (self, class) {
            (Self::Class(wanted), class) => wanted == class,
            (Self::Hundred(hundred), Class::Status(status)) => status / 100 == hundred,
            (Self::Network, Class::Status(_) | Class::BodyTooLong | Class::Redirects) | (Self::Hundred(_), _) => false,
            (Self::Network, _) => true,
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => class.fmt(f),
            Self::Hundred(hundred) => write!(f, "{hundred}xx"),
            Self::Network => f.write_str("network"),
        }
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hundred = || text.strip_suffix("xx")?.parse().ok().filter(|hundred| (1..6).contains(hundred));
        match text {
            "network" => Ok(Self::Network),
            text => match hundred() {
                Some(hundred) => Ok(Self::Hundred(hundred)),
                None => text.parse().map(Self::Class).map_err(|why: String| format!("{why} (or network, or 4xx)")),
            },
        }
    }
}

macro_rules! text {
    ($($name:ty)*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.to_string()
            }
        }
    )*};
}

text! { Class On }

/// What a policy does about some classes of outcomes. The first rule that is for a class counts; failures without one
/// are retried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClassRule {
    /// For which classes.
    pub on: Vec<On>,
    /// What follows.
    pub then: Then,
    /// A retry waits at least so long, whatever the schedule says.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Duration>,
    /// `Retry-After` of the answer decides how long a retry waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
}

/// What follows from an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Then {
    /// It counts as delivered.
    Accept,
    /// It is tried again, as long as the schedule goes on.
    Retry,
    /// It is given up at once.
    Drop,
    /// It is given up, and the webhook is disabled.
    Disable,
}

/// How far a receiver's `Retry-After` is followed, in seconds or as a date beside the answer's `Date`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryAfter {
    /// A longer wait is cut to this.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Duration>,
    /// The wait is at least the first and at most the second of these times what the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_schedule: Option<(f64, f64)>,
}

impl RetryAfter {
    pub(crate) fn clamp(self, wait: Duration, scheduled: Duration) -> Duration {
        let wait = self.at_most.map_or(wait, |most| wait.min(most));
        self.of_schedule.map_or(wait, |(least, most)| wait.clamp(scaled(scheduled, least), scaled(scheduled, most)))
    }
}

impl ClassRule {
    /// A rule for these classes.
    pub fn new(on: impl IntoIterator<Item = On>, then: Then) -> Self {
        Self { on: on.into_iter().collect(), then, at_least: None, retry_after: None }
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.on.is_empty() {
            return Some("`on` names no class".to_owned());
        }
        let (least, most) = self.retry_after.and_then(|after| after.of_schedule).unwrap_or((0.0, 0.0));
        let wrong = !(least.is_finite() && most.is_finite() && 0.0 <= least && least <= most);
        wrong.then(|| format!("expected `of_schedule` to be two numbers in order, got {least} and {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let names = NAMES.map(|(name, _)| name);
        for name in names.into_iter().chain(["429", "4xx", "network"]) {
            assert_eq!(name.parse::<On>().unwrap().to_string(), name);
        }
        for name in ["", "600", "9xx", "Timeout", "4XX"] {
            let error = name.parse::<On>().unwrap_err();
            assert!(error.contains("connect_timeout") && error.contains(&format!("got {name:?}")), "{error}");
        }
    }

    #[test]
    fn rules_are_for_what_they_name() {
        let on = |text: &str| text.parse::<On>().unwrap();
        assert!(on("4xx").holds(Class::Status(429)) && !on("4xx").holds(Class::Status(500)));
        assert!(on("network").holds(Class::Tls) && !on("network").holds(Class::Status(200)));
        assert!(!on("5xx").holds(Class::Timeout) && on("timeout").holds(Class::Timeout));
        assert!(!on("timeout").holds(Class::BodyTimeout));
    }

    #[test]
    fn retry_after_is_clamped() {
        let [second, minute, hour] = [1, 60, 3_600].map(Duration::from_secs);
        assert_eq!(RetryAfter::default().clamp(hour, second), hour);
        assert_eq!(RetryAfter { at_most: Some(minute), of_schedule: None }.clamp(hour, second), minute);
        let doubled = RetryAfter { at_most: None, of_schedule: Some((1.0, 2.0)) };
        assert_eq!(doubled.clamp(hour, minute), minute * 2);
        assert_eq!(doubled.clamp(second, minute), minute);
    }
}
