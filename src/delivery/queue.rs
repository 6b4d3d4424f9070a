use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::chance::{choose, fraction};
use super::fault::{DeliveryFault, DeliveryFaultKind, DeliveryFaults};
use super::health::Health;
use super::policy::{Address, Class, Order, Payload, Policy, PolicyError, Rules, WhileOff};
use super::record::{Attempt, Change, DeliveryId, Enqueued, Pending, Polled, Purpose, WebhookState};
use super::signature::Signature;
use super::transport::{Request, Timeouts, Wire};
use crate::clock::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum State {
    Verifying { at: Timestamp },
    Enabled,
    Trial { rule: usize },
    Paused { until: Timestamp, rule: usize },
    Disabled { until: Option<Timestamp>, probe_at: Option<Timestamp> },
}

impl State {
    /// Returns whether events are sent in this state.
    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::Enabled | Self::Trial { .. })
    }
}

/// Time at which a delivery is due, and its position among the deliveries of that moment, in the order of planning.
pub(super) type Place = (Timestamp, u64);

/// Deliveries that wait for their time, the state of the webhook, and the policy for both.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) policy: Policy,
    pub(super) rules: Rules,
    pub(super) seed: u64,
    pub(super) url: Option<Url>,
    /// Time at which the URL was set.
    pub(super) since: Timestamp,
    pub(super) state: State,
    pub(super) health: Health,
    /// Deliveries of which no attempt was made yet.
    pub(super) fresh: BTreeMap<Place, Pending>,
    /// Deliveries that wait for a further attempt.
    pub(super) again: BTreeMap<Place, Pending>,
    /// Place in `fresh` of the batch that may still grow.
    pub(super) batch: Option<Place>,
    pub(super) planned: u64,
    pub(super) deliveries: u64,
    /// Number of requests made by [`Queue::raw_request`], whose bodies are not events.
    pub(super) raw: u64,
    pub(super) in_flight: u32,
    pub(super) probing: bool,
    pub(super) faults: DeliveryFaults,
    pub(super) probe: Arc<[u8]>,
    pub(super) signature: Option<Signature>,
    pub(super) changes: Vec<Change>,
}

impl Queue {
    /// Distance between two consecutive positions. A reordered delivery gets a position between two others.
    pub(super) const STEP: u64 = 16;
    /// Largest number of deliveries that overtake a reordered one.
    pub(super) const OVERTAKEN_BY: u64 = 3;

    /// Creates an empty queue without a URL; see [`Queue::register`].
    ///
    /// # Errors
    ///
    /// When the policy has open or invalid cells.
    pub fn new(policy: Policy, seed: u64) -> Result<Self, PolicyError> {
        let rules = policy.rules()?;
        Ok(Self::empty(policy, rules, seed))
    }

    /// Returns an empty queue with the same policy, URL, probe and signature.
    #[must_use]
    pub fn fresh(&self, seed: u64, now: Timestamp) -> Self {
        let mut queue = Self::empty(self.policy.clone(), self.rules.clone(), seed);
        queue.probe = self.probe.clone();
        queue.signature.clone_from(&self.signature);
        if let Some(url) = self.url.clone() {
            queue.register(url, now);
            queue.changes.clear();
        }
        queue
    }

    fn empty(policy: Policy, rules: Rules, seed: u64) -> Self {
        Self {
            policy,
            rules,
            seed,
            url: None,
            since: Timestamp::from_millis(0),
            state: State::Disabled { until: None, probe_at: None },
            health: Health::default(),
            fresh: BTreeMap::new(),
            again: BTreeMap::new(),
            batch: None,
            planned: 0,
            deliveries: 0,
            raw: 0,
            in_flight: 0,
            probing: false,
            faults: DeliveryFaults::default(),
            probe: Arc::from(*b"{}"),
            signature: None,
            changes: Vec::new(),
        }
    }

    /// Returns the policy that the queue follows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the cells of the policy.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Sets the body of a probe. Default `{}`.
    pub fn probes_with(&mut self, body: &[u8]) {
        self.probe = body.into();
    }

