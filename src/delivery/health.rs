use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::{DisableRule, Failing, Rules};
use crate::clock::Timestamp;

/// Results of the recent attempts of a webhook, as far as the disable rules need them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// Number of failed attempts since the last success.
    pub(super) in_a_row: u32,
    /// Time of the first failed attempt since the last success.
    failing_since: Option<Timestamp>,
    /// Number of events given up since the last success.
    pub(super) exhausted: u32,
    /// Ends of the recent attempts: the moment, and whether the attempt failed. An entry is kept no longer than the
    /// rules look back, plus one timeout.
    recent: VecDeque<(Timestamp, bool)>,
    /// Number of pauses since the last success.
    pub(super) pauses: u32,
}

impl Health {
    /// Records that an attempt delivered its event.
    pub(super) fn succeeded(&mut self, rules: &Rules, now: Timestamp) {
        *self = Self { recent: std::mem::take(&mut self.recent), ..Self::default() };
        self.remember(rules, now, false);
    }

    /// Records that an attempt failed. `exhausted` says that no retry follows, so that the event is given up.
    pub(super) fn failed(&mut self, rules: &Rules, now: Timestamp, exhausted: bool) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.exhausted = self.exhausted.saturating_add(u32::from(exhausted));
        self.remember(rules, now, true);
    }

    /// Forgets all results. The queue calls this when the webhook is enabled.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns the first disable rule that holds, with its index.
    pub(super) fn broken<'r>(&self, rules: &'r Rules, now: Timestamp) -> Option<(usize, &'r DisableRule)> {
        rules.disable.iter().enumerate().find(|(_, rule)| self.is(&rule.when, now))
    }

    fn is(&self, failing: &Failing, now: Timestamp) -> bool {
        let lately = |within: Duration| self.recent.iter().filter(move |(at, _)| now - *at <= within);
        let failures = |within| number(lately(within).filter(|(_, failed)| *failed).count());
        match failing {
            Failing::InARow { attempts, within } => {
                self.in_a_row >= *attempts
                    && within.0.is_none_or(|within| {
                        let back = usize::try_from(*attempts).unwrap_or(usize::MAX);
                        let first = self.recent.len().checked_sub(back).and_then(|first| self.recent.get(first));
                        first.is_some_and(|(at, _)| now - *at <= within)
                    })
            }
            Failing::For(span) => self.failing_since.is_some_and(|since| now - since >= *span),
            Failing::Count { failures: most, within } => failures(*within) >= *most,
            Failing::Rate { above, within, at_least } => {
                let all = number(lately(*within).count());
                all >= *at_least && f64::from(failures(*within)) > f64::from(all) * f64::from(*above)
            }
            Failing::Exhausted(events) => self.exhausted >= *events,
        }
    }

    fn remember(&mut self, rules: &Rules, now: Timestamp, failed: bool) {
        let mut look_back = Duration::ZERO;
        for rule in &rules.disable {
            if let Failing::InARow { within: super::policy::Limit(Some(within)), .. }
            | Failing::Count { within, .. }
            | Failing::Rate { within, .. } = rule.when
            {
                look_back = look_back.max(within);
            }
        }
        if look_back.is_zero() {
            return;
        }
        self.recent.push_back((now, failed));
        // A timeout is recorded at the end of its wait, which may be later than the end of attempts that were sent
        // after it. So the next attempt to be recorded may have ended up to one timeout earlier than this one.
        let look_back = look_back + rules.timeout;
        while self.recent.front().is_some_and(|(at, _)| now - *at > look_back) {
            self.recent.pop_front();
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Policy;
    use crate::delivery::policy::Limit;

    fn rules(when: Failing) -> Rules {
        Policy::paragon_assumed().disable(vec![DisableRule::new(when)]).rules().unwrap()
    }

    /// Returns after each attempt whether a rule holds. An attempt is given by its time in seconds and by whether it
    /// failed.
    fn told(when: Failing, attempts: &[(i64, bool)]) -> Vec<bool> {
        let (rules, mut health) = (rules(when), Health::default());
        let after = attempts.iter().map(|(seconds, failed)| {
            let now = Timestamp::from_millis(seconds * 1_000);
            if *failed {
                health.failed(&rules, now, true);
            } else {
                health.succeeded(&rules, now);
            }
            health.broken(&rules, now).is_some()
        });
        after.collect()
    }

    const SECONDS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_success_resets_the_failures_in_a_row() {
        let row = |within| Failing::InARow { attempts: 2, within };
        let attempts = [(0, true), (1, false), (2, true), (30, true), (31, true)];
        assert_eq!(told(row(Limit::NONE), &attempts), [false, false, false, true, true]);
        assert_eq!(told(row(Limit::of(SECONDS(10))), &attempts), [false, false, false, false, true]);
    }

    #[test]
    fn a_span_of_nothing_but_failures_holds() {
        let attempts = [(0, true), (5, false), (6, true), (15, true), (16, true)];
        assert_eq!(told(Failing::For(SECONDS(10)), &attempts), [false, false, false, false, true]);
    }

    #[test]
    fn counts_and_rates_consider_only_their_span() {
        let count = Failing::Count { failures: 2, within: SECONDS(10) };
        let attempts = [(0, true), (1, false), (2, true), (13, true), (14, true)];
        assert_eq!(told(count, &attempts), [false, false, true, false, true]);
        let rate = Failing::Rate { above: 0.5.try_into().unwrap(), within: SECONDS(10), at_least: 3 };
        let attempts = [(0, true), (1, true), (2, false), (3, false), (4, true), (20, true), (21, true), (22, true)];
        assert_eq!(told(rate, &attempts), [false, false, true, false, true, false, false, true]);
    }

    #[test]
    fn a_delivered_event_resets_the_exhausted_events() {
        let attempts = [(0, true), (1, false), (2, true), (3, true)];
        assert_eq!(told(Failing::Exhausted(2), &attempts), [false, false, false, true]);
    }

    #[test]
    fn attempts_are_forgotten_when_no_rule_considers_them() {
        let rules = rules(Failing::Count { failures: 3, within: SECONDS(10) });
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut health = Health::default();
        for seconds in 0..1_000 {
            health.failed(&rules, at(seconds), true);
        }
        assert_eq!(health.recent.len(), 21, "the span, and the ten seconds of a time-out");
        let mut health = Health::default();
        // The second attempt is a timeout: it ends at 20 s, later than the third attempt, which the rule looks back
        // from.
        for seconds in [0, 20, 10] {
            health.failed(&rules, at(seconds), true);
        }
        assert!(health.broken(&rules, at(10)).is_some());
    }
}
