//! Requests that deviate from the documentation, that real clients send, and that must be served.

use paragon_testkit::contract::{File, Pipeline};
use paragon_testkit::fake::SyncHandle;
use paragon_testkit::fake::Synthetic;
use serde_json::{Value, json};

use super::{Client, SERVERS, names, no_sync};
use crate::described::FakeParagon;

async fn filled(paragon: &FakeParagon, files: u64) -> SyncHandle {
    let drive = paragon.user("ada").connect("googledrive");
    drive.fill(Pipeline::Files, Synthetic::new(files, 1));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    sync
}

#[tokio::test]
async fn the_page_size_has_three_names_and_incomplete_queries_are_accepted() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let (ada, sync) = (Client::new(&paragon, "ada"), filled(&paragon, 5).await);
        let (mut cursor, mut pulled) = (String::new(), Vec::new());
        for name in ["pageSize", "page_size", "limit"] {
            let page = ada.pull(sync.id().as_str(), &format!("?{name}=2{cursor}&")).await;
            pulled.extend(page["data"].as_array().unwrap().clone());
            assert_eq!(page["paging"]["remainingRecords"], json!(5 - pulled.len()), "{page}");
            // The cursor is not URL-encoded.
            cursor = format!("&cursor={}", page["paging"]["cursor"].as_str().unwrap());
        }
        assert_eq!(pulled, sync.records());
        for query in ["?", "?&", "?&&pageSize=2", "?unknown=1&pageSize=2", "?cursor&pageSize=2", "?cursor=&"] {
            assert_eq!(ada.pull(sync.id().as_str(), query).await["data"][0], pulled[0], "{query}");
        }
        let slash = ada.get(&format!("/api/syncs/{}/records/?pageSize=9", sync.id())).await;
        assert_eq!(slash.1["data"], json!(pulled));
    }
}

#[tokio::test]
async fn needless_bodies_and_wrong_content_types_are_accepted() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let (ada, sync) = (Client::new(&paragon, "ada"), filled(&paragon, 1).await);
        let path = format!("/api/syncs/{}", sync.id());
        let json_type = |request: reqwest::RequestBuilder| request.header("content-type", "application/json");
        // Sends a GET with a JSON content type, and one with a body.
        let got = json_type(ada.request("GET", &format!("{path}/records"))).send().await.unwrap();
        assert_eq!(got.status(), 200);
        assert_eq!(json_type(ada.request("GET", &path)).body("{}").send().await.unwrap().status(), 200);
        // Sends a POST with an empty body and no content type, and one with a content type and no body.
        for name in ["disable", "reenable"] {
            let empty = ada.request("POST", &format!("{path}/{name}")).body("").send().await.unwrap();
            assert_eq!(empty.status(), 200, "{name}");
            let none = json_type(ada.request("POST", &format!("{path}/{name}"))).send().await.unwrap();
            assert_eq!(none.status(), 200, "{name}");
            let nonsense = json_type(ada.request("POST", &format!("{path}/{name}"))).body("{").send().await.unwrap();
            assert_eq!(nonsense.status(), 200, "{name} has no body to look at");
        }
        // Leaves out a body that is required.
        for (method, path) in
            [("POST", "/api/syncs"), ("PATCH", &path), ("POST", &path.replace("/syncs/", "/permissions/"))]
        {
            let path = if path.contains("permissions") { format!("{path}/check") } else { path.to_owned() };
            assert_eq!(json_type(ada.request(method, &path)).send().await.unwrap().status(), 400, "{method} {path}");
        }
        // Sends JSON with a wrong content type or none.
        let update = r#"{"incrementalAccumulatorFrequency":"5m"}"#;
        for kind in [None, Some("text/plain"), Some("application/json; charset=utf-8")] {
            let request = ada.request("PATCH", &path).body(update);
            let request = if let Some(kind) = kind { request.header("content-type", kind) } else { request };
            assert_eq!(request.send().await.unwrap().status(), 200, "{kind:?}");
        }
    }
}

/// Some clients stop when `remainingRecords` is 0, some at an empty page, and some at a page without a cursor.
#[tokio::test]
async fn each_way_to_detect_the_last_page_yields_all_records() {
    let stops: [fn(&Value) -> bool; 3] = [
        |page| page["paging"]["remainingRecords"].as_i64().unwrap() <= 0,
        |page| page["data"].as_array().unwrap().is_empty(),
        |page| {
            page["data"].as_array().unwrap().is_empty()
                || page["paging"]["cursor"].as_str().unwrap_or_default().is_empty()
        },
    ];
    let paragon = FakeParagon::start().await;
    let (ada, sync) = (Client::new(&paragon, "ada"), filled(&paragon, 6).await);
    for size in [1, 2, 3, 4, 6, 7] {
        for (way, stop) in stops.iter().enumerate() {
            let (mut all, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page = ada.pull(sync.id().as_str(), &format!("?pageSize={size}&cursor={cursor}")).await;
                all.extend(page["data"].as_array().unwrap().clone());
                pages += 1;
                if stop(&page) {
                    break;
                }
                page["paging"]["cursor"].as_str().unwrap().clone_into(&mut cursor);
            }
            assert_eq!(all, sync.records());
            assert_eq!(pages, 6_usize.div_ceil(size) + usize::from(way > 0), "one page more at an empty page");
        }
    }
}