    /// Sets the signature of all requests from now on. With `None`, the default, requests are not signed.
    pub fn sign(&mut self, signature: Option<Signature>) {
        self.signature = signature;
    }

    /// Sets the URL and enables the webhook. If the policy verifies URLs, a changed URL must answer a probe first.
    pub fn register(&mut self, url: Url, now: Timestamp) {
        let moved = self.url.as_ref() != Some(&url);
        (self.url, self.since) = (Some(url), now);
        if self.rules.verify && moved {
            self.state = State::Verifying { at: now };
            self.changed("set: the receiver must answer a probe first");
        } else {
            self.enable("set and enabled");
        }
    }

    /// Enables the webhook and forgets its failures. `text` becomes [`Change::text`].
    pub fn enable(&mut self, text: &str) {
        self.state = State::Enabled;
        self.health.forget();
        self.changed(text);
    }

    /// Disables the webhook until it is enabled by hand. Returns the deliveries that are dropped. `text` becomes
    /// [`Change::text`].
    pub fn disable(&mut self, text: &str) -> Vec<DeliveryId> {
        self.state = State::Disabled { until: None, probe_at: None };
        self.changed(text);
        self.drop_pending()
    }

    /// Replaces the policy. All waiting deliveries are dropped, and the webhook is off until it is
    /// [registered](Self::register) again. Returns the dropped deliveries.
    ///
    /// # Errors
    ///
    /// When the policy has open or invalid cells. The queue is unchanged then.
    pub fn set_policy(&mut self, policy: Policy) -> Result<Vec<DeliveryId>, PolicyError> {
        let rules = policy.rules()?;
        // Drops the waiting deliveries even if the old policy holds them while the webhook is disabled.
        self.rules.while_off = WhileOff::Drop;
        let dropped = self.disable("disabled: the policy changes");
        (self.policy, self.rules, self.url) = (policy, rules, None);
        Ok(dropped)
    }

    pub(super) fn changed(&mut self, text: &str) {
        self.changes.push(Change { to: self.state(), text: text.to_owned() });
    }

