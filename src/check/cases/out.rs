//! Outages of the receiver, and of the services that it depends on.

use std::time::Duration;

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE};
use crate::check::error::CaseError;
use crate::check::need::Need;
use crate::check::rest::RESTLESS;
use crate::contract::{EventKind, File};
use crate::delivery::{Decision, DeliveryFault, DeliveryFaultKind, Wire};
use crate::fake::{ApiFault, ApiFaultKind, Endpoint, SyncHandle, Timeline};

pub(super) const UNREACHABLE: Case = Case {
    id: "out-unreachable",
    family: Family::Out,
    level: Level::Should,
    title: "events that arrive late, after newer events, leave the correct records",
    title_unseen: None,
    why: "After an outage, retries arrive hours late. A record_created may then arrive after the record_deleted of the \
          same record.",
    fix: "Treat each event as a hint to fetch the latest version. If the Sync API answers 404, remove the record.",
    needs: &[Need::State],
    presumes: &["rec-updated", "rec-deleted"],
    rests_on: &["webhook.retry", "sync.incremental", "sync.full", "api.deleted-record"],
    run: |context| Box::pin(unreachable(context)),
};

/// Simulates the outage on the sender's side: attempts are not sent, and count as failed. The outage spans a full run,
/// so the deletion of a record overtakes its creation.
async fn unreachable(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let paragon = &context.paragon;
    let (sync, files) = context.synced(&["a.pdf"]).await?;
    paragon.advance(DAY.saturating_sub(3 * MINUTE)).await;
    paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    let fleeting = context.create("fleeting.pdf");
    context.create("new.pdf");
    context.drive.update(&files[0], |file| file.name = "a (1).pdf".into());
    paragon.advance(2 * MINUTE).await;
    paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    context.drive.delete(&fleeting);
    context.drive.update(&files[0], |file| file.name = "a (2).pdf".into());
    paragon.advance(MINUTE).await;
    paragon.run_until_idle().await;
    let timeline = context.timeline();
    if !timeline.attempts().any(|attempt| attempt.event == "record_created" && attempt.record.number > 1) {
        return Err(CaseError::NotEvaluable(
            "the delivery policy makes no retry that this case can judge: no record_created was sent again after the \
             outage"
                .to_owned(),
        ));
    }
    context.stays_right(&[&sync]).await
}

pub(super) const API_FAILING: Case = Case {
    id: "out-api-failing",
    family: Family::Out,
    level: Level::Should,
    title: "an event that arrives while the Sync API fails is not lost",
    title_unseen: Some(
        "an event that arrives while the Sync API fails is followed by a fetch; the stored records were not checked",
    ),
    why: "Paragon does not send an event again after a 2xx response. A receiver that then cannot fetch the record has \
          lost the event.",
    fix: "Fetch before you respond and turn a failed fetch into a 5xx response, or queue the event and retry the fetch \
          until it succeeds.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["api.unavailable", "webhook.retry", "sync.incremental"],
    run: |context| Box::pin(api_failing(context)),
};

async fn api_failing(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    let down = ApiFault::new(ApiFaultKind::status(503)).user(context.user.clone());
    let fault = context.paragon.api_fault(down);
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    let met = context.met(fault, 1).await;
    context.paragon.end_api_fault(fault);
    met?;
    context.ends_right(&[&sync]).await
}

pub(super) const DISABLED: Case = Case {
    id: "out-disabled",
    family: Family::Out,
    level: Level::Should,
    title: "changes that were made while the webhook was disabled are caught up on later",
    title_unseen: Some(
        "changes that were made while the webhook was disabled are fetched later; deletions and the stored records \
         were not checked",
    ),
    why: "Paragon may disable a webhook that fails, and does not document that it sends the missed events later.",
    fix: "Pull from the stored cursor at each event, or on a timer. The feed contains the changes whose events you \
          missed.",
    needs: &[],
    presumes: &["rec-updated", "rec-deleted"],
    rests_on: &["webhook.disable", "webhook.missed", "feed.cursor", "sync.full"],
    run: |context| Box::pin(disabled(context)),
};

async fn disabled(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "b.pdf"]).await?;
    context.paragon.disable_webhook();
    context.create("missed.pdf");
    context.drive.update(&files[0], |file| file.name = "a, missed.pdf".into());
    context.paragon.advance(MINUTE).await;
    context.drive.delete(&files[1]);
    context.paragon.advance(DAY).await;
    context.paragon.enable_webhook();
    context.create("next.pdf");
    context.paragon.advance(MINUTE).await;
    context.ends_right(&[&sync]).await
}

