//! Delivers bytes to a URL under a [`Policy`], which says when an attempt is due, what its outcome means, and when the
//! webhook is disabled.
//!
//! [`Queue`] is a plain state machine: [`Queue::poll`] returns the attempts to send now, [`Queue::complete`] takes the
//! outcome of an attempt, and [`Queue::next_due`] returns the time of the next poll. [`Transport`] is the only
//! interface to the network, and [`Http`] implements it. This module does not know what an event or a sync is.
//!
//! ```
//! use paragon_testkit::clock::Timestamp;
//! use paragon_testkit::delivery::{Decision, Failure, Outcome, Policy, Queue};
//!
//! let now = Timestamp::from_millis(0);
//! let mut queue = Queue::new(Policy::paragon_assumed(), 7).unwrap();
//! queue.register("http://127.0.0.1:9/webhook".parse().unwrap(), now);
//! queue.enqueue(b"{}", now);
//! let attempt = queue.poll(now).attempts.pop().unwrap();
//! let failed = queue.complete(attempt, Outcome::Failed(Failure::Refused), now);
//! assert!(matches!(failed.record.decision, Decision::RetryAt(_)));
//! ```

mod chance;
mod fault;
mod health;
mod judge;
mod policy;
mod queue;
mod record;
mod retry_after;
mod signature;
mod stored;
mod transport;

#[cfg(test)]
mod tests;

pub use chance::Probability;
pub use fault::{DeliveryFault, DeliveryFaultKind};
#[doc(hidden)]
pub use policy::Rules;
pub use policy::{
    Address, Backoff, Batch, Class, ClassRule, DisableRule, Failing, HeaderMatch, HeaderRule, Jitter, Limit, Off, On,
    Order, Payload, Policy, PolicyError, Reenable, RetryAfter, Success, Then, WhileOff,
};
#[doc(hidden)]
pub use queue::Queue;
#[doc(hidden)]
pub use record::{Attempt, Completed, Enqueued, Polled, Purpose};
pub use record::{AttemptRecord, Change, Decision, DeliveryId, WebhookState};
pub use signature::{Encoding, Signature};
pub use transport::{Answer, Failure, Http, Outcome, Request, Sending, Timeouts, Transport, Wire};
#[cfg(feature = "tower")]
pub use transport::{InProcess, RequestBody};
#[doc(hidden)]
pub use transport::{Transmission, Transmitting};
#[cfg(feature = "tls")]
pub use transport::{Trust, TrustError};
#[cfg(feature = "check")]
pub(crate) use transport::{classify, reason};
