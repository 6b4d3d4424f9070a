//! Tests the endpoints that enable, change, pause and delete syncs.

use std::time::Duration;

use paragon_testkit::contract::{CredentialId, File};
use paragon_testkit::fake::ProviderFault;
use paragon_testkit::fake::ProviderFaultKind;
use paragon_testkit::fake::{RunKind, Status};
use serde_json::{Value, json};

use super::{Client, NOBODYS, names, no_sync, refusal};
use crate::described::FakeParagon;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_sync_is_enabled_once_and_listed() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));

    let enable = json!({"integration": "googledrive", "pipeline": "files", "configuration": {}});
    let (status, sync) = ada.post("/api/syncs", &enable).await;
    assert_eq!(status, 200);
    let id = sync["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "userId": "ada", "integration": "googledrive", "pipeline": "files",
        "projectId": paragon.project().id, "status": "INITIALIZING",
    });
    assert_eq!(sync, expected);
    assert_eq!(ada.post("/api/syncs", &enable).await, refusal(409, "Conflict", "Sync instance already exists"));
    // The default name counts as a name too.
    let named = |name: &str| json!({"integration": "googledrive", "pipeline": "files", "configurationName": name});
    assert_eq!(ada.post("/api/syncs", &named("default")).await.0, 409);
    let (status, other) = ada.post("/api/syncs", &named("other")).await;
    assert!(status == 200 && other["id"] != sync["id"], "{other}");

    let before = ada.pull(id, "").await;
    let paging = json!({
        "totalRecords": 0, "totalActiveRecords": 0, "remainingRecords": 0, "cursor": null, "lastSeen": null,
    });
    assert_eq!(before, json!({"data": [], "paging": paging}), "nothing is there before the first run");
    let (_, status) = ada.get(&format!("/api/syncs/{id}")).await;
    let summary = json!({"totalRecords": 0, "syncedRecordsCount": 0, "lastSyncedAt": null, "latestCursor": null});
    assert_eq!(status, json!({"status": "INITIALIZING", "summary": summary, "credentialId": drive.credential()}));

    let enabled_at = paragon.now().to_string();
    paragon.advance(MINUTE).await;
    let (_, status) = ada.get(&format!("/api/syncs/{id}")).await;
    assert_eq!((&status["status"], &status["summary"]["totalRecords"]), (&json!("IDLE"), &json!(1)));
    assert_eq!(status["summary"]["lastSyncedAt"], paragon.now().to_string());
    assert_eq!(status["summary"]["latestCursor"], ada.pull(id, "").await["paging"]["cursor"]);
    let (_, list) = ada.get("/api/syncs").await;
    let listed = list["data"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let expected = json!({
        "id": id, "integration": "googledrive", "pipeline": "files", "status": "IDLE", "configurationName": "default",
        "dateCreated": enabled_at, "dateUpdated": paragon.now().to_string(),
    });
    assert!(listed.contains(&expected), "{list}");
}

