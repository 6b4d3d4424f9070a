//! Answering: every event, in every form that Paragon may send, in time.

use serde_json::json;

use crate::check::case::{Case, Level};
use crate::check::trial::{DAY, MINUTE, Stop, Trial};
use crate::contract::{EventKind, File};
use crate::delivery::{Answer, Outcome};

pub(super) const EVERY_EVENT: Case = Case {
    id: "ack-every-event",
    level: Level::Must,
    title: "each of the six events is answered 2xx in time",
    why: "Paragon may disable a webhook that fails repeatedly, and then every event of every user is lost.",
    fix: "Answer 2xx to all six events, also to those that you do not use; do slow work after the answer.",
    needs_state: false,
    rests_on: &["webhook.2xx", "webhook.events"],
    run: |trial| Box::pin(every_event(trial)),
};

/// Ends at the first problem: a receiver that hangs would otherwise cost a time-out for each retry.
async fn every_event(trial: &Trial<'_>) -> Result<(), Stop> {
    let paragon = trial.paragon;
    let (a, b) = (trial.drive.create(File::named("a.pdf")), trial.drive.create(File::named("b.pdf")));
    let sync = trial.enable().await?;
    paragon.settle().await;
    trial.answered(trial.mark, &[EventKind::SyncComplete])?;
    trial.drive.create(File::named("c.pdf"));
    trial.drive.update(&a, |file| file.size = Some(2048));
    paragon.advance(MINUTE).await;
    trial.answered(trial.mark, &[EventKind::RecordCreated, EventKind::RecordUpdated])?;
    trial.drive.delete(&b);
    paragon.advance(DAY).await;
    let about = |event: &str, error| {
        let mut event = json!({"event": event, "error": error});
        let envelope = serde_json::to_value(sync.envelope()).unwrap_or_default();
        event
            .as_object_mut()
            .into_iter()
            .for_each(|event| event.extend(envelope.as_object().cloned().unwrap_or_default()));
        event
    };
    let record = sync.record_of(&a);
    trial.send(about(
        "record_errored",
        json!({"message": "the file cannot be read", "recordId": record, "model": "files"}),
    ))?;
    trial.send(about("sync_errored", json!({"message": "the credential is no longer valid"})))?;
    paragon.settle().await;
    trial.answered(trial.mark, &EventKind::ALL)
}

pub(super) const UNKNOWN_MEMBERS: Case = Case {
    id: "ack-unknown-members",
    level: Level::Should,
    title: "events with members that the receiver does not know are answered 2xx",
    why: "Paragon adds members without notice, as it did with credentialId; a strict receiver stops on that day.",
    fix: "Read the members that you need and ignore the others.",
    needs_state: false,
    rests_on: &["webhook.2xx", "webhook.new-members"],
    run: |trial| Box::pin(unknown_members(trial)),
};

async fn unknown_members(trial: &Trial<'_>) -> Result<(), Stop> {
    let (sync, files) = trial.synced(&["a.pdf"]).await?;
    let mark = trial.paragon.timeline_mark();
    let envelope = serde_json::to_value(sync.envelope()).unwrap_or_default();
    let data = json!({"recordId": sync.record_of(&files[0]), "model": "files"});
    for place in ["/traceId", "/user/email", "/data/source"] {
        let mut event = envelope.clone();
        event["event"] = json!("record_updated");
        event["data"] = data.clone();
        let (parent, member) = place.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = event.pointer_mut(parent) {
            parent[member] = json!("new");
        }
        trial.send(event)?;
    }
    trial.paragon.settle().await;
    trial.answered(mark, &[EventKind::RecordUpdated])
}

pub(super) const MALFORMED: Case = Case {
    id: "ack-malformed",
    level: Level::Should,
    title: "a body that is not JSON is answered 4xx, and the receiver goes on",
    why: "Anybody can reach a public URL; one bad request must not take the receiver down or count as delivered.",
    fix: "Answer 400 when the body does not parse, before anything else is done with it.",
    needs_state: false,
    rests_on: &["webhook.malformed"],
    run: |trial| Box::pin(malformed(trial)),
};

async fn malformed(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.drive.create(File::named("a.pdf"));
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    trial.answered(trial.mark, &[EventKind::SyncComplete]).map_err(|stop| match stop {
        Stop::Fail(found) => Stop::NotEvaluable(format!("it does not answer good events either:\n{found}")),
        stop @ Stop::NotEvaluable(_) => stop,
    })?;
    let mut found = Vec::new();
    for body in [r#"{"event":"record_created","data":{"#, "event=record_created"] {
        let problem = match trial.paragon.post_raw(trial.webhook, body.as_bytes()).await {
            Outcome::Answered(Answer { status: 400..=499, .. }) => continue,
            Outcome::Answered(Answer { status, .. }) => format!("answered {status}"),
            Outcome::Failed(failure) => failure.to_string(),
        };
        found.push(format!("{body:?}: {problem}, expected 4xx"));
    }
    let mark = trial.paragon.timeline_mark();
    let mut event = serde_json::to_value(sync.envelope()).unwrap_or_default();
    event["event"] = json!("sync_complete");
    event["data"] = json!({"model": "files", "syncedAt": trial.paragon.now(), "numRecords": 1});
    trial.send(event)?;
    trial.paragon.settle().await;
    if let Err(Stop::Fail(problem)) = trial.answered(mark, &[EventKind::SyncComplete]) {
        found.push(format!("a good event afterwards: {problem}"));
    }
    if found.is_empty() { Ok(()) } else { Err(Stop::Fail(found.join("\n"))) }
}
