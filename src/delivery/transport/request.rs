use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

/// A POST to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// To where.
    pub url: Url,
    /// Beside `content-type`, `user-agent` and `accept`, which are there unless they are given here. What says how long
    /// the body is comes from the [`Wire`] and is not taken from here.
    pub headers: HeaderMap,
    /// What.
    pub body: Arc<[u8]>,
    /// How it goes over the wire.
    pub wire: Wire,
    /// So many redirects are followed; with 0 a 3xx is the answer.
    pub redirects: u32,
    /// How long it may take, in real time.
    pub timeouts: Timeouts,
}

impl Request {
    /// Sent cleanly, following no redirects, within 2 s.
    pub fn new(url: Url, body: impl Into<Arc<[u8]>>) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            body: body.into(),
            wire: Wire::Clean,
            redirects: 0,
            timeouts: Timeouts { connect: None, total: Duration::from_secs(2) },
        }
    }
}

/// How long a request may take. Real time, and short: what a policy says passes in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the name, the connection, and the handshake of TLS; without it only `total` holds. Nothing happens when it is
    /// not shorter than `total`.
    pub connect: Option<Duration>,
    /// From the beginning to the end of the answer, redirects included.
    pub total: Duration,
}

/// How a request goes over the wire.
///
/// Each holds for every hop of a redirect. Over https those that need the bare socket (`ExpectContinue`,
/// `ResetAfterBody` and `HangUp`) are sent cleanly, and so is what has no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wire {
    /// As any client does it, with a `content-length`.
    #[default]
    Clean,
    /// In chunks, with no `content-length`.
    Chunked,
    /// The body comes a few bytes at a time with tiny pauses, which take less than a quarter of the time that the
    /// request has, and at most some 200 ms.
    Dribbled,
    /// With `expect: 100-continue`: the body follows after a 100, or after 100 ms without one. A 417 is not the answer:
    /// the request is made again without the expectation (RFC 9110, 10.1.1).
    ExpectContinue,
    /// The whole body is sent; as soon as an answer begins to come, or the time is over, the connection is reset and the
    /// answer is not read: the receiver did the work, and the sender thinks that it failed
    /// ([`Failure::Reset`](super::Failure::Reset)).
    ResetAfterBody,
    /// The whole body is sent, and the connection closed without waiting for an answer: the receiver may notice while
    /// it works ([`Failure::Closed`](super::Failure::Closed)).
    HangUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_has_a_name_in_files() {
        let named: Vec<Wire> = serde_json::from_str(r#"["clean", "expect_continue", "reset_after_body"]"#).unwrap();
        assert_eq!(named, [Wire::default(), Wire::ExpectContinue, Wire::ResetAfterBody]);
    }
}
