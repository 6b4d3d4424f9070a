use std::sync::Arc;

use http::response::Parts;
use hyper::body::{Bytes, Incoming};

use super::body::piece;
use super::classify::classify;
use super::connection::Connection;
use super::outcome::{Answer, Failure};
use super::pool::Pool;

/// Number of bytes of a response body that are kept.
pub(super) const KEPT: usize = 2_048;

/// Number of bytes of a response body after which reading stops.
pub(super) const READ: usize = 64 * 1024;

/// Part of a response body that is kept while the body is read.
#[derive(Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    length: usize,
}

impl Kept {
    /// Takes the next piece. Returns true if the rest is not worth reading.
    pub(super) fn is_too_long_with(&mut self, piece: &[u8]) -> bool {
        self.length += piece.len();
        self.bytes.extend_from_slice(&piece[..piece.len().min(KEPT - self.bytes.len())]);
        self.length > READ
    }

    pub(super) fn answer(&self, status: u16) -> Answer {
        let body = String::from_utf8_lossy(&self.bytes).into_owned();
        Answer { body, too_long: self.length > READ, ..Answer::new(status) }
    }
}

/// Response whose head has arrived.
pub(super) struct IncomingResponse {
    pub(super) head: Parts,
    rest: Rest,
}

enum Rest {
    Plain(Box<Connection>, Incoming),
    Secure(reqwest::Body),
}

impl IncomingResponse {
    /// Wraps a response that came over one of our own connections.
    pub(super) fn plain(line: Box<Connection>, answer: http::Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self { head, rest: Rest::Plain(line, body) }
    }

    /// Wraps a response that came over a connection of reqwest.
    pub(super) fn secure(answer: reqwest::Response) -> Self {
        let (head, body) = http::Response::from(answer).into_parts();
        Self { head, rest: Rest::Secure(body) }
    }

    /// Reads the body to its end, so that the connection can be used again, or until the body is too long.
    pub(super) async fn read(&mut self) -> Result<Answer, Failure> {
        let mut kept = Kept::default();
        while let Some(piece) = self.piece().await? {
            if kept.is_too_long_with(&piece) {
                break;
            }
        }
        let headers = std::mem::take(&mut self.head.headers);
        Ok(Answer { headers, ..kept.answer(self.head.status.as_u16()) })
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.rest {
            Rest::Plain(line, body) => line.piece(body).await,
            Rest::Secure(body) => piece(body).await.map_err(|error| classify(&error, true)),
        }
    }

    /// Keeps the connection for the next request, if it can be used again. reqwest keeps its own connections.
    pub(super) fn leave(self, pool: &Arc<Pool>, to: &str) {
        if let Rest::Plain(line, _) = self.rest
            && line.is_free()
        {
            pool.put(to, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_exactly_the_limit_is_not_too_long() {
        let mut kept = Kept::default();
        assert!(!kept.is_too_long_with(&vec![b'x'; READ]));
        assert!(!kept.answer(200).too_long);
        assert!(kept.is_too_long_with(b"x"));
        assert_eq!((kept.answer(200).too_long, kept.answer(200).body.len()), (true, KEPT));
    }
}
