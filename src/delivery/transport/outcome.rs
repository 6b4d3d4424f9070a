use std::fmt;

use http::HeaderMap;

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver answered.
    Answered(Answer),
    /// It did not.
    Failed(Failure),
}

/// What came of one request, and how the request went there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmission {
    /// What came of the request in the end.
    pub outcome: Outcome,
    /// The request went out twice: the kept connection that it went out on first was closed before any byte of an
    /// answer, so it was sent once more on a fresh connection. Whether this happens is a matter of chance.
    pub reconnected: bool,
}

impl From<Outcome> for Transmission {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, reconnected: false }
    }
}

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The first 2,048 bytes of its body, as text. A `content-encoding`, for which nobody asked, is not undone.
    pub body: String,
    /// More than 64 KiB came; the rest was not read.
    pub too_long: bool,
}

impl Answer {
    /// With no headers and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: String::new(), too_long: false }
    }
}

/// Why there was no answer.
///
/// A receiver that closes before it has read everything makes a race of [`Reset`](Self::Reset) and
/// [`Closed`](Self::Closed): the network decides which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing listens there.
    Refused,
    /// There was no connection within the time for that.
    ConnectTimedOut,
    /// There was no beginning of an answer in time.
    TimedOut,
    /// There was one, but its body did not end in time.
    BodyTimedOut {
        /// What it began with.
        status: u16,
    },
    /// The connection was reset.
    Reset,
    /// It was closed before the whole answer was there.
    Closed,
    /// What came is not HTTP.
    NotHttp(String),
    /// This name has no address.
    Dns(String),
    /// No secure connection: no TLS there, a certificate that is not trusted, or none of it built in.
    Tls(String),
    /// It was redirected more often than is followed.
    TooManyRedirects,
    /// Anything else.
    Broken(String),
    /// Not sent: the fake plays an outage. [`Http`](super::Http) never says so.
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
            Self::BodyTimedOut { status } => write!(f, "{status}, but no end of its body in time"),
            Self::Reset => f.write_str("connection reset"),
            Self::Closed => f.write_str("connection closed before the end of an answer"),
            Self::NotHttp(why) => write!(f, "not HTTP ({why})"),
            Self::Dns(name) => write!(f, "no address for {name}"),
            Self::Tls(why) => write!(f, "no TLS ({why})"),
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
    fn timelines_rely_on_the_words() {
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
                "200, but no end of its body in time",
                "connection reset",
                "connection closed before the end of an answer",
                "not HTTP (so)",
                "no address for nowhere",
                "no TLS (so)",
                "too many redirects",
                "connection broken (so)",
                "unreachable (simulated)",
            ]
        );
        assert_eq!(Outcome::Answered(Answer::new(503)).to_string(), "503");
    }
}
