use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::{Limit, scaled};
use crate::clock::duration;
use crate::delivery::Probability;

/// When failures turn a webhook off, and how. The first rule that holds after a failed attempt counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DisableRule {
    /// What must have happened.
    pub when: Failing,
    /// What follows.
    pub then: Off,
}

/// What must have happened for a [`DisableRule`] to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Failing {
    /// So many attempts in a row have failed, of whatever events.
    InARow {
        /// At least 1.
        attempts: u32,
        /// All of them within so long.
        #[serde(default)]
        within: Limit,
    },
    /// Nothing but failures for so long.
    For(#[serde(with = "duration")] Duration),
    /// So many attempts have failed within a span, whatever else was delivered.
    Count {
        /// At least 1.
        failures: u32,
        /// The span.
        #[serde(with = "duration")]
        within: Duration,
    },
    /// More than this share of the attempts within a span have failed.
    Rate {
        /// The share.
        above: Probability,
        /// The span.
        #[serde(with = "duration")]
        within: Duration,
        /// So many attempts were made in it at least.
        at_least: u32,
    },
    /// So many events in a row were given up.
    Exhausted(u32),
}

/// How a webhook is off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Off {
    /// It is disabled, until [`Enable`] says.
    Disable,
    /// It pauses; then one attempt is made on trial, and when that fails it pauses again, longer.
    Pause {
        /// How long at first.
        #[serde(with = "duration")]
        first: Duration,
        /// Each pause after a failed trial is so many times as long as the one before; 1 or more.
        factor: f64,
        /// None is longer.
        at_most: Limit,
    },
}

/// What becomes of events while the webhook is off: those that are there already, and those that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhileOff {
    /// They are not sent any more.
    Drop,
    /// They are sent when it is on again.
    Hold,
}

/// How a disabled webhook is enabled, other than by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Enable {
    /// Not at all.
    ByHand,
    /// After so long.
    After(#[serde(with = "duration")] Duration),
    /// By a probe that is delivered; one is sent each time so long after the one before.
    Probe(#[serde(with = "duration")] Duration),
}

impl Off {
    /// How long the pause is after so many pauses in a row.
    pub(crate) fn pause(&self, pauses: u32) -> Option<Duration> {
        let Self::Pause { first, factor, at_most } = self else { return None };
        let pause = scaled(*first, factor.powi(i32::try_from(pauses).unwrap_or(i32::MAX)));
        Some(at_most.0.map_or(pause, |most| pause.min(most)))
    }
}

impl DisableRule {
    /// One that disables.
    pub fn new(when: Failing) -> Self {
        Self { when, then: Off::Disable }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let never = match &self.when {
            Failing::InARow { attempts: 0, .. } | Failing::Count { failures: 0, .. } | Failing::Exhausted(0) => {
                Some("expected a number from 1 on, got 0")
            }
            Failing::For(span) | Failing::Count { within: span, .. } | Failing::Rate { within: span, .. }
                if span.is_zero() =>
            {
                Some("expected a span above 0")
            }
            _ => None,
        };
        let wrong = |first: &Duration, factor: f64| first.is_zero() || !factor.is_finite() || factor < 1.0;
        match &self.then {
            Off::Pause { first, factor, .. } if wrong(first, *factor) => {
                Some(format!("expected a pause above 0 and a factor from 1 on, got {first:?} and {factor}"))
            }
            _ => never.map(str::to_owned),
        }
    }
}

impl Enable {
    pub(super) fn problem(self) -> Option<String> {
        let wrong = matches!(self, Self::After(span) | Self::Probe(span) if span.is_zero());
        wrong.then(|| "expected a span above 0".to_owned())
    }
}
