use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

use super::policy::Class;
use super::transport::{Outcome, Timeouts, Wire};
use crate::clock::Moment;

/// One event on its way, over all its attempts; or several, when the policy sends them in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub(super) u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0 + 1)
    }
}

/// Whether the sender delivers at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookState {
    /// No URL is set.
    Unset,
    /// The URL has yet to answer a probe.
    Unverified,
    /// Events are delivered.
    Enabled,
    /// Events are not delivered before this moment.
    Paused(Moment),
    /// After a pause one attempt shows whether it is enabled again.
    OnTrial,
    /// Events are not delivered until it is enabled.
    Disabled,
}

impl WebhookState {
    /// Its name in JSON: `on_trial`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Unverified => "unverified",
            Self::Enabled => "enabled",
            Self::Paused(_) => "paused",
            Self::OnTrial => "on_trial",
            Self::Disabled => "disabled",
        }
    }
}

/// The webhook's state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// To this.
    pub to: WebhookState,
    /// What happened, in words, such as `disabled: 20 attempts in a row failed`.
    pub text: String,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// An event.
    Event,
    /// A probe, which shows whether anybody is there.
    Probe,
}

/// A request to be made now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// What it carries.
    pub purpose: Purpose,
    /// The first is 1.
    pub number: u32,
    /// When it should be sent.
    pub due: Moment,
    /// When it was handed out to be sent.
    pub sent: Moment,
    /// To where.
    pub url: Url,
    /// With these headers, beside the content type.
    pub headers: HeaderMap,
    /// What.
    pub body: Arc<[u8]>,
    /// Over this wire.
    pub wire: Wire,
    /// It must not be sent, and fails with [`Failure::Unreachable`](super::Failure::Unreachable).
    pub unreachable: bool,
    /// It is to be sent at once with the others that have the same number here.
    pub together: Option<u64>,
    /// The body is to be written anew before it is sent.
    pub rebuild: bool,
    /// So many redirects are followed.
    pub redirects: u32,
    /// How long it may take, in virtual time.
    pub timeouts: Timeouts,
    pub(super) story: Pending,
}

/// One attempt, as it stands on the timeline.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// What it carried.
    pub purpose: Purpose,
    /// The first is 1.
    pub number: u32,
    /// When it should have been sent.
    pub due: Moment,
    /// When it was sent.
    pub sent: Moment,
    /// What was sent.
    pub body: Arc<[u8]>,
    /// Over which wire.
    pub wire: Wire,
    /// What came of it, without the headers of an answer.
    pub outcome: Outcome,
    /// The kept connection that the request went out on was closed before any byte of an answer, and the request was
    /// sent once more, on a fresh connection; see [`Http`](super::Http). A receiver that closes connections without
    /// saying `connection: close` is met like this, by chance: equal runs may differ in it.
    pub reconnected: bool,
    /// What follows from that.
    pub decision: Decision,
    /// Why: the cell of the policy that decided, such as `backoff` or `on[0]`.
    pub rule: String,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The event is delivered.
    Delivered,
    /// It is sent again.
    RetryAt(Moment),
    /// It is not sent again.
    GivenUp,
    /// It is not sent again, because the webhook is off.
    Disabled,
}

/// What [`Queue::enqueue`](super::Queue::enqueue) answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The deliveries that carry the event: none when it is not sent, several when it is duplicated on purpose.
    pub deliveries: Vec<DeliveryId>,
    /// It is not sent, on purpose.
    pub lost: bool,
}

/// What [`Queue::poll`](super::Queue::poll) answers.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Polled {
    /// What is to be sent, in order. Each must be handed back to [`Queue::complete`](super::Queue::complete).
    pub attempts: Vec<Attempt>,
    /// The deliveries that have become too old to be sent.
    pub expired: Vec<DeliveryId>,
}

/// What [`Queue::complete`](super::Queue::complete) answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completed {
    /// For the timeline.
    pub record: AttemptRecord,
    /// The deliveries that were still to come and that are not sent any more, because the webhook is off.
    pub dropped: Vec<DeliveryId>,
}

/// What waits to be sent.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) delivery: DeliveryId,
    pub(super) number: u32,
    /// How often this attempt has been made already, without a connection or on purpose.
    pub(super) resent: u32,
    /// One body for each event.
    pub(super) bodies: Vec<Arc<[u8]>>,
    pub(super) born: Moment,
    pub(super) first_sent: Option<Moment>,
    /// The class of the attempt before.
    pub(super) reason: Option<Class>,
    pub(super) url: Option<Url>,
    pub(super) together: Option<u64>,
    /// It is made once more on purpose.
    pub(super) resend: bool,
}
