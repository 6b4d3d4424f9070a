//! Answering: the receiver answers every event in time, in every form that Paragon may send.

use std::time::Duration;

use serde_json::{Value, json};

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE, about, event};
use crate::check::error::CaseError;
use crate::check::rest::RESTLESS;
use crate::contract::{EventKind, File, Revision};
use crate::delivery::{Answer, DeliveryFault, DeliveryFaultKind, Outcome, Wire};
use crate::fake::{ApiFault, ApiFaultKind};

pub(super) const EVERY_EVENT: Case = Case {
    id: "ack-every-event",
    family: Family::Ack,
    level: Level::Must,
    title: "each of the six events is answered 2xx in time",
    title_unseen: None,
    why: "Paragon may disable a webhook that fails repeatedly, and then every event of every user is lost.",
    fix: "Answer 2xx to all six events, also to those that you do not use; do slow work after the answer.",
    needs: &[],
    presumes: &["pull-token"],
    rests_on: &["webhook.2xx", "webhook.events"],
    run: |context| Box::pin(every_event(context)),
};

/// Ends at the first problem, because a receiver that hangs would otherwise cost a timeout for each retry.
async fn every_event(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let paragon = &context.paragon;
    let (a, b) = (context.create("a.pdf"), context.create("b.pdf"));
    let sync = context.enable().await?;
    paragon.settle().await;
    context.answered(0, &[EventKind::SyncComplete]).await?;
    context.create("c.pdf");
    context.drive.update(&a, |file| file.size = Some(2048));
    paragon.advance(MINUTE).await;
    context.answered(0, &[EventKind::RecordCreated, EventKind::RecordUpdated]).await?;
    context.drive.delete(&b);
    paragon.advance(DAY).await;
    let unreadable = json!({"message": "the file cannot be read", "recordId": sync.record_of(&a), "model": "files"});
    context.send(event(&sync, "record_errored", json!({"error": unreadable})))?;
    let revoked = json!({"message": "the credential is no longer valid"});
    context.deliver(event(&sync, "sync_errored", json!({"error": revoked}))).await?;
    context.answered(0, &EventKind::ALL).await
}

pub(super) const UNKNOWN_MEMBERS: Case = Case {
    id: "ack-unknown-members",
    family: Family::Ack,
    level: Level::Should,
    title: "events with members that the receiver does not know are answered 2xx",
    title_unseen: None,
    why: "Paragon adds members without notice, as it did with credentialId; a strict receiver stops on that day.",
    fix: "Read the members that you need and ignore the others.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.new-members"],
    run: |context| Box::pin(unknown_members(context)),
};

async fn unknown_members(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.enabled(&["a.pdf"]).await?;
    let mark = context.paragon.timeline_mark();
    for place in ["/traceId", "/user/email", "/data/source"] {
        let mut event = about(&sync, "record_updated", sync.record_of(&files[0]));
        let (parent, member) = place.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = event.pointer_mut(parent) {
            parent[member] = json!("new");
        }
        context.send(event)?;
    }
    context.paragon.settle().await;
    context.answered(mark, &[EventKind::RecordUpdated]).await
}

pub(super) const UNKNOWN_EVENT: Case = Case {
    id: "ack-unknown-event",
    family: Family::Ack,
    level: Level::Should,
    title: "an event with a name that the receiver does not know is answered 2xx",
    title_unseen: None,
    why: "On the day that Paragon adds an event, a receiver that refuses it fails repeatedly, and is disabled.",
    fix: "Answer 2xx to names that you do not know, and do nothing.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.new-members"],
    run: |context| Box::pin(unknown_event(context)),
};

async fn unknown_event(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.enabled(&["a.pdf"]).await?;
    let record = sync.record_of(&files[0]);
    for kind in ["record_archived", "sync_paused"] {
        let body = about(&sync, kind, &record).to_string();
        if let Some(problem) = context.post(body.as_bytes()).await {
            return Err(CaseError::Fail(format!("{kind}: {problem}")));
        }
    }
    Ok(())
}

