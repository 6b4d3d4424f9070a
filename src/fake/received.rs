use std::borrow::Cow;

use http::{HeaderMap, Method, Request};
use hyper::body::Bytes;

/// A request of the API, lent by the server that it came to: neither has to copy it into the form of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// What follows the question mark.
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Received<'a> {
    /// The first of the query's parameters with one of these names.
    pub(crate) fn parameter(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        let query = self.query?;
        if query.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            return pairs.find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value);
        }
        // Nothing to decode, as in most queries.
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value.into())
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        match self.query {
            // Not printed: that would cost several allocations, and each call is logged.
            Some(query) => [self.path, query].join("?"),
            None => self.path.to_owned(),
        }
    }
}

impl<'a> From<&'a Request<Bytes>> for Received<'a> {
    fn from(request: &'a Request<Bytes>) -> Self {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        Self { method, path: uri.path(), query: uri.query(), headers, body: request.body() }
    }
}

impl<'a> From<&'a wiremock::Request> for Received<'a> {
    fn from(request: &'a wiremock::Request) -> Self {
        let (method, url, headers) = (&request.method, &request.url, &request.headers);
        Self { method, path: url.path(), query: url.query(), headers, body: &request.body }
    }
}
