use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

use super::policy::Class;
use super::transport::{Outcome, Timeouts, Wire};
use crate::clock::Timestamp;

/// Id of a delivery: one event over all its attempts, or several events that the policy sends in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub(super) u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0 + 1)
    }
}

/// State of the webhook: whether the sender delivers events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookState {
    /// No URL is set.
    Unset,
    /// The URL has not answered a probe yet.
    Unverified,
    /// Events are delivered.
    Enabled,
    /// Events are not delivered before this moment.
    Paused(Timestamp),
    /// The pause is over. One attempt decides whether the webhook is enabled again.
    OnTrial,
    /// Events are not delivered until the webhook is enabled.
    Disabled,
}

impl WebhookState {
    /// Returns the name of the state in JSON, such as `on_trial`.
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

/// Change of the webhook's state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// New state.
    pub to: WebhookState,
    /// Description of the change, such as `disabled: 20 attempts in a row failed`.
    pub text: String,
}

/// Kind of content that a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// An event.
    Event,
    /// A probe, which checks whether the receiver answers.
    Probe,
}

/// Request that is to be sent now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Delivery that the attempt belongs to.
    pub delivery: DeliveryId,
    /// Kind of content that the request carries.
    pub purpose: Purpose,
    /// Number of the attempt; the first is 1.
    pub number: u32,
    /// Time at which the attempt is due.
    pub due: Timestamp,
    /// Time at which the queue handed out the attempt.
    pub sent: Timestamp,
    /// URL that the request goes to.
    pub url: Url,
    /// Headers of the request, in addition to the content type.
    pub headers: HeaderMap,
    /// Body of the request.
    pub body: Arc<[u8]>,
    /// Way in which the request goes over the connection.
    pub wire: Wire,
    /// Whether the request must not be sent. The attempt then fails with
    /// [`Failure::Unreachable`](super::Failure::Unreachable).
    pub unreachable: bool,
    /// Group of attempts that are to be sent at the same time: all that have the same number here.
    pub together: Option<u64>,
    /// Whether the body must be written anew before the request is sent.
    pub rebuild: bool,
    /// Number of redirects that are followed.
    pub redirects: u32,
    /// Timeouts of the request, in virtual time.
    pub timeouts: Timeouts,
    pub(super) story: Pending,
}

/// Completed attempt, as the timeline shows it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Delivery that the attempt belongs to.
    pub delivery: DeliveryId,
    /// Kind of content that the request carried.
    pub purpose: Purpose,
    /// Number of the attempt; the first is 1.
    pub number: u32,
    /// Time at which the attempt was due.
    pub due: Timestamp,
    /// Time at which the attempt was sent.
    pub sent: Timestamp,
    /// Body that was sent.
    pub body: Arc<[u8]>,
    /// Way in which the request went over the connection.
    pub wire: Wire,
    /// Outcome of the attempt, without the headers of a response.
    pub outcome: Outcome,
    /// Whether the request was sent a second time, on a fresh connection, because the kept connection was closed before
    /// any byte of a response came; see [`Http`](super::Http). This happens by chance if a receiver closes connections
    /// without saying `connection: close`, so equal runs may differ here.
    pub reconnected: bool,
    /// Decision that follows from the outcome.
    pub decision: Decision,
    /// Cell of the policy that made the decision, such as `backoff` or `on[0]`. For a repetition by
    /// [`DeliveryFaultKind::Resend`](super::DeliveryFaultKind::Resend) it is `on purpose`.
    pub rule: String,
}

/// Decision that follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The event is delivered.
    Delivered,
    /// The event is sent again at this moment.
    RetryAt(Timestamp),
    /// The event is not sent again.
    GivenUp,
    /// The event is not sent again, because the webhook is off.
    Disabled,
}

/// Result of [`Queue::enqueue`](super::Queue::enqueue).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// Deliveries that carry the event: none if the event is not sent, several if it is duplicated on purpose.
    pub deliveries: Vec<DeliveryId>,
    /// Whether a fault keeps the event from being sent.
    pub lost: bool,
}

/// Result of [`Queue::poll`](super::Queue::poll).
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Polled {
    /// Attempts to send now, in order. Each must be handed back to [`Queue::complete`](super::Queue::complete).
    pub attempts: Vec<Attempt>,
    /// Deliveries that have become too old to be sent.
    pub expired: Vec<DeliveryId>,
}

/// Result of [`Queue::complete`](super::Queue::complete).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completed {
    /// Record of the attempt, for the timeline.
    pub record: AttemptRecord,
    /// Deliveries that were still waiting and are dropped, because the webhook is off.
    pub dropped: Vec<DeliveryId>,
}

/// Delivery that waits to be sent.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) delivery: DeliveryId,
    pub(super) number: u32,
    /// Number of times that this attempt was repeated already, because there was no connection or because of a fault.
    pub(super) resent: u32,
    /// Bodies of the events, one for each event.
    pub(super) bodies: Vec<Arc<[u8]>>,
    pub(super) born: Timestamp,
    pub(super) first_sent: Option<Timestamp>,
    /// Class of the previous attempt's outcome.
    pub(super) reason: Option<Class>,
    pub(super) url: Option<Url>,
    pub(super) together: Option<u64>,
    /// Whether the attempt is repeated on purpose.
    pub(super) resend: bool,
}
