//! Tests the Permissions API.

use std::time::Duration;

use paragon_testkit::contract::{File, Pipeline};
use paragon_testkit::fake::Role;
use paragon_testkit::fake::{Connection, Server, SyncHandle};
use paragon_testkit::fake::{ProviderFaultKind, Synthetic};
use serde_json::{Value, json};

use super::{Client, NOBODYS, SERVERS, no_sync, refusal};
use crate::described::FakeParagon;

const MINUTE: Duration = Duration::from_secs(60);

/// A folder with the file `inner` in it, and the file `outer` beside the folder. Bob may read the folder, and Cyd may
/// write `outer`.
struct Drive {
    account: Connection,
    sync: SyncHandle,
    /// The fields `folder`, `inner` and `outer` are record ids.
    folder: String,
    inner: String,
    outer: String,
}

impl Drive {
    async fn of(paragon: &FakeParagon) -> Self {
        let drive = paragon.user("ada").connect("googledrive");
        let folder = File { mime_type: "application/vnd.google-apps.folder".into(), ..File::named("folder") };
        let folder = drive.create(folder);
        let inner = drive.create(File { parent_folder_id: Some(folder.id().clone()), ..File::named("inner.pdf") });
        let outer = drive.create(File::named("outer.pdf"));
        drive.share(&folder, "bob@example.com", Role::CanRead);
        drive.share(&outer, "cyd@example.com", Role::CanWrite);
        let sync = drive.enable("files").unwrap();
        paragon.settle().await;
        let record = |object| sync.record_of(object).unwrap().to_string();
        let (folder, inner, outer) = (record(&folder), record(&inner), record(&outer));
        Self { account: drive, sync, folder, inner, outer }
    }

    fn path(&self, name: &str) -> String {
        format!("/api/permissions/{}/{name}", self.sync.id())
    }
}