pub(super) const OLDER_REVISION: Case = Case {
    id: "ack-older-revision",
    family: Family::Ack,
    level: Level::Should,
    title: "events without credentialId, as before March 2026, are answered 2xx and followed",
    title_unseen: None,
    why: "Which age of the contract a project gets is not documented; on-premise installations lag behind.",
    fix: "Treat credentialId as optional.",
    needs: &[],
    presumes: &["ack-every-event", "rec-created", "pull-all-pages"],
    rests_on: &["webhook.2xx", "webhook.new-members", "sync.incremental"],
    run: |context| Box::pin(older_revision(context)),
};

async fn older_revision(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let own = context.paragon.revision();
    if own == Revision::SnakeCase {
        return Err(CaseError::NotEvaluable("the whole run is of an older age (--revision)".to_owned()));
    }
    context.paragon.set_revision(Revision::CamelCase);
    let synced = async {
        context.create("a.pdf");
        let sync = context.enable().await?;
        context.paragon.settle().await;
        context.create("b.pdf");
        context.paragon.advance(MINUTE).await;
        context.answered(0, &[EventKind::SyncComplete, EventKind::RecordCreated]).await?;
        context.right(&[&sync]).await
    };
    let synced = synced.await;
    context.paragon.set_revision(own);
    synced
}

pub(super) const VERIFICATION: Case = Case {
    id: "ack-verification",
    family: Family::Ack,
    level: Level::Should,
    title: "the probe webhook_verification, which names no sync and no user, is answered 2xx",
    title_unseen: None,
    why: "A URL that does not answer it may not be accepted at all.",
    fix: "Answer 2xx before you look for syncInstanceId or user.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.verification"],
    run: |context| Box::pin(verification(context)),
};

async fn verification(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let problem = context.post(br#"{"event":"webhook_verification"}"#).await;
    problem.map_or(Ok(()), |problem| Err(CaseError::Fail(format!("webhook_verification: {problem}"))))
}

pub(super) const SLOW_API: Case = Case {
    id: "ack-slow-api",
    family: Family::Ack,
    level: Level::Should,
    title: "an event is answered in time also when the Sync API is slow",
    title_unseen: None,
    why: "A receiver that waits for the Sync API before it answers is late for every event while that is slow, and is disabled.",
    fix: "Answer first and fetch afterwards, from a durable queue; or give up fetching in time, and answer 5xx.",
    needs: &[],
    presumes: &["ack-every-event", "pull-deleted-sync"],
    rests_on: &["webhook.2xx", "webhook.timeout", "api.unavailable"],
    run: |context| Box::pin(slow_api(context)),
};

/// Judges only the response. Other cases judge whether the receiver ends up with the right records.
async fn slow_api(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (_, files) = context.synced(&["a.pdf"]).await?;
    let late = context.paragon.answers_within() + Duration::from_millis(500);
    // The fault delays every call, because the first call may be a late fetch of earlier changes.
    let fault = context.paragon.api_fault(ApiFault::new(ApiFaultKind::Delay(late)).user(context.user.clone()));
    context.drive.update(&files[0], |file| file.size = Some(7));
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(MINUTE).await;
    let timeline = context.timeline_since(mark);
    let Some((event, attempt)) = timeline.attempts().next() else {
        return Err(CaseError::NotEvaluable("record_updated was never sent".to_owned()));
    };
    if let Outcome::Failed(failure) = &attempt.outcome {
        return Err(CaseError::Fail(format!(
            "{event}: {failure}, while the Sync API took longer than that (see --timeout)"
        )));
    }
    let met = context.met(fault, 1).await;
    context.paragon.end_api_fault(fault);
    met
}

pub(super) const LARGE: Case = Case {
    id: "ack-large",
    family: Family::Ack,
    level: Level::Should,
    title: "an event of 64 KB is answered 2xx",
    title_unseen: None,
    why: "sync_errored and record_errored carry a message of the provider, which can be a whole page.",
    fix: "Let the endpoint take at least 100 KB, and store long messages cut.",
    needs: &[],
    presumes: &["ack-every-event", "ack-dribbled"],
    rests_on: &["webhook.2xx", "webhook.large"],
    run: |context| Box::pin(large(context)),
};

async fn large(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.enabled(&["a.pdf"]).await?;
    let mark = context.paragon.timeline_mark();
    let record = sync.record_of(&files[0]);
    let error = json!({"message": "the provider says no. ".repeat(3_000), "recordId": record, "model": "files"});
    context.deliver(event(&sync, "record_errored", json!({"error": error}))).await?;
    context.answered(mark, &[EventKind::RecordErrored]).await
}

pub(super) const ODD: Case = Case {
    id: "ack-odd",
    family: Family::Ack,
    level: Level::Should,
    title: "events with odd text, numbers and white space are answered 2xx",
    title_unseen: None,
    why: "Messages come from providers and names from people: a receiver that fails on one fails on it each time it is sent.",
    fix: "Parse JSON with a library, keep text as Unicode, and do not let a message that you only log be an error.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.odd"],
    run: |context| Box::pin(odd(context)),
};

