use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::scaled;
use crate::clock::duration;
use crate::delivery::transport::{Failure, Outcome};

/// Class of an attempt's outcome, as far as a policy can tell outcomes apart. Timelines show the name of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Class {
    /// Response with this status, such as `200`.
    Status(u16),
    /// Nothing listens at the address, or the fake plays an outage: `refused`.
    Refused,
    /// No connection in time: `connect_timeout`.
    ConnectTimeout,
    /// No response in time: `timeout`.
    Timeout,
    /// Response whose head came in time, but not the end of its body: `body_timeout`.
    BodyTimeout,
    /// Response with a body of more than 64 KiB: `body_too_long`.
    BodyTooLong,
    /// The connection was reset: `reset`.
    Reset,
    /// The connection was closed before the end of a response: `closed`.
    Closed,
    /// The received data was not HTTP: `not_http`.
    NotHttp,
    /// The host name has no address: `dns`.
    Dns,
    /// No TLS connection was made: `tls`.
    Tls,
    /// More redirects than the policy allows: `redirects`.
    Redirects,
    /// Any other failure: `broken`.
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
    /// Returns the class of an outcome. It is never [`Class::BodyTooLong`]: the policy decides whether a long body
    /// matters.
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

    /// Returns whether no connection was made, so that the receiver has seen nothing of the request.
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

/// Classes that a [`ClassRule`] applies to: one [`Class`] or a group of classes. In JSON it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum On {
    /// This class.
    Class(Class),
    /// All statuses that begin with this digit, such as `4xx`.
    Hundred(u16),
    /// All failures to get a complete response in time: `network`. They do not include [`Class::BodyTooLong`] and
    /// [`Class::Redirects`].
    Network,
}

impl On {
    /// Returns whether the class belongs to these classes.
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

/// Rule of a policy for some classes of outcomes. The first rule for a class counts. Failures without a rule are
/// retried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClassRule {
    /// Classes that the rule applies to.
    pub on: Vec<On>,
    /// Consequence of an outcome of these classes.
    pub then: Then,
    /// Shortest wait before a retry, whatever the backoff of the policy says.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Duration>,
    /// Limits within which the `Retry-After` of the response sets the wait before a retry. Without them the
    /// `Retry-After` is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
}

/// Consequence of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Then {
    /// The event counts as delivered.
    Accept,
    /// The event is retried, as long as the backoff of the policy has retries left.
    Retry,
    /// The event is given up at once.
    Drop,
    /// The event is given up, and the webhook is disabled.
    Disable,
}

/// Limits within which a sender follows a receiver's `Retry-After`. The header gives seconds, or a date, which is
/// compared with the `Date` of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryAfter {
    /// Longest wait. A longer one is cut to this.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Duration>,
    /// Shortest and longest wait, as multiples of the wait that the backoff of the policy gives.
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
    /// Creates a rule for these classes.
    pub fn new(on: impl IntoIterator<Item = On>, then: Then) -> Self {
        Self { on: on.into_iter().collect(), then, at_least: None, retry_after: None }
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.on.is_empty() {
            return Some("`on` is empty, expected at least one class of outcomes".to_owned());
        }
        let (least, most) = self.retry_after.and_then(|after| after.of_schedule).unwrap_or((0.0, 0.0));
        let wrong = !(least.is_finite() && most.is_finite() && 0.0 <= least && least <= most);
        wrong.then(|| {
            format!("expected `of_schedule` to be two numbers of at least 0 in ascending order, got {least} and {most}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_are_read_as_they_are_written() {
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
    fn a_rule_holds_for_the_classes_that_it_names() {
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
