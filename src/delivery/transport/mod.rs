//! One request to a receiver, and what came of it.
//!
//! [`Transport`] is the seam; [`Http`] is the network behind it. A [`Request`] is plain data, and so is the
//! [`Outcome`]: whatever a receiver does, it has a class there, and it takes no longer than the request allows.

mod body;
mod classify;
mod coming;
mod http;
#[cfg(test)]
mod kept;
mod line;
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
mod wire;

use std::pin::Pin;

pub use self::http::Http;
pub use self::outcome::{Answer, Failure, Outcome, Transmission};
pub use self::request::{Request, Timeouts, Wire};
#[cfg(feature = "tower")]
pub use self::service::{InProcess, RequestBody};

/// A request that is under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A request that is under way, and that tells how it went there.
pub type Transmitting<'a> = Pin<Box<dyn Future<Output = Transmission> + Send + 'a>>;

/// Makes the requests. A test may put its own in place of the network.
pub trait Transport: Send + Sync {
    /// POSTs a JSON body. Never fails: what goes wrong is an [`Outcome`].
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a>;

    /// Does the same as [`send`](Self::send), and tells whether the request went out twice. Deliveries call this
    /// method. Only a transport that keeps connections needs its own.
    fn transmit<'a>(&'a self, request: &'a Request) -> Transmitting<'a> {
        Box::pin(async move { self.send(request).await.into() })
    }
}
