//! Whatever happens, everything that the fake sends and serves is valid by the strict schemas of its revision.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::routing::post;
use paragon_testkit::contract::{Contract, Layer, Revision};
use paragon_testkit::scenario::Fault;
use paragon_testkit::strategies::{HistoryParams, Params, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use url::Url;

use crate::api::Client;
use crate::described::FakeParagon;

/// Starts a webhook that accepts and keeps every event.
pub(crate) async fn sink() -> (Url, Arc<Mutex<Vec<Value>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let handler = move |body: Bytes| async move { keep.lock().unwrap().push(serde_json::from_slice(&body).unwrap()) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/", post(handler))).await });
    (url, kept)
}

#[tokio::test]
async fn everything_sent_and_served_is_valid_in_each_revision() {
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for revision in Revision::ALL {
        let strict = Contract::new(revision, Layer::Strict);
        let params = HistoryParams::default()
            .payloads(Params::new(revision).edge(10))
            .faults([Fault::ReceiverUnreachable, Fault::EventsDoubled])
            .rounds(5..=20);
        for _ in 0..20 {
            let scenario = history(params.clone()).new_tree(&mut runner).unwrap().current();
            let paragon = FakeParagon::start_with(FakeParagon::builder().scenario(&scenario)).await.unwrap();
            let (url, events) = sink().await;
            paragon.set_webhook(url).await;
            let syncs = paragon.play(&scenario).await.unwrap();
            for event in events.lock().unwrap().iter() {
                assert_eq!(strict.validate_event(event), [], "{revision}: {event}");
                seen.insert((revision, event["event"].as_str().unwrap().to_owned()));
            }
            for sync in &syncs {
                let user = sync.envelope().user.id.to_string();
                let client = Client::new(&paragon, &user);
                let path = format!("/api/syncs/{}", sync.id());
                for (path, schema) in [
                    ("/api/syncs".to_owned(), "api/list_syncs_response"),
                    (path.clone(), "api/sync_status_response"),
                    (format!("{path}/records"), "api/pull_records_response"),
                    (format!("{path}/records?cursor=x"), "common/error"),
                ] {
                    let (_, body) = client.get(&path).await;
                    assert_eq!(strict.validate(schema, &body), [], "{revision} {path}: {body}");
                }
                for record in sync.records() {
                    let id = record["id"].as_str().unwrap();
                    let (_, body) = client.get(&format!("{path}/records/{id}")).await;
                    assert_eq!(body["data"], record);
                    assert_eq!(strict.validate("records/file", &record), [], "{revision}: {record}");
                }
            }
        }
    }
    // Each revision has sent all four events that changes of files cause.
    assert_eq!(seen.len(), 4 * 3, "{seen:?}");
}
