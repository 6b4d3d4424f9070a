//! Answering: the receiver answers every event in time, in every form that Paragon may send.

use std::time::Duration;

use serde_json::{Value, json};

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE, about, event};
use crate::check::error::CaseError;
use crate::check::rest::RESTLESS;
use crate::contract::{EventKind, File, Revision};
use crate::delivery::{Answer, DeliveryFault, DeliveryFaultKind, Outcome, Wire};
use crate::fake::{ApiFault, ApiFaultKind, EventAttempt};

pub(super) const EVERY_EVENT: Case = Case {
    id: "ack-every-event",
    family: Family::Ack,
    level: Level::Must,
    title: "each of the six events gets a 2xx response in time",
    title_unseen: None,
    why: "Paragon may disable a webhook that fails repeatedly, and then every event of every user is lost.",
    fix: "Respond with 2xx to all six events, also to the events that your application does not use. Do slow work after the response.",
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
    title: "events with members that the receiver does not know get a 2xx response",
    title_unseen: None,
    why: "Paragon adds members without notice, as it did with credentialId. A receiver that rejects unknown members \
          then fails.",
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
    title: "an event with a name that the receiver does not know gets a 2xx response",
    title_unseen: None,
    why: "When Paragon adds an event, a receiver that rejects unknown events fails repeatedly, and its webhook may be \
          disabled.",
    fix: "Respond with 2xx to events with names that you do not know, and do nothing else.",
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
    title: "events without credentialId, as sent before March 2026, get a 2xx response and are processed",
    title_unseen: None,
    why: "Paragon does not document which revision of the contract a project gets, and on-premises installations lag \
          behind.",
    fix: "Treat credentialId as optional.",
    needs: &[],
    presumes: &["ack-every-event", "rec-created", "pull-all-pages"],
    rests_on: &["webhook.2xx", "webhook.new-members", "sync.incremental"],
    run: |context| Box::pin(older_revision(context)),
};

