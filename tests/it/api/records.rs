//! Tests pulling pages and reading single records.

use std::time::Duration;

use paragon_testkit::contract::{Contract, File, Layer, Pipeline, Revision};
use paragon_testkit::fake::Synthetic;
use serde_json::{Map, Value, json};

use super::{Client, NOBODYS, names, no_sync, refusal};
use crate::described::FakeParagon;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn every_pipeline_is_pulled_and_fetched_in_every_revision() {
    for revision in Revision::ALL {
        let paragon = FakeParagon::start_with(FakeParagon::builder().revision(revision)).await.unwrap();
        let ada = Client::new(&paragon, "ada");
        let strict = Contract::new(revision, Layer::Strict);
        for pipeline in Pipeline::ALL {
            let integration = match pipeline {
                Pipeline::Files => "googledrive",
                Pipeline::Tickets => "freshdesk",
                _ => "hubspot",
            };
            let account = paragon.user("ada").connect(integration);
            account.fill(pipeline, Synthetic::new(30, 7));
            let configuration = match pipeline {
                Pipeline::CustomObjects => Map::from_iter([("customObjectName".into(), "Product_Catalog__c".into())]),
                _ => Map::new(),
            };
            let sync = account.enable_with(pipeline.name(), "default", configuration, None).unwrap();
            paragon.settle().await;
            let records = if revision == Revision::SnakeCase {
                // In this revision the members of `paging` have other names, which `pull_all` does not read.
                ada.pull(sync.id().as_str(), "").await["data"].as_array().unwrap().clone()
            } else {
                ada.pull_all(sync.id().as_str(), None, 7).await.0
            };
            assert_eq!(records, sync.records());
            assert_eq!(records.len(), 30, "{pipeline}");
            for record in records {
                assert_eq!(strict.validate(pipeline.schema(), &record), [], "{revision} {pipeline}: {record}");
                let id = record["id"].as_str().unwrap();
                let one = ada.get(&format!("/api/syncs/{}/records/{id}", sync.id())).await;
                assert_eq!(one, (200, json!({"data": record})));
            }
        }
    }
}

#[tokio::test]
async fn pages_lead_to_the_end_and_the_last_cursor_stays_valid() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let files: Vec<_> = (0..5).map(|n| drive.create(File::named(format!("{n}.pdf")))).collect();
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let id = sync.id().as_str();

    let first = ada.pull(id, "?pageSize=2").await;
    let paging = &first["paging"];
    assert_eq!(names(first["data"].as_array().unwrap()), ["0.pdf", "1.pdf"]);
    assert_eq!([&paging["totalRecords"], &paging["totalActiveRecords"]], [&json!(5), &json!(5)]);
    assert_eq!((&paging["remainingRecords"], &paging["lastSeen"]), (&json!(3), &json!(paragon.now().as_millis())));
    let (rest, end) = ada.pull_all(id, paging["cursor"].as_str().map(str::to_owned), 2).await;
    assert_eq!(names(&rest), ["2.pdf", "3.pdf", "4.pdf"]);
    let end = end.unwrap();
    let caught_up = ada.pull(id, &format!("?cursor={end}")).await;
    assert_eq!(caught_up["data"], json!([]));
    let paging = json!({
        "totalRecords": 5, "totalActiveRecords": 5, "remainingRecords": 0, "cursor": end, "lastSeen": null,
    });
    assert_eq!(caught_up["paging"], paging, "the cursor stays good");
    assert_eq!(ada.pull(id, &format!("?cursor={end}")).await, caught_up);

    // Changed records come after the cursor, in the order of the runs. Deleted records come after a full run has
    // noticed the deletion.
    drive.update(&files[0], |file| file.name = "0b.pdf".into());
    drive.delete(&files[3]);
    paragon.advance(MINUTE).await;
    drive.create(File::named("5.pdf"));
    paragon.advance(MINUTE).await;
    let (after, next) = ada.pull_all(id, Some(end.clone()), 1).await;
    assert_eq!(names(&after), ["0b.pdf", "5.pdf"]);
    paragon.advance(DAY).await;
    let page = ada.pull(id, &format!("?cursor={}", next.unwrap())).await;
    let tombstone = json!({
        "id": sync.record_of(&files[3]).unwrap(), "externalId": files[3].as_str(), "deleted": true,
    });
    assert_eq!(page["data"], json!([tombstone]));
    assert_eq!([&page["paging"]["totalRecords"], &page["paging"]["totalActiveRecords"]], [&json!(6), &json!(5)]);

    // A pull from the start contains each record once, at the position of its last change.
    let (all, _) = ada.pull_all(id, None, 4).await;
    assert_eq!(names(&all), ["1.pdf", "2.pdf", "4.pdf", "0b.pdf", "5.pdf", "(deleted)"]);
    // The first cursor is still valid.
    let (again, _) = ada.pull_all(id, Some(end), 100).await;
    assert_eq!(names(&again), ["0b.pdf", "5.pdf", "(deleted)"]);
    let gone = ada.get(&format!("/api/syncs/{id}/records/{}", sync.record_of(&files[3]).unwrap())).await;
    assert_eq!(gone, refusal(404, "Not Found", "Record not found"));
}

