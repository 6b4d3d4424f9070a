use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, LOCATION,
    PROXY_AUTHORIZATION,
};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Bytes;
use url::{Position, Url};

/// One request in a chain of redirects.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Returns the redirect target; `None` if the response is no redirect or its `Location` is invalid.
pub(super) fn target(status: StatusCode, headers: &HeaderMap, from: &Url) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    let to = if location.trim().is_empty() { None } else { from.join(location).ok() };
    to.filter(|to| matches!(to.scheme(), "http" | "https"))
}

impl Hop {
    pub(super) fn secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the part of the URL before its path, by which connections are kept.
    pub(super) fn origin(&self) -> &str {
        &self.url[..Position::BeforePath]
    }

    /// Returns the next request after a redirect, as clients commonly make it. With 307 and 308 it keeps the method and
    /// the body; with other statuses it becomes a GET without a body. Headers with credentials, and headers that are
    /// marked as sensitive, are removed if scheme, host or port changes.
    pub(super) fn redirected(mut self, status: StatusCode, to: Url) -> Self {
        if !matches!(status.as_u16(), 307 | 308) {
            self.method = Method::GET;
            self.body = Bytes::new();
            for about_the_body in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION] {
                self.headers.remove(about_the_body);
            }
        }
        let origin =
            |url: &Url| url[..Position::BeforeUsername].to_owned() + &url[Position::BeforeHost..Position::AfterPort];
        if origin(&self.url) != origin(&to) {
            let marked = self.headers.iter().filter(|(_, value)| value.is_sensitive());
            let marked: Vec<_> = marked.map(|(name, _)| name.clone()).collect();
            for secret in marked.into_iter().chain([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION]) {
                self.headers.remove(secret);
            }
        }
        self.url = to;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_redirect_target_is_a_valid_http_url() {
        let from = "http://a/b/c?d".parse().unwrap();
        for (status, location, to) in [
            (301, &b"/e"[..], Some("http://a/e")),
            (307, b"e", Some("http://a/b/e")),
            (308, b"//f/", Some("http://f/")),
            (302, b"https://g", Some("https://g/")),
            (303, "/é".as_bytes(), Some("http://a/%C3%A9")),
            (304, b"/e", None),
            (200, b"/e", None),
            (307, b" ", None),
            (307, b"/\xfe", None),
            (307, b"http://", None),
            (307, b"mailto:h", None),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(location).unwrap())]);
            let found = target(StatusCode::from_u16(status).unwrap(), &headers, &from);
            assert_eq!(found.as_ref().map(Url::as_str), to, "{status}");
        }
        assert_eq!(target(StatusCode::FOUND, &HeaderMap::new(), &from), None);
    }
}