/// Lets the delivery of an event go wrong, so that the event is sent again. Does so for one change in each of two
/// users' accounts, so that no other event helps the receiver.
async fn once_over(context: &CaseContext<'_>, wire: Wire) -> Result<(), CaseError> {
    if context.webhook().scheme() == "https" {
        let why = "this case breaks a connection, which is done over http only, and the webhook URL is https";
        return Err(CaseError::NotEvaluable(why.to_owned()));
    }
    let other = context.other_drive("other");
    let file = other.create(File::named("a.pdf"));
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    let of_other = context.enable_of(&other, "default").await?;
    context.paragon.settle().await;
    context.given(&[&of_other]).await?;
    for change in 0..2 {
        context.paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Wire(wire)).next(1));
        let mark = context.paragon.timeline_mark();
        match change {
            0 => drop(context.create("new.pdf")),
            _ => context.rename_in(&other, &file, "a 2.pdf")?,
        }
        context.paragon.advance(MINUTE).await;
        // A real sender also lets some real time pass before a retry.
        context.rest(RESTLESS).await;
        context.paragon.run_until_idle().await;
        if !context.timeline_since(mark).attempts().any(|attempt| attempt.record.number > 1) {
            return Err(CaseError::NotEvaluable(
                "the delivery policy makes no retry after the disturbed delivery, so the case cannot be judged"
                    .to_owned(),
            ));
        }
    }
    context.stays_right(&[&sync, &of_other]).await
}

pub(super) const ANSWER_LOST: Case = Case {
    id: "out-answer-lost",
    family: Family::Out,
    level: Level::Should,
    title: "an event that is sent again because its response was lost changes nothing more",
    title_unseen: None,
    why: "The receiver has done the work, but Paragon treats the delivery as failed and retries. The retry must change \
          nothing more.",
    fix: "Process each event idempotently: upsert records, and treat the removal of a missing record as a success.",
    needs: &[Need::State],
    presumes: &["rec-duplicate"],
    rests_on: &["webhook.wire", "webhook.retry", "webhook.duplicate", "sync.incremental"],
    run: |context| Box::pin(once_over(context, Wire::ResetAfterBody)),
};

pub(super) const HANG_UP: Case = Case {
    id: "out-hang-up",
    family: Family::Out,
    level: Level::Should,
    title: "a sender that closes the connection before the response does not leave work half done",
    title_unseen: None,
    why: "Some servers cancel the request handler when the client disconnects, in the middle of its work.",
    fix: "Make related changes in one transaction, or in a separate task that a disconnect does not cancel.",
    needs: &[Need::State],
    presumes: &["rec-duplicate"],
    rests_on: &["webhook.wire", "webhook.retry", "sync.incremental"],
    run: |context| Box::pin(once_over(context, Wire::HangUp)),
};

pub(super) const RESTART: Case = Case {
    id: "out-restart",
    family: Family::Out,
    level: Level::Should,
    title: "after a restart the receiver still holds its records, and processes new events",
    title_unseen: None,
    why: "Every deployment is a restart, and Paragon does not send past events again.",
    fix: "Store records and cursors in a database.",
    needs: &[Need::Process, Need::State],
    presumes: &["pull-all-pages"],
    rests_on: &["sync.incremental", "feed.cursor"],
    run: |context| Box::pin(restart(context)),
};

async fn restart(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let process = context.process()?;
    let (sync, _) = context.synced(&["a.pdf", "b.pdf"]).await?;
    process.stop().await?;
    context.launch().await?;
    process.ready().await?;
    context.right(&[&sync]).await?;
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.ends_right(&[&sync]).await
}

pub(super) const KILLED_AFTER_ACK: Case = Case {
    id: "out-killed-after-ack",
    family: Family::Out,
    level: Level::Should,
    title: "a receiver that is killed right after its 2xx response does not lose the event",
    title_unseen: Some(
        "a receiver that is killed right after its 2xx response still fetches the record of the event; the stored \
         records were not checked",
    ),
    why: "A 2xx response tells Paragon that the receiver has taken over the event. An event that is only in memory is \
          lost when the process ends.",
    fix: "Store the event and commit before you respond. At startup, process the stored events that are not done yet.",
    needs: &[Need::Process],
    presumes: &["out-restart", "out-killed-at-start"],
    rests_on: &["webhook.2xx", "sync.incremental", "webhook.retry"],
    run: |context| Box::pin(killed_after_ack(context)),
};

/// Kills the receiver right after it has answered the first event of a new sync. No other event names that sync, so a
/// receiver that forgets the event never pulls the sync. Then kills it three more times: after the 1st, the 2nd and the 3rd of three events.
async fn killed_after_ack(context: &CaseContext<'_>) -> Result<(), CaseError> {
    context.fill(3);
    let sync = context.enable().await?;
    killed_after(context, &sync, Duration::ZERO, 1, "sync_complete of a new sync").await?;
    for (answers, ordinal) in [(1, "the first"), (2, "the second"), (3, "the third")] {
        for number in 1..=3 {
            context.create(&format!("{answers}-{number}.pdf"));
        }
        killed_after(context, &sync, MINUTE, answers, &format!("{ordinal} of three events")).await?;
    }
    Ok(())
}

/// Lets the time pass and kills the receiver as soon as it has answered this many events. Then starts the receiver
/// again, and expects it to become right.
async fn killed_after(
    context: &CaseContext<'_>,
    sync: &SyncHandle,
    time: Duration,
    answers: usize,
    what: &str,
) -> Result<(), CaseError> {
    let process = context.process()?;
    let mark = context.paragon.timeline_mark();
    let kill = async {
        answered(context, mark, answers).await?;
        process.kill().await.map_err(CaseError::from)
    };
    let delivering = deliver(context, time, || accepted(&context.timeline_since(mark)) >= answers);
    let ((), killed) = tokio::join!(delivering, kill);
    killed?;
    again(context, sync, &format!("the receiver was killed right after its 2xx response to {what}")).await
}

