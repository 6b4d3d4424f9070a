use std::pin::Pin;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::contract::{RecordId, SyncId};

/// A record that a receiver says it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Of which sync.
    pub sync: SyncId,
    /// Which record.
    pub record: RecordId,
    /// What it holds of it; may be left out or partial.
    pub value: Option<Value>,
}

impl Held {
    /// Reads a receiver's state: `{"records":[{"syncInstanceId":"…","recordId":"…","record":{…}}]}`. Members beyond
    /// these are ignored, and `record` may be left out.
    ///
    /// ```
    /// use paragon_testkit::check::Held;
    /// let held = Held::parse(r#"{"records": [{"syncInstanceId": "s", "recordId": "r"}]}"#)?;
    /// assert_eq!(held[0].record, "r".into());
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Says what was expected, and how the text begins.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let state: State = serde_json::from_str(text).map_err(|error| {
            let start: String = text.chars().take(80).collect();
            format!(
                "expected {{\"records\":[{{\"syncInstanceId\":…,\"recordId\":…,\"record\":…}}]}}, got {start:?} ({error})"
            )
        })?;
        let held = state.records.into_iter();
        Ok(held.map(|held| Held { sync: held.sync_instance_id, record: held.record_id, value: held.record }).collect())
    }
}

/// A state probe that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

/// A look at the receiver's own state that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Vec<Held>, ProbeError>> + Send + 'a>>;

/// The receiver's own view of what it holds.
pub trait Probe: Send + Sync {
    /// Asks for it.
    fn look(&self) -> Looking<'_>;
}

/// One of several.
impl Probe for Box<dyn Probe> {
    fn look(&self) -> Looking<'_> {
        (**self).look()
    }
}

/// A closure is a probe, for receivers in the same process.
impl<F, T> Probe for F
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Vec<Held>> + Send + 'static,
{
    fn look(&self) -> Looking<'_> {
        let looking = self();
        Box::pin(async { Ok(looking.await) })
    }
}

/// A URL that answers `{"records":[{"syncInstanceId":"…","recordId":"…","record":{…}}]}`; members beyond these are
/// ignored, and `record` may be left out.
#[derive(Clone, Debug)]
pub struct StateUrl {
    url: Url,
    client: reqwest::Client,
}

impl StateUrl {
    /// # Panics
    ///
    /// When the system has no means to make an HTTP client at all.
    pub fn new(url: Url) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap_or_else(|error| panic!("cannot make an HTTP client: {error}"));
        Self { url, client }
    }

    async fn fetch(&self) -> Result<Vec<Held>, String> {
        let answer = self.client.get(self.url.clone()).send().await.map_err(|error| root_cause(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let body = answer.text().await.map_err(|error| root_cause(&error))?;
        Held::parse(&body)
    }
}

impl Probe for StateUrl {
    fn look(&self) -> Looking<'_> {
        Box::pin(async {
            self.fetch().await.map_err(|why| ProbeError(format!("the state URL {} is of no use: {why}", self.url)))
        })
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "no answer within 5 s".to_owned() } else { cause.to_string() }
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
    fn a_state_is_read_and_nonsense_is_told() {
        let held = Held::parse(r#"{"records":[{"syncInstanceId":"s","recordId":"r","more":1}],"more":2}"#).unwrap();
        assert_eq!(held, [Held { sync: "s".into(), record: "r".into(), value: None }]);
        for (body, told) in [
            ("", "got \"\""),
            ("[]", "expected {\"records\":["),
            (r#"{"records":"lots"}"#, "expected a sequence"),
            (r#"{"records":[{"recordId":"r"}]}"#, "missing field `syncInstanceId`"),
        ] {
            let error = Held::parse(body).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
    }

    #[tokio::test]
    async fn a_url_that_nobody_answers_is_told_with_the_cause() {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let probe = StateUrl::new(format!("http://{free}/state").parse().unwrap());
        let error = probe.look().await.unwrap_err().to_string();
        let start = format!("the state URL http://{free}/state is of no use: ");
        assert!(error.starts_with(&start) && error.to_lowercase().contains("refused"), "{error}");
    }
}
