//! Evaluates the outcomes of attempts: whether an event is delivered, retried or given up, and whether the webhook is
//! turned off.

use std::sync::Arc;

use http::HeaderMap;

use super::chance::{choose, fraction};
use super::policy::{Class, ClassRule, Failing, HeaderMatch, Off, Reenable, Then, WhileOff};
use super::queue::{Queue, State};
use super::record::{Attempt, AttemptRecord, Completed, Decision, DeliveryId, Pending, Purpose};
use super::retry_after::retry_after;
use super::transport::{Outcome, Transmission};
use crate::clock::{Timestamp, duration};

impl Queue {
    /// Takes the outcome of an attempt, as an [`Outcome`] or a whole [`Transmission`], and decides what follows from
    /// it.
    pub fn complete(&mut self, attempt: Attempt, result: impl Into<Transmission>, now: Timestamp) -> Completed {
        let Transmission { outcome, reconnected } = result.into();
        let mut completed = self.conclude(attempt, outcome, now);
        completed.record.reconnected = reconnected;
        completed
    }

    fn conclude(&mut self, attempt: Attempt, outcome: Outcome, now: Timestamp) -> Completed {
        let Attempt { delivery, purpose, number, due, sent, wire, body, story, .. } = attempt;
        let mut class = Class::of(&outcome);
        if let Outcome::Answered(answer) = &outcome
            && answer.too_long
            && self.rules.on(Class::BodyTooLong).is_some()
        {
            class = Class::BodyTooLong;
        }
        // In virtual time a timeout takes as long as the policy says, although it is shorter in real time.
        let known = now.max(match class {
            Class::Timeout | Class::BodyTimeout => sent + self.rules.timeout,
            Class::ConnectTimeout => sent + self.rules.connect_timeout.0.unwrap_or(self.rules.timeout),
            _ => now,
        });
        let (decision, rule, dropped) = match purpose {
            Purpose::Event => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.judge(story, &body, class, &outcome, known)
            }
            Purpose::Probe => {
                self.probing = false;
                self.judge_probe(class, known)
            }
        };
        let mut outcome = outcome;
        if let Outcome::Answered(answer) = &mut outcome {
            // The headers are not needed any more. Keeping them would cost a kilobyte for each attempt.
            answer.headers = HeaderMap::new();
        }
        let reconnected = false;
        let record =
            AttemptRecord { delivery, purpose, number, due, sent, body, wire, outcome, reconnected, decision, rule };
        Completed { record, dropped }
    }

    fn judge_probe(&mut self, class: Class, known: Timestamp) -> (Decision, String, Vec<DeliveryId>) {
        let success = self.rules.delivers(class);
        let verifying = matches!(self.state, State::Verifying { .. });
        let disabled = matches!(self.state, State::Disabled { .. });
        let rule = if verifying { "verify" } else { "enable" };
        if success {
            if verifying || disabled {
                self.enable("enabled: the probe was answered");
            }
            return (Decision::Delivered, rule.to_owned(), Vec::new());
        }
        let mut dropped = Vec::new();
        if verifying {
            dropped = self.disable("disabled: the probe was not answered");
        }
        if let (State::Disabled { probe_at, .. }, Reenable::Probe(every)) = (&mut self.state, self.rules.enable) {
            *probe_at = Some(known + every);
        }
        (Decision::GivenUp, rule.to_owned(), dropped)
    }

    fn judge(
        &mut self,
        mut story: Pending,
        body: &Arc<[u8]>,
        class: Class,
        outcome: &Outcome,
        known: Timestamp,
    ) -> (Decision, String, Vec<DeliveryId>) {
        if story.resend {
            story.resent += 1;
            return (Decision::RetryAt(self.plan(story, known)), "on purpose".to_owned(), Vec::new());
        }
        let matched = self.rules.on(class).map(|(index, rule)| (format!("on[{index}]"), rule.clone()));
        let success = self.rules.delivers(class);
        let then = matched.as_ref().map(|(_, rule)| rule.then);
        if then == Some(Then::Accept) || success {
            self.succeeded(known);
            let rule = matched.filter(|_| !success).map_or_else(|| "success".to_owned(), |(name, _)| name);
            return (Decision::Delivered, rule, Vec::new());
        }
        if class.is_connect() && story.resent < self.rules.resend {
            story.resent += 1;
            return (Decision::RetryAt(self.plan(story, known)), "resend".to_owned(), Vec::new());
        }
        let next = self.retry(&story, matched.as_ref(), outcome, known);
        self.health.failed(&self.rules, known, next.is_err());
        let mut dropped = Vec::new();
        let mut off = None;
        if then == Some(Then::Disable) {
            let index = matched.map_or_else(String::new, |(index, _)| index);
            dropped = self.turn_off(&Off::Disable, 0, known, &format!("an attempt ended with {class}"));
            off = Some(index);
        } else if self.state.is_on() {
            let broken = self.health.broken(&self.rules, known).map(|(index, _)| index);
            let trial = if let State::Trial { rule } = self.state { Some(rule) } else { None };
            if let Some(index) = broken.or(trial).filter(|index| *index < self.rules.disable.len()) {
                let rule = self.rules.disable[index].clone();
                let why = if broken.is_none() { "the trial failed".to_owned() } else { in_words(&rule.when) };
                dropped = self.turn_off(&rule.then, index, known, &why);
                off = Some(format!("disable[{index}]"));
            }
        }
        let is_off = !self.state.is_on();
        match next {
            _ if then == Some(Then::Disable) => (Decision::Disabled, off.unwrap_or_default(), dropped),
            _ if is_off && self.rules.while_off == WhileOff::Drop => {
                (Decision::Disabled, off.unwrap_or_else(|| "while_off".to_owned()), dropped)
            }
            Ok((at, rule)) => {
                story.number += 1;
                story.resent = 0;
                story.reason = Some(class);
                if self.rules.batch.most == 1 {
                    // The next attempt starts from the body that was sent, because the driver may have rebuilt it.
                    story.bodies = vec![body.clone()];
                }
                (Decision::RetryAt(self.plan(story, at)), rule, dropped)
            }
            Err(rule) => (Decision::GivenUp, rule, dropped),
        }
    }

    fn succeeded(&mut self, known: Timestamp) {
        if matches!(self.state, State::Trial { .. }) {
            self.enable("enabled: the trial succeeded");
        } else {
            self.health.succeeded(&self.rules, known);
        }
    }

    /// Returns the moment of the retry and the rule that sets it, or, as the error, the rule that prevents a retry.
    fn retry(
        &self,
        story: &Pending,
        matched: Option<&(String, ClassRule)>,
        outcome: &Outcome,
        known: Timestamp,
    ) -> Result<(Timestamp, String), String> {
        let answer = if let Outcome::Answered(answer) = outcome { Some(answer) } else { None };
        let stops = |header: &HeaderMatch| {
            answer.is_some_and(|answer| answer.headers.get_all(&header.name).iter().any(|value| *value == header.value))
        };
        if let Some(index) = self.rules.stop_on.iter().position(stops) {
            return Err(format!("stop_on[{index}]"));
        }
        if let Some((name, _)) = matched.filter(|(_, rule)| matches!(rule.then, Then::Drop | Then::Disable)) {
            return Err(name.clone());
        }
        let scheduled = self.rules.backoff.after(story.number).ok_or("backoff")?;
        let choice = choose(&[self.seed, story.delivery.0, u64::from(story.number)]);
        let mut wait = self.rules.jitter.vary(scheduled, fraction(choice));
        let mut by = "backoff".to_owned();
        if let Some((name, rule)) = matched {
            let asked = rule.retry_after.zip(answer.and_then(|answer| retry_after(&answer.headers)));
            if let Some((followed, asked)) = asked {
                (wait, by) = (followed.clamp(asked, scheduled), name.clone());
            }
            if let Some(least) = rule.at_least.filter(|least| *least > wait) {
                (wait, by) = (least, name.clone());
            }
        }
        let at = known + wait;
        if self.rules.window.is_passed_by(at - story.first_sent.unwrap_or(known)) {
            return Err("window".to_owned());
        }
        if self.rules.ttl.is_passed_by(at - story.born) {
            return Err("ttl".to_owned());
        }
        Ok((at, by))
    }

    fn plan(&mut self, pending: Pending, at: Timestamp) -> Timestamp {
        let place = self.place(at, 0);
        self.again.insert(place, pending);
        at
    }

    fn turn_off(&mut self, off: &Off, rule: usize, now: Timestamp, why: &str) -> Vec<DeliveryId> {
        let mut how = "disabled".to_owned();
        self.state = match off.pause(self.health.pauses) {
            Some(pause) => {
                self.health.pauses += 1;
                how = format!("paused for {}", duration::text(pause));
                State::Paused { until: now + pause, rule }
            }
            None => match self.rules.enable {
                Reenable::ByHand => State::Disabled { until: None, probe_at: None },
                Reenable::After(span) => State::Disabled { until: Some(now + span), probe_at: None },
                Reenable::Probe(every) => State::Disabled { until: None, probe_at: Some(now + every) },
            },
        };
        self.changed(&format!("{how}: {why}"));
        self.drop_pending()
    }
}

fn in_words(failing: &Failing) -> String {
    let text = duration::text;
    match failing {
        Failing::InARow { attempts: 1, .. } => "an attempt failed".to_owned(),
        Failing::InARow { attempts, within } => match within.0 {
            Some(within) => format!("{attempts} attempts in a row failed within {}", text(within)),
            None => format!("{attempts} attempts in a row failed"),
        },
        Failing::For(span) => format!("all attempts failed for {}", text(*span)),
        Failing::Count { failures, within } => format!("{failures} attempts failed within {}", text(*within)),
        Failing::Rate { above, within, .. } => {
            format!("more than {} % of the attempts within {} failed", f64::from(*above) * 100.0, text(*within))
        }
        Failing::Exhausted(1) => "an event was given up".to_owned(),
        Failing::Exhausted(events) => format!("{events} events in a row were given up"),
    }
}