async fn odd(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.enabled(&["a.pdf", "unreadable.pdf"]).await?;
    let (record, unreadable) = (sync.record_of(&files[0]), sync.record_of(&files[1]));
    // The regular event of this change is lost. Below, the receiver must understand the event with white space, not
    // only answer it.
    context.paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Lose).next(1));
    context.drive.update(&files[0], |file| file.name = "\u{1f4c4} b.pdf".into());
    context.paragon.advance(MINUTE).await;
    let updated = about(&sync, "record_updated", &record);
    let errored = |message: &str| {
        event(&sync, "record_errored", json!({"error": {"message": message, "recordId": unreadable, "model": "files"}}))
    };
    let complete = |count| context.complete(&sync, count);
    let pretty = |event: &Value| serde_json::to_string_pretty(event).unwrap_or_default();
    let escaped = |event: &Value| {
        let plain = event.to_string();
        let escape = |c: char| {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"))
        };
        plain.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect::<String>()
    };
    let bodies = [
        ("an empty message", errored("").to_string()),
        (
            "text of many scripts",
            errored(
                "na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1f4c4}\u{1f468}\u{200d}\u{1f469}",
            )
            .to_string(),
        ),
        ("the same, escaped", escaped(&errored("na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} \u{1f4c4}"))),
        ("quotes, markup and control characters", errored("\"'`</script>{{x}}%s\u{7}\t\r\n\\").to_string()),
        ("white space between members of record_updated", pretty(&updated)),
        ("white space between members", format!("\r\n\t {} \n", pretty(&errored("x")))),
        ("no records", complete(0).to_string()),
        ("2^53 - 1 records", complete((1 << 53) - 1).to_string()),
    ];
    for (what, body) in bodies {
        if let Some(problem) = context.post(body.as_bytes()).await {
            return Err(CaseError::Fail(format!("{what}: {problem}")));
        }
    }
    context.follows(&sync).await
}

pub(super) const BURST: Case = Case {
    id: "ack-burst",
    family: Family::Ack,
    level: Level::Should,
    title: "fifty requests at the same moment are all answered 2xx in time",
    title_unseen: None,
    why: "A full sync can find hundreds of changes at once, for many users; how many requests Paragon makes at a time is unknown.",
    fix: "Keep the answer short: store the event and answer; do the work elsewhere, with as many workers as you can afford.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.order"],
    run: |context| Box::pin(burst(context)),
};

async fn burst(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (_, files) = context.enabled(&["a.pdf"]).await?;
    // The initial sync is not part of this case, so the receiver may finish it first.
    context.rest(RESTLESS).await;
    context.drive.update(&files[0], |file| file.name = "b.pdf".into());
    context.paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Together(50)).next(1));
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(MINUTE).await;
    // Refusing some of them at first is what the case is about.
    context.answered_so_far(mark, &[EventKind::RecordUpdated])
}

/// Sends an event over an unusual wire. The receiver must answer and follow it like any other event.
async fn over(context: &CaseContext<'_>, wire: Wire) -> Result<(), CaseError> {
    let (sync, files) = context.enabled(&["a.pdf"]).await?;
    context.rest(RESTLESS).await;
    context.drive.update(&files[0], |file| file.name = "b.pdf".into());
    context.paragon.delivery_fault(DeliveryFaultKind::Wire(wire));
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(MINUTE).await;
    let answered = context.answered(mark, &[EventKind::RecordUpdated]).await;
    context.paragon.end_delivery_fault(DeliveryFaultKind::Wire(wire));
    answered?;
    context.follows(&sync).await
}

