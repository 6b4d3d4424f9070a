//! A simple reference model of the delivery queue. It keeps the whole history, evaluates all of it at each step, and
//! says what the queue may do. It supports only policies that send one event in a request.

use std::collections::BTreeMap;
use std::time::Duration;

use paragon_testkit::clock::Timestamp;
use paragon_testkit::delivery::{
    Attempt, Class, Decision, DeliveryId, Failing, Jitter, Order, Outcome, Purpose, Rules, Then, WebhookState, WhileOff,
};

#[derive(Default)]
pub(super) struct Model {
    events: BTreeMap<DeliveryId, Story>,
    /// Attempts that ended since the webhook was enabled: when, whether the attempt failed, and whether its event was
    /// given up.
    history: Vec<(Timestamp, bool, bool)>,
    under_way: Vec<DeliveryId>,
}

struct Story {
    born: Timestamp,
    first: Option<Timestamp>,
    made: u32,
    resent: u32,
    /// Earliest and latest time of the next attempt; `None` if the event is finished.
    next: Option<(Timestamp, Timestamp)>,
}

impl Model {
    pub(super) fn enqueued(&mut self, ids: &[DeliveryId], now: Timestamp) {
        for id in ids {
            let story = Story { born: now, first: None, made: 0, resent: 0, next: Some((now, now)) };
            assert!(self.events.insert(*id, story).is_none(), "{id} is an event of its own");
        }
    }

    pub(super) fn enabled(&mut self) {
        self.history.clear();
    }

    pub(super) fn dropped(&mut self, ids: &[DeliveryId]) {
        for id in ids {
            let story = self.events.get_mut(id).expect("it was enqueued");
            assert!(story.next.take().is_some(), "{id} is over already");
        }
    }

    /// Returns how many events still need an attempt and have none in flight.
    pub(super) fn waiting(&self) -> usize {
        self.events.iter().filter(|(id, story)| story.next.is_some() && !self.under_way.contains(id)).count()
    }

    pub(super) fn sent(&mut self, attempt: &Attempt, rules: &Rules, state: WebhookState, now: Timestamp) {
        let id = attempt.delivery;
        if attempt.purpose == Purpose::Probe {
            return;
        }
        assert!(
            matches!(state, WebhookState::Enabled | WebhookState::OnTrial),
            "nothing is sent while it is {state:?}"
        );
        let most = if state == WebhookState::OnTrial { 1 } else { rules.concurrent };
        assert!(self.under_way.len() < most as usize, "not more than {most} at once");
        if rules.order == Order::HeadOfLine {
            let open = |(id, story): (&DeliveryId, &Story)| story.next.is_some().then_some(*id);
            let begun = self.events.iter().filter(|(_, story)| story.made > 0).find_map(open);
            assert!(begun.is_none_or(|begun| begun == id), "{id} has to wait for {begun:?}");
        }
        let story = self.events.get_mut(&id).expect("it was enqueued");
        let (from, to) = story.next.expect("it is not over");
        assert!(from <= attempt.due && attempt.due <= to, "{id} is due {}, not from {from} to {to}", attempt.due);
        assert!(attempt.due <= now && !rules.ttl.is_passed_by(now - story.born));
        assert_eq!(attempt.number, story.made + 1, "attempts count up");
        story.first.get_or_insert(now);
        assert!(!self.under_way.contains(&id), "{id} is under way already");
        self.under_way.push(id);
    }