#[tokio::test]
async fn check_batch_and_lists_agree() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let (ada, drive) = (Client::new(&paragon, "ada"), Drive::of(&paragon).await);
        let owner = drive.account.owner();
        let mut checks = Vec::new();
        for (object, readers, writers) in [
            (&drive.folder, vec![owner.as_str(), "bob@example.com"], vec![owner.as_str()]),
            (&drive.inner, vec![owner.as_str(), "bob@example.com"], vec![owner.as_str()]),
            (&drive.outer, vec![owner.as_str(), "cyd@example.com"], vec![owner.as_str(), "cyd@example.com"]),
        ] {
            for (role, users) in [("can_read", readers), ("can_write", writers), ("is_owner", vec![owner.as_str()])] {
                let (status, listed) =
                    ada.post(&drive.path("list-users"), &json!({"object": object, "role": role})).await;
                assert_eq!((status, listed), (200, json!({"users": users})), "{object} {role}");
                for user in [owner.as_str(), "bob@example.com", "cyd@example.com", "dan@example.com"] {
                    let body = json!({"object": object, "user": user, "role": role});
                    let may = users.contains(&user);
                    assert_eq!(ada.post(&drive.path("check"), &body).await, (200, json!({"hasAccess": may})), "{body}");
                    checks.push((json!({"object": object, "user": format!("user:{user}"), "role": role}), may));
                }
            }
        }
        let (requests, allowed): (Vec<Value>, Vec<bool>) = checks.into_iter().unzip();
        let (status, batch) = ada.post(&drive.path("batch-check"), &json!({"checks": requests})).await;
        let result =
            requests.iter().zip(allowed).map(|(request, allowed)| json!({"allowed": allowed, "request": request}));
        assert_eq!((status, batch), (200, json!({"result": result.collect::<Vec<_>>()})));
        assert_eq!(ada.post(&drive.path("batch-check"), &json!({"checks": []})).await, (200, json!({"result": []})));

        for (kind, user, objects) in [
            ("file", "bob@example.com", vec![&drive.inner]),
            ("folder", "bob@example.com", vec![&drive.folder]),
            ("file", owner.as_str(), vec![&drive.inner, &drive.outer]),
            ("folder", "cyd@example.com", vec![]),
        ] {
            let body = json!({"objectType": kind, "user": user, "role": "can_read"});
            assert_eq!(
                ada.post(&drive.path("list-objects"), &body).await,
                (200, json!({"objects": objects})),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let paragon = FakeParagon::start().await;
    let (ada, drive) = (Client::new(&paragon, "ada"), Drive::of(&paragon).await);
    let user = "ada@example.com";
    let mut told = Vec::new();
    for (name, body) in [
        ("check", json!({"user": user, "role": "can_read"})),
        ("check", json!({"object": "1", "user": user, "role": "can_read"})),
        ("check", json!({"object": drive.outer, "user": user, "role": "read"})),
        ("check", json!({"object": drive.outer, "user": "", "role": "can_read"})),
        ("batch-check", json!({})),
        ("batch-check", json!({"checks": [{"object": 1, "user": user, "role": "can_read"}]})),
        ("list-users", json!({"object": drive.outer})),
        ("list-objects", json!({"objectType": "space", "user": user, "role": "can_read"})),
        ("streamed-list-objects", json!({"objectType": "file", "user": user})),
        ("expand", json!({"object": drive.outer, "relation": "member"})),
        ("expand", json!([])),
    ] {
        let (status, answer) = ada.post(&drive.path(name), &body).await;
        assert_eq!(status, 400, "{body}");
        told.push(format!("{name}: {}", answer["message"].as_str().unwrap().replace(&drive.outer, "OUTER")));
    }
    let all = ada.post("/api/permissions/streamed-list-objects", &json!({"objectType": "file"})).await;
    assert_eq!(all.0, 400);
    insta::assert_snapshot!(told.join("\n"));

    // In a batch, a check that cannot be evaluated has an error in its result.
    let checks = json!([
        {"object": drive.inner, "user": "user:bob@example.com", "role": "can_read"},
        {"object": "x", "user": "user:bob@example.com", "role": "can_read"},
    ]);
    let (status, batch) = ada.post(&drive.path("batch-check"), &json!({"checks": checks})).await;
    assert_eq!((status, &batch["result"][0]["allowed"]), (200, &json!(true)));
    assert!(batch["result"][1]["error"].is_string(), "{batch}");

    // Nobody has access to an object that does not exist.
    let nobodys = json!({"object": NOBODYS, "user": user, "role": "can_read"});
    assert_eq!(ada.post(&drive.path("check"), &nobodys).await, (200, json!({"hasAccess": false})));
    let nobodys = json!({"object": NOBODYS, "relation": "can_read"});
    assert_eq!(ada.post(&drive.path("expand"), &nobodys).await, refusal(404, "Not Found", "Object not found"));
}

#[tokio::test]
async fn only_files_have_permissions() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let contacts = paragon.user("ada").connect("hubspot").enable("contacts").unwrap();
    // Paragon lists no permissions for Notion.
    let pages = paragon.user("ada").connect("notion").enable("files").unwrap();
    paragon.settle().await;
    for sync in [&contacts, &pages] {
        let body = json!({"object": NOBODYS, "user": "ada@example.com", "role": "can_read"});
        let answer = ada.post(&format!("/api/permissions/{}/check", sync.id()), &body).await;
        assert_eq!(answer, refusal(404, "Not Found", "Authorization store not found"));
    }
    let body = json!({"objectType": "file", "user": "ada@example.com", "role": "can_read"});
    assert_eq!(ada.post(&format!("/api/permissions/{NOBODYS}/list-objects"), &body).await, no_sync());
    let stream = ada.request("POST", "/api/permissions/streamed-list-objects").json(&body).send().await.unwrap();
    assert_eq!(stream.text().await.unwrap(), "", "they are left out silently");
}