/// Lets this time pass. A receiver that refuses events gets them again, until `is_over` or for a quarter of an hour.
async fn deliver(context: &CaseContext<'_>, time: Duration, is_over: impl Fn() -> bool) {
    context.paragon.advance(time).await;
    for _ in 0..15 {
        if is_over() || !context.paragon.owes_events() {
            return;
        }
        context.paragon.advance(MINUTE).await;
    }
}

/// Returns the number of attempts that were answered 2xx.
fn accepted(timeline: &Timeline) -> usize {
    timeline.attempts().filter(|attempt| attempt.record.decision == Decision::Delivered).count()
}

/// Waits until this many events since `mark` were answered 2xx.
async fn answered(context: &CaseContext<'_>, mark: usize, answers: usize) -> Result<(), CaseError> {
    let mut at = mark;
    let counting = async {
        while accepted(&context.timeline_since(mark)) < answers {
            at = context.paragon.timeline_after(at).await.end();
        }
    };
    let counted = tokio::time::timeout(context.run.target.settle, counting).await;
    counted.map_err(|_| {
        let seen = accepted(&context.timeline_since(mark));
        CaseError::NotEvaluable(format!(
            "the receiver answered {seen} of {answers} events with 2xx, so this case cannot tell what the receiver \
             loses after a 2xx response"
        ))
    })
}

/// Starts the receiver again, and expects it to become right. No change causes a new event: only events that are still
/// due are sent.
async fn again(context: &CaseContext<'_>, sync: &SyncHandle, after: &str) -> Result<(), CaseError> {
    let process = context.process()?;
    context.launch().await?;
    process.ready().await.map_err(|error| CaseError::Fail(format!("{after}, and did not start again: {error}")))?;
    let ended = context.ends_right(&[sync]).await;
    ended.map_err(|stop| stop.map_fail(|found| format!("{after}, and was started again:\n{found}")))
}

pub(super) const KILLED_IN_PULL: Case = Case {
    id: "out-killed-in-pull",
    family: Family::Out,
    level: Level::Should,
    title: "a receiver that is killed in the middle of a pull ends up with all records",
    title_unseen: Some(
        "a receiver that is killed in the middle of a pull fetches all records; the stored records were not checked",
    ),
    why: "Pulling a large initial sync takes hours, and only one event announces the sync.",
    fix: "Store each page and its cursor in one transaction. At startup, continue the pulls that are not finished.",
    needs: &[Need::Process],
    presumes: &["out-restart", "out-killed-at-start"],
    rests_on: &["sync.initial", "feed.cursor", "webhook.retry"],
    run: |context| Box::pin(killed_in_pull(context)),
};

async fn killed_in_pull(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let process = context.process()?;
    context.fill(33);
    let sync = context.enable().await?;
    // The receiver is waiting for the second page when it is killed.
    let slow = ApiFault::new(ApiFaultKind::Delay(Duration::from_millis(500))).endpoint(Endpoint::PullRecords);
    let fault = context.paragon.api_fault(slow.user(context.user.clone()).after(1));
    let kill = async {
        context.met(fault, 1).await?;
        process.kill().await.map_err(CaseError::from)
    };
    let delivering = deliver(context, Duration::ZERO, || context.struck(fault) >= 1);
    let ((), killed) = tokio::join!(delivering, kill);
    context.paragon.end_api_fault(fault);
    killed?;
    again(context, &sync, "the receiver was killed when it had pulled the first of four pages").await
}

pub(super) const KILLED_AT_START: Case = Case {
    id: "out-killed-at-start",
    family: Family::Out,
    level: Level::Should,
    title: "a receiver that is killed during startup starts the next time, and has lost nothing",
    title_unseen: None,
    why: "Deployments are sometimes rolled back halfway. A leftover lock or a half-written file must not block the \
          next start.",
    fix: "Change the database in transactions, and leave nothing behind that only a clean shutdown removes.",
    needs: &[Need::Process, Need::State],
    presumes: &["out-restart"],
    rests_on: &["sync.incremental", "webhook.retry"],
    run: |context| Box::pin(killed_at_start(context)),
};

async fn killed_at_start(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let process = context.process()?;
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    process.kill().await?;
    context.create("new.pdf");
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(MINUTE).await;
    for millis in [0, 50] {
        context.launch().await?;
        context.a_while(Duration::from_millis(millis)).await;
        process.kill().await?;
    }
    // The next kill comes as soon as the receiver reports that it is ready.
    context.launch().await?;
    let up = process.ready().await;
    up.map_err(|error| {
        CaseError::Fail(format!("the receiver was killed during startup, and did not start again: {error}"))
    })?;
    process.kill().await?;
    again(context, &sync, "the receiver was killed during startup").await?;
    context.answered_in_the_end(mark, EventKind::RecordCreated)
}
