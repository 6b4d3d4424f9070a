use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::error::redirects_to;
use crate::contract::{RecordId, SyncId};
#[cfg(feature = "tls")]
use crate::delivery::Trust;
use crate::delivery::{Failure, classify, reason};

/// A record that a receiver says it holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeldRecord {
    /// Id of the record's sync.
    pub sync: SyncId,
    /// Id of the record.
    pub record: RecordId,
    /// Content of the record. It may be left out or partial.
    pub value: Option<Value>,
}

impl HeldRecord {
    /// Creates a record without content.
    pub fn new(sync: impl Into<SyncId>, record: impl Into<RecordId>) -> Self {
        Self { sync: sync.into(), record: record.into(), value: None }
    }

    /// Sets the content of the record, which may be partial.
    #[must_use]
    pub fn value(mut self, value: Value) -> Self {
        self.value = Some(value);
        self
    }

    /// Maximum size of a state that a probe reads: 64 MiB. A longer state is an error, so that an endless response does
    /// not exhaust the memory.
    pub const MAX_STATE_BYTES: usize = 64 * 1024 * 1024;

    /// Reads a receiver's state: `{"records":[{"syncInstanceId":"…","recordId":"…","record":{…}}]}`. Other members are
    /// ignored, and `record` may be left out. An id that is a UUID may be in upper case or without hyphens.
    ///
    /// ```
    /// use paragon_testkit::check::HeldRecord;
    /// let held = HeldRecord::parse(r#"{"records": [{"syncInstanceId": "s", "recordId": "r"}]}"#)?;
    /// assert_eq!(held[0].record, "r".into());
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text has another format. The error says what was expected, and how the text begins.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let state: State = serde_json::from_str(text).map_err(|error| {
            let start: String = text.chars().take(80).collect();
            format!(
                "expected {{\"records\":[{{\"syncInstanceId\":…,\"recordId\":…,\"record\":…}}]}}, got {start:?} ({error})"
            )
        })?;
        let held = state.records.into_iter();
        let held =
            held.map(|held| HeldRecord { sync: held.sync_instance_id, record: held.record_id, value: held.record });
        Ok(held.map(HeldRecord::with_canonical_ids).collect())
    }

    /// Writes UUIDs in the form that Paragon uses, so that ids can be compared as text.
    fn with_canonical_ids(mut self) -> Self {
        if let Cow::Owned(id) = canonical(self.sync.as_str()) {
            self.sync = id.into();
        }
        if let Cow::Owned(id) = canonical(self.record.as_str()) {
            self.record = id.into();
        }
        self
    }
}

/// Returns a UUID in lower case with hyphens, and any other id unchanged.
pub(super) fn canonical(id: &str) -> Cow<'_, str> {
    match Uuid::parse_str(id).map(|uuid| uuid.to_string()) {
        Ok(uuid) if uuid != id => Cow::Owned(uuid),
        _ => Cow::Borrowed(id),
    }
}

/// Error of a state probe that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeError {
    message: String,
    is_tls: bool,
}

impl ProbeError {
    /// Creates an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_tls: false }
    }

    /// Returns whether there was no secure connection, for example because the certificate is not trusted.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// Future of a look at the receiver's own state.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Vec<HeldRecord>, ProbeError>> + Send + 'a>>;

/// Access to the receiver's own view of the records that it holds.
pub trait Probe: Send + Sync {
    /// Asks the receiver for its records.
    fn look(&self) -> Looking<'_>;

    /// Asks the receiver for its records of one sync. A receiver that does not know the sync holds none. Returns `None`,
    /// as by default, if the probe can only ask for all records; then [`look`](Self::look) is called.
    fn look_at(&self, sync: &SyncId) -> Option<Looking<'_>> {
        let _ = sync;
        None
    }
}

/// A boxed probe is a probe, so that the kind of probe can be chosen at run time.
impl Probe for Box<dyn Probe> {
    fn look(&self) -> Looking<'_> {
        (**self).look()
    }

    fn look_at(&self, sync: &SyncId) -> Option<Looking<'_>> {
        (**self).look_at(sync)
    }
}

/// A closure is a probe, for receivers in the same process.
impl<F, T> Probe for F
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Vec<HeldRecord>> + Send + 'static,
{
    fn look(&self) -> Looking<'_> {
        let looking = self();
        Box::pin(async { Ok(looking.await.into_iter().map(HeldRecord::with_canonical_ids).collect()) })
    }
}

