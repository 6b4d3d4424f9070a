//! Tests the faults of API calls from the view of a client.

use std::time::Duration;

use paragon_testkit::contract::{File, Pipeline, Revision, UserId};
use paragon_testkit::fake::Synthetic;
use paragon_testkit::fake::{ApiFault, ApiFaultKind, Endpoint, RetryAfterHeader, Server, Stale, SyncHandle};
use reqwest::Response;
use serde_json::{Value, json};

use super::{Client, SERVERS, names, reason, refusal};
use crate::described::FakeParagon;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Client timeout: shorter than every delayed response, longer than every other response.
const IMPATIENT: Duration = Duration::from_millis(300);

/// Starts a fake with a sync of this many files. Returns the fake, the sync, and a client of the sync's user.
async fn start(server: Server, files: u64) -> (FakeParagon, SyncHandle, Client) {
    let paragon = FakeParagon::start_on(server).await;
    let drive = paragon.user("ada").connect("googledrive");
    drive.fill(Pipeline::Files, Synthetic::new(files, 1));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let ada = Client::new(&paragon, "ada");
    (paragon, sync, ada)
}

fn records(sync: &SyncHandle) -> String {
    format!("/api/syncs/{}/records", sync.id())
}

async fn send(client: &Client, path: &str) -> Response {
    client.request("GET", path).send().await.unwrap()
}

#[tokio::test]
async fn a_status_fault_sets_the_status_and_retry_after() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 1).await;
        let path = records(&sync);
        for code in [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504, 599] {
            paragon.api_fault(ApiFault::new(ApiFaultKind::Status { code, retry_after: None }).next(1));
            let answer = send(&ada, &path).await;
            assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (code, None));
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["statusCode"], code);
        }
        let seconds = RetryAfterHeader::Seconds(30);
        paragon.api_fault(ApiFault::new(ApiFaultKind::Status { code: 429, retry_after: Some(seconds) }).next(1));
        assert_eq!(send(&ada, &path).await.headers()["retry-after"], "30");
        let date = RetryAfterHeader::Date(HOUR);
        paragon.api_fault(ApiFault::new(ApiFaultKind::Status { code: 503, retry_after: Some(date) }).next(1));
        let answer = send(&ada, &path).await;
        let date = answer.headers()["retry-after"].to_str().unwrap();
        assert!(date.ends_with(" GMT") && date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{date}");
        // A status fault keeps the call from taking effect, even if the status says success.
        for code in [200, 201, 204, 304] {
            paragon.api_fault(ApiFault::new(ApiFaultKind::Status { code, retry_after: None }).next(1));
            let answer = ada.request("POST", &format!("/api/syncs/{}/disable", sync.id())).send().await.unwrap();
            assert_eq!(answer.status(), code);
            assert_eq!(ada.get(&format!("/api/syncs/{}", sync.id())).await.1["status"], "IDLE", "it has no effect");
        }
    }
}

#[tokio::test]
async fn a_call_with_a_late_or_missing_response_still_takes_effect() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 1).await;
        let disable = format!("/api/syncs/{}/disable", sync.id());
        let reenable = format!("/api/syncs/{}/reenable", sync.id());
        for trouble in [ApiFaultKind::Delay(HOUR), ApiFaultKind::NeverAnswers] {
            paragon.api_fault(ApiFault::new(trouble).next(1).endpoint(Endpoint::DisableSync));
            let error = ada.request("POST", &disable).timeout(IMPATIENT).send().await.unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            assert_eq!(ada.get(&format!("/api/syncs/{}", sync.id())).await.1["status"], "DISABLED");
            assert_eq!(ada.call("POST", &reenable, "").await.0, 200);
            paragon.settle().await;
        }
        paragon.api_fault(ApiFault::new(ApiFaultKind::Delay(Duration::from_millis(1))).next(1));
        assert_eq!(ada.get(&records(&sync)).await.0, 200);
    }
}

