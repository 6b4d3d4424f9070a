use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

/// POST request that is to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// URL that the request goes to.
    pub url: Url,
    /// Headers in addition to `content-type`, `user-agent` and `accept`, which are added unless they are given here.
    /// Headers for the length of the body follow from the [`Wire`] and are ignored here.
    pub headers: HeaderMap,
    /// Body of the request.
    pub body: Arc<[u8]>,
    /// Way in which the request goes over the connection.
    pub wire: Wire,
    /// Number of redirects that are followed. With 0 a 3xx is the final response.
    pub redirects: u32,
    /// Timeouts of the request, in real time.
    pub timeouts: Timeouts,
}

impl Request {
    /// Creates a request that is sent cleanly, follows no redirects, and has a timeout of 2 s.
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

/// Timeouts of a request. Those of a [`Request`] are short and in real time; those of a policy pass in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Timeout for the DNS lookup, the connection, and the TLS handshake. Without it only `total` holds. It has no
    /// effect if it is not shorter than `total`.
    pub connect: Option<Duration>,
    /// Timeout from the beginning of the request to the end of the response, including redirects.
    pub total: Duration,
}

/// Way in which a request goes over the connection.
///
/// It holds for every hop of a redirect. Over https, requests that need the bare socket (`ExpectContinue`,
/// `ResetAfterBody` and `HangUp`) are sent cleanly. Requests without a body are always sent cleanly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wire {
    /// Like the request of any client, with a `content-length`.
    #[default]
    Clean,
    /// In chunks, without a `content-length`.
    Chunked,
    /// The body is sent a few bytes at a time, with tiny pauses. The pauses take less than a quarter of the time that
    /// the request has, and at most some 200 ms.
    Dribbled,
    /// With `expect: 100-continue`. The body follows after a 100, or after 100 ms without one. After a 417 the request
    /// is made again without the expectation (RFC 9110, 10.1.1).
    ExpectContinue,
    /// The whole body is sent. As soon as a response begins, or the time is over, the connection is reset and the
    /// response is not read. The receiver has done its work, but the sender sees a failure
    /// ([`Failure::Reset`](super::Failure::Reset)).
    ResetAfterBody,
    /// The whole body is sent, and the connection is closed without waiting for a response. The receiver may notice the
    /// close while it works ([`Failure::Closed`](super::Failure::Closed)).
    HangUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wire_has_its_name_in_json() {
        let named: Vec<Wire> = serde_json::from_str(r#"["clean", "expect_continue", "reset_after_body"]"#).unwrap();
        assert_eq!(named, [Wire::default(), Wire::ExpectContinue, Wire::ResetAfterBody]);
    }
}