#[tokio::test]
async fn ids_that_come_from_bugs_of_clients_are_not_found() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    filled(&paragon, 1).await;
    for id in ["undefined", "null", "[object%20Object]", "%7BsyncId%7D", "0"] {
        assert_eq!(ada.get(&format!("/api/syncs/{id}")).await, no_sync(), "{id}");
        assert_eq!(ada.get(&format!("/api/syncs/{id}/records")).await, no_sync(), "{id}");
        assert_eq!(ada.call("POST", &format!("/api/syncs/{id}/disable"), "").await, no_sync(), "{id}");
    }
}

/// Some databases return UUIDs in upper case, and some clients encode more characters of a path than necessary.
#[tokio::test]
async fn ids_in_capitals_and_encoded_paths_are_found() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let (ada, sync) = (Client::new(&paragon, "ada"), filled(&paragon, 1).await);
        let record = sync.records()[0]["id"].as_str().unwrap().to_owned();
        let (id, upper) = (sync.id().to_string(), |id: &str| id.to_uppercase());
        let encoded = |id: &str| id.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
        let places = |sync: &str, record: &str| {
            let syncs = format!("/api/syncs/{sync}");
            let records = format!("{syncs}/records");
            [syncs, records.clone(), format!("{records}/{record}"), format!("{records}/{record}/content")]
        };
        let usual = places(&id, &record);
        for other in [
            places(&upper(&id), &upper(&record)),
            places(&id.replace('-', "%2D"), &record.replace('-', "%2d")),
            places(&encoded(&id), &encoded(&record)),
            places(&encoded(&upper(&id)), &encoded(&upper(&record))),
            usual.clone().map(|path| path.replace("syncs", "%73yncs").replace("records", "record%73")),
        ] {
            for (usual, other) in usual.iter().zip(&other) {
                let [usual, other] = [usual, other].map(|path| ada.request("GET", path).send());
                let (usual, other) = (usual.await.unwrap(), other.await.unwrap());
                assert_eq!(usual.status(), other.status(), "{}", other.url());
                assert_ne!(usual.status(), 404);
                assert_eq!(usual.bytes().await.unwrap(), other.bytes().await.unwrap());
            }
        }
        let calls = paragon.timeline();
        assert!(calls.entries().iter().rev().take(9).all(|entry| entry.sync.as_ref() == Some(sync.id())));
        let check = json!({"object": record, "user": "ada@example.com", "role": "can_read"});
        assert_eq!(ada.post(&format!("/api/permissions/{}/check", upper(&id)), &check).await.0, 200);
        assert_eq!(ada.call("POST", &format!("/api/syncs/{}/disable", upper(&id)), "").await.1["id"], id);
        // An encoded slash does not separate segments, and fixed segments are case-sensitive.
        for path in [format!("/api/syncs%2F{id}"), format!("/api/syncs/{id}%2Frecords"), format!("/api/SYNCS/{id}")] {
            assert_eq!(ada.get(&path).await.0, 404, "{path}");
        }

        let credential = sync.envelope().credential_id.unwrap().to_string();
        let list = ada.get(&format!("/api/syncs?credentialId={}", upper(&credential))).await.1;
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        let update = json!({"credentialId": upper(&credential)});
        assert_eq!(ada.patch(&format!("/api/syncs/{id}"), &update).await.0, 200);
    }
}

#[tokio::test]
async fn needless_prefixes_of_objects_and_users_are_accepted() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let record = sync.record_of(&file).unwrap();
    let path = |name: &str| format!("/api/permissions/{}/{name}", sync.id());
    let owner = drive.owner();
    for object in [record.to_string(), format!("file:{record}")] {
        for user in [owner.clone(), format!("user:{owner}")] {
            let check = json!({"object": object, "user": user, "role": "is_owner"});
            assert_eq!(ada.post(&path("check"), &check).await, (200, json!({"hasAccess": true})), "{check}");
            let (_, batch) = ada.post(&path("batch-check"), &json!({"checks": [check]})).await;
            assert_eq!(batch["result"][0]["allowed"], true, "{batch}");
            assert_eq!(batch["result"][0]["request"]["object"], json!(record));
            let list = json!({"objectType": "file", "user": user, "role": "is_owner"});
            assert_eq!(ada.post(&path("list-objects"), &list).await.1, json!({"objects": [record]}));
        }
        let users = ada.post(&path("list-users"), &json!({"object": object, "role": "is_owner"})).await;
        assert_eq!(users.1, json!({"users": [owner]}));
        assert_eq!(ada.post(&path("expand"), &json!({"object": object, "relation": "is_owner"})).await.0, 200);
    }
    let folder = json!({"object": format!("folder:{record}"), "user": owner, "role": "is_owner"});
    assert_eq!(ada.post(&path("check"), &folder).await.1, json!({"hasAccess": false}), "it is none");
}

#[tokio::test]
async fn names_may_contain_any_characters() {
    let paragon = FakeParagon::start().await;
    let user = "user/ä ?&=%\u{1f30d}\"";
    let ada = Client::new(&paragon, user);
    let drive = paragon.user(user).connect("googledrive");
    let name = "a \"b\"\\ \u{0}\u{1f30d}.pdf";
    drive.create(File::named(name));
    let (_, sync) = ada
        .post("/api/syncs", &json!({"integration": "googledrive", "pipeline": "files", "configurationName": "é \n"}))
        .await;
    paragon.settle().await;
    assert_eq!(sync["userId"], user);
    let (all, _) = ada.pull_all(sync["id"].as_str().unwrap(), None, 1).await;
    assert_eq!(names(&all), [name]);
    assert_eq!(ada.get("/api/syncs").await.1["data"][0]["configurationName"], "é \n");
}