#[tokio::test]
async fn connections_break_before_or_within_the_response() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 20).await;
        let disable = format!("/api/syncs/{}/disable", sync.id());
        paragon.api_fault(ApiFault::new(ApiFaultKind::ResetBefore).next(1));
        let error = ada.request("POST", &disable).send().await.unwrap_err();
        assert!(!error.is_timeout() && error.status().is_none(), "{error:?}");
        assert_eq!(ada.get(&format!("/api/syncs/{}", sync.id())).await.1["status"], "DISABLED");

        paragon.api_fault(ApiFault::new(ApiFaultKind::ResetInside).next(1));
        let answer = ada.request("GET", &records(&sync)).send().await;
        let error = match server {
            Server::Wiremock => answer.unwrap_err(),
            _ => answer.unwrap().bytes().await.unwrap_err(),
        };
        assert!(!error.is_timeout(), "{error:?}");
        assert_eq!(sync.unfetched().len(), 20, "nobody has read them");
        assert_eq!(ada.pull(sync.id().as_str(), "").await["data"].as_array().unwrap().len(), 20);
    }
}

#[tokio::test]
async fn json_may_be_truncated_or_malformed_or_labeled_as_html() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 5).await;
        let whole = send(&ada, &records(&sync)).await.bytes().await.unwrap();
        for trouble in [ApiFaultKind::CutJson, ApiFaultKind::MalformedJson] {
            paragon.api_fault(ApiFault::new(trouble).next(1));
            let answer = send(&ada, &records(&sync)).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
            let bytes = answer.bytes().await.unwrap();
            assert!(serde_json::from_slice::<Value>(&bytes).is_err(), "{trouble:?}");
        }
        paragon.api_fault(ApiFault::new(ApiFaultKind::WrongContentType).next(1));
        let answer = send(&ada, &records(&sync)).await;
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.bytes().await.unwrap(), whole);

        // The fault also applies to streams.
        let body = json!({"objectType": "file", "user": "ada@example.com", "role": "is_owner"});
        let path = format!("/api/permissions/{}/streamed-list-objects", sync.id());
        paragon.api_fault(ApiFault::new(ApiFaultKind::CutJson).endpoint(Endpoint::StreamListObjects).next(1));
        let text = ada.request("POST", &path).json(&body).send().await.unwrap().text().await.unwrap();
        let bad = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
        assert!(bad == 1 && text.lines().count() > 1, "{text}");
    }
}

#[tokio::test]
async fn reads_may_be_stale_for_a_number_of_reads() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let [a, b, c] = ["a", "b", "c"].map(|name| drive.create(File::named(name)));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let id = sync.id().as_str();
    let (_, cursor) = ada.pull_all(id, None, 10).await;
    let before = ada.pull(id, "").await;
    drive.update(&a, |file| file.name = "a2".into());
    drive.create(File::named("d"));
    paragon.advance(MINUTE).await;
    paragon.api_fault(ApiFault::new(ApiFaultKind::StaleReads(Stale::Reads(2))));

    // A stale read shows the old versions of changed records, not gaps in their place.
    assert_eq!(ada.pull(id, "").await, before);
    let caught_up = ada.pull(id, &format!("?cursor={}", cursor.clone().unwrap())).await;
    assert_eq!((&caught_up["data"], &caught_up["paging"]["remainingRecords"]), (&json!([]), &json!(0)));
    let (after, cursor) = ada.pull_all(id, cursor, 10).await;
    assert_eq!(names(&after), ["a2", "d"], "the third read shows it");
    let one = async |object| ada.get(&format!("{}/{}", records(&sync), sync.record_of(object).unwrap())).await;
    assert_eq!(one(&a).await.1["data"]["name"], "a", "each record lags for itself");
    assert_eq!(one(&a).await.1["data"]["name"], "a");
    assert_eq!(one(&a).await.1["data"]["name"], "a2");

    // A stale read does not contain new records, and still contains deleted ones.
    drive.delete(&b);
    sync.run_soon(paragon_testkit::fake::RunKind::Full);
    paragon.settle().await;
    let stale = ada.pull(id, "?pageSize=2").await;
    assert_eq!(names(stale["data"].as_array().unwrap()), ["b", "c"]);
    let paging = &stale["paging"];
    assert_eq!([&paging["totalRecords"], &paging["totalActiveRecords"], &paging["remainingRecords"]], [4, 4, 2]);
    assert_eq!(one(&b).await.1["data"]["name"], "b");
    assert_eq!((one(&b).await.0, one(&b).await.0), (200, 404));
    // The cursor of a stale page leads to the records that the page did not show.
    let (rest, _) = ada.pull_all(id, paging["cursor"].as_str().map(str::to_owned), 10).await;
    assert_eq!(names(&rest), ["a2", "d"], "still the second read");
    assert_eq!(names(&ada.pull_all(id, cursor, 10).await.0), ["(deleted)"]);
    assert_eq!(one(&c).await.0, 404, "it was not there before its last change");
}

