//! The Sync API and the Permissions API over a real socket.

mod content;
mod faults;
mod permissions;
mod quirks;
mod records;
mod syncs;
mod tokens;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use paragon_testkit::contract::File;
use paragon_testkit::fake::{Endpoint, Server};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::described::{self, FakeParagon};

const SERVERS: [Server; 2] = [Server::Wiremock, Server::Hyper];
/// An id that is neither a record of any sync nor a sync of any user.
const NOBODYS: &str = "3ce16e33-0163-564d-98ce-99b0a25ab375";

/// An app that calls the API for one user.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    api_url: String,
    token: String,
}

impl Client {
    pub(crate) fn new(paragon: &paragon_testkit::FakeParagon, user: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, api_url: paragon.api_url(), token: paragon.project().token(&user.into()) }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.api_url);
        self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token)
    }

    /// Sends a request, and returns the status and the JSON of the response.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = self.request(method, path).body(body.to_owned()).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, "").await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("POST", path, &body.to_string()).await
    }

    async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("PATCH", path, &body.to_string()).await
    }

    /// Pulls a page of a sync. The query is appended to the path unchanged.
    pub(crate) async fn pull(&self, sync: &str, query: &str) -> Value {
        let (status, page) = self.get(&format!("/api/syncs/{sync}/records{query}")).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    /// Pulls all records after a cursor. Returns the records and the last cursor.
    pub(crate) async fn pull_all(
        &self,
        sync: &str,
        cursor: Option<String>,
        size: usize,
    ) -> (Vec<Value>, Option<String>) {
        let (mut cursor, mut all) = (cursor, Vec::new());
        loop {
            let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.pull(sync, &format!("?pageSize={size}{after}")).await;
            all.extend(page["data"].as_array().unwrap().clone());
            cursor = page["paging"]["cursor"].as_str().map(str::to_owned);
            if page["paging"]["remainingRecords"] == 0 {
                return (all, cursor);
            }
        }
    }
}

fn refusal(status: u16, error: &str, message: &str) -> (u16, Value) {
    (status, json!({"message": message, "error": error, "statusCode": status}))
}

fn no_sync() -> (u16, Value) {
    refusal(404, "Not Found", "Sync not found")
}

/// Returns the header that tells the developer the reason, in addition to the body.
fn reason(answer: &Response) -> &str {
    answer.headers()["paragon-testkit-reason"].to_str().unwrap()
}

fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["name"].as_str().unwrap_or("(deleted)")).collect()
}

/// Returns the method and the path of an endpoint, for a sync and a record.
fn place(endpoint: Endpoint, sync: &str, record: &str) -> (&'static str, String) {
    let (method, path) = described::place(endpoint);
    (method, path.replace("{syncId}", sync).replace("{recordId}", record))
}

/// Returns a request body that an endpoint accepts.
fn good_body(endpoint: Endpoint, record: &str) -> Value {
    let (user, role) = ("ada@example.com", "can_read");
    match endpoint {
        Endpoint::EnableSync => json!({"integration": "googledrive", "pipeline": "files", "configurationName": "b"}),
        Endpoint::UpdateSync => json!({"incrementalAccumulatorFrequency": "5m"}),
        Endpoint::CheckAccess => json!({"object": record, "user": user, "role": role}),
        Endpoint::BatchCheckAccess => {
            json!({"checks": [{"object": record, "user": format!("user:{user}"), "role": role}]})
        }
        Endpoint::ListUsers => json!({"object": record, "role": role}),
        Endpoint::ListObjects | Endpoint::StreamListObjects | Endpoint::StreamListObjectsAllSyncs => {
            json!({"objectType": "file", "user": user, "role": role})
        }
        Endpoint::ExpandAccess => json!({"object": record, "relation": role}),
        _ => Value::Null,
    }
}

/// Checks that the fake can send every response that the description contains.
#[tokio::test]
async fn the_fake_sends_every_described_response() {
    let given: Arc<Mutex<BTreeSet<(String, u16)>>> = Arc::default();
    let note = given.clone();
    let builder = FakeParagon::builder().observe(move |exchange| {
        if let Some(endpoint) = exchange.endpoint {
            let id = serde_json::to_value(endpoint).unwrap().as_str().unwrap().to_owned();
            note.lock().unwrap().insert((id, exchange.response.status().as_u16()));
        }
    });
    let paragon = FakeParagon::start_with(builder).await.unwrap();
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let folder = drive.create(File { mime_type: "application/vnd.google-apps.folder".into(), ..File::named("f") });
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let (id, record) = (sync.id().as_str(), sync.record_of(&file).unwrap());
    let folder = sync.record_of(&folder).unwrap();

    // The sync is deleted last, because the other endpoints need it.
    let (deleting, others): (Vec<_>, Vec<_>) = Endpoint::ALL.iter().partition(|one| **one == Endpoint::DeleteSync);
    for endpoint in others.into_iter().chain(deleting).copied() {
        let body = good_body(endpoint, record.as_str());
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (method, nobodys) = place(endpoint, NOBODYS, NOBODYS);
        let anonymous = ada.http.request(method.parse().unwrap(), format!("{}{nobodys}", ada.api_url));
        assert_eq!(anonymous.send().await.unwrap().status(), 401, "{endpoint:?}");
        if nobodys.contains(NOBODYS) {
            assert_eq!(ada.request(method, &nobodys).body(text.clone()).send().await.unwrap().status(), 404);
        }
        let (_, path) = place(endpoint, id, record.as_str());
        if !body.is_null() {
            assert_eq!(ada.request(method, &path).body("{").send().await.unwrap().status(), 400, "{endpoint:?}");
        }
        let times = if endpoint == Endpoint::EnableSync { vec![200, 409] } else { vec![200] };
        for status in times {
            let answer = ada.request(method, &path).body(text.clone()).send().await.unwrap();
            assert_eq!(answer.status(), status, "{endpoint:?}");
        }
        match endpoint {
            Endpoint::PullRecords => assert_eq!(ada.get(&format!("{path}?cursor=x")).await.0, 400),
            Endpoint::GetPermissionChanges => assert_eq!(ada.get(&format!("{path}?type=x")).await.0, 400),
            Endpoint::DownloadContent => {
                assert_eq!(ada.get(&place(endpoint, id, folder.as_str()).1).await.0, 400);
            }
            _ => {}
        }
    }
    assert_eq!(*given.lock().unwrap(), described::answers());
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = FakeParagon::builder().port(port).start().await.err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot listen on 127.0.0.1:{port}")), "{error}");
    assert!(error.is_port() && !error.is_policy() && !error.is_signing_key());
    let error = FakeParagon::builder().signing_key("x").start().await.err().unwrap();
    assert!(error.to_string().starts_with("signing key: expected an RSA private key"), "{error}");
    assert!(error.is_signing_key() && !error.is_policy() && !error.is_port());
}
