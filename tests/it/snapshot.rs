//! Tests whose snapshots read as a story: what happened, which calls were made, which records are held.

use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use paragon_testkit::contract::{Event, File};
use paragon_testkit::delivery::{DeliveryFaultKind, InProcess};
use paragon_testkit::fake::blocking;
use paragon_testkit::snapshot::{Snapshot, handled, handled_async};
use serde_json::{Value, json};

use crate::described::FakeParagon;
use crate::receiver::Receiver;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_deleted_file_leaves_the_index() {
    let paragon = FakeParagon::start_with(FakeParagon::builder().seed(7)).await.unwrap();
    let app = Receiver::start(&paragon).await;
    paragon.set_webhook(app.webhook()).await;
    let drive = paragon.user("user_ada").connect("googledrive");
    let report = drive.create(File::named("Q1 report.pdf"));
    let draft = drive.create(File::named("draft.docx"));
    drive.enable("files").unwrap();
    paragon.settle().await;

    drive.update(&report, |file| file.name = "Q1 report (final).pdf".into());
    drive.delete(&draft);
    paragon.advance(DAY).await;

    let state: Value = reqwest::get(app.state()).await.unwrap().json().await.unwrap();
    let snapshot = Snapshot::of(&paragon);
    snapshot.bind(|| {
        insta::assert_snapshot!(snapshot.timeline());
        insta::assert_snapshot!(snapshot.calls());
        insta::assert_snapshot!(snapshot.state(&state));
    });
}

/// What a typical handler does for an event.
#[derive(Debug)]
#[expect(dead_code, reason = "they are printed")]
enum Todo {
    Pull { sync: String },
    Fetch { sync: String, record: String },
    Remove { record: String },
    Nothing,
}

fn todo(event: Event) -> Todo {
    match event {
        Event::SyncComplete(event) => Todo::Pull { sync: event.envelope.sync_instance_id.to_string() },
        Event::RecordCreated(event) | Event::RecordUpdated(event) => {
            Todo::Fetch { sync: event.envelope.sync_instance_id.to_string(), record: event.data.record_id.to_string() }
        }
        Event::RecordDeleted(event) => Todo::Remove { record: event.data.record_id.to_string() },
        _ => Todo::Nothing,
    }
}

#[tokio::test]
async fn a_handler_is_shown_every_shipped_event() {
    let told = handled(todo);
    assert_eq!(handled_async(async |event| todo(event)).await, told);
    insta::assert_snapshot!(told);
}

#[test]
fn a_test_without_async_can_do_the_same() {
    let paragon = blocking::FakeParagon::builder().seed(7).start_blocking().unwrap();
    let app = paragon.block_on(Receiver::start(&paragon));
    paragon.set_webhook(app.webhook());
    let drive = paragon.user("user_ada").connect("googledrive");
    let file = drive.create(File::named("Q1 report.pdf"));
    drive.enable("files").unwrap();
    paragon.settle();
    assert_eq!(paragon.block_on(app.names()), ["Q1 report.pdf"]);
    drive.delete(&file);
    paragon.advance(DAY);
    paragon.run_until_idle();
    assert_eq!(paragon.block_on(app.names()), [] as [&str; 0]);
    assert_eq!(paragon.post_raw(&app.webhook(), b"no JSON").to_string(), "400");
    paragon.mount(
        wiremock::Mock::given(wiremock::matchers::path("/own")).respond_with(wiremock::ResponseTemplate::new(418)),
    );
    assert_eq!(paragon.block_on(reqwest::get(format!("{}/own", paragon.api_url()))).unwrap().status(), 418);
}

/// Responds with the name of the event. The handler panics at `record_errored`, and the route `/never` never responds.
fn app() -> Router {
    let webhook = async |Json(event): Json<Value>| {
        assert_ne!(event["event"], "record_errored", "on purpose");
        (axum::http::StatusCode::ACCEPTED, event["event"].to_string())
    };
    Router::new().route("/webhook", post(webhook)).route("/never", post(std::future::pending::<()>))
}

#[tokio::test]
async fn a_router_is_called_without_a_socket() {
    use paragon_testkit::delivery::{DeliveryFault, Wire};
    let builder = FakeParagon::builder().answer_within(Duration::from_millis(50));
    let paragon = FakeParagon::start_with(builder).await.unwrap();
    paragon.set_transport(InProcess::new(app()));
    paragon.set_webhook("http://app/webhook".parse().unwrap()).await;
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    drive.enable("files").unwrap();
    paragon.settle().await;
    paragon.assert_delivered(&json!({"event": "sync_complete", "data": {"numRecords": 1}}));

    for wire in [Wire::Chunked, Wire::Dribbled, Wire::ExpectContinue, Wire::ResetAfterBody, Wire::HangUp] {
        paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Wire(wire)).next(1));
        drive.update(&file, |file| file.name = format!("{wire:?}"));
        paragon.advance(Duration::from_secs(60)).await;
        paragon.run_until_idle().await;
    }
    drive.make_unreadable(&file, "too large");
    paragon.advance(Duration::from_secs(60)).await;
    drive.make_readable(&file);
    paragon.set_webhook("http://app/never".parse().unwrap()).await;
    paragon.advance(Duration::from_secs(60)).await;
    paragon.set_webhook("http://app/nowhere".parse().unwrap()).await;
    drive.update(&file, |file| file.name = "last".into());
    paragon.advance(Duration::from_secs(60)).await;
    insta::assert_snapshot!(paragon.timeline());
}

#[tokio::test]
async fn an_undelivered_event_is_reported_beside_the_most_similar_one() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let message = |members: Value| {
        let checked = std::panic::AssertUnwindSafe(|| paragon.assert_delivered(&members));
        let panic = std::panic::catch_unwind(checked).expect_err("it was not delivered");
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let nothing = message(json!({"event": "sync_complete"}));
    assert!(nothing.contains("nothing was sent at all"), "{nothing}");

    paragon.set_webhook(app.webhook()).await;
    let drive = paragon.user("user_ada").connect("googledrive");
    drive.create(File::named("a.pdf"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    paragon.assert_delivered(&json!({"syncInstanceId": sync.id(), "user": {"id": "user_ada"}}));
    paragon.assert_delivered(&json!({}));
    let other = json!({"event": "sync_complete", "user": {"id": "user_bob", "name": "Bob"}, "data": {"numRecords": 1}});
    insta::assert_snapshot!(message(other));

    paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    drive.create(File::named("b.pdf"));
    paragon.advance(Duration::from_secs(60)).await;
    let created = json!({"event": "record_created"});
    let missed = message(created.clone());
    assert!(missed.contains("it has all of them, but was not answered 2xx"), "{missed}");
    paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    paragon.run_until_idle().await;
    paragon.assert_delivered(&created);
}
