//! A webhook receiver for Paragon Managed Sync, as an example to copy. It needs axum, reqwest, jsonwebtoken and
//! `serde_json`.
//!
//! The receiver treats an event only as a hint that something changed. On each event it pulls the feed of the sync from
//! its stored cursor, with a token of the user who owns the data, and updates its own records from the feed. An event
//! that comes twice, late or out of order therefore does no harm. The receiver answers 2xx only after the records are
//! stored. If the Sync API fails, the receiver answers 503, and Paragon sends the event again.
//!
//! This example keeps its records in memory. A real receiver uses a database, and stores the cursor in the same
//! transaction as the records.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Timeout of a call of the Sync API. It is short, because the webhook must be answered in time even if the Sync API is
/// slow.
const TO_FETCH: Duration = Duration::from_secs(1);

/// Settings that the receiver needs from Paragon.
pub(crate) struct Config {
    /// Base URL of the Sync API; `https://sync.useparagon.com` in production.
    pub(crate) api_url: String,
    pub(crate) project_id: String,
    /// Private signing key of the project, as PEM.
    pub(crate) signing_key: String,
}

/// The cursor and the records of one sync.
#[derive(Default)]
struct Synced {
    cursor: Option<String>,
    records: BTreeMap<String, Value>,
}

struct Receiver {
    config: Config,
    key: EncodingKey,
    client: reqwest::Client,
    /// Each sync has its own lock. Two events of the same sync wait for each other; events of different syncs do not.
    syncs: SyncMutex<HashMap<String, Arc<Mutex<Synced>>>>,
}

/// Returns a router that takes events at `POST /webhook` and lists the stored records at `GET /state`.
pub(crate) fn router(config: Config) -> Result<Router, Box<dyn std::error::Error>> {
    let key = EncodingKey::from_rsa_pem(config.signing_key.as_bytes())?;
    let client = reqwest::Client::builder().no_proxy().timeout(TO_FETCH).build()?;
    let receiver = Receiver { config, key, client, syncs: SyncMutex::default() };
    let routes = Router::new().route("/webhook", post(webhook)).route("/state", get(state));
    Ok(routes.with_state(Arc::new(receiver)))
}

async fn webhook(State(receiver): State<Arc<Receiver>>, body: Bytes) -> (StatusCode, String) {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "expected JSON".to_owned());
    };
    let (Some(sync), Some(user)) = (event["syncInstanceId"].as_str(), event["user"]["id"].as_str()) else {
        // The probe that verifies the URL, for example, names no sync.
        return (StatusCode::OK, "nothing to do".to_owned());
    };
    let done = match event["event"].as_str() {
        Some("sync_complete" | "record_created" | "record_updated") => receiver.pull(sync, user).await,
        Some("record_deleted") => {
            receiver.remove(sync, event["data"]["recordId"].as_str().unwrap_or_default()).await;
            receiver.pull(sync, user).await
        }
        _ => Ok(()),
    };
    match done {
        Ok(()) => (StatusCode::OK, "done".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("cannot pull: {error}")),
    }
}

async fn state(State(receiver): State<Arc<Receiver>>) -> Json<Value> {
    let mut records = Vec::new();
    for (sync, synced) in receiver.all() {
        for (id, record) in &synced.lock().await.records {
            records.push(json!({"syncInstanceId": sync, "recordId": id, "record": record}));
        }
    }
    Json(json!({"records": records}))
}

impl Receiver {
    /// Pulls all pages of changes since the stored cursor.
    async fn pull(&self, sync: &str, user: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let synced = self.sync(sync);
        let mut synced = synced.lock().await;
        loop {
            let url = format!("{}/api/syncs/{sync}/records", self.config.api_url);
            let mut request = self.client.get(url).query(&[("pageSize", "100")]).bearer_auth(self.token(user)?);
            if let Some(cursor) = &synced.cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let answer = request.send().await?;
            if !answer.status().is_success() {
                return Err(format!("the Sync API answered {}", answer.status()).into());
            }
            let page: Value = answer.json().await?;
            let records = page["data"].as_array().ok_or("a page without data")?;
            for record in records {
                let id = record["id"].as_str().ok_or("a record without an id")?.to_owned();
                // A tombstone has only the ids of the deleted record, and in some versions `deleted: true`.
                if record["deleted"] == true || record.get("name").is_none() {
                    synced.records.remove(&id);
                } else {
                    synced.records.insert(id, record.clone());
                }
            }
            if let Some(cursor) = page["paging"]["cursor"].as_str() {
                synced.cursor = Some(cursor.to_owned());
            }
            if records.is_empty() || page["paging"]["remainingRecords"] == 0 {
                return Ok(());
            }
        }
    }

    async fn remove(&self, sync: &str, record: &str) {
        self.sync(sync).lock().await.records.remove(record);
    }

    /// Returns a user token. It names the user, the project, and the expiry time.
    fn token(&self, user: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let now = jsonwebtoken::get_current_timestamp();
        let audience = format!("useparagon.com/{}", self.config.project_id);
        let claims = json!({"sub": user, "aud": audience, "iat": now, "exp": now + 3600});
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)?)
    }

    fn sync(&self, id: &str) -> Arc<Mutex<Synced>> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner).entry(id.to_owned()).or_default().clone()
    }

    fn all(&self) -> Vec<(String, Arc<Mutex<Synced>>)> {
        let syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        syncs.iter().map(|(id, synced)| (id.clone(), synced.clone())).collect()
    }
}
