//! The admin API over a real socket.

use std::collections::BTreeSet;
use std::time::Duration;

use paragon_testkit::clock::eventually;
use paragon_testkit::contract::ADMIN_API;
use paragon_testkit::delivery::{DeliveryFaultKind, Wire};
use paragon_testkit::fake::{ApiFaultKind, RetryAfterHeader, Stale};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::described::{FakeParagon, read};
use crate::wire::sink;

struct Admin {
    paragon: FakeParagon,
    client: reqwest::Client,
}

impl Admin {
    async fn start() -> Self {
        Self::of(FakeParagon::start_with(FakeParagon::builder().admin()).await.unwrap())
    }

    fn of(paragon: FakeParagon) -> Self {
        Self { paragon, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/{path}", self.paragon.admin_url().unwrap());
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    async fn ask(&self, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
        let answer = self.request(method, path).body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8", "{method} {path}");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        self.done("GET", path, "").await
    }

    async fn done(&self, method: &str, path: &str, body: impl ToString) -> Value {
        let (status, body) = self.ask(method, path, body).await;
        assert!(status == 200 || status == 201, "{method} {path}: {status} {body}");
        body
    }

    async fn state(&self) -> String {
        self.request("GET", "state").send().await.unwrap().text().await.unwrap()
    }

    /// Asserts that a request is refused with this status and message, and that it changes nothing.
    async fn refused(&self, method: &str, path: &str, body: impl ToString, status: u16, message: &str) {
        let before = self.state().await;
        let (got, answer) = self.ask(method, path, body).await;
        let told = answer["message"].as_str().unwrap();
        assert_eq!(got, status, "{method} {path}: {told}");
        assert!(told.starts_with(message), "{method} {path}: {told}");
        assert_eq!(answer["statusCode"], status);
        assert!(answer["error"].is_string());
        assert_eq!(self.state().await, before, "{method} {path}");
    }

    /// Creates an account with one file, and enables its sync. Returns the credential, the external id of the file, and
    /// the id of the sync.
    async fn drive(&self) -> (String, String, String) {
        let account = self.done("POST", "accounts", json!({"user": "ada", "integration": "googledrive"})).await;
        let credential = account["credentialId"].as_str().unwrap().to_owned();
        let file = json!({"pipeline": "files", "object": {"name": "a.pdf"}});
        let file = self.done("POST", &format!("accounts/{credential}/objects"), file).await;
        let sync = json!({"user": "ada", "integration": "googledrive", "pipeline": "files"});
        let sync = self.done("POST", "syncs", sync).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (credential, text(&file["externalId"]), text(&sync["id"]))
    }

    async fn fired(&self, path: &str, body: Value) -> Vec<String> {
        let answer = self.done("POST", path, body).await;
        answer["fired"].as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn the_admin_api_exists_only_when_asked_for() {
    let paragon = FakeParagon::start().await;
    assert_eq!(paragon.admin_url(), None);
    let answer = reqwest::get(format!("{}/_testkit/health", paragon.api_url())).await.unwrap();
    assert_eq!(answer.status(), 401, "a call like any other");
}

#[tokio::test]
async fn a_whole_story_is_driven_by_the_admin_api_alone() {
    let admin = Admin::start().await;
    let (url, events) = sink().await;
    let set = admin.done("PUT", "webhook", json!({"url": url.as_str()})).await;
    assert_eq!((&set["state"], &set["policy"]), (&json!("enabled"), &json!("paragon-assumed")));
    let (credential, file, sync) = admin.drive().await;
    assert_eq!(admin.get(&format!("syncs/{sync}")).await["status"], "INITIALIZING");
    let fired = admin.fired("clock/settle", json!({})).await;
    assert_eq!(fired, ["sync      initial run, 1 event", "webhook   sync_complete -> 200"]);
    assert_eq!(events.lock().unwrap()[0]["event"], "sync_complete");

    let objects = format!("accounts/{credential}/objects");
    let changed = admin.done("PATCH", &format!("{objects}/{file}"), json!({"name": "b.pdf", "size": 7})).await;
    assert_eq!((&changed["object"]["name"], &changed["object"]["size"]), (&json!("b.pdf"), &json!(7)));
    assert!(changed["object"]["updatedAt"].is_string());
    assert_eq!(admin.get(&format!("{objects}?pipeline=files")).await["data"][0]["object"]["name"], "b.pdf");
    let fired = admin.fired("clock/next", json!({})).await;
    assert_eq!(fired.last().unwrap(), r#"webhook   record_updated "b.pdf" -> 200"#);
    let records = admin.get(&format!("syncs/{sync}/records")).await;
    assert_eq!((&records["data"][0]["name"], &records["total"]), (&json!("b.pdf"), &json!(1)));
    let unfetched = admin.get(&format!("syncs/{sync}/unfetched")).await;
    assert_eq!(unfetched["data"][0]["recordId"], records["data"][0]["id"]);

    admin.done("DELETE", &format!("{objects}/{file}"), "").await;
    let run = admin.done("POST", &format!("syncs/{sync}/run"), json!({"kind": "FULL"})).await;
    assert_eq!(run["due"], admin.get("clock").await["now"]);
    let fired = admin.fired("clock/settle", json!({})).await;
    assert_eq!(fired.last().unwrap(), r#"webhook   record_deleted "b.pdf" -> 200"#);

    let deliveries = admin.get("deliveries?after=0").await;
    let told: Vec<_> = deliveries["data"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
    assert_eq!(told, ["sync_complete", "record_updated", "record_deleted"]);
    let after = format!("deliveries?after={}", deliveries["data"][1]["number"]);
    assert_eq!(admin.get(&after).await["data"].as_array().unwrap().len(), 1);
    let log = admin.get(&format!("syncs/{sync}/log")).await;
    assert_eq!(log["data"][0]["entry"]["syncEvent"], "INITIAL_SYNC_STARTED");
    let timeline = admin.get("timeline").await;
    assert_eq!(timeline["last"], timeline["data"].as_array().unwrap().len());
}

#[tokio::test]
async fn the_app_sees_what_the_admin_api_created() {
    let admin = Admin::start().await;
    let (_, _, sync) = admin.drive().await;
    admin.done("POST", "clock/settle", "").await;
    let call = async |token: &Value| {
        let url = format!("{}/api/syncs/{sync}/records", admin.paragon.api_url());
        let answer = admin.client.get(url).bearer_auth(token["token"].as_str().unwrap()).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(call(&admin.done("POST", "tokens", json!({"user": "ada"})).await).await, 200);
    assert_eq!(admin.get(&format!("syncs/{sync}/unfetched")).await["data"], json!([]));
    assert_eq!(call(&admin.done("POST", "tokens", json!({"user": "ada", "oddity": "day"})).await).await, 200);
    assert_eq!(call(&admin.done("POST", "tokens", json!({"user": "ada", "flaw": "expired"})).await).await, 401);

    let busy = json!({"on": {"endpoint": "pullRecords"}, "what": {"status": {"code": 429}}, "when": {"next": 1}});
    let fault = admin.done("POST", "faults", &busy).await;
    let good = admin.done("POST", "tokens", json!({"user": "ada"})).await;
    assert_eq!((call(&good).await, call(&good).await), (429, 200));
    assert_eq!(admin.get("faults").await["data"], json!([{"id": fault["id"], "fault": busy, "struck": 1}]));
    admin.done("DELETE", &format!("faults/{}", fault["id"]), "").await;
    admin.done("POST", "faults", json!({"what": "empty_page"})).await;
    admin.done("DELETE", "faults", "").await;
    assert_eq!(admin.get("faults").await["data"], json!([]));
    let users =
        json!([{"id": "ada", "accounts": [admin.get("accounts").await["data"][0]["credentialId"]], "syncs": [sync]}]);
    assert_eq!(admin.get("users").await["data"], users);
}

#[tokio::test]
async fn accounts_get_provider_faults_and_objects_are_hidden() {
    let admin = Admin::start().await;
    let (credential, file, sync) = admin.drive().await;
    let object = format!("accounts/{credential}/objects/{file}");
    assert_eq!(admin.done("POST", &format!("{object}/access"), json!({"hidden": true})).await["hidden"], true);
    let listed = admin.get(&format!("accounts/{credential}/objects?pipeline=files")).await;
    assert_eq!(listed["data"][0]["hidden"], true);
    admin.done("POST", &format!("{object}/access"), json!({"hidden": false})).await;
    admin.done("POST", &format!("{object}/unreadable"), json!({"message": "corrupt"})).await;
    assert!(admin.fired("clock/settle", json!({})).await[0].contains("2 events"), "and record_errored");
    admin.done("POST", &format!("{object}/unreadable"), json!({"message": null})).await;
    let role = json!({"user": "bob@example.com", "role": "can_read"});
    assert_eq!(admin.done("POST", &format!("{object}/share"), &role).await["changed"], true);
    assert_eq!(admin.done("POST", &format!("{object}/unshare"), &role).await["changed"], true);

    let trouble = format!("accounts/{credential}/trouble");
    let limited = json!({"trouble": "rate_limited", "backoff": "90s", "runs": 1});
    assert_eq!(admin.done("POST", &trouble, limited).await["troubles"][0]["trouble"], "rate_limited");
    admin.done("POST", "clock/advance", json!({"by": "1m"})).await;
    assert_eq!(admin.get(&format!("syncs/{sync}")).await["status"], "RATE_LIMITED");
    admin.done("POST", &trouble, json!({"trouble": "credential_revoked"})).await;
    assert_eq!(admin.done("DELETE", &trouble, "").await["troubles"], json!([]));
    assert_eq!(admin.done("POST", &format!("syncs/{sync}/disable"), "").await["status"], "DISABLED");
    assert_eq!(admin.done("POST", &format!("syncs/{sync}/reenable"), "").await["status"], "ACTIVE");
    admin.done("DELETE", &format!("syncs/{sync}"), "").await;
    assert_eq!(admin.get("syncs").await["data"], json!([]));

    let filling = format!("accounts/{credential}/fill");
    admin.done("POST", &filling, json!({"pipeline": "contacts", "count": 5, "seed": 1})).await;
    let contacts = admin.get(&format!("accounts/{credential}/objects?pipeline=contacts&limit=2&from=1")).await;
    assert_eq!((contacts["data"].as_array().unwrap().len(), &contacts["next"]), (2, &json!(3)));
    admin
        .refused("POST", &filling, json!({"pipeline": "contacts", "count": 5}), 409, "the contacts of this account")
        .await;
    admin
        .refused(
            "POST",
            &filling,
            json!({"pipeline": "deals", "count": 1_000_000_000_u64}),
            400,
            "/count: expected at most",
        )
        .await;
}

#[tokio::test]
async fn events_are_sent_by_hand_and_the_webhook_is_switched_on_and_off() {
    let admin = Admin::start().await;
    admin.refused("POST", "webhook/enable", "", 409, "no webhook is set").await;
    let (url, events) = sink().await;
    admin.done("PUT", "webhook", json!({"url": url.as_str()})).await;
    let unknown = json!({"event": "quota_reached", "x": 1});
    assert_eq!(admin.done("POST", "events", &unknown).await["sent"], true);
    admin.done("POST", "clock/idle", "").await;
    assert_eq!(events.lock().unwrap()[..], *std::slice::from_ref(&unknown));
    assert_eq!(admin.done("POST", "webhook/disable", "").await["state"], "disabled");
    let sent = admin.done("POST", "events", &unknown).await;
    assert_eq!((&sent["sent"], &sent["queued"]["deliveries"]), (&json!(false), &json!([])));
    assert_eq!(admin.done("POST", "webhook/enable", "").await["state"], "enabled");
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let admin = Admin::start().await;
    let (credential, file, sync) = admin.drive().await;
    let (account, object) = (format!("accounts/{credential}"), format!("accounts/{credential}/objects/{file}"));
    let objects = format!("{account}/objects");
    for (method, path, body, status, message) in [
        ("GET", "nowhere", "", 404, "Cannot GET /_testkit/nowhere"),
        ("PATCH", "clock", "", 405, "Cannot PATCH /_testkit/clock: expected GET"),
        ("PUT", "state", "{}", 400, "the body: missing field `version`"),
        ("POST", "reset", r#"{"seed":-1}"#, 400, "/seed: invalid value: integer `-1`, expected u64"),
        ("POST", "reset", "[]", 400, "the body: expected an object, got []"),
        ("POST", "reset", "{", 400, "the body is not JSON"),
        ("POST", "tokens", "", 400, "the body: missing field `user`"),
        ("POST", "tokens", r#"{"user":"a","flaw":"bad"}"#, 400, "/flaw: unknown variant `bad`, expected one of"),
        ("POST", "tokens", r#"{"user":"a","flaw":"expired","oddity":"day"}"#, 400, "/oddity: expected none"),
        ("POST", "accounts", r#"{"user":"","integration":"box"}"#, 400, "/user: expected text"),
        ("POST", "accounts", r#"{"user":7,"integration":"box"}"#, 400, "/user: invalid type: integer `7`"),
        ("GET", &objects, "", 400, "?pipeline: expected one of files, contacts"),
        ("GET", &format!("{objects}?pipeline=x"), "", 400, "?pipeline: expected one of files"),
        ("GET", &format!("{objects}?pipeline=files&limit=x"), "", 400, "?limit: expected a number"),
        ("GET", "accounts/x/objects?pipeline=files", "", 404, "there is no account \"x\""),
        ("POST", &objects, r#"{"pipeline":"x","object":{}}"#, 400, "/pipeline: unknown variant `x`"),
        ("POST", &objects, r#"{"pipeline":"files","object":{"size":"big"}}"#, 400, "/object/size: invalid type"),
        ("PATCH", &object, r#"{"name":null}"#, 400, "/object/name: invalid type: null"),
        ("PATCH", &object, r#"{"id":"x"}"#, 400, "/object/id: expected none"),
        ("PATCH", &format!("{objects}/x"), "{}", 404, "there is no object \"x\""),
        ("DELETE", &format!("{objects}/x"), "", 404, "there is no object \"x\""),
        ("POST", &format!("{object}/access"), r#"{"hidden":1}"#, 400, "/hidden: invalid type"),
        ("POST", &format!("{object}/unreadable"), "{}", 400, "the body: missing field `message`"),
        ("POST", &format!("{object}/share"), r#"{"user":"b","role":"x"}"#, 400, "/role: unknown variant `x`"),
        ("POST", &format!("{object}/unshare"), r#"{"user":"b"}"#, 400, "the body: missing field `role`"),
        ("POST", &format!("{account}/trouble"), r#"{"trouble":"x"}"#, 400, "/trouble: unknown variant `x`"),
        ("POST", &format!("{account}/trouble"), r#"{"trouble":"network","runs":"x"}"#, 400, "/runs: invalid type"),
        ("DELETE", "accounts/x/trouble", "", 404, "there is no account"),
        ("POST", "syncs", r#"{"user":"ada","integration":"googledrive","pipeline":"files"}"#, 409, "Sync instance"),
        ("POST", "syncs", r#"{"user":"ada","integration":"googledrive","pipeline":"x"}"#, 400, "pipeline must be one"),
        ("POST", "syncs", r#"{"user":"bob","integration":"box","pipeline":"files"}"#, 400, "bob has no such account"),
        ("GET", "syncs/x", "", 404, "there is no sync \"x\""),
        ("DELETE", "syncs/x", "", 404, "there is no sync"),
        ("GET", "syncs/x/records", "", 404, "there is no sync"),
        ("GET", "syncs/x/log", "", 404, "there is no sync"),
        ("GET", "syncs/x/unfetched", "", 404, "there is no sync"),
        ("POST", &format!("syncs/{sync}/run"), r#"{"kind":"x"}"#, 400, "/kind: unknown variant `x`"),
        ("POST", "syncs/x/disable", "", 404, "there is no sync"),
        ("POST", &format!("syncs/{sync}/reenable"), r#"{"x":1}"#, 400, "/x: unknown field `x`"),
        ("POST", "clock/advance", r#"{"by":"soon"}"#, 400, "/by: expected a duration such as 90s"),
        ("POST", "clock/next", r#"{"x":1}"#, 400, "/x: unknown field"),
        ("POST", "clock/idle", "7", 400, "the body: expected an object, got 7"),
        ("PUT", "webhook", r#"{"url":"nowhere"}"#, 400, "/url: expected a URL such as"),
        ("PUT", "webhook", r#"{"url":"ftp://x"}"#, 400, "/url: expected a URL such as"),
        ("POST", "webhook/disable", "", 409, "no webhook is set"),
        ("POST", "events", "{}", 400, "expected an object with a string member `event`"),
        ("POST", "events", r#"{"event":"sync_complete"}"#, 400, "`sync_complete` does not have its documented form"),
        ("GET", "deliveries?after=x", "", 400, "?after: expected a number"),
        ("GET", "deliveries?follow=1", "", 400, "?follow: expected true or false"),
        ("GET", "timeline?after=-1", "", 400, "?after: expected a number"),
        ("POST", "faults", r#"{"what":"x"}"#, 400, "/what: unknown variant `x`"),
        ("POST", "faults", r#"{"what":{"status":{"code":99}}}"#, 400, "/what/status/code: expected a status"),
        ("DELETE", "faults/9", "", 404, "there is no fault \"9\""),
        ("POST", "scenario", r#"{"scenario":2,"seed":0,"steps":[]}"#, 400, "`scenario`: expected version 1"),
        ("POST", "scenario", r#"{"scenario":1,"seed":0,"steps":[{"do":"x"}]}"#, 400, "/steps/0: unknown variant `x`"),
    ] {
        admin.refused(method, path, body, status, message).await;
    }
    let again = json!({"scenario": 1, "seed": 0, "steps": [
        {"do": "create", "user": "bob", "integration": "box", "object": "a",
            "record": {"name": "a", "mimeType": "text/plain", "size": 1}},
        {"do": "enable", "user": "ada", "integration": "googledrive"},
    ]});
    admin.refused("POST", "scenario", again, 400, "step 2: Sync instance already exists").await;
}

#[tokio::test]
async fn an_exported_state_is_the_same_after_its_import() {
    let admin = Admin::start().await;
    admin.done("PUT", "webhook", json!({"url": "http://127.0.0.1:9/"})).await;
    let (credential, file, sync) = admin.drive().await;
    admin.done("POST", &format!("accounts/{credential}/fill"), json!({"pipeline": "contacts", "count": 3})).await;
    admin.done("POST", "faults", json!({"what": {"stale_reads": {"reads": 2}}})).await;
    admin.done("POST", "clock/settle", "").await;
    let object = format!("accounts/{credential}/objects/{file}");
    admin.done("PATCH", &object, json!({"name": "b.pdf"})).await;
    admin.done("POST", "clock/advance", json!({"by": "1m"})).await;
    let token = admin.paragon.project().token(&"ada".into());
    let pull = format!("{}/api/syncs/{sync}/records", admin.paragon.api_url());
    assert_eq!(admin.client.get(pull).bearer_auth(token).send().await.unwrap().status(), 200);

    let state = admin.state().await;
    assert!(!state.contains("PRIVATE KEY"));
    let document: Value = serde_json::from_str(&state).unwrap();
    fits_into_floats(&document);
    assert!(document["queue"]["again"][0]["bodies"][0]["text"].as_str().unwrap().contains("record_updated"), "{state}");
    let reset = admin.done("POST", "reset", json!({"seed": 7})).await;
    assert_eq!(
        (&reset["seed"], &reset["accounts"], &reset["webhook"]["state"]),
        (&json!(7), &json!(0), &json!("enabled"))
    );
    assert_eq!(admin.get("clock").await["now"], admin.get("clock").await["start"]);
    assert_ne!(admin.state().await, state);
    assert_eq!(admin.done("PUT", "state", &state).await["syncs"], 1);
    assert_eq!(admin.state().await, state);
    // The imported state goes on: the delivery that was pending is made.
    assert!(admin.fired("clock/next", json!({})).await[0].contains("record_updated"));

    for (pointer, value, message) in [
        ("/version", json!(2), "/version: expected 1, got 2"),
        ("/project", json!("other"), "/project: expected "),
        ("/accounts/0/user", json!(7), "/accounts/0/user: invalid type"),
        ("/accounts", json!([]), "/engine/syncs."),
        ("/queue/again/0/number", json!(0), "/queue: again[0].number: expected 1"),
        ("/clock", json!("now"), "/clock: expected a time in RFC 3339"),
        ("/more", json!(1), "/more: unknown field `more`"),
    ] {
        let mut wrong = document.clone();
        match wrong.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => wrong[&pointer[1..]] = value,
        }
        admin.refused("PUT", "state", wrong, 400, message).await;
    }
}

/// Asserts that every integer is exact as a float, because JavaScript reads numbers as floats.
fn fits_into_floats(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(fits_into_floats),
        Value::Object(members) => members.values().for_each(fits_into_floats),
        Value::Number(number) => assert!(number.as_u64().is_none_or(|number| number < 1 << 53), "{number}"),
        _ => {}
    }
}

#[tokio::test]
async fn health_answers_during_a_long_advance_and_a_reset_ends_it() {
    let admin = Admin::start().await;
    admin.drive().await;
    let health = admin.get("health").await;
    assert_eq!((&health["speed"], &health["apiUrl"]), (&Value::Null, &json!(admin.paragon.api_url())));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    let mut long = Box::pin(admin.ask("POST", "clock/advance", json!({"by": "87600h"})));
    let begun = async {
        let moved = || async { (admin.get("health").await["now"] != health["now"]).then_some(()) };
        assert!(eventually(Duration::from_secs(20), moved).await.is_some());
        admin.done("POST", "reset", "").await;
        std::future::pending::<()>().await;
    };
    let (status, refused) = tokio::select! { ended = &mut long => ended, () = begun => unreachable!("it never ends") };
    assert_eq!((status, &refused["message"]), (409, &json!("the state was replaced meanwhile")));
    assert_eq!(admin.get("health").await["now"], health["now"], "the clock shows what it showed at first");
}

#[tokio::test]
async fn deliveries_can_be_followed_as_a_stream() {
    let admin = Admin::start().await;
    let (url, _) = sink().await;
    admin.done("PUT", "webhook", json!({"url": url.as_str()})).await;
    admin.done("POST", "events", json!({"event": "before"})).await;
    admin.done("POST", "clock/settle", "").await;
    let mut stream = admin.request("GET", "deliveries?follow=true").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "application/x-ndjson");
    for event in ["before", "after"] {
        if event == "after" {
            admin.done("POST", "events", json!({"event": event})).await;
            admin.done("POST", "clock/settle", "").await;
        }
        let line = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await.unwrap().unwrap().unwrap();
        let entry: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&entry["event"], &entry["status"], &entry["kind"]),
            (&json!(event), &json!(200), &json!("attempt"))
        );
    }
}

#[tokio::test]
async fn a_scenario_is_played() {
    let admin = Admin::start().await;
    let scenario = json!({"scenario": 1, "seed": 0, "steps": [
        {"do": "create", "user": "ada", "integration": "box", "object": "a",
            "record": {"name": "a.txt", "mimeType": "text/plain", "size": 1}},
        {"do": "enable", "user": "ada", "integration": "box"},
        {"do": "advance", "by": "1m"},
        {"do": "update", "object": "a", "set": {"name": "b.txt"}},
        {"do": "advance", "by": "1m"},
    ]});
    let played = admin.done("POST", "scenario", scenario).await;
    let records = admin.get(&format!("syncs/{}/records", played["syncs"][0].as_str().unwrap())).await;
    assert_eq!(records["data"][0]["name"], "b.txt");
    assert!(played["fired"].as_array().unwrap().len() >= 4);
}

#[tokio::test]
async fn the_running_clock_does_not_wait_for_a_slow_receiver() {
    let builder = FakeParagon::builder().admin().timeline_limit(50).answer_within(Duration::from_secs(60));
    let admin = Admin::of(FakeParagon::start_with(builder).await.unwrap());
    // Accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    admin.done("PUT", "webhook", json!({"url": url})).await;
    let (credential, _, sync) = admin.drive().await;
    let running = tokio::spawn(admin.paragon.run(600_000.0));
    let ran = || async {
        let log = admin.get(&format!("syncs/{sync}/log")).await;
        (log["data"].as_array().unwrap().len() > 20).then_some(())
    };
    assert!(eventually(Duration::from_secs(20), ran).await.is_some(), "runs go on while the first event hangs");
    assert_eq!(admin.get("health").await["speed"], 600_000.0);
    let objects = format!("accounts/{credential}/objects");
    for n in 0..60 {
        let file = json!({"pipeline": "files", "object": {"name": format!("{n}.pdf")}});
        admin.done("POST", &objects, file).await;
    }
    let timeline = admin.get("timeline").await;
    assert_eq!(timeline["data"].as_array().unwrap().len(), 50);
    assert!(timeline["dropped"].as_u64().unwrap() >= 10);
    let told = admin.paragon.timeline().to_string();
    assert!(told.contains("entries were dropped: the timeline has a limit"), "{told}");
    running.abort();
    let _ = running.await;
    let stopped = || async { admin.paragon.speed().is_none().then_some(()) };
    assert!(eventually(Duration::from_secs(20), stopped).await.is_some());
    drop(silent);
}

#[tokio::test]
async fn delivery_faults_are_set_and_their_deliveries_are_explained() {
    let admin = Admin::start().await;
    admin.done("PUT", "webhook", json!({"url": "http://127.0.0.1:9/"})).await;
    let wrong = json!({"what": "duplicate", "probability": 2});
    admin.refused("POST", "adversities", wrong, 400, "/probability: expected a probability from 0 to 1, got 2").await;
    let unreachable = json!({"what": "unreachable", "next": 1});
    for fault in [unreachable.clone(), json!({"what": {"wire": "hang_up"}})] {
        assert_eq!(admin.done("POST", "adversities", &fault).await, fault);
    }
    assert_eq!(admin.get("adversities").await["data"][0], unreachable);
    admin.done("POST", "events", json!({"event": "something"})).await;
    admin.fired("clock/settle", json!({})).await;
    let told = admin.get("deliveries/0").await;
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("delivery #1, under policy paragon-assumed\n"), "{text}");
    assert!(text.contains("attempt 1 -> unreachable (simulated): again at +00:00:10, by backoff: {\"list\""), "{text}");
    assert_eq!((&told["next"]["attempt"], told["attempts"].as_array().unwrap().len()), (&json!(2), 1));
    admin.refused("GET", "deliveries/7", "", 404, "there is no delivery \"7\"").await;
    admin.done("DELETE", "adversities", json!({})).await;
    assert_eq!(admin.get("adversities").await["data"], json!([]));
}

/// Returns the names of the variants of `T`, taken from the error message of serde.
fn names<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(json!("none of these")).unwrap_err().to_string();
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// Returns the names that a schema of the description lists. A name is a string value, or the only property of an
/// object.
fn described(schema: &Value) -> BTreeSet<String> {
    let ways = schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
    let of_way = |way: &Value| match &way["enum"] {
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        _ => way["properties"].as_object().unwrap().keys().cloned().collect(),
    };
    ways.iter().flat_map(of_way).collect()
}

#[test]
fn the_description_lists_every_kind_of_fault() {
    let description = read(ADMIN_API);
    let schema = |name: &str| &description["components"]["schemas"][name];
    let member = |schema: &'_ Value, name: &str| {
        schema["oneOf"].as_array().unwrap().iter().find_map(|way| way["properties"].get(name)).unwrap().clone()
    };
    assert_eq!(described(schema("ApiFaultKind")), names::<ApiFaultKind>());
    assert_eq!(described(schema("RetryAfter")), names::<RetryAfterHeader>());
    assert_eq!(described(&member(schema("ApiFaultKind"), "stale_reads")), names::<Stale>());
    assert_eq!(described(schema("DeliveryFaultKind")), names::<DeliveryFaultKind>());
    assert_eq!(described(&member(schema("DeliveryFaultKind"), "wire")), names::<Wire>());
}

#[tokio::test]
async fn a_state_that_an_earlier_version_exported_is_imported() {
    let builder = FakeParagon::builder().admin().project("p");
    let admin = Admin::of(FakeParagon::start_with(builder).await.unwrap());
    let summary = admin.done("PUT", "state", include_str!("state_of_an_earlier_version.json")).await;
    assert_eq!((&summary["accounts"], &summary["syncs"]), (&json!(1), &json!(1)));
    assert_eq!(admin.get("webhook").await["pending"], 1, "the delivery that waits for its next attempt");
    assert_eq!(admin.get("adversities").await["data"], json!([{"what": "duplicate", "probability": 0.5}]));
    assert_eq!(admin.get("faults").await["data"][0]["fault"]["what"], "empty_page");
    let accounts = admin.get("accounts").await;
    assert_eq!(accounts["data"][0]["troubles"], json!([{"trouble": "network"}]));
}

#[tokio::test]
async fn every_example_of_the_description_is_accepted() {
    let (admin, description) = (Admin::start().await, read(ADMIN_API));
    let mut taken = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
            for (name, example) in examples.into_iter().flatten() {
                let path = path.strip_prefix("/_testkit/").unwrap();
                let (status, body) = admin.ask(&method.to_uppercase(), path, &example["value"]).await;
                assert!(matches!(status, 200 | 201), "{method} {path}, {name}: {status} {body}");
                taken += 1;
            }
        }
    }
    assert!(taken >= 9, "{taken}");
}
