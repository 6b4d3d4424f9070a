use std::fmt;

use http::HeaderMap;

/// Outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver sent a response.
    Answered(Answer),
    /// There was no complete response.
    Failed(Failure),
}

/// Outcome of one request, and how the request was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmission {
    /// Final outcome of the request.
    pub outcome: Outcome,
    /// Whether the request went out twice: its first connection was a kept one, which was closed before any byte of a
    /// response came, so the request was sent once more on a fresh connection. Whether this happens is a matter of
    /// chance.
    pub reconnected: bool,
}

impl From<Outcome> for Transmission {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, reconnected: false }
    }
}

/// Response of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Status of the response.
    pub status: u16,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// First 2,048 bytes of the body, as text. A `content-encoding` is not decoded, because the request does not ask
    /// for one.
    pub body: String,
    /// Whether the body was longer than 64 KiB. The rest of such a body was not read.
    pub too_long: bool,
}

impl Answer {
    /// Creates a response with no headers and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: String::new(), too_long: false }
    }
}

/// Reason why there was no complete response.
///
/// If a receiver closes the connection before it has read everything, the network decides between
/// [`Reset`](Self::Reset) and [`Closed`](Self::Closed).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing listens at the address.
    Refused,
    /// No connection was made within the connect timeout.
    ConnectTimedOut,
    /// No response began in time.
    TimedOut,
    /// A response began, but its body did not end in time.
    BodyTimedOut {
        /// Status of the response.
        status: u16,
    },
    /// The connection was reset.
    Reset,
    /// The connection was closed before the whole response had arrived.
    Closed,
    /// The received data is not HTTP.
    NotHttp(String),
    /// This host name has no address.
    Dns(String),
    /// There was no secure connection: the receiver does not use TLS, its certificate is not trusted, or TLS is not
    /// built in.
    Tls(String),
    /// The request was redirected more often than redirects are followed.
    TooManyRedirects,
    /// Any other failure.
    Broken(String),
    /// The request was not sent, because the fake plays an outage. [`Http`](super::Http) never returns this.
    Unreachable,
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(Answer { status, .. }) => write!(f, "{status}"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::ConnectTimedOut => f.write_str("no connection in time"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::BodyTimedOut { status } => write!(f, "{status}, but the body did not end in time"),
            Self::Reset => f.write_str("connection reset"),
            Self::Closed => f.write_str("connection closed before the end of the response"),
            Self::NotHttp(why) => write!(f, "the response is not HTTP ({why})"),
            Self::Dns(name) => write!(f, "no IP address found for {name}"),
            Self::Tls(why) => write!(f, "TLS failed ({why})"),
            Self::TooManyRedirects => f.write_str("too many redirects"),
            Self::Broken(why) => write!(f, "connection broken ({why})"),
            Self::Unreachable => f.write_str("unreachable (simulated)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_outcomes_are_stable() {
        let all = [
            Failure::Refused,
            Failure::ConnectTimedOut,
            Failure::TimedOut,
            Failure::BodyTimedOut { status: 200 },
            Failure::Reset,
            Failure::Closed,
            Failure::NotHttp("so".into()),
            Failure::Dns("nowhere".into()),
            Failure::Tls("so".into()),
            Failure::TooManyRedirects,
            Failure::Broken("so".into()),
            Failure::Unreachable,
        ];
        let words: Vec<_> = all.map(|failure| Outcome::from(failure).to_string()).into();
        assert_eq!(
            words,
            [
                "connection refused",
                "no connection in time",
                "no answer in time",
                "200, but the body did not end in time",
                "connection reset",
                "connection closed before the end of the response",
                "the response is not HTTP (so)",
                "no IP address found for nowhere",
                "TLS failed (so)",
                "too many redirects",
                "connection broken (so)",
                "unreachable (simulated)",
            ]
        );
        assert_eq!(Outcome::Answered(Answer::new(503)).to_string(), "503");
    }
}