#[tokio::test]
async fn reads_may_be_stale_for_some_time() {
    let (paragon, sync, ada) = start(Server::Hyper, 1).await;
    let drive = paragon.user("ada").connect("googledrive");
    paragon.api_fault(ApiFault::new(ApiFaultKind::StaleReads(Stale::For(HOUR))).until(paragon.now() + 24 * HOUR));
    paragon.advance(HOUR).await;
    drive.create(File::named("new"));
    paragon.advance(MINUTE).await;
    let count = async || ada.pull(sync.id().as_str(), "").await["data"].as_array().unwrap().len();
    assert_eq!((count().await, count().await), (1, 1));
    paragon.advance(HOUR).await;
    assert_eq!(count().await, 2);
    // The fault ends after 24 hours: the last record would lag for an hour, but is visible as soon as the fault is
    // over.
    paragon.advance(21 * HOUR).await;
    drive.create(File::named("newer"));
    paragon.advance(56 * MINUTE).await;
    assert_eq!(count().await, 2);
    paragon.advance(5 * MINUTE).await;
    assert_eq!(count().await, 3);
}

#[tokio::test]
async fn pages_may_be_short_empty_repeating_or_without_a_cursor() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 10).await;
        let id = sync.id().as_str();
        let whole = ada.pull(id, "").await;
        let all = whole["data"].as_array().unwrap();

        let short = paragon.api_fault(ApiFault::new(ApiFaultKind::ShortPages(3)));
        let page = ada.pull(id, "?pageSize=5").await;
        assert_eq!((page["data"].as_array().unwrap().len(), &page["paging"]["remainingRecords"]), (3, &json!(7)));
        assert_eq!(&ada.pull_all(id, None, 5).await.0, all);
        paragon.end_api_fault(short);

        // Requests an empty page at the start, in the middle and at the end.
        let second = ada.pull(id, "?pageSize=4").await["paging"]["cursor"].as_str().unwrap().to_owned();
        for (query, rest) in [(String::new(), 10), (format!("&cursor={second}"), 6)] {
            paragon.api_fault(ApiFault::new(ApiFaultKind::EmptyPage).next(1));
            let page = ada.pull(id, &format!("?pageSize=4{query}")).await;
            assert_eq!((&page["data"], &page["paging"]["remainingRecords"]), (&json!([]), &json!(rest)));
            let cursor = page["paging"]["cursor"].as_str().map(str::to_owned);
            assert!(cursor.is_some());
            let (after, _) = ada.pull_all(id, cursor, 4).await;
            assert_eq!(&after, &all[10 - rest..]);
        }

        let repeats = paragon.api_fault(ApiFault::new(ApiFaultKind::RepeatedRecord));
        let first = ada.pull(id, "?pageSize=4").await;
        let next = ada.pull(id, &format!("?pageSize=4&cursor={}", first["paging"]["cursor"].as_str().unwrap())).await;
        assert_eq!(first["data"][3], next["data"][0]);
        assert_eq!(first["paging"]["remainingRecords"], 7);
        let (mut some, _) = ada.pull_all(id, None, 4).await;
        assert!(some.len() > 10, "{}", some.len());
        some.dedup();
        assert_eq!(&some, all);
        paragon.end_api_fault(repeats);

        paragon.api_fault(ApiFault::new(ApiFaultKind::NullCursorAtEnd));
        assert!(ada.pull(id, "?pageSize=9").await["paging"]["cursor"].is_string());
        let last = ada.pull(id, "?pageSize=10").await;
        assert_eq!((last["data"].as_array().unwrap().len(), &last["paging"]["cursor"]), (10, &json!(null)));
    }
}

