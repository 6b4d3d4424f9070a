use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::source::content::Content;

/// Maximum length of a request body, in bytes. A request with a longer body is refused.
pub(crate) const LONGEST_BODY: usize = 16 << 20;

/// A response of the API, and how it goes over the wire. The servers carry it out.
#[derive(Debug)]
#[must_use = "a server sends it"]
pub(crate) struct ApiResponse {
    /// The status code.
    pub(crate) status: StatusCode,
    /// The value of `content-type`, unless [`headers`](Self::headers) contains one. Most responses have no other
    /// header, and an empty map costs nothing.
    pub(crate) content_type: Option<&'static str>,
    /// The other headers, except those of the framing, which the server adds.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Body,
    /// The real time for which the client waits before anything of [`wire`](Self::wire) happens.
    pub(crate) delay: Duration,
    /// How the response goes over the wire.
    pub(crate) wire: Wire,
}

/// The body of a [`ApiResponse`].
#[derive(Debug)]
pub(crate) enum Body {
    /// A complete body, sent with its length.
    Whole(Bytes),
    /// A list of lines, each with its line break. hyper sends them chunked.
    Lines(Vec<Bytes>),
    /// A stream that lasts as long as the sender lives and the client listens. Only hyper can send it.
    Open(mpsc::Receiver<Bytes>),
}

/// The way a [`ApiResponse`] goes over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The response is sent as it should be.
    #[default]
    Clean,
    /// No response is sent. The connection is held until the client leaves, at most for [`Wire::HELD`].
    NeverAnswers,
    /// The connection is reset before the first byte of the response.
    ResetBefore,
    /// The connection ends after the head and half of the body. If the body is empty, this is the same as
    /// [`Wire::ResetBefore`].
    ResetInside,
}

impl Wire {
    /// Maximum time for which a connection without a response is held, so that no connection is held forever.
    pub(crate) const HELD: Duration = Duration::from_secs(300);
}

impl ApiResponse {
    /// Returns a response with any body of a known length.
    pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(content_type), ..Self::new(status, Body::Whole(body.into())) }
    }

    /// Returns a response with a JSON body that is already written.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::bytes(status, "application/json; charset=utf-8", body)
    }

    /// Returns a 200 without a body.
    pub(crate) fn empty() -> Self {
        Self::new(StatusCode::OK, Body::Whole(Bytes::new()))
    }

    /// Returns a download with the name of the file.
    pub(crate) fn content(content: Content) -> Self {
        let mut reply = Self::bytes(StatusCode::OK, "application/octet-stream", content.bytes);
        // Providers choose media types and file names freely. A value that no header can hold is left out.
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

    /// Returns a refusal in the form of a recorded 409 (`api.errors`: observed for the 409, assumed for the other
    /// statuses).
    pub(crate) fn refusal(status: StatusCode, message: &str) -> Self {
        let error = status.canonical_reason().unwrap_or("Error");
        Self::json(status, json!({"message": message, "error": error, "statusCode": status.as_u16()}).to_string())
    }

    /// Returns the refusal of a request whose body is longer than [`LONGEST_BODY`].
    pub(crate) fn too_large() -> Self {
        Self::refusal(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large")
    }

    /// Returns an NDJSON response. Each line is one JSON text, passed without its line break.
    pub(crate) fn lines(lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(|line| Bytes::from(line + "\n")).collect();
        let kind = HeaderValue::from_static("application/x-ndjson");
        Self::new(StatusCode::OK, Body::Lines(lines)).header(header::CONTENT_TYPE, kind)
    }

    /// Returns a response that streams the pieces from a channel as they come.
    pub(crate) fn open(content_type: &'static str, pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { content_type: Some(content_type), ..Self::new(StatusCode::OK, Body::Open(pieces)) }
    }

    fn new(status: StatusCode, body: Body) -> Self {
        Self { status, content_type: None, headers: HeaderMap::new(), body, delay: Duration::ZERO, wire: Wire::Clean }
    }

    /// Sets a header, which replaces other headers of the same name.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == header::CONTENT_TYPE {
            self.content_type = None;
        }
        self.headers.insert(name, value);
        self
    }

    /// Returns all headers in one map, including `content-type`.
    pub(crate) fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(kind) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers
    }

    /// Adds this much real time to the delay.
    pub(crate) fn delayed(mut self, by: Duration) -> Self {
        self.delay = self.delay.saturating_add(by);
        self
    }

    /// Sets how the response goes over the wire.
    pub(crate) fn over(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }
}

impl Body {
    /// Returns the body in one piece. An open body counts as empty.
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
        let reply = ApiResponse::lines(["1".to_owned(), "2".to_owned()]);
        assert_eq!(reply.headers["content-type"], "application/x-ndjson");
        assert_eq!(reply.body.joined(), "1\n2\n");
    }

    #[test]
    fn a_refusal_names_its_status_three_times() {
        let reply = ApiResponse::too_large().delayed(Duration::MAX).delayed(Duration::MAX);
        assert_eq!((reply.status.as_u16(), reply.delay), (413, Duration::MAX));
        let body: serde_json::Value = serde_json::from_slice(&reply.body.joined()).unwrap();
        assert_eq!(
            body,
            json!({"message": "request entity too large", "error": "Payload Too Large", "statusCode": 413})
        );
    }
}