#[tokio::test]
async fn an_invalid_request_to_enable_a_sync_is_refused_with_the_reason() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    for integration in ["googledrive", "asana", "sharepoint", "hubspot", "box", "dropbox"] {
        paragon.user("ada").connect(integration);
    }
    let bobs = paragon.user("bob").connect("googledrive").credential().clone();
    let of_box = paragon.user("ada").connect("box").credential().clone();
    let refused = async |body: Value| {
        let (status, body) = ada.post("/api/syncs", &body).await;
        assert_eq!((status, &body["error"]), (400, &json!("Bad Request")), "{body}");
        body["message"].as_str().unwrap().to_owned()
    };
    let with = |integration: &str, pipeline: &str, more: Value| {
        let mut body = json!({"integration": integration, "pipeline": pipeline});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut told = Vec::new();
    for (integration, pipeline, more) in [
        // Required keys are missing or empty.
        ("asana", "tickets", json!({})),
        ("asana", "tickets", json!({"configuration": {"projectGid": ""}})),
        ("asana", "tickets", json!({"configuration": {"projectGid": null}})),
        ("sharepoint", "files", json!({"configuration": {}})),
        ("hubspot", "custom_objects", json!({"configuration": {"properties": ["x"]}})),
        // Values have a wrong type or form.
        ("dropbox", "files", json!({"configuration": {"orgWideSync": "yes", "mimeTypes": "application/pdf"}})),
        ("googledrive", "files", json!({"configuration": []})),
        ("googledrive", "files", json!({"configurationName": ""})),
        ("googledrive", "files", json!({"credentialId": "x"})),
        ("googledrive", "files", json!({"incrementalAccumulatorFrequency": "2m"})),
        // The integration has no such pipeline, or the user has no such account.
        ("googledrive", "tickets", json!({})),
        ("googledrive", "calendar", json!({})),
        ("slack", "files", json!({})),
        ("notion", "files", json!({})),
        // The account belongs to another user, to another integration, or to nobody.
        ("googledrive", "files", json!({"credentialId": bobs})),
        ("googledrive", "files", json!({"credentialId": of_box})),
        ("googledrive", "files", json!({"credentialId": NOBODYS})),
    ] {
        let body = with(integration, pipeline, more);
        told.push(format!("{body}\n    {}", refused(body.clone()).await));
    }
    for body in [json!([]), json!({"integration": "box"}), json!({"pipeline": "files"}), json!("box")] {
        told.push(format!("{body}\n    {}", refused(body.clone()).await));
    }
    for body in ["", "{"] {
        assert_eq!(ada.call("POST", "/api/syncs", body).await.0, 400);
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(ada.get("/api/syncs").await.1, json!({"data": []}), "nothing of it had an effect");

    for (integration, pipeline, configuration) in [
        ("asana", "tickets", json!({"projectGid": "1"})),
        ("sharepoint", "files", json!({"folderId": "01AB"})),
        ("hubspot", "custom_objects", json!({"customObjectName": "Thing__c", "unlisted": [1]})),
        ("dropbox", "files", json!({"orgWideSync": true, "mimeTypes": null})),
    ] {
        let body = with(integration, pipeline, json!({"configuration": configuration}));
        assert_eq!(ada.post("/api/syncs", &body).await.0, 200, "{body}");
    }
}

#[tokio::test]
async fn without_a_credential_the_oldest_working_account_is_used() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let [old, new] = ["old", "new"].map(|name| paragon.user("ada").connect_as("box", name));
    let enable = async |name: &str, credential: Option<&CredentialId>| {
        let mut body = json!({"integration": "box", "pipeline": "files", "configurationName": name});
        if let Some(credential) = credential {
            body["credentialId"] = json!(credential);
        }
        let (_, sync) = ada.post("/api/syncs", &body).await;
        ada.get(&format!("/api/syncs/{}", sync["id"].as_str().unwrap())).await.1["credentialId"].clone()
    };
    assert_eq!(enable("a", None).await, json!(old.credential()));
    assert_eq!(enable("b", Some(new.credential())).await, json!(new.credential()));
    old.provider_fault(ProviderFaultKind::CredentialRevoked);
    assert_eq!(enable("c", None).await, json!(new.credential()));
    let of = async |credential: &str| ada.get(&format!("/api/syncs?credentialId={credential}")).await.1["data"].clone();
    assert_eq!(of(old.credential().as_str()).await.as_array().unwrap().len(), 1);
    assert_eq!(of(new.credential().as_str()).await.as_array().unwrap().len(), 2);
    assert_eq!(of(NOBODYS).await, json!([]));
    assert_eq!(of("other").await, json!([]));
}

#[tokio::test]
async fn a_deleted_sync_is_gone_and_gets_its_id_again_when_it_is_enabled() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let enable = json!({"integration": "googledrive", "pipeline": "files"});
    let (_, sync) = ada.post("/api/syncs", &enable).await;
    paragon.settle().await;
    let id = sync["id"].as_str().unwrap();
    let (records, cursor) = ada.pull_all(id, None, 10).await;

    let path = format!("/api/syncs/{id}");
    let answer = ada.request("DELETE", &path).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("content-type")), (200, None));
    assert_eq!(answer.text().await.unwrap(), "");
    let record = records[0]["id"].as_str().unwrap();
    for (method, path) in [
        ("GET", path.clone()),
        ("PATCH", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/disable")),
        ("POST", format!("{path}/reenable")),
        ("GET", format!("{path}/records")),
        ("GET", format!("{path}/records/{record}")),
        ("GET", format!("{path}/records/{record}/content")),
        ("POST", format!("/api/permissions/{id}/check")),
        ("GET", format!("/api/permissions/{id}/changes")),
    ] {
        assert_eq!(ada.call(method, &path, "").await, no_sync(), "{method} {path}");
    }
    assert_eq!(ada.get("/api/syncs").await.1, json!({"data": []}));

    assert_eq!(ada.post("/api/syncs", &enable).await, (200, sync.clone()), "the same sync again");
    assert_eq!(ada.pull(id, "").await["data"], json!([]), "it begins from nothing");
    paragon.settle().await;
    let (again, _) = ada.pull_all(id, None, 10).await;
    assert_eq!(again, records, "with the records that it had");
    // A cursor that a client kept from before the deletion does no harm.
    assert_eq!(ada.pull_all(id, cursor, 10).await.0, [] as [Value; 0]);
}