    /// Records the end of an attempt. Returns a check of the decision of the queue.
    pub(super) fn ended(
        &mut self,
        attempt: &Attempt,
        outcome: &Outcome,
        rules: &Rules,
        (before, after): (WebhookState, WebhookState),
        now: Timestamp,
    ) -> impl Fn(&Decision) + use<> {
        let id = attempt.delivery;
        self.under_way.retain(|other| *other != id);
        let class = Class::of(outcome);
        let takes = match class {
            Class::Timeout | Class::BodyTimeout => rules.timeout,
            Class::ConnectTimeout => rules.connect_timeout.0.unwrap_or(rules.timeout),
            _ => Duration::ZERO,
        };
        let known = now.max(attempt.sent + takes);
        let rule = rules.on.iter().find(|rule| rule.on.iter().any(|on| on.holds(class)));
        let then = rule.map_or(Then::Retry, |rule| rule.then);
        let story = self.events.get_mut(&id).expect("it was sent");
        let success = matches!(class, Class::Status(status) if rules.success.takes(status));
        let mut expected = (Decision::Delivered, None);
        if success || then == Then::Accept {
            self.history.push((known, false, false));
            if before == WebhookState::OnTrial {
                self.history.clear();
            }
        } else if unconnected(class) && story.resent < rules.resend {
            story.resent += 1;
            expected = (Decision::RetryAt(known), Some((known, known)));
        } else {
            story.made += 1;
            story.resent = 0;
            let wait = rules.backoff.after(story.made).filter(|_| then == Then::Retry).map(|wait| {
                let (least, most) = match rules.jitter {
                    Jitter::None => (wait, wait),
                    Jitter::Symmetric(share) => (wait.mul_f64(1.0 - share), wait.mul_f64(1.0 + share)),
                    Jitter::Additive(span) => (wait, wait + span),
                    Jitter::Full => (Duration::ZERO, wait),
                    other => panic!("the model does not know {other:?}"),
                };
                let floor = rule.and_then(|rule| rule.at_least).unwrap_or_default();
                // Timestamps have a resolution of one millisecond.
                let millisecond = Duration::from_millis(1);
                (known + least.max(floor).saturating_sub(millisecond), known + most.max(floor) + millisecond)
            });
            let (born, first) = (story.born, story.first.expect("it was sent"));
            let in_time = |at: Timestamp| !rules.window.is_passed_by(at - first) && !rules.ttl.is_passed_by(at - born);
            // If only one of the two bounds is in time, the jitter decides whether there is another attempt.
            let next = wait.filter(|(least, _)| in_time(*least));
            let certain = wait.is_none_or(|(least, most)| in_time(least) == in_time(most));
            self.history.push((known, true, next.is_none()));
            let breaks = then == Then::Disable || rules.disable.iter().any(|rule| self.holds(&rule.when, known));
            let on = |state| matches!(state, WebhookState::Enabled | WebhookState::OnTrial);
            if certain {
                let stays = before == WebhookState::Enabled && !breaks;
                assert!(!stays || after == WebhookState::Enabled, "no rule turns it off");
                assert!(!(on(before) && breaks && on(after)), "a rule turns it off");
            }
            let lost = !on(after) && rules.while_off == WhileOff::Drop || then == Then::Disable;
            expected = match next {
                _ if lost => (Decision::Disabled, None),
                Some((least, most)) => (Decision::RetryAt(known), Some((least, most))),
                None => (Decision::GivenUp, None),
            };
            if !certain {
                expected.0 = Decision::RetryAt(Timestamp::from_millis(i64::MIN));
            }
        }
        let story = self.events.get_mut(&id).expect("it was sent");
        story.next = expected.1;
        let (decision, next) = expected;
        move |decided: &Decision| match (decision, decided) {
            (Decision::RetryAt(at), _) if at == Timestamp::from_millis(i64::MIN) => {}
            (Decision::RetryAt(_), Decision::RetryAt(at)) => {
                let (least, most) = next.expect("it comes again");
                assert!(least <= *at && *at <= most, "again at {at}, not from {least} to {most}");
            }
            (expected, decided) => assert_eq!(expected, *decided),
        }
    }

    /// Adopts the decision of the queue where it depends on the jitter.
    pub(super) fn decided(&mut self, id: DeliveryId, decision: Decision) {
        let story = self.events.get_mut(&id).expect("it was sent");
        match decision {
            Decision::RetryAt(at) => story.next = Some((at, at)),
            _ => {
                if let Some(last) = self.history.last_mut().filter(|_| story.next.take().is_some()) {
                    last.2 = true;
                }
            }
        }
    }

    fn holds(&self, failing: &Failing, now: Timestamp) -> bool {
        let row: Vec<_> = self.history.iter().rev().take_while(|(_, failed, _)| *failed).collect();
        let lately = |within: Duration| self.history.iter().filter(move |(at, ..)| now - *at <= within);
        let failures = |within| lately(within).filter(|(_, failed, _)| *failed).count();
        match failing {
            Failing::InARow { attempts, within } => {
                let first = row.get(*attempts as usize - 1);
                first.is_some_and(|(at, ..)| within.0.is_none_or(|within| now - *at <= within))
            }
            Failing::For(span) => row.last().is_some_and(|(at, ..)| now - *at >= *span),
            Failing::Count { failures: most, within } => failures(*within) >= *most as usize,
            Failing::Rate { above, within, at_least } => {
                let all = lately(*within).count();
                let count = |number: usize| f64::from(u32::try_from(number).unwrap());
                all >= *at_least as usize && count(failures(*within)) > count(all) * f64::from(*above)
            }
            Failing::Exhausted(events) => row.iter().filter(|(.., exhausted)| *exhausted).count() >= *events as usize,
            other => panic!("the model does not know {other:?}"),
        }
    }
}

/// Returns whether the attempt ended without a connection.
fn unconnected(class: Class) -> bool {
    matches!(class, Class::Refused | Class::ConnectTimeout | Class::Dns | Class::Tls)
}