#[tokio::test]
async fn valid_tokens_count_as_expired() {
    let (paragon, sync, ada) = start(Server::Hyper, 1).await;
    paragon.api_fault(ApiFault::new(ApiFaultKind::ExpiredTokens).user("ada").next(1));
    let bob = Client::new(&paragon, "bob");
    assert_eq!(bob.get("/api/syncs").await.0, 200);
    let answer = send(&ada, &records(&sync)).await;
    assert_eq!((answer.status().as_u16(), reason(&answer)), (401, "a fault: all tokens count as expired"));
    assert_eq!(answer.json::<Value>().await.unwrap(), refusal(401, "Unauthorized", "Unauthorized").1);
    assert_eq!(sync.unfetched().len(), 1);
    assert_eq!(ada.get(&records(&sync)).await.0, 200);
}

#[tokio::test]
async fn responses_may_contain_unknown_statuses_and_members() {
    for revision in Revision::ALL {
        let paragon = FakeParagon::start_with(FakeParagon::builder().revision(revision)).await.unwrap();
        let ada = Client::new(&paragon, "ada");
        let drive = paragon.user("ada").connect("googledrive");
        drive.create(File::named("a.pdf"));
        let sync = drive.enable("files").unwrap();
        paragon.settle().await;
        let path = format!("/api/syncs/{}", sync.id());
        paragon.api_fault(ApiFault::new(ApiFaultKind::UnknownStatus));
        assert_eq!(ada.get(&path).await.1["status"], ApiFault::UNKNOWN_STATUS);
        assert_eq!(ada.get("/api/syncs").await.1["data"][0]["status"], ApiFault::UNKNOWN_STATUS);
        let (_, disabled) = ada.call("POST", &format!("{path}/disable"), "").await;
        assert_eq!(disabled["status"], ApiFault::UNKNOWN_STATUS);
        paragon.end_api_faults();
        let plain = ada.pull(sync.id().as_str(), "").await;
        paragon.api_fault(ApiFault::new(ApiFaultKind::UnknownMembers));
        let page = ada.pull(sync.id().as_str(), "").await;
        for object in [&page, &page["paging"], &page["data"][0]] {
            assert_eq!(object[ApiFault::UNKNOWN_MEMBER], true);
        }
        assert_eq!(page["data"][0]["name"], plain["data"][0]["name"]);
        let refused = ada.get("/api/syncs/x").await;
        assert_eq!((refused.0, &refused.1[ApiFault::UNKNOWN_MEMBER]), (404, &json!(true)));
    }
}