#[tokio::test]
async fn a_paused_sync_still_serves_what_it_has() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let path = format!("/api/syncs/{}", sync.id());
    let disabled = (200, json!({"id": sync.id(), "status": "DISABLED"}));
    assert_eq!(ada.call("POST", &format!("{path}/disable"), "").await, disabled);
    assert_eq!(ada.call("POST", &format!("{path}/disable"), "").await, disabled, "once more makes no difference");

    drive.update(&file, |file| file.name = "b.pdf".into());
    drive.create(File::named("c.pdf"));
    paragon.advance(DAY).await;
    assert_eq!(ada.get(&path).await.1["status"], "DISABLED");
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["a.pdf"]);
    let record = sync.record_of(&file).unwrap();
    assert_eq!(ada.get(&format!("{path}/records/{record}")).await.1["data"]["name"], "a.pdf");
    let content = ada.request("GET", &format!("{path}/records/{record}/content")).send().await.unwrap();
    assert_eq!(content.status(), 200);

    let reenabled = (200, json!({"id": sync.id(), "status": "ACTIVE"}));
    assert_eq!(ada.call("POST", &format!("{path}/reenable"), "").await, reenabled);
    paragon.settle().await;
    assert_eq!(ada.get(&path).await.1["status"], "IDLE");
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["b.pdf", "c.pdf"]);
    let idle = (200, json!({"id": sync.id(), "status": "IDLE"}));
    assert_eq!(ada.call("POST", &format!("{path}/reenable"), "").await, idle, "there is nothing to take up");
}

#[tokio::test]
async fn frequency_and_account_can_be_changed() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let [home, work] = ["home", "work"].map(|name| paragon.user("ada").connect_as("googledrive", name));
    home.create(File::named("home.pdf"));
    work.create(File::named("work.pdf"));
    let sync = home.enable("files").unwrap();
    paragon.settle().await;
    let path = format!("/api/syncs/{}", sync.id());
    assert_eq!(ada.get(&path).await.1.get("incrementalAccumulatorFrequency"), None, "only where it was set");

    let accepted = |data: &Value| {
        let message = "Update request accepted and is being processed";
        (200, json!({"id": sync.id(), "data": data, "message": message}))
    };
    let hourly = json!({"incrementalAccumulatorFrequency": "1h"});
    assert_eq!(ada.patch(&path, &hourly).await, accepted(&hourly));
    assert_eq!(ada.get(&path).await.1["incrementalAccumulatorFrequency"], "1h");
    assert_eq!(ada.get(&path).await.1["status"], "IDLE", "no full run follows");
    paragon.advance(MINUTE).await;
    home.create(File::named("later.pdf"));
    paragon.advance(30 * MINUTE).await;
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["home.pdf"]);
    paragon.advance(30 * MINUTE).await;
    let (all, cursor) = ada.pull_all(sync.id().as_str(), None, 10).await;
    assert_eq!(names(&all), ["home.pdf", "later.pdf"]);

    let moved = json!({"credentialId": work.credential(), "incrementalAccumulatorFrequency": "24h"});
    assert_eq!(ada.patch(&path, &moved).await, accepted(&moved));
    paragon.settle().await;
    let (_, status) = ada.get(&path).await;
    assert_eq!(status["credentialId"], json!(work.credential()));
    assert_eq!(status["incrementalAccumulatorFrequency"], "24h");
    let (mut after, _) = ada.pull_all(sync.id().as_str(), cursor, 10).await;
    after.sort_by_key(|record| record["name"].to_string());
    assert_eq!(names(&after), ["work.pdf", "(deleted)", "(deleted)"]);

    for body in [
        json!({}),
        json!({"incrementalAccumulatorFrequency": "1d"}),
        json!({"credentialId": NOBODYS}),
        json!({"credentialId": paragon.user("bob").connect("googledrive").credential()}),
        json!({"other": 1}),
        json!([]),
    ] {
        assert_eq!(ada.patch(&path, &body).await.0, 400, "{body}");
    }
    assert_eq!(ada.get(&path).await.1, status, "nothing of it had an effect");
}