#[tokio::test]
async fn expand_returns_the_tree_of_each_relation() {
    let paragon = FakeParagon::start().await;
    let (ada, drive) = (Client::new(&paragon, "ada"), Drive::of(&paragon).await);
    for relation in ["can_read", "can_write", "is_owner", "viewer", "editor", "owner", "parent"] {
        let body = json!({"object": drive.inner, "relation": relation});
        let (status, tree) = ada.post(&drive.path("expand"), &body).await;
        let name = format!("file:{}#{relation}", drive.inner);
        assert_eq!((status, &tree["tree"]["root"]["name"]), (200, &json!(name)));
    }
    let body = json!({"object": drive.inner, "relation": "parent"});
    let (_, tree) = ada.post(&drive.path("expand"), &body).await;
    let users = json!([format!("folder:{}", drive.folder)]);
    assert_eq!(tree["tree"]["root"]["leaf"]["users"]["users"], users);
}

#[tokio::test]
async fn changes_are_listed_in_order_and_the_last_token_stays_valid() {
    let paragon = FakeParagon::start().await;
    let (ada, drive) = (Client::new(&paragon, "ada"), Drive::of(&paragon).await);
    let changes = async |query: &str| {
        let (status, page) = ada.get(&drive.path(&format!("changes{query}"))).await;
        assert_eq!(status, 200, "{page}");
        (page["changes"].as_array().unwrap().clone(), page["continuationToken"].as_str().unwrap().to_owned())
    };
    let (first, token) = changes("").await;
    let relation = |change: &Value| change["tuple_key"]["relation"].as_str().unwrap().to_owned();
    let relations: Vec<_> = first.iter().map(relation).collect();
    assert_eq!(relations, ["owner", "owner", "parent", "owner", "viewer", "editor"]);
    assert_eq!(changes(&format!("?continuationToken={token}")).await, (vec![], token.clone()), "the same token");

    let outer =
        drive.account.objects::<File>().into_iter().find(|listed| listed.object.name == "outer.pdf").unwrap().item;
    drive.account.unshare(&outer, "cyd@example.com", Role::CanWrite);
    assert_eq!(changes(&format!("?continuationToken={token}")).await.0, [] as [Value; 0], "no run has seen it");
    let may = json!({"object": drive.outer, "user": "cyd@example.com", "role": "can_write"});
    assert_eq!(ada.post(&drive.path("check"), &may).await.1, json!({"hasAccess": true}));
    paragon.advance(MINUTE).await;
    assert_eq!(ada.post(&drive.path("check"), &may).await.1, json!({"hasAccess": false}));
    let (after, _) = changes(&format!("?continuationToken={token}")).await;
    let tuple = json!({
        "user": "user:cyd@example.com", "relation": "editor", "object": format!("file:{}", drive.outer),
    });
    assert_eq!((after.len(), &after[0]["tuple_key"]), (1, &tuple));
    assert_eq!(after[0]["operation"], "TUPLE_OPERATION_DELETE");

    // The feed can be filtered by type and by time. A token takes precedence over the time.
    let (folders, of_folders) = changes("?type=folder").await;
    assert_eq!(folders.iter().map(relation).collect::<Vec<_>>(), ["owner", "viewer"]);
    let now = paragon.now();
    assert_eq!(changes(&format!("?startTime={now}")).await.0, [] as [Value; 0]);
    assert_eq!(changes("?startTime=2026-01-01T00:00:00Z").await.0.len(), 7);
    assert_eq!(changes(&format!("?startTime=2020-01-01T00:00:00Z&continuationToken={token}")).await.0, after);

    let refused = async |query: String| {
        let (status, body) = ada.get(&drive.path(&format!("changes{query}"))).await;
        assert_eq!((status, &body["error"], &body["statusCode"]), (400, &json!("Bad Request"), &json!(400)));
        body.get("code").map(|code| code.as_str().unwrap().to_owned())
    };
    let mismatch = Some("PERMISSION_CHANGES_CURSOR_TYPE_MISMATCH".to_owned());
    assert_eq!(refused(format!("?type=folder&continuationToken={token}")).await, mismatch);
    assert_eq!(refused(format!("?type=file&continuationToken={of_folders}")).await, mismatch);
    assert_eq!(refused(format!("?continuationToken={of_folders}")).await, mismatch);
    let invalid = Some("PERMISSION_CHANGES_CURSOR_INVALID".to_owned());
    for token in ["x", "Y3Vyc29yOjEyMQ==", "%00"] {
        assert_eq!(refused(format!("?continuationToken={token}")).await, invalid);
    }
    assert_eq!(refused("?type=space".to_owned()).await, None);
    assert_eq!(refused("?startTime=yesterday".to_owned()).await, None);
}