#[tokio::test]
async fn a_fault_strikes_only_the_calls_that_it_names_and_only_as_often_as_it_says() {
    let (paragon, sync, ada) = start(Server::Hyper, 1).await;
    let bob = Client::new(&paragon, "bob");
    let other = paragon.user("ada").connect("googledrive").enable_as("files", "other").unwrap();
    let gone = ApiFaultKind::Status { code: 503, retry_after: None };
    let status = async |client: &Client, path: &str| client.get(path).await.0;

    let fault = ApiFault::new(gone).endpoint(Endpoint::PullRecords).sync(sync.id().clone()).next(2);
    let fault = paragon.api_fault(fault);
    for path in ["/api/syncs", &records(&other), &format!("/api/syncs/{}", sync.id())] {
        assert_eq!(status(&ada, path).await, 200, "{path}");
    }
    let path = records(&sync);
    assert_eq!([status(&ada, &path).await, status(&ada, &path).await, status(&ada, &path).await], [503, 503, 200]);
    let struck = paragon.api_faults().into_iter().find(|active| active.id == fault).unwrap().struck;
    assert_eq!(struck, 2);
    assert!(paragon.end_api_fault(fault) && !paragon.end_api_fault(fault));

    let fault = paragon.api_fault(ApiFault::new(gone).user(UserId::from("bob")));
    assert_eq!((status(&ada, "/api/syncs").await, status(&bob, "/api/syncs").await), (200, 503));
    paragon.end_api_fault(fault);

    paragon.api_fault(ApiFault::new(gone).until(paragon.now() + HOUR));
    assert_eq!(status(&ada, "/api/syncs").await, 503);
    paragon.advance(HOUR).await;
    assert_eq!(status(&ada, "/api/syncs").await, 200);

    // With the same seed the fault strikes the same calls.
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let paragon = FakeParagon::start_with(FakeParagon::builder().seed(seed)).await.unwrap();
        paragon.api_fault(ApiFault::new(gone).probability(0.5));
        let ada = Client::new(&paragon, "ada");
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(status(&ada, "/api/syncs").await);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
        seen.push(statuses);
    }
    assert!(seen[0] == seen[1] && seen[0] != seen[2]);
    paragon.api_fault(ApiFault::new(gone).probability(0.0));
    assert_eq!(status(&ada, "/api/syncs").await, 200);
}

/// Whatever fault occurs, a client that keeps its cursor and retries ends with all records.
#[tokio::test]
async fn a_client_that_retries_ends_with_the_right_data() {
    for server in SERVERS {
        let (paragon, sync, ada) = start(server, 40).await;
        let unavailable = ApiFaultKind::Status { code: 503, retry_after: Some(RetryAfterHeader::Seconds(0)) };
        for trouble in [
            unavailable,
            ApiFaultKind::ResetBefore,
            ApiFaultKind::ResetInside,
            ApiFaultKind::CutJson,
            ApiFaultKind::MalformedJson,
            ApiFaultKind::ExpiredTokens,
            ApiFaultKind::ShortPages(2),
            ApiFaultKind::EmptyPage,
            ApiFaultKind::RepeatedRecord,
            ApiFaultKind::UnknownMembers,
            ApiFaultKind::WrongContentType,
        ] {
            let fault = paragon.api_fault(ApiFault::new(trouble).endpoint(Endpoint::PullRecords).probability(0.5));
            let (mut held, mut cursor, mut calls) = (Vec::new(), String::new(), 0);
            loop {
                calls += 1;
                assert!(calls < 400, "{trouble:?}: it does not end");
                let path = format!("{}?pageSize=5&cursor={cursor}", records(&sync));
                let Ok(answer) = ada.request("GET", &path).send().await else { continue };
                if answer.status() != 200 {
                    continue;
                }
                let Ok(page) = answer.json::<Value>().await else { continue };
                for mut record in page["data"].as_array().unwrap().clone() {
                    record.as_object_mut().unwrap().remove(ApiFault::UNKNOWN_MEMBER);
                    if let Some(hash) = record.get_mut("hash") {
                        hash.as_object_mut().unwrap().remove(ApiFault::UNKNOWN_MEMBER);
                    }
                    if !held.contains(&record) {
                        held.push(record);
                    }
                }
                page["paging"]["cursor"].as_str().unwrap().clone_into(&mut cursor);
                if page["paging"]["remainingRecords"] == 0 {
                    break;
                }
            }
            assert_eq!(held, sync.records(), "{trouble:?}");
            paragon.end_api_fault(fault);
        }
        assert_eq!(sync.unfetched(), []);
    }
}