pub(super) const CHUNKED: Case = Case {
    id: "ack-chunked",
    family: Family::Ack,
    level: Level::Should,
    title: "an event that comes in chunks, without a content-length, is answered 2xx and followed",
    title_unseen: None,
    why: "How Paragon sends bodies is not documented; proxies in between may change it at any time.",
    fix: "Let the HTTP server read the body, not your code; HTTP/1.1 asks every server to take chunks.",
    needs: &[],
    presumes: &["ack-every-event", "ack-dribbled"],
    rests_on: &["webhook.2xx", "webhook.wire"],
    run: |context| Box::pin(over(context, Wire::Chunked)),
};

pub(super) const DRIBBLED: Case = Case {
    id: "ack-dribbled",
    family: Family::Ack,
    level: Level::Should,
    title: "an event whose body arrives in small pieces is answered 2xx and followed",
    title_unseen: None,
    why: "Networks cut where they like: a receiver that parses the first piece alone fails now and then, and nobody finds out why.",
    fix: "Read the whole body before you parse it.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.wire"],
    run: |context| Box::pin(over(context, Wire::Dribbled)),
};

pub(super) const EXPECT_CONTINUE: Case = Case {
    id: "ack-expect-continue",
    family: Family::Ack,
    level: Level::May,
    title: "an event that asks first, with expect: 100-continue, is answered 2xx and followed",
    title_unseen: None,
    why: "Some HTTP clients ask before they send a body, and some servers never answer that.",
    fix: "Use an HTTP server that knows `Expect`, or a proxy in front that does.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.wire"],
    run: |context| Box::pin(over(context, Wire::ExpectContinue)),
};

pub(super) const MALFORMED: Case = Case {
    id: "ack-malformed",
    family: Family::Ack,
    level: Level::Should,
    title: "a body that is not an event is answered 4xx, and the receiver goes on",
    title_unseen: None,
    why: "Anybody can reach a public URL; one bad request must not take the receiver down or count as delivered.",
    fix: "Answer 400 when the body does not parse or is no object, before anything else is done with it.",
    needs: &[],
    presumes: &["ack-every-event", "ack-large"],
    rests_on: &["webhook.malformed"],
    run: |context| Box::pin(malformed(context)),
};

async fn malformed(context: &CaseContext<'_>) -> Result<(), CaseError> {
    context.drive.create(File::named("a.pdf"));
    let sync = context.enable().await?;
    context.paragon.settle().await;
    context.answered(0, &[EventKind::SyncComplete]).await.map_err(|stop| match stop {
        CaseError::Fail(found) => CaseError::NotEvaluable(format!("it does not answer good events either:\n{found}")),
        stop => stop,
    })?;
    let deep = "[".repeat(20_000);
    let bodies: [(&[u8], bool); 6] = [
        (br#"{"event":"record_created","data":{"#, true),
        (b"event=record_created", true),
        (b"", false),
        (b"{\"event\":\"sync_complete\xff\"}", false),
        (b"[7]", false),
        (deep.as_bytes(), false),
    ];
    let mut found = Vec::new();
    for (body, refuse) in bodies {
        let problem = match context.post_raw(body).await {
            Outcome::Answered(Answer { status: 400..=499, .. }) => continue,
            // Parsers may treat such a body differently, so accepting it is no failure of the receiver.
            Outcome::Answered(Answer { status: 200..=499, .. }) if !refuse => continue,
            Outcome::Answered(Answer { status, .. }) => format!("answered {status}, expected 4xx"),
            Outcome::Failed(failure) => format!("{failure}, expected an answer"),
        };
        let start: String = String::from_utf8_lossy(body).chars().take(40).collect();
        found.push(format!("{start:?}: {problem}"));
    }
    let mark = context.paragon.timeline_mark();
    context.deliver(context.complete(&sync, 1)).await?;
    if let Err(CaseError::Fail(problem)) = context.answered(mark, &[EventKind::SyncComplete]).await {
        found.push(format!("a good event afterwards: {problem}"));
    }
    if found.is_empty() { Ok(()) } else { Err(CaseError::Fail(found.join("\n"))) }
}
