//! Delivers bytes to a URL under a [`Policy`]: when an attempt is due, what its outcome means, and when the webhook
//! is disabled.
//!
//! [`Queue`] is a plain state machine: [`Queue::poll`] says what to send now, [`Queue::complete`] takes what came of
//! it, [`Queue::next_due`] says when to ask again. [`Transport`] is the one seam to the network; [`Http`] fills it.
//! Nothing here knows what an event or a sync is.
//!
//! ```
//! use paragon_testkit::clock::Moment;
//! use paragon_testkit::delivery::{Decision, Failure, Outcome, Policy, Queue};
//!
//! let now = Moment::from_millis(0);
//! let mut queue = Queue::new(Policy::paragon_assumed());
//! queue.register("http://127.0.0.1:9/webhook".parse().unwrap());
//! queue.enqueue(b"{}", now);
//! let attempt = queue.poll(now).pop().unwrap();
//! let failed = queue.complete(attempt, Outcome::Failed(Failure::Refused), now);
//! assert!(matches!(failed.record.decision, Decision::RetryAt(_)));
//! ```

mod policy;
mod queue;
mod stored;
mod transport;

pub use policy::Policy;
pub use queue::{Adversity, Attempt, AttemptRecord, Completed, Decision, DeliveryId, Queue, WebhookState};
pub use transport::{Failure, Http, Outcome, Sending, Transport};
