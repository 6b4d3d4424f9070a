//! The part of the Sync API that the receiver needs: pulling a page of a sync's feed.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::{Value, json};

/// Timeout of a call, including the body of the response.
const TIMEOUT: Duration = Duration::from_secs(10);
const TOKEN_LIFETIME: u64 = 3600;

pub(crate) struct Paragon {
    http: reqwest::Client,
    base: String,
    project: String,
    key: EncodingKey,
}

/// A page of the feed.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// Records, and tombstones of deleted records.
    pub(crate) data: Vec<Value>,
    pub(crate) paging: Paging,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paging {
    pub(crate) cursor: Option<String>,
    #[serde(default)]
    pub(crate) remaining_records: u64,
}

/// The reason why a call returned no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A retry may succeed: no response, a broken response, 5xx, 429, or an expired token.
    #[error("{why}")]
    Later {
        why: String,
        /// The shortest pause before the retry, from `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The user has no such sync: the sync was deleted, or the event was forged.
    #[error("the user has no such sync")]
    Gone,
    /// The call was refused. If the call had a cursor, the cursor may be the reason.
    #[error("refused with {0}")]
    Refused(StatusCode),
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Later { why: error.to_string(), retry_after: None }
    }
}

impl Paragon {
    pub(crate) fn new(base: String, project: String, key: &str) -> Result<Self, crate::OpenError> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, base, project, key: EncodingKey::from_rsa_pem(key.as_bytes())? })
    }

    /// Pulls the page after a cursor, with a token of this user.
    pub(crate) async fn page(&self, sync: &str, user: &str, cursor: Option<&str>) -> Result<Page, Trouble> {
        let url = format!("{}/api/syncs/{sync}/records", self.base);
        let token = self.token(user).map_err(|error| Trouble::Later { why: error.to_string(), retry_after: None })?;
        let call = self.http.get(url).query(&[("pageSize", "100")]).bearer_auth(token);
        let call = if let Some(cursor) = cursor { call.query(&[("cursor", cursor)]) } else { call };
        let answer = call.send().await?;
        let status = answer.status();
        match status {
            StatusCode::OK => Ok(answer.json().await?),
            StatusCode::NOT_FOUND => Err(Trouble::Gone),
            // The next call uses a new token.
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(later(&answer))
            }
            _ if status.is_server_error() => Err(later(&answer)),
            _ => Err(Trouble::Refused(status)),
        }
    }

    /// Signs a token of this user. This takes about a millisecond.
    fn token(&self, user: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let audience = format!("useparagon.com/{}", self.project);
        let claims = json!({"sub": user, "aud": audience, "iat": now, "exp": now + TOKEN_LIFETIME});
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
    }
}

fn later(answer: &reqwest::Response) -> Trouble {
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // The header may also be a date. The receiver ignores a date, and makes its usual pause.
    Trouble::Later { why: format!("answered {}", answer.status()), retry_after: seconds.map(Duration::from_secs) }
}