/// Probe of a URL that answers `{"records":[{"syncInstanceId":"…","recordId":"…","record":{…}}]}`. Other members are
/// ignored, and `record` may be left out. A response may have at most [`HeldRecord::MAX_STATE_BYTES`].
///
/// If the path or the query of the URL contains `{sync}`, the probe asks for one sync at a time, with the id of the sync
/// in this place. A receiver that holds many records then needs to list only a few of them. The response for a sync that
/// the receiver does not know is an empty list.
///
/// ```
/// use paragon_testkit::check::{Probe, StateUrl};
///
/// let probe = StateUrl::new("http://127.0.0.1:3000/state?sync={sync}".parse().unwrap());
/// assert!(probe.look_at(&"163a345e-2dd4-51ff-bcf5-7667de564bb0".into()).is_some());
/// ```
#[derive(Clone, Debug)]
pub struct StateUrl {
    url: Url,
    headers: HeaderMap,
    /// The client, or the reason why there is none.
    client: Result<reqwest::Client, String>,
}

impl StateUrl {
    /// Creates a probe that reads the state from `url`.
    pub fn new(url: Url) -> Self {
        Self::with_headers(url, HeaderMap::new())
    }

    /// Creates a probe that reads the state from `url`, with these headers in each request.
    pub fn with_headers(url: Url, headers: HeaderMap) -> Self {
        let builder = client();
        // A client for http needs no certificates, and the system may have none.
        #[cfg(feature = "tls")]
        let builder = if url.scheme() == "https" { builder } else { builder.tls_certs_only([]) };
        Self { url, headers, client: built(builder) }
    }

    /// Sets which certificates are accepted if the URL is https. Default: the certificates that the operating system
    /// trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn trust(self, trust: &Trust) -> Self {
        if self.url.scheme() != "https" {
            return self;
        }
        let client = trust.apply(client()).map_err(|error| error.to_string()).and_then(built);
        Self { client, ..self }
    }

    /// Returns the URL of the state of one sync, or `None` if the URL does not contain `{sync}`.
    fn of_sync(&self, sync: &SyncId) -> Option<Result<Url, ProbeError>> {
        // A path is percent-encoded when it is parsed, and a query is not.
        const PLACES: [&str; 2] = ["{sync}", "%7Bsync%7D"];
        const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let url = self.url.as_str();
        if !PLACES.iter().any(|place| url.contains(place)) {
            return None;
        }
        let id = utf8_percent_encode(sync.as_str(), KEPT).to_string();
        let filled = PLACES.iter().fold(url.to_owned(), |url, place| url.replace(place, &id));
        let wrong = |error| ProbeError::new(format!("the state URL {filled} of a sync is invalid ({error})"));
        Some(filled.parse().map_err(wrong))
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<HeldRecord>, ProbeError> {
        let failed = |why: &str| ProbeError::new(format!("the state URL {url} does not work: {why}"));
        let client = self.client.as_ref();
        let client = client.map_err(|why| ProbeError { is_tls: true, ..failed(&format!("TLS failed ({why})")) })?;
        let answer = client.get(url.clone()).headers(self.headers.clone()).send().await;
        let answer = answer.map_err(|error| match classify(&error, true) {
            failure @ Failure::Tls(_) => ProbeError { is_tls: true, ..failed(&failure.to_string()) },
            _ => failed(&root_cause(&error)),
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(&format!("expected a 2xx response, got {status}{}", redirects_to(answer.headers()))));
        }
        let body = body_of(answer, HeldRecord::MAX_STATE_BYTES).await.map_err(|why| failed(&why))?;
        HeldRecord::parse(&String::from_utf8_lossy(&body)).map_err(|why| failed(&why))
    }
}

/// Returns the settings of the client that reads a state.
fn client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(5))
}

/// Builds a client. It can fail only because the system has no certificates.
fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| reason(&error))
}

impl Probe for StateUrl {
    fn look(&self) -> Looking<'_> {
        Box::pin(self.fetch(&self.url))
    }

    fn look_at(&self, sync: &SyncId) -> Option<Looking<'_>> {
        let url = self.of_sync(sync)?;
        Some(Box::pin(async move { self.fetch(&url?).await }))
    }
}