#[tokio::test]
async fn cursors_that_the_sync_did_not_issue_are_refused() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let [one, other] = ["one", "other"].map(|name| drive.enable_as("files", name).unwrap());
    paragon.settle().await;
    let path = |query: &str| format!("/api/syncs/{}/records{query}", one.id());
    let bad = |message| refusal(400, "Bad Request", message);
    for garbage in ["x", "Y3Vyc29yOjEyMQ==", "%00", "null", "undefined", "0"] {
        let refused = bad("the cursor is not one that was given out");
        assert_eq!(ada.get(&path(&format!("?cursor={garbage}"))).await, refused, "{garbage}");
    }
    let (_, cursor) = ada.pull_all(other.id().as_str(), None, 10).await;
    let cursor = cursor.unwrap();
    assert_eq!(ada.get(&path(&format!("?cursor={cursor}"))).await, bad("the cursor is of another sync"));
    assert_eq!(ada.get(&path("?cursor=")).await.0, 200, "an empty one is none");

    // The `=` of a cursor may be sent plain or encoded.
    assert!(cursor.ends_with('='), "{cursor}");
    for cursor in [cursor.clone(), cursor.replace('=', "%3D")] {
        assert_eq!(ada.pull(other.id().as_str(), &format!("?cursor={cursor}")).await["data"], json!([]));
    }
}

#[tokio::test]
async fn cursors_expire_after_the_configured_lifetime() {
    let builder = FakeParagon::builder().cursor_lifetime(Duration::from_secs(3_600));
    let paragon = FakeParagon::start_with(builder).await.unwrap();
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let (_, cursor) = ada.pull_all(sync.id().as_str(), None, 10).await;
    let path = format!("/api/syncs/{}/records?cursor={}", sync.id(), cursor.unwrap());
    paragon.advance(60 * MINUTE).await;
    assert_eq!(ada.get(&path).await.0, 200);
    paragon.advance(MINUTE).await;
    let refused = refusal(400, "Bad Request", "the cursor has expired; pull from the start");
    assert_eq!(ada.get(&path).await, refused);
    assert_eq!(names(&ada.pull_all(sync.id().as_str(), None, 10).await.0), ["a.pdf"]);
}

#[tokio::test]
async fn page_sizes_have_a_default_and_limits() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    drive.fill(Pipeline::Files, Synthetic::new(1_200, 1));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let length = async |query: &str| {
        let page = ada.pull(sync.id().as_str(), query).await;
        let length = page["data"].as_array().unwrap().len();
        assert_eq!(page["paging"]["remainingRecords"], 1_200 - length);
        length
    };
    assert_eq!(length("").await, 100);
    for name in ["pageSize", "page_size", "limit"] {
        assert_eq!(length(&format!("?{name}=3")).await, 3, "{name}");
        assert_eq!(length(&format!("?{name}=5000")).await, 1_000, "{name}");
    }
    assert_eq!(paragon.limit_pages(10), 1_000);
    assert_eq!((length("").await, length("?pageSize=7").await), (10, 7));
    for size in ["0", "-1", "many", "1.5", "", "99999999999999999999999"] {
        let (status, body) = ada.get(&format!("/api/syncs/{}/records?pageSize={size}", sync.id())).await;
        let message = format!("pageSize must be a positive integer, got {size:?}");
        assert_eq!((status, body), refusal(400, "Bad Request", &message));
    }
}

#[tokio::test]
async fn missing_syncs_records_and_paths_are_not_found() {
    let paragon = FakeParagon::start().await;
    let (ada, bob) = (Client::new(&paragon, "ada"), Client::new(&paragon, "bob"));
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    let other = drive.enable_as("files", "other").unwrap();
    paragon.settle().await;
    let records = format!("/api/syncs/{}/records", sync.id());
    let record = sync.record_of(&file).unwrap();
    let no_record = refusal(404, "Not Found", "Record not found");
    for id in [NOBODYS, "undefined", file.as_str(), other.record_of(&file).unwrap().as_str()] {
        assert_eq!(ada.get(&format!("{records}/{id}")).await, no_record, "{id}");
        assert_eq!(ada.get(&format!("{records}/{id}/content")).await, no_record, "{id}");
    }
    for path in [records.clone(), format!("{records}/{record}"), format!("{records}/{record}/content")] {
        assert_eq!(bob.get(&path).await, no_sync(), "another user's sync is not there");
    }
    assert_eq!(ada.get("/api/syncs/undefined/records").await, no_sync());
    assert_eq!(bob.get("/api/syncs").await.1, json!({"data": []}));
    for path in ["/nowhere", "/", "/api", "/sync", &format!("{records}/{record}/content/x")] {
        assert_eq!(ada.get(path).await, refusal(404, "Not Found", &format!("Cannot GET {path}")));
    }
    assert_eq!(ada.call("PUT", "/api/syncs", "").await, refusal(404, "Not Found", "Cannot PUT /api/syncs"));
}

#[tokio::test]
async fn an_unreadable_record_is_left_out_until_it_can_be_read() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let [good, bad] = ["good.pdf", "bad.pdf"].map(|name| drive.create(File::named(name)));
    drive.make_unreadable(&bad, "Request failed with status code 404");
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let (all, cursor) = ada.pull_all(sync.id().as_str(), None, 10).await;
    assert_eq!(names(&all), ["good.pdf"]);
    drive.make_readable(&bad);
    drive.revoke_access(&good);
    paragon.advance(DAY).await;
    let (after, cursor) = ada.pull_all(sync.id().as_str(), cursor, 10).await;
    assert_eq!(names(&after), ["bad.pdf", "(deleted)"]);
    drive.grant_access(&good);
    paragon.advance(MINUTE).await;
    let (after, _) = ada.pull_all(sync.id().as_str(), cursor, 10).await;
    assert_eq!(names(&after), ["good.pdf"]);
    assert_eq!(after[0]["id"], all[0]["id"], "under its old id");
    let all: Vec<Value> = ada.pull_all(sync.id().as_str(), None, 10).await.0;
    assert_eq!(names(&all), ["bad.pdf", "good.pdf"], "and without a tombstone");
}