async fn older_revision(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let own = context.paragon.revision();
    if own == Revision::SnakeCase {
        return Err(CaseError::NotEvaluable(
            "the whole run uses an older revision of the contract (see --revision)".to_owned(),
        ));
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
    title: "the probe webhook_verification, which names no sync and no user, gets a 2xx response",
    title_unseen: None,
    why: "Paragon may not accept a webhook URL that does not answer the probe.",
    fix: "Respond with 2xx before you look for syncInstanceId or user.",
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
    title: "an event is answered in time even if the Sync API is slow",
    title_unseen: None,
    why: "A receiver that waits for the Sync API before it responds is late for every event while the Sync API is \
          slow. Its webhook may then be disabled.",
    fix: "Respond first and fetch afterwards, from a durable queue. Or give up the fetch before the webhook times out, \
          and respond with 5xx.",
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
    let Some(EventAttempt { event, record: attempt, .. }) = timeline.attempts().next() else {
        return Err(CaseError::NotEvaluable(
            "record_updated was never sent, so no response could be judged".to_owned(),
        ));
    };
    if let Outcome::Failed(failure) = &attempt.outcome {
        return Err(CaseError::Fail(format!(
            "{event}: {failure}, while each call of the Sync API took longer than the webhook timeout (see --timeout)"
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
    title: "an event of 64 KB gets a 2xx response",
    title_unseen: None,
    why: "sync_errored and record_errored contain an error message of the provider, which can be as long as a whole \
          page.",
    fix: "Let the endpoint accept at least 100 KB, and truncate long messages before you store them.",
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
    title: "events with unusual text, numbers and whitespace get a 2xx response",
    title_unseen: None,
    why: "Error messages come from providers, and names come from people. A receiver that fails on one of them fails \
          again at each retry.",
    fix: "Parse JSON with a library, keep text as Unicode, and never fail because of a message that you only log.",
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
    let odd = "\u{1f4c4} b.pdf";
    context.rename(&files[0], if context.may_contain(&File::named(odd)) { odd } else { "b.pdf" })?;
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
        ("record_errored with an empty message", errored("").to_string()),
        (
            "record_errored with text in many scripts",
            errored(
                "na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1f4c4}\u{1f468}\u{200d}\u{1f469}",
            )
            .to_string(),
        ),
        (
            "record_errored with escaped text in several scripts",
            escaped(&errored("na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} \u{1f4c4}")),
        ),
        (
            "record_errored with quotes, markup and control characters",
            errored("\"'`</script>{{x}}%s\u{7}\t\r\n\\").to_string(),
        ),
        ("record_updated with whitespace between its members", pretty(&updated)),
        (
            "record_errored with whitespace between its members and around the body",
            format!("\r\n\t {} \n", pretty(&errored("x"))),
        ),
        ("sync_complete with 0 records", complete(0).to_string()),
        ("sync_complete with 2^53 - 1 records", complete((1 << 53) - 1).to_string()),
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
    title: "fifty simultaneous requests all get a 2xx response in time",
    title_unseen: None,
    why: "A full sync can find hundreds of changes at once, for many users. It is unknown how many requests Paragon \
          makes at the same time.",
    fix: "Keep the request handler short: store the event and respond. Do the work elsewhere, with as many workers as \
          you can afford.",
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
    context.rename(&files[0], "b.pdf")?;
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
    title: "an event that is sent in chunks, without a content-length, gets a 2xx response and is processed",
    title_unseen: None,
    why: "Paragon does not document how it sends request bodies, and proxies in between may change the form at any \
          time.",
    fix: "Let the HTTP server read the body, not your own code. HTTP/1.1 requires every server to accept chunked \
          bodies.",
    needs: &[],
    presumes: &["ack-every-event", "ack-dribbled"],
    rests_on: &["webhook.2xx", "webhook.wire"],
    run: |context| Box::pin(over(context, Wire::Chunked)),
};

pub(super) const DRIBBLED: Case = Case {
    id: "ack-dribbled",
    family: Family::Ack,
    level: Level::Should,
    title: "an event whose body arrives in small pieces gets a 2xx response and is processed",
    title_unseen: None,
    why: "A network may split a body anywhere. A receiver that parses only the first piece fails now and then, and the \
          cause is hard to find.",
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
    title: "an event that is sent with expect: 100-continue gets a 2xx response and is processed",
    title_unseen: None,
    why: "Some HTTP clients ask for permission before they send a body, and some servers never answer this question.",
    fix: "Use an HTTP server that supports `Expect`, or put a proxy that supports `Expect` in front of your server.",
    needs: &[],
    presumes: &["ack-every-event"],
    rests_on: &["webhook.2xx", "webhook.wire"],
    run: |context| Box::pin(over(context, Wire::ExpectContinue)),
};

pub(super) const MALFORMED: Case = Case {
    id: "ack-malformed",
    family: Family::Ack,
    level: Level::Should,
    title: "a body that is not an event gets a 4xx response, and the receiver keeps working",
    title_unseen: None,
    why: "Anybody can send requests to a public URL. One bad request must not take the receiver down or count as \
          delivered.",
    fix: "Respond with 400 if the body is not valid JSON or is not an object, before you use the body in any other \
          way.",
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
        CaseError::Fail(found) => {
            CaseError::NotEvaluable(format!("the receiver does not answer valid events correctly either:\n{found}"))
        }
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
            Outcome::Failed(failure) => format!("{failure}, expected a response"),
        };
        let start: String = String::from_utf8_lossy(body).chars().take(40).collect();
        found.push(format!("{start:?}: {problem}"));
    }
    let mark = context.paragon.timeline_mark();
    context.deliver(context.complete(&sync, 1)).await?;
    if let Err(CaseError::Fail(problem)) = context.answered(mark, &[EventKind::SyncComplete]).await {
        found.push(format!("a valid event after these bodies: {problem}"));
    }
    if found.is_empty() { Ok(()) } else { Err(CaseError::Fail(found.join("\n"))) }
}