    /// Returns the changes of the state since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn drop_pending(&mut self) -> Vec<DeliveryId> {
        if self.rules.while_off == WhileOff::Hold {
            return Vec::new();
        }
        self.batch = None;
        let fresh = std::mem::take(&mut self.fresh);
        let again = std::mem::take(&mut self.again);
        let mut dropped: Vec<_> = fresh.into_values().chain(again.into_values()).map(|it| it.delivery).collect();
        dropped.sort_unstable();
        dropped
    }

    /// Returns the state of the webhook.
    pub fn state(&self) -> WebhookState {
        match (&self.url, &self.state) {
            (None, _) => WebhookState::Unset,
            (_, State::Verifying { .. }) => WebhookState::Unverified,
            (_, State::Enabled) => WebhookState::Enabled,
            (_, State::Trial { .. }) => WebhookState::OnTrial,
            (_, State::Paused { until, .. }) => WebhookState::Paused(*until),
            (_, State::Disabled { .. }) => WebhookState::Disabled,
        }
    }

    /// Returns the URL of the webhook.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// Returns the number of deliveries that wait for an attempt.
    pub fn pending(&self) -> usize {
        self.fresh.len() + self.again.len()
    }

    /// Returns the number of a delivery's next attempt and when that attempt is due. Returns `None` if the delivery
    /// does not wait for an attempt.
    pub fn waiting(&self, delivery: DeliveryId) -> Option<(u32, Timestamp)> {
        let mut all = self.again.iter().chain(&self.fresh);
        all.find(|(_, pending)| pending.delivery == delivery).map(|((due, _), pending)| (pending.number, *due))
    }

    /// Returns the number of attempts under way, including a probe.
    pub fn in_flight(&self) -> u32 {
        self.in_flight + u32::from(self.probing)
    }

    /// Returns the number of attempts in a row that have failed.
    pub fn failures_in_a_row(&self) -> u32 {
        self.health.in_a_row
    }

    /// Begins to inject a fault.
    pub fn begin(&mut self, fault: DeliveryFault) {
        self.faults.add(fault);
    }

    /// Ends all faults whose kind and parameters equal `what`.
    pub fn end(&mut self, what: DeliveryFaultKind) {
        self.faults.end(what);
    }

    /// Ends all faults.
    pub fn end_all(&mut self) {
        self.faults.clear();
    }

    /// Returns all faults that have begun and were not ended.
    pub fn faults(&self) -> impl Iterator<Item = DeliveryFault> {
        self.faults.list()
    }

    /// Adds the body of an event. The event is due now, unless the policy batches events or a fault delays it.
    pub fn enqueue(&mut self, body: &[u8], now: Timestamp) -> Enqueued {
        self.wake(now);
        if self.url.is_none() || !self.state.is_on() && self.rules.while_off == WhileOff::Drop {
            return Enqueued::default();
        }
        let body: Arc<[u8]> = body.into();
        if let Some(place) = self.batch
            && let Some(pending) = self.fresh.get_mut(&place)
        {
            pending.bodies.push(body);
            let (delivery, full) = (pending.delivery, pending.bodies.len() >= self.rules.batch.most as usize);
            if full {
                self.close_batch(place, now);
            }
            return Enqueued { deliveries: vec![delivery], lost: false };
        }
        let struck = self.faults.strike(self.seed, false, now - self.since);
        let (mut due, mut copies, mut together, mut behind) = (now, 1, None, 0);
        for (fault, choice) in struck {
            match fault {
                DeliveryFaultKind::Lose => return Enqueued { deliveries: Vec::new(), lost: true },
                DeliveryFaultKind::Duplicate => copies += 1,
                DeliveryFaultKind::Together(wanted) => {
                    copies = copies.max(u64::from(wanted));
                    together = Some(self.deliveries);
                }
                DeliveryFaultKind::Delay(up_to) => due = due + up_to.mul_f64(fraction(choice)),
                DeliveryFaultKind::Reorder => behind = Self::STEP * (1 + choice % Self::OVERTAKEN_BY) + Self::STEP / 2,
                DeliveryFaultKind::Resend | DeliveryFaultKind::Unreachable | DeliveryFaultKind::Wire(_) => {}
            }
        }
        let batches = self.rules.batch.most > 1;
        if batches {
            due = due + self.rules.batch.wait;
        }
        let deliveries = (0..copies)
            .map(|_| {
                let delivery = DeliveryId(self.deliveries);
                self.deliveries += 1;
                let place = self.place(due, behind);
                let pending = Pending {
                    delivery,
                    number: 1,
                    resent: 0,
                    bodies: vec![body.clone()],
                    born: now,
                    first_sent: None,
                    reason: None,
                    url: None,
                    together,
                    resend: false,
                };
                self.fresh.insert(place, pending);
                self.batch = (batches && copies == 1).then_some(place);
                delivery
            })
            .collect();
        Enqueued { deliveries, lost: false }
    }

    /// Makes a full batch due at once.
    fn close_batch(&mut self, place: Place, now: Timestamp) {
        self.batch = None;
        if let Some(pending) = self.fresh.remove(&place) {
            self.fresh.insert((now.min(place.0), place.1), pending);
        }
    }

    pub(super) fn place(&mut self, due: Timestamp, behind: u64) -> Place {
        let order = self.planned * Self::STEP + behind;
        self.planned += 1;
        (due, order)
    }

    /// Applies the state changes that time alone causes: the end of a pause, and of the span for which the webhook is
    /// disabled.
    fn wake(&mut self, now: Timestamp) {
        match self.state {
            State::Paused { until, rule } if until <= now => {
                self.state = State::Trial { rule };
                self.changed("on trial: the pause is over");
            }
            State::Disabled { until: Some(until), .. } if until <= now => {
                self.enable("enabled: the time for which it was disabled is over");
            }
            _ => {}
        }
    }

    /// Returns how many more requests may start.
    fn free(&self) -> u32 {
        match self.state {
            State::Enabled => self.rules.concurrent.saturating_sub(self.in_flight),
            State::Trial { .. } => 1_u32.saturating_sub(self.in_flight),
            _ => 0,
        }
    }

    /// Returns the place of the next delivery, and whether that place is in `fresh` or else in `again`. With `now`,
    /// only deliveries that are due count.
    fn next(&self, now: Option<Timestamp>) -> Option<(bool, Place)> {
        let ready = |map: &BTreeMap<Place, Pending>| {
            let place = map.first_key_value().map(|(place, _)| *place);
            place.filter(|(due, _)| now.is_none_or(|now| *due <= now))
        };
        let (fresh, again) = (ready(&self.fresh), ready(&self.again));
        match self.rules.order {
            Order::HeadOfLine if self.in_flight > 0 => None,
            Order::HeadOfLine if !self.again.is_empty() => again.map(|place| (false, place)),
            Order::HeadOfLine => fresh.map(|place| (true, place)),
            Order::NewBeforeOld if now.is_some() => {
                fresh.map(|place| (true, place)).or(again.map(|place| (false, place)))
            }
            _ => match (fresh, again) {
                (Some(fresh), Some(again)) if again < fresh => Some((false, again)),
                (Some(fresh), _) => Some((true, fresh)),
                (None, again) => again.map(|place| (false, place)),
            },
        }
    }

    /// Returns when [`Queue::poll`] has something to do next. Returns `None` as well while the queue waits for attempts
    /// that are under way.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.url.as_ref()?;
        let waits = self.pending() > 0;
        match &self.state {
            State::Enabled | State::Trial { .. } if self.free() > 0 => self.next(None).map(|(_, (due, _))| due),
            State::Enabled | State::Trial { .. } => None,
            State::Verifying { at } => Some(*at).filter(|_| !self.probing),
            State::Paused { until, .. } => Some(*until).filter(|_| waits),
            State::Disabled { until, probe_at } => {
                until.filter(|_| waits).into_iter().chain(probe_at.filter(|_| !self.probing)).min()
            }
        }
    }

    /// Returns whether attempts are under way, or waiting events will be sent without the webhook being enabled by hand
    /// or by a probe.
    pub fn is_busy(&self) -> bool {
        self.in_flight() > 0 || (self.pending() > 0 && !matches!(self.state, State::Disabled { until: None, .. }))
    }

    /// Returns the attempts that are to be sent now, and the deliveries that have expired.
    pub fn poll(&mut self, now: Timestamp) -> Polled {
        let mut polled = Polled::default();
        let Some(url) = self.url.clone() else { return polled };
        self.wake(now);
        let probe_at = match self.state {
            State::Verifying { at } => Some(at),
            State::Disabled { probe_at, .. } => probe_at,
            _ => None,
        };
        if let Some(due) = probe_at.filter(|due| *due <= now && !self.probing) {
            self.probing = true;
            polled.attempts.push(self.probe(due, now, url.clone()));
        }
        let mut group = None;
        loop {
            let next = self.next(Some(now));
            let joins = |(fresh, place): (bool, Place)| {
                group.is_some() && fresh && self.fresh.get(&place).is_some_and(|pending| pending.together == group)
            };
            let Some((fresh, place)) = next.filter(|next| self.free() > 0 || joins(*next)) else { break };
            let from = if fresh { &mut self.fresh } else { &mut self.again };
            let Some(pending) = from.remove(&place) else { break };
            if self.batch == Some(place) {
                self.batch = None;
            }
            if self.rules.ttl.is_passed_by(now - pending.born) {
                polled.expired.push(pending.delivery);
                continue;
            }
            group = pending.together.filter(|_| fresh);
            self.in_flight += 1;
            polled.attempts.push(self.attempt(pending, place.0, now, &url));
        }
        polled
    }

    fn attempt(&mut self, mut pending: Pending, due: Timestamp, now: Timestamp, url: &Url) -> Attempt {
        let (mut wire, mut unreachable) = (Wire::Clean, false);
        pending.resend = false;
        for (fault, _) in self.faults.strike(self.seed, true, now - self.since) {
            match fault {
                DeliveryFaultKind::Unreachable => unreachable = true,
                // An attempt is repeated only once.
                DeliveryFaultKind::Resend => pending.resend = pending.resent == 0,
                DeliveryFaultKind::Wire(over) => wire = over,
                _ => {}
            }
        }
        pending.first_sent.get_or_insert(now);
        let url = match self.rules.address {
            Address::Frozen => pending.url.get_or_insert_with(|| url.clone()).clone(),
            Address::Current => url.clone(),
        };
        let body = match &pending.bodies[..] {
            [body] if self.rules.batch.most == 1 => body.clone(),
            bodies => [b"[", &bodies.join(&b","[..])[..], b"]"].concat().into(),
        };
        Attempt {
            delivery: pending.delivery,
            purpose: Purpose::Event,
            number: pending.number,
            due,
            sent: now,
            url,
            headers: self.headers(&pending, &body, now),
            wire,
            unreachable,
            together: pending.together.filter(|_| pending.number == 1),
            redirects: self.rules.redirects,
            timeouts: self.timeouts(),
            rebuild: pending.number > 1 && self.rules.payload == Payload::Rebuilt,
            body,
            story: pending,
        }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts { connect: self.rules.connect_timeout.0, total: self.rules.timeout }
    }

    fn probe(&mut self, due: Timestamp, now: Timestamp, url: Url) -> Attempt {
        let delivery = DeliveryId(self.deliveries);
        self.deliveries += 1;
        let story = Pending {
            delivery,
            number: 1,
            resent: 0,
            bodies: vec![self.probe.clone()],
            born: now,
            first_sent: Some(now),
            reason: None,
            url: None,
            together: None,
            resend: false,
        };
        let unreachable = self.faults.list().any(|fault| fault.what == DeliveryFaultKind::Unreachable);
        Attempt {
            delivery,
            purpose: Purpose::Probe,
            number: 1,
            due,
            sent: now,
            url,
            headers: self.headers(&story, &self.probe, now),
            body: self.probe.clone(),
            wire: Wire::Clean,
            unreachable,
            together: None,
            rebuild: false,
            redirects: self.rules.redirects,
            timeouts: self.timeouts(),
            story,
        }
    }

    /// Builds a request for a body that is not an event. The request equals the first attempt of an event: it has the
    /// headers, the signature, the timeouts and the redirects of the policy. The queue does not wait for the request,
    /// and its outcome changes nothing.
    pub fn raw_request(&mut self, url: Url, body: &[u8], now: Timestamp) -> Request {
        self.raw += 1;
        // The request has its own id, because a receiver that has seen the id before would drop the body unread.
        let id = message_id(&[self.seed, u64::MAX, self.raw]);
        let mut request = Request::new(url, body);
        request.headers = self.headers_of(&id, 1, None, body, now);
        (request.redirects, request.timeouts) = (self.rules.redirects, self.timeouts());
        request
    }

    fn headers(&self, pending: &Pending, body: &[u8], now: Timestamp) -> HeaderMap {
        // The id is the same in all attempts of an event.
        let id = message_id(&[self.seed, pending.delivery.0]);
        self.headers_of(&id, pending.number, pending.reason, body, now)
    }

    fn headers_of(&self, id: &str, number: u32, reason: Option<Class>, body: &[u8], now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            // Invalid names and values were rejected when the policy was checked.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        };
        for rule in self.rules.headers.iter().filter(|rule| rule.from_attempt <= number) {
            let (attempt, retry) = (number.to_string(), (number - 1).to_string());
            let seconds = now.as_millis().div_euclid(1_000).to_string();
            let reason = reason.map(|class| class.to_string()).unwrap_or_default();
            add(&rule.name, &rule.fill([id, &attempt, &retry, &seconds, &reason]));
        }
        if let Some(signature) = &self.signature {
            add(Signature::HEADER, &signature.of(body));
        }
        headers
    }
}

fn message_id(of: &[u64]) -> String {
    format!("msg_{:016x}", choose(of))
}