#[tokio::test]
async fn many_changes_come_in_pages() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    for n in 0..250 {
        drive.create(File::named(format!("{n}.pdf")));
    }
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let (mut token, mut objects) = (String::new(), Vec::new());
    loop {
        let path = format!("/api/permissions/{}/changes?continuationToken={token}", sync.id());
        let (_, page) = ada.get(&path).await;
        let changes = page["changes"].as_array().unwrap();
        if changes.is_empty() {
            assert_eq!(page["continuationToken"], token);
            break;
        }
        objects.extend(changes.iter().map(|change| change["tuple_key"]["object"].to_string()));
        token = page["continuationToken"].as_str().unwrap().to_owned();
    }
    assert_eq!(objects.len(), 250);
    objects.sort();
    objects.dedup();
    assert_eq!(objects.len(), 250, "each once");
}

#[tokio::test]
async fn lists_end_at_a_thousand_and_streams_do_not() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let ada = Client::new(&paragon, "ada");
        let drive = paragon.user("ada").connect("googledrive");
        drive.fill(Pipeline::Files, Synthetic::new(2_500, 3));
        let sync = drive.enable("files").unwrap();
        paragon.settle().await;
        let body = json!({"objectType": "file", "user": drive.owner(), "role": "is_owner"});
        let (_, list) = ada.post(&format!("/api/permissions/{}/list-objects", sync.id()), &body).await;
        let listed = list["objects"].as_array().unwrap();
        assert_eq!(listed.len(), 1_000);

        let path = format!("/api/permissions/{}/streamed-list-objects", sync.id());
        let stream = ada.request("POST", &path).json(&body).send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "application/x-ndjson");
        // wiremock cannot send chunked responses.
        assert_eq!(stream.headers().contains_key("transfer-encoding"), server == Server::Hyper);
        let text = stream.text().await.unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // One of fifty generated files is a folder.
        assert_eq!(lines.len(), 2_450);
        assert!(lines.iter().zip(listed).all(|(line, object)| *line == json!({"object": object})));
    }
}

#[tokio::test]
async fn the_stream_over_all_syncs_goes_on_past_one_that_fails() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let (ada, drive) = (Client::new(&paragon, "ada"), Drive::of(&paragon).await);
        let failing = paragon.user("ada").connect("box");
        failing.create(File::named("b.pdf"));
        let failed = failing.enable("files").unwrap();
        paragon.user("bob").connect("box").enable("files").unwrap();
        paragon.user("ada").connect("notion").enable("files").unwrap();
        paragon.settle().await;
        let lines = async |user: &str| {
            let body = json!({"objectType": "file", "user": user, "role": "can_read"});
            let stream = ada.request("POST", "/api/permissions/streamed-list-objects").json(&body).send().await;
            let text = stream.unwrap().text().await.unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        };
        let line =
            |object: &str| json!({"syncInstanceId": drive.sync.id(), "integration": "googledrive", "object": object});
        assert_eq!(lines("bob@example.com").await, [line(&drive.inner)]);
        assert_eq!(lines(&drive.account.owner()).await.len(), 3);

        failing.provider_fault(ProviderFaultKind::CredentialRevoked);
        paragon.advance(MINUTE).await;
        let lines = lines("bob@example.com").await;
        assert_eq!(lines.len(), 2);
        assert!(lines.contains(&line(&drive.inner)));
        let reason = format!("Credential ID {} is no longer valid or has been deleted.", failing.credential());
        let error = json!({"syncInstanceId": failed.id(), "integration": "box", "error": reason});
        assert!(lines.contains(&error), "{lines:?}");
    }
}
