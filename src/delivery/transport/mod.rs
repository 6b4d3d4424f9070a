//! Sends one request to a receiver, and returns its outcome.
//!
//! [`Transport`] is the interface, and [`Http`] implements it over the network. A [`Request`] is plain data, and so is
//! the [`Outcome`], which has a class for everything that a receiver does. A request takes no longer than its timeouts
//! allow.

mod body;
mod classify;
mod connection;
mod http;
mod incoming;
#[cfg(test)]
mod kept;
mod names;
mod outcome;
mod pool;
#[cfg(test)]
mod receiver;
mod redirect;
mod request;
mod secure;
#[cfg(feature = "tower")]
mod service;
#[cfg(feature = "tls")]
mod trust;
mod wire;

use std::pin::Pin;

#[cfg(feature = "check")]
pub(crate) use self::classify::{classify, reason};
pub use self::http::Http;
pub use self::outcome::{Answer, Failure, Outcome, Transmission};
pub use self::request::{Request, Timeouts, Wire};
#[cfg(feature = "tower")]
pub use self::service::{InProcess, RequestBody};
#[cfg(feature = "tls")]
pub use self::trust::{Trust, TrustError};

/// Future of a request that is under way. It returns the outcome.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Future of a request that is under way. It returns the outcome and whether the request went out twice.
pub type Transmitting<'a> = Pin<Box<dyn Future<Output = Transmission> + Send + 'a>>;

/// Sender of requests. A test may use its own transport in place of the network.
pub trait Transport: Send + Sync {
    /// Sends a POST with a JSON body. Never fails: a failure is an [`Outcome`].
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a>;

    /// Does the same as [`send`](Self::send), and tells whether the request went out twice. Deliveries call this
    /// method. Only a transport that keeps connections needs its own implementation.
    fn transmit<'a>(&'a self, request: &'a Request) -> Transmitting<'a> {
        Box::pin(async move { self.send(request).await.into() })
    }
}
