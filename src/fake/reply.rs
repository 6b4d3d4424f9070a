use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::source::content::Content;

/// A request with a longer body is refused.
pub(crate) const LONGEST_BODY: usize = 16 << 20;

/// What the API answers, and how it goes over the wire. The servers carry it out.
#[derive(Debug)]
#[must_use = "a server sends it"]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// What `content-type` says, unless [`headers`](Self::headers) says it. Most replies have no other header, and
    /// an empty map costs nothing.
    pub(crate) content_type: Option<&'static str>,
    /// The other headers, but for those of the framing, which a server adds.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Body,
    /// How long the client really waits before anything of [`wire`](Self::wire) happens.
    pub(crate) delay: Duration,
    /// What becomes of it on its way.
    pub(crate) wire: Wire,
}

/// The body of a [`Reply`].
#[derive(Debug)]
pub(crate) enum Body {
    /// Known as a whole, and sent with its length.
    Whole(Bytes),
    /// Line by line, each with its line break; hyper sends them chunked.
    Lines(Vec<Bytes>),
    /// For as long as the sender lives and the client listens. Only hyper can.
    Open(mpsc::Receiver<Bytes>),
}

/// How a [`Reply`] goes over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// As it should.
    #[default]
    Clean,
    /// Nothing comes. The connection is held until the client leaves, at most [`Wire::HELD`].
    NeverAnswers,
    /// The connection is reset before the first byte of an answer.
    ResetBefore,
    /// The connection ends after the head and half of the body. Without a body it is [`Wire::ResetBefore`].
    ResetInside,
}

impl Wire {
    /// No client waits longer than this, and no connection is held for ever.
    pub(crate) const HELD: Duration = Duration::from_secs(300);
}

impl Reply {
    /// Any body of a known length.
    pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(content_type), ..Self::new(status, Body::Whole(body.into())) }
    }

    /// A JSON body, already written.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::bytes(status, "application/json; charset=utf-8", body)
    }

    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        Self::new(StatusCode::OK, Body::Whole(Bytes::new()))
    }

    /// A download, under the name of the file.
    pub(crate) fn content(content: Content) -> Self {
        let mut reply = Self::bytes(StatusCode::OK, "application/octet-stream", content.bytes);
        // What no header can hold is left out: providers name types and files as they like.
        let plain: String = content
            .file_name
            .chars()
            .map(|c| if c.is_ascii() && !c.is_ascii_control() && !"\"\\".contains(c) { c } else { '_' })
            .collect();
        if let Ok(kind) = HeaderValue::from_str(&content.media_type) {
            reply = reply.header(header::CONTENT_TYPE, kind);
        }
        match HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"")) {
            Ok(name) => reply.header(header::CONTENT_DISPOSITION, name),
            Err(_) => reply,
        }
    }

    /// A refusal in the form of a recorded 409 (`api.errors`: observed there, assumed elsewhere).
    pub(crate) fn refusal(status: StatusCode, message: &str) -> Self {
        let error = status.canonical_reason().unwrap_or("Error");
        Self::json(status, json!({"message": message, "error": error, "statusCode": status.as_u16()}).to_string())
    }

    /// To a request whose body is longer than [`LONGEST_BODY`].
    pub(crate) fn too_large() -> Self {
        Self::refusal(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large")
    }

    /// NDJSON: one JSON text for each line, without line breaks.
    pub(crate) fn lines(lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(|line| Bytes::from(line + "\n")).collect();
        let kind = HeaderValue::from_static("application/x-ndjson");
        Self::new(StatusCode::OK, Body::Lines(lines)).header(header::CONTENT_TYPE, kind)
    }

    /// What is sent into the other end of the channel, as it comes.
    pub(crate) fn open(content_type: &'static str, pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { content_type: Some(content_type), ..Self::new(StatusCode::OK, Body::Open(pieces)) }
    }

    fn new(status: StatusCode, body: Body) -> Self {
        Self { status, content_type: None, headers: HeaderMap::new(), body, delay: Duration::ZERO, wire: Wire::Clean }
    }

    /// With this header, in place of others of its name.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == header::CONTENT_TYPE {
            self.content_type = None;
        }
        self.headers.insert(name, value);
        self
    }

    /// All headers in one map, the type of the content too.
    pub(crate) fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(kind) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers
    }

    /// After this much real time, on top of what it has already.
    pub(crate) fn delayed(mut self, by: Duration) -> Self {
        self.delay = self.delay.saturating_add(by);
        self
    }

    /// Over this wire.
    pub(crate) fn over(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }
}

impl Body {
    /// Everything in one piece. Of a body without an end: nothing.
    pub(crate) fn joined(self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Lines(lines) => lines.concat().into(),
            Self::Open(_) => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_each() {
        let reply = Reply::lines(["1".to_owned(), "2".to_owned()]);
        assert_eq!(reply.headers["content-type"], "application/x-ndjson");
        assert_eq!(reply.body.joined(), "1\n2\n");
    }

    #[test]
    fn a_refusal_names_its_status_three_times() {
        let reply = Reply::too_large().delayed(Duration::MAX).delayed(Duration::MAX);
        assert_eq!((reply.status.as_u16(), reply.delay), (413, Duration::MAX));
        let body: serde_json::Value = serde_json::from_slice(&reply.body.joined()).unwrap();
        assert_eq!(
            body,
            json!({"message": "request entity too large", "error": "Payload Too Large", "statusCode": 413})
        );
    }
}
