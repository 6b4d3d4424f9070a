//! Tests of a receiver on good and bad days, written as a user of the library writes them.

use std::time::Duration;

use paragon_testkit::check::{HeldRecord, Histories, Level, Need, Suite, Verdict};
use paragon_testkit::contract::File;
use paragon_testkit::delivery::{DeliveryFault, DeliveryFaultKind, WebhookState, Wire};
use rstest::{fixture, rstest};

use crate::described::FakeParagon;
use crate::receiver::{Receiver, idle};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn files_reach_the_index_and_leave_it() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    paragon.set_webhook(app.webhook()).await;

    let drive = paragon.user("user_ada").connect("googledrive");
    let report = drive.create(File::named("Q1 report.pdf"));
    let draft = drive.create(File::named("draft.docx"));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    assert_eq!(app.names().await, ["Q1 report.pdf", "draft.docx"]);

    drive.update(&report, |file| file.name = "Q1 report (final).pdf".into());
    drive.delete(&draft);
    paragon.advance(DAY).await;
    assert_eq!(app.names().await, ["Q1 report (final).pdf"]);
    assert_eq!(sync.records()[0]["name"], "Q1 report (final).pdf");
    assert_eq!(sync.unfetched(), []);
    insta::assert_snapshot!(paragon.timeline());
}

#[tokio::test]
async fn a_webhook_is_disabled_events_are_missed_and_a_pull_catches_up() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    paragon.set_webhook(app.webhook()).await;
    let drive = paragon.user("user_ada").connect("googledrive");
    drive.enable("files").unwrap();
    paragon.settle().await;

    paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    for number in 0..4 {
        drive.create(File::named(format!("{number}.md")));
    }
    paragon.advance(MINUTE).await;
    paragon.run_until_idle().await;
    assert_eq!(paragon.webhook(), WebhookState::Disabled);
    drive.create(File::named("missed.md"));
    paragon.advance(DAY).await;
    assert_eq!(app.names().await, [] as [&str; 0]);

    paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    paragon.enable_webhook();
    drive.create(File::named("after.md"));
    paragon.advance(MINUTE).await;
    assert_eq!(app.names().await.len(), 6);
    insta::assert_snapshot!(paragon.timeline());
}

#[tokio::test]
async fn the_suite_runs_from_rust_with_a_closure_for_the_state() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let state = app.state();
    let judgment = Suite::for_receiver(app.webhook())
        .state(move || {
            let state = state.clone();
            async move {
                let state: serde_json::Value = reqwest::get(state).await.unwrap().json().await.unwrap();
                let records = state["records"].as_array().unwrap().iter();
                let id = |held: &serde_json::Value, name: &str| held[name].as_str().unwrap().to_owned();
                records
                    .map(|held| {
                        HeldRecord::new(id(held, "syncInstanceId"), id(held, "recordId")).value(held["record"].clone())
                    })
                    .collect()
            }
        })
        // The receiver runs in the process of the test, so it cannot be restarted.
        .select(|case| case.level < Level::May && !case.needs.contains(&Need::Process))
        .histories(Histories::default().cases(6))
        .run(&paragon)
        .await;
    judgment.assert_passed();
    assert_eq!(judgment.count(Verdict::Pass), judgment.results.len());
}

#[tokio::test]
#[should_panic(expected = "rec-created")]
async fn a_failing_case_fails_the_test_and_is_named() {
    let paragon = FakeParagon::start().await;
    let suite = Suite::for_receiver(idle().await).settle(Duration::from_millis(50));
    suite.select(|case| case.id == "rec-created").run(&paragon).await.assert_passed();
}

#[tokio::test]
#[should_panic(expected = "there is no such object")]
async fn deleting_an_object_that_does_not_exist_fails() {
    let paragon = FakeParagon::start().await;
    paragon.user("ada").connect("googledrive").delete(&"nothing".into());
}

#[tokio::test]
async fn signing_keys_are_not_printed() {
    let key = FakeParagon::start().await.project().signing_key;
    let builder = FakeParagon::builder().signing_key(&key);
    let told = format!("{builder:?}{:?}", builder.clone().start().await.unwrap());
    assert!(!told.contains("PRIVATE") && !format!("{:?}", FakeParagon::start().await.project()).contains("PRIVATE"));
}

#[test]
fn handles_can_be_sent_between_threads() {
    fn sendable<T: Send + Sync + 'static>() {}
    sendable::<paragon_testkit::FakeParagon>();
    sendable::<paragon_testkit::fake::Connection>();
    sendable::<paragon_testkit::fake::SyncHandle>();
    sendable::<Suite<'static>>();
}

/// The README shows lines of these tests, unchanged.
#[test]
fn the_readme_shows_tests_that_run() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<_> = readme.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let files = [include_str!("story.rs"), include_str!("snapshot.rs")];
    assert_eq!(blocks.len(), files.len());
    for (block, file) in blocks.iter().zip(files) {
        let mut here = file.lines().map(str::trim);
        for line in block.lines() {
            let line = line.split(" // ").next().unwrap().trim();
            assert!(line.is_empty() || here.any(|here| here == line), "not in the test, or not there: {line}");
        }
    }
}

/// The application, and the fake that it is connected to.
#[fixture]
async fn connected() -> (FakeParagon, Receiver) {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    paragon.set_webhook(app.webhook()).await;
    (paragon, app)
}

#[rstest]
#[case::twice(DeliveryFaultKind::Duplicate)]
#[case::six_at_once(DeliveryFaultKind::Together(6))]
#[case::late(DeliveryFaultKind::Delay(DAY))]
#[case::again_as_the_answer_was_lost(DeliveryFaultKind::Wire(Wire::ResetAfterBody))]
#[tokio::test]
async fn a_file_is_held_once_however_its_event_comes(
    #[future(awt)] connected: (FakeParagon, Receiver),
    #[case] fault: DeliveryFaultKind,
) {
    let (paragon, app) = connected;
    let drive = paragon.user("user_ada").connect("googledrive");
    drive.enable("files").unwrap();
    paragon.settle().await;
    paragon.delivery_fault(DeliveryFault::new(fault).next(1));
    drive.create(File::named("Q1 report.pdf"));
    paragon.advance(DAY).await;
    paragon.run_until_idle().await;
    assert_eq!(app.names().await, ["Q1 report.pdf"]);
}