#[tokio::test]
async fn provider_faults_show_in_the_status() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let path = format!("/api/syncs/{}", sync.id());

    drive.provider_fault(
        ProviderFault::new(ProviderFaultKind::RateLimited { backoff: Duration::from_millis(90_500) }).next(1),
    );
    paragon.advance(MINUTE).await;
    let (_, status) = ada.get(&path).await;
    assert_eq!((&status["status"], &status["rateLimitBackoffMs"]), (&json!("RATE_LIMITED"), &json!(90_500)));
    assert_eq!(ada.get("/api/syncs").await.1["data"][0]["status"], "RATE_LIMITED");
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["a.pdf"], "it still serves");
    paragon.advance(2 * MINUTE).await;
    let (_, status) = ada.get(&path).await;
    assert_eq!((&status["status"], status.get("rateLimitBackoffMs")), (&json!("IDLE"), None));

    drive.provider_fault(ProviderFaultKind::CredentialRevoked);
    paragon.advance(MINUTE).await;
    let (_, status) = ada.get(&path).await;
    let reason = format!("Credential ID {} is no longer valid or has been deleted.", drive.credential());
    assert_eq!((&status["status"], &status["reason"]), (&json!("ERRORED"), &json!(reason)));
    let (_, list) = ada.get("/api/syncs").await;
    assert_eq!((&list["data"][0]["status"], &list["data"][0]["reason"]), (&json!("ERRORED"), &json!(reason)));
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["a.pdf"], "it still serves");

    // A paused sync has no error, and so no `reason`.
    assert_eq!(ada.call("POST", &format!("{path}/disable"), "").await.0, 200);
    assert_eq!(ada.get(&path).await.1.get("reason"), None);
    assert_eq!(ada.get("/api/syncs").await.1["data"][0].get("reason"), None);

    assert_eq!(ada.call("POST", &format!("{path}/reenable"), "").await.1["status"], "ACTIVE");
    paragon.settle().await;
    assert_eq!(ada.get(&path).await.1["status"], "ERRORED", "as long as access is revoked");

    drive.end_provider_faults();
    assert_eq!(ada.call("POST", &format!("{path}/reenable"), "").await.1["status"], "ACTIVE");
    paragon.settle().await;
    let (_, status) = ada.get(&path).await;
    assert_eq!((&status["status"], status.get("reason")), (&json!("IDLE"), None));
}

#[tokio::test]
async fn another_account_repairs_a_failed_sync() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let [lost, good] = ["lost", "good"].map(|name| paragon.user("ada").connect_as("googledrive", name));
    good.create(File::named("good.pdf"));
    lost.provider_fault(ProviderFaultKind::CredentialRevoked);
    let sync = lost.enable("files").unwrap();
    paragon.settle().await;
    let path = format!("/api/syncs/{}", sync.id());
    assert_eq!(ada.get(&path).await.1["status"], "ERRORED");
    assert_eq!(ada.patch(&path, &json!({"credentialId": good.credential()})).await.0, 200);
    let (_, status) = ada.get(&path).await;
    assert_eq!((&status["status"], status.get("reason")), (&json!("ACTIVE"), None));
    paragon.settle().await;
    assert_eq!(ada.get(&path).await.1["status"], "IDLE");
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["good.pdf"]);
}

#[tokio::test]
async fn a_sync_that_is_paused_before_its_first_run_begins_when_it_is_reenabled() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    let path = format!("/api/syncs/{}", sync.id());
    assert_eq!(ada.call("POST", &format!("{path}/disable"), "").await.1["status"], "DISABLED");
    paragon.advance(DAY).await;
    assert_eq!(ada.pull(sync.id().as_str(), "").await["data"], json!([]));
    assert_eq!(ada.call("POST", &format!("{path}/reenable"), "").await.1["status"], "ACTIVE");
    paragon.settle().await;
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["a.pdf"]);
}

#[tokio::test]
async fn a_sync_is_active_while_its_run_takes_time() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    paragon.set_run_duration(10 * MINUTE);
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    let path = format!("/api/syncs/{}", sync.id());
    paragon.advance(MINUTE).await;
    assert_eq!(ada.get(&path).await.1["status"], "ACTIVE");
    assert_eq!(ada.pull(sync.id().as_str(), "").await["data"], json!([]));
    paragon.advance(9 * MINUTE).await;
    assert_eq!((sync.status(), sync.records().len()), (Some(Status::Idle), 1));
    assert_eq!(ada.get(&path).await.1["status"], "IDLE");
    sync.run_soon(RunKind::Full);
    paragon.settle().await;
    assert_eq!(ada.get(&path).await.1["status"], "ACTIVE");
}
