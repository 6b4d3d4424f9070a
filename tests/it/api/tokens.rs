//! Tests which user tokens the API accepts.

use paragon_testkit::contract::File;
use paragon_testkit::fake::{Audience, Endpoint, Flaw, Oddity};
use serde_json::json;

use super::{Client, SERVERS, good_body, no_sync, place, reason, refusal};
use crate::described::FakeParagon;

#[tokio::test]
async fn unusual_valid_tokens_are_accepted_and_invalid_ones_are_refused() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let project = paragon.project();
        paragon.user("ada").connect("googledrive").enable("files").unwrap();
        let ada = Client::new(&paragon, "ada");
        let ask = async |token: String| {
            let answer = Client { token, ..ada.clone() }.request("GET", "/api/syncs").send().await.unwrap();
            let reason =
                answer.headers().get("paragon-testkit-reason").map(|reason| reason.to_str().unwrap().to_owned());
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap(), reason)
        };
        for oddity in Oddity::ALL {
            let (status, list, reason) = ask(project.odd_token(&"ada".into(), oddity)).await;
            assert_eq!((status, reason), (200, None), "{oddity:?}");
            assert_eq!(list["data"].as_array().unwrap().len(), 1, "{oddity:?}");
        }
        let mut reasons = Vec::new();
        for flaw in Flaw::ALL {
            // Sends each token twice, because the fake caches verified signatures.
            let token = project.bad_token(&"ada".into(), flaw);
            for _ in 0..2 {
                let (status, body, reason) = ask(token.clone()).await;
                assert_eq!((status, body), refusal(401, "Unauthorized", "Unauthorized"), "{flaw:?}");
                reasons.extend(reason);
            }
        }
        assert_eq!(reasons.len(), 2 * Flaw::ALL.len(), "each says why: {reasons:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_bearer_token_is_refused() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let url = format!("{}/api/syncs", paragon.api_url());
    let anonymous = ada.http.get(&url).send().await.unwrap();
    assert_eq!((anonymous.status().as_u16(), reason(&anonymous)), (401, "there is no Authorization header"));
    for header in
        ["", "Bearer", "Bearer ", "Basic YTpi", "bearer", "bearer ", &ada.token, &format!("Token {}", ada.token)]
    {
        let answer = ada.http.get(&url).header("authorization", header).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{header}");
    }
}

#[tokio::test]
async fn the_scheme_of_a_token_is_compared_without_case() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let ada = Client::new(&paragon, "ada");
        let url = format!("{}/api/syncs", paragon.api_url());
        for scheme in ["bearer", "BEARER", "bEaReR", "Bearer", "bearer "] {
            let header = format!("{scheme} {}", ada.token);
            let answer = ada.http.get(&url).header("AUTHORIZATION", &header).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{scheme}");
        }
    }
}

#[tokio::test]
async fn the_audience_of_the_dashboard_can_be_refused() {
    let builder = FakeParagon::builder().audience(Audience::Documented);
    let paragon = FakeParagon::start_with(builder).await.unwrap();
    let token = paragon.project().odd_token(&"ada".into(), Oddity::DashboardAudience);
    let ada = Client::new(&paragon, "ada");
    assert_eq!(ada.get("/api/syncs").await.0, 200);
    assert_eq!(Client { token, ..ada }.get("/api/syncs").await.0, 401);
}

#[tokio::test]
async fn a_token_of_another_project_or_key_is_refused() {
    let [here, there] = ["a", "b"].map(|project| FakeParagon::builder().project(project));
    let (here, there) = (FakeParagon::start_with(here).await.unwrap(), FakeParagon::start_with(there).await.unwrap());
    let token = there.project().token(&"ada".into());
    assert_eq!(Client { token, ..Client::new(&here, "ada") }.get("/api/syncs").await.0, 401);
}

#[tokio::test]
async fn no_endpoint_gives_access_to_the_sync_of_another_user() {
    let paragon = FakeParagon::start().await;
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let (ada, bob) = (Client::new(&paragon, "ada"), Client::new(&paragon, "bob"));
    let record = sync.record_of(&file).unwrap();
    let before = ada.get(&format!("/api/syncs/{}", sync.id())).await;
    for endpoint in Endpoint::ALL.iter().copied() {
        let (method, path) = place(endpoint, sync.id().as_str(), record.as_str());
        if path.contains(sync.id().as_str()) {
            let body = good_body(endpoint, record.as_str()).to_string();
            assert_eq!(bob.call(method, &path, &body).await, no_sync(), "{endpoint:?}");
        }
    }
    let all = good_body(Endpoint::StreamListObjectsAllSyncs, record.as_str()).to_string();
    let stream = bob.request("POST", "/api/permissions/streamed-list-objects").body(all).send().await.unwrap();
    assert_eq!((stream.status().as_u16(), &*stream.text().await.unwrap()), (200, ""));
    assert_eq!(ada.get(&format!("/api/syncs/{}", sync.id())).await, before, "nothing of it had an effect");
    assert_eq!(bob.get("/api/syncs").await.1, json!({"data": []}));
}