/// Reads a response body. Returns an error if the body is longer than the bound.
async fn body_of(mut answer: reqwest::Response, bound: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| root_cause(&error))? {
        if chunk.len() > bound - body.len() {
            return Err(format!("the response is longer than {} MiB, which is the limit", bound / 1024 / 1024));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() { "no response within 5 s".to_owned() } else { reason(error) }
}

#[derive(Deserialize)]
struct State {
    records: Vec<StateRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateRecord {
    sync_instance_id: SyncId,
    record_id: RecordId,
    record: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_parsed_and_an_invalid_one_is_reported() {
        let held =
            HeldRecord::parse(r#"{"records":[{"syncInstanceId":"s","recordId":"r","more":1}],"more":2}"#).unwrap();
        assert_eq!(held, [HeldRecord { sync: "s".into(), record: "r".into(), value: None }]);
        for (body, told) in [
            ("", "got \"\""),
            ("[]", "expected {\"records\":["),
            (r#"{"records":"lots"}"#, "expected a sequence"),
            (r#"{"records":[{"recordId":"r"}]}"#, "missing field `syncInstanceId`"),
        ] {
            let error = HeldRecord::parse(body).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
    }

    #[test]
    fn uuids_are_parsed_in_any_case_and_other_ids_are_unchanged() {
        let (sync, record) = ("163A345E-2DD4-51FF-BCF5-7667DE564BB0", "3CE16E330163564D98CE99B0A25AB375");
        let state = format!(r#"{{"records":[{{"syncInstanceId":"{sync}","recordId":"{record}"}}]}}"#);
        let held = HeldRecord::parse(&state).unwrap();
        assert_eq!(held[0].sync.as_str(), "163a345e-2dd4-51ff-bcf5-7667de564bb0");
        assert_eq!(held[0].record.as_str(), "3ce16e33-0163-564d-98ce-99b0a25ab375");
        let held = HeldRecord::parse(r#"{"records":[{"syncInstanceId":"S","recordId":"R"}]}"#).unwrap();
        assert_eq!((held[0].sync.as_str(), held[0].record.as_str()), ("S", "R"));
    }

    #[tokio::test]
    async fn a_closure_may_tell_ids_in_any_case_too() {
        let probe = || async {
            vec![HeldRecord { sync: "163A345E-2DD4-51FF-BCF5-7667DE564BB0".into(), record: "R".into(), value: None }]
        };
        assert_eq!(probe.look().await.unwrap()[0].sync.as_str(), "163a345e-2dd4-51ff-bcf5-7667de564bb0");
    }

    #[test]
    fn the_id_of_a_sync_is_put_into_the_path_and_the_query() {
        let filled = |url: &str, sync: &str| {
            let probe = StateUrl::new(url.parse().unwrap());
            probe.of_sync(&sync.into()).map(|url| url.unwrap().to_string())
        };
        let id = "163a345e-2dd4-51ff-bcf5-7667de564bb0";
        let url = "http://127.0.0.1/syncs/{sync}/state?of={sync}&sync=x";
        assert_eq!(filled(url, id).unwrap(), format!("http://127.0.0.1/syncs/{id}/state?of={id}&sync=x"));
        let strange = "http://127.0.0.1/syncs/a%26%2F%20%C3%A9/state?of=a%26%2F%20%C3%A9&sync=x";
        assert_eq!(filled(url, "a&/ é").unwrap(), strange);
        assert_eq!(filled("http://127.0.0.1/state?sync=%7Bsync", id), None);
        assert!(StateUrl::new("http://127.0.0.1/state".parse().unwrap()).look_at(&id.into()).is_none());
    }

    #[tokio::test]
    async fn a_state_without_an_end_is_given_up_at_the_bound() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/state", listener.local_addr().unwrap()).parse().unwrap();
        let endless = tokio::spawn(async move {
            let (mut line, _) = listener.accept().await.unwrap();
            let _ = line.read(&mut [0; 4_096]).await;
            let _ = line.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
            let (piece, mut sent) = (vec![b'y'; 1 << 20], 0_usize);
            while line.write_all(&piece).await.is_ok() {
                sent += piece.len();
            }
            sent
        });
        let error = StateUrl::new(url.clone()).look().await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the state URL {url} does not work: the response is longer than 64 MiB, which is the limit")
        );
        assert!(endless.await.unwrap() < 2 * HeldRecord::MAX_STATE_BYTES);
    }

    #[tokio::test]
    async fn a_url_that_nobody_answers_is_told_with_the_cause() {
        // This port was free a moment ago, so nobody listens on it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let probe = StateUrl::new(format!("http://{free}/state").parse().unwrap());
        let error = probe.look().await.unwrap_err().to_string();
        let start = format!("the state URL http://{free}/state does not work: ");
        assert!(error.starts_with(&start) && error.to_lowercase().contains("refused"), "{error}");
    }
}
