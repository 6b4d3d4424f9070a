use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::{Limit, scaled};
use crate::clock::duration;
use crate::delivery::Probability;

/// Rule that turns a webhook off after failures. The first rule that holds after a failed attempt counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DisableRule {
    /// Condition of the rule.
    pub when: Failing,
    /// Way in which the webhook is turned off.
    pub then: Off,
}

/// Condition of a [`DisableRule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Failing {
    /// This many attempts in a row have failed, whatever events they belong to.
    InARow {
        /// Number of attempts, at least 1.
        attempts: u32,
        /// Span within which all of these attempts must have ended. Default `none`.
        #[serde(default)]
        within: Limit,
    },
    /// All attempts over at least this span have failed.
    For(#[serde(with = "duration")] Duration),
    /// This many attempts within a span have failed, even if others have succeeded.
    Count {
        /// Number of failures, at least 1.
        failures: u32,
        /// Length of the span before the current attempt in which attempts count.
        #[serde(with = "duration")]
        within: Duration,
    },
    /// More than a certain share of the attempts within a span has failed.
    Rate {
        /// The rule applies when the share of failed attempts is greater than this.
        above: Probability,
        /// Length of the span before the current attempt in which attempts count.
        #[serde(with = "duration")]
        within: Duration,
        /// Smallest number of attempts within the span for which the rule holds.
        at_least: u32,
    },
    /// This many events in a row were given up.
    Exhausted(u32),
}

/// Way in which a webhook is turned off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Off {
    /// The webhook is disabled. [`Reenable`] says how it is enabled again.
    Disable,
    /// The webhook pauses. Then one attempt is made on trial. If this attempt fails, the webhook pauses again, for
    /// longer.
    Pause {
        /// Length of the first pause.
        #[serde(with = "duration")]
        first: Duration,
        /// Factor from one pause to the next after a failed trial, at least 1.
        factor: f64,
        /// Upper bound on each pause.
        at_most: Limit,
    },
}

/// What happens to events while the webhook is disabled: to waiting events and to new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhileOff {
    /// The events are dropped.
    Drop,
    /// The events are held, and sent when the webhook is on again.
    Hold,
}

/// Way in which a disabled webhook is enabled again: only by hand, after a time, or after a successful probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Reenable {
    /// The webhook is enabled only by hand.
    ByHand,
    /// The webhook is enabled after this span.
    After(#[serde(with = "duration")] Duration),
    /// The webhook is enabled when a probe succeeds. A probe is sent this long after the previous one.
    Probe(#[serde(with = "duration")] Duration),
}

impl Off {
    /// Returns the length of the next pause after `pauses` pauses in a row; `None` if the webhook is disabled instead.
    pub(crate) fn pause(&self, pauses: u32) -> Option<Duration> {
        let Self::Pause { first, factor, at_most } = self else { return None };
        let pause = scaled(*first, factor.powi(i32::try_from(pauses).unwrap_or(i32::MAX)));
        Some(at_most.0.map_or(pause, |most| pause.min(most)))
    }
}

impl DisableRule {
    /// Creates a rule that disables the webhook.
    pub fn new(when: Failing) -> Self {
        Self { when, then: Off::Disable }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let never = match &self.when {
            Failing::InARow { attempts: 0, .. } | Failing::Count { failures: 0, .. } | Failing::Exhausted(0) => {
                Some("expected at least 1, got 0")
            }
            Failing::For(span) | Failing::Count { within: span, .. } | Failing::Rate { within: span, .. }
                if span.is_zero() =>
            {
                Some("expected a duration above 0")
            }
            _ => None,
        };
        let wrong = |first: &Duration, factor: f64| first.is_zero() || !factor.is_finite() || factor < 1.0;
        match &self.then {
            Off::Pause { first, factor, .. } if wrong(first, *factor) => {
                Some(format!("expected a pause above 0 and a factor of at least 1, got {first:?} and {factor}"))
            }
            _ => never.map(str::to_owned),
        }
    }
}

impl Reenable {
    pub(super) fn problem(self) -> Option<String> {
        let wrong = matches!(self, Self::After(span) | Self::Probe(span) if span.is_zero());
        wrong.then(|| "expected a duration above 0".to_owned())
    }
}
