//! The Sync API over a real socket.

use paragon_testkit::FakeParagon;
use paragon_testkit::contract::File;
use paragon_testkit::fake::{Flaw, Oddity};
use serde_json::{Value, json};

pub(crate) struct Client<'a> {
    pub(crate) paragon: &'a FakeParagon,
    pub(crate) user: &'a str,
}

impl Client<'_> {
    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.paragon.api_url());
        let request = client.request(method.parse().unwrap(), url).body(body.to_owned());
        let answer = request.bearer_auth(self.paragon.project().token(&self.user.into())).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, "").await
    }
}

fn refusal(status: u16, error: &str, message: &str) -> (u16, Value) {
    (status, json!({"message": message, "error": error, "statusCode": status}))
}

#[tokio::test]
async fn enable_list_status_pull_and_get() {
    let paragon = FakeParagon::start().await;
    let ada = Client { paragon: &paragon, user: "ada" };
    let drive = paragon.user("ada").connect("googledrive");
    let files: Vec<_> = (0..5).map(|n| drive.create(File::named(format!("{n}.pdf")))).collect();

    let enable = r#"{"integration":"googledrive","pipeline":"files","configuration":{}}"#;
    let (status, sync) = ada.call("POST", "/api/syncs", enable).await;
    assert_eq!((status, &sync["status"]), (200, &json!("INITIALIZING")));
    assert_eq!((&sync["userId"], &sync["projectId"]), (&json!("ada"), &json!(paragon.project().id)));
    assert_eq!(ada.call("POST", "/api/syncs", enable).await, refusal(409, "Conflict", "Sync instance already exists"));
    let id = sync["id"].as_str().unwrap();
    let (_, before) = ada.get(&format!("/api/syncs/{id}/records")).await;
    assert_eq!(before["data"], json!([]), "nothing is there before the first run");
    assert_eq!(before["paging"]["cursor"], json!(null));

    paragon.settle().await;
    let (_, status) = ada.get(&format!("/api/syncs/{id}")).await;
    assert_eq!((&status["status"], &status["summary"]["totalRecords"]), (&json!("IDLE"), &json!(5)));
    let (_, list) = ada.get("/api/syncs").await;
    assert_eq!((list["data"].as_array().unwrap().len(), &list["data"][0]["id"]), (1, &json!(id)));
    assert_eq!(ada.get("/api/syncs?credentialId=other").await.1["data"], json!([]));

    // The page size under its three names, a dangling &, and a cursor that is not URL-encoded.
    let (mut cursor, mut pulled) = (String::new(), Vec::new());
    for name in ["pageSize", "page_size", "limit"] {
        let (status, page) = ada.get(&format!("/api/syncs/{id}/records?{name}=2{cursor}&")).await;
        assert_eq!(status, 200);
        pulled.extend(page["data"].as_array().unwrap().clone());
        assert_eq!(page["paging"]["remainingRecords"], json!(5 - pulled.len()), "{page}");
        assert_eq!((&page["paging"]["totalRecords"], &page["paging"]["totalActiveRecords"]), (&json!(5), &json!(5)));
        cursor = format!("&cursor={}", page["paging"]["cursor"].as_str().unwrap());
    }
    let handle = paragon.user("ada").connect("googledrive");
    assert_eq!(handle.objects::<File>().len(), 5);
    assert_eq!(pulled.len(), 5);
    let record = &pulled[0];
    let (_, one) = ada.get(&format!("/api/syncs/{id}/records/{}", record["id"].as_str().unwrap())).await;
    assert_eq!(&one["data"], record);
    assert!(files.iter().any(|file| file.as_str() == record["externalId"]));
}

#[tokio::test]
async fn refusals_have_the_observed_form_and_say_why() {
    let paragon = FakeParagon::start().await;
    let (ada, bob) = (Client { paragon: &paragon, user: "ada" }, Client { paragon: &paragon, user: "bob" });
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let records = format!("/api/syncs/{}/records", sync.id());

    let not_found = refusal(404, "Not Found", "Sync not found");
    assert_eq!(bob.get(&records).await, not_found, "another user's sync is not there");
    assert_eq!(bob.get("/api/syncs").await.1["data"], json!([]));
    assert_eq!(ada.get("/api/syncs/undefined/records").await, not_found);
    let record = sync.record_of(&file).unwrap();
    assert_eq!(bob.get(&format!("{records}/{record}")).await, not_found);
    let gone = ada.get(&format!("{records}/3ce16e33-0163-564d-98ce-99b0a25ab375")).await;
    assert_eq!(gone, refusal(404, "Not Found", "Record not found"));
    assert_eq!(ada.get("/nowhere").await, refusal(404, "Not Found", "Cannot GET /nowhere"));
    assert_eq!(ada.get(&format!("{records}?cursor=x")).await.0, 400);
    assert_eq!(ada.get(&format!("{records}?pageSize=many")).await.0, 400);
    for body in ["", "[]", r#"{"integration":"googledrive"}"#, r#"{"integration":"box","pipeline":"files"}"#] {
        assert_eq!(ada.call("POST", "/api/syncs", body).await.0, 400, "{body}");
    }

    let answer = reqwest::get(format!("{}{records}", paragon.api_url())).await.unwrap();
    let reason = answer.headers()["paragon-testkit-reason"].to_str().unwrap().to_owned();
    assert_eq!(reason, "there is no Authorization header");
    let body: Value = answer.json().await.unwrap();
    assert_eq!((401, body), refusal(401, "Unauthorized", "Unauthorized"));
}

#[tokio::test]
async fn odd_tokens_are_taken_and_bad_ones_are_not() {
    let paragon = FakeParagon::start().await;
    let project = paragon.project();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |token: String| {
        let request = client.get(format!("{}/api/syncs", paragon.api_url())).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    for oddity in Oddity::ALL {
        assert_eq!(ask(project.odd_token(&"ada".into(), oddity)).await, 200, "{oddity:?}");
    }
    for flaw in Flaw::ALL {
        assert_eq!(ask(project.bad_token(&"ada".into(), flaw)).await, 401, "{flaw:?}");
    }
}

#[tokio::test]
async fn a_mock_of_the_user_goes_ahead() {
    let paragon = FakeParagon::start().await;
    let mock = wiremock::Mock::given(wiremock::matchers::path("/api/syncs"))
        .respond_with(wiremock::ResponseTemplate::new(418));
    paragon.mount(mock).await;
    let answer = reqwest::get(format!("{}/api/syncs", paragon.api_url())).await.unwrap();
    assert_eq!(answer.status().as_u16(), 418);
    let answer = reqwest::get(format!("{}/api/syncs/x", paragon.api_url())).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = FakeParagon::builder().port(port).start().await.err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot listen on 127.0.0.1:{port}")), "{error}");
    let error = FakeParagon::builder().signing_key("x").start().await.err().unwrap();
    assert!(error.to_string().starts_with("signing key: expected an RSA private key"), "{error}");
}
