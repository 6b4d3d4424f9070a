//! A receiver of Paragon Managed Sync.
//!
//! An event only says that its sync may have changed. The receiver stores the event before it responds; a worker then
//! pulls the sync from where the last pull stopped. So events may come late, twice, in any order or not at all, and the
//! receiver may be killed at any moment: the records are right in the end.

mod paragon;
mod store;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

use paragon::Paragon;
use store::Store;

/// The configuration of the receiver.
#[derive(Clone)]
pub struct Config {
    /// Base URL of the Sync API, without `/api`.
    pub api_url: String,
    /// The id of the project.
    pub project_id: String,
    /// The signing key of the project, as PEM.
    pub signing_key: String,
    /// The path of the SQLite file, or `:memory:`.
    pub database: String,
    /// Whether to serve `GET /state`, which returns all records to anybody. For tests only.
    pub expose_state: bool,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the configuration from the environment.
    ///
    /// # Errors
    ///
    /// Returns an error that names the missing variable.
    pub fn from_env() -> Result<Self, String> {
        let var = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Self {
            api_url: var("PARAGON_API_URL")?,
            project_id: var("PARAGON_PROJECT_ID")?,
            signing_key: var("PARAGON_SIGNING_KEY")?,
            database: var("DATABASE")?,
            expose_state: std::env::var_os("EXPOSE_STATE").is_some(),
        })
    }
}

/// The application: its store, and its client of the Sync API.
#[derive(Clone)]
pub struct App {
    store: Arc<Store>,
    paragon: Arc<Paragon>,
    /// Wakes the worker.
    something_to_do: Arc<Notify>,
    expose_state: bool,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// The reason why the application does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be opened.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The signing key is invalid.
    #[error("signing key: {0}")]
    Key(#[from] jsonwebtoken::errors::Error),
    /// The HTTP client cannot be built.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl App {
    /// Opens the database. Nothing is pulled before [`App::work`] runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or if the signing key is invalid.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        Ok(Self {
            store: Arc::new(Store::open(&config.database)?),
            paragon: Arc::new(Paragon::new(config.api_url, config.project_id, &config.signing_key)?),
            something_to_do: Arc::default(),
            expose_state: config.expose_state,
        })
    }

    /// Returns the routes: `POST /webhook`, and `GET /state` if it is exposed.
    pub fn router(&self) -> Router {
        let router = Router::new().route("/webhook", post(webhook));
        let router = if self.expose_state { router.route("/state", get(state)) } else { router };
        router.with_state(self.clone())
    }

    /// Returns all held records, in the form that the state probe of paragon-testkit reads.
    ///
    /// # Panics
    ///
    /// Panics if the database cannot be read.
    pub fn state(&self) -> Value {
        let records = self.store.records().unwrap_or_else(|error| panic!("the database cannot be read: {error}"));
        let told = records
            .into_iter()
            .map(|(sync, id, record)| json!({"syncInstanceId": sync, "recordId": id, "record": record}));
        json!({"records": told.collect::<Vec<_>>()})
    }

    /// Returns the names of all held records, by the id of their sync.
    ///
    /// # Panics
    ///
    /// Panics if the database cannot be read.
    pub fn names(&self) -> HashMap<String, Vec<String>> {
        let records = self.store.records().unwrap_or_else(|error| panic!("the database cannot be read: {error}"));
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        for (sync, _, record) in records {
            names.entry(sync).or_default().push(record["name"].as_str().unwrap_or_default().to_owned());
        }
        for names in names.values_mut() {
            names.sort();
        }
        names
    }
}

async fn state(State(app): State<App>) -> Json<Value> {
    Json(app.state())
}

/// Responds 2xx only after the event is stored: Paragon does not send it again after that.
async fn webhook(State(app): State<App>, body: Bytes) -> Response {
    let event: Value = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    if !event["event"].is_string() {
        return (StatusCode::BAD_REQUEST, "expected a member `event`").into_response();
    }
    // Every event that names a sync and a user causes a pull, whatever its name is. All other events, such as the
    // verification event and events of the future, are answered 2xx too.
    if let (Some(sync), Some(user)) = (event["syncInstanceId"].as_str(), event["user"]["id"].as_str()) {
        if let Err(error) = app.store.add_work(sync, user) {
            return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response();
        }
        app.something_to_do.notify_one();
    }
    StatusCode::OK.into_response()
}
