use std::borrow::Cow;

use http::{HeaderMap, Method, Request};
use hyper::body::Bytes;

/// A request of the API, borrowed from the server that received it. So neither server has to copy its requests into the
/// other server's type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The part of the target after the question mark.
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Received<'a> {
    /// Returns the value of the first query parameter with one of these names.
    pub(crate) fn parameter(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        let query = self.query?;
        if query.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            return pairs.find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value);
        }
        // Like most queries, this query has nothing to decode.
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value.into())
    }

    /// Returns the path and the query.
    pub(crate) fn target(&self) -> String {
        match self.query {
            // `format!` would cost several allocations, and each call is logged.
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
