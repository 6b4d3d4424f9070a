//! Outages of the receiver, and of the services that it depends on.

use std::time::Duration;

use crate::check::case::{Case, Family, Level, Need};
use crate::check::context::{CaseContext, DAY, MINUTE};
use crate::check::error::CaseError;
use crate::check::rest::RESTLESS;
use crate::contract::{EventKind, File};
use crate::delivery::{Decision, DeliveryFault, DeliveryFaultKind, Wire};
use crate::fake::{ApiFault, ApiFaultKind, Endpoint, SyncHandle, Timeline};

pub(super) const UNREACHABLE: Case = Case {
    id: "out-unreachable",
    family: Family::Out,
    level: Level::Should,
    title: "events that come late, after newer ones, leave the right records",
    title_unseen: None,
    why: "After an outage retries arrive hours late: a record_created may follow the record's own record_deleted.",
    fix: "Take each event as a hint to fetch the latest version; when that is 404, hold nothing.",
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
    if !timeline.attempts().any(|(event, attempt)| event == "record_created" && attempt.number > 1) {
        return Err(CaseError::NotEvaluable("the policy does not try again within the outage".to_owned()));
    }
    context.stays_right(&[&sync]).await
}

pub(super) const API_FAILING: Case = Case {
    id: "out-api-failing",
    family: Family::Out,
    level: Level::Should,
    title: "an event that arrives while the Sync API fails is not lost",
    title_unseen: Some(
        "an event that arrives while the Sync API fails is followed by a fetch; what is kept was not seen",
    ),
    why: "A receiver that answers 2xx and then cannot fetch has told Paragon to forget the event.",
    fix: "Fetch before you answer and pass the failure on as 5xx, or queue the event and try again until it works.",
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
    title: "what happened while the webhook was disabled is caught up",
    title_unseen: Some(
        "what happened while the webhook was disabled is fetched; deletions and what is kept were not seen",
    ),
    why: "Paragon may disable a webhook that fails, and nothing says that it sends later what it did not send then.",
    fix: "At each event pull from the stored cursor, or do so on a timer: the feed holds what you were not told of.",
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
            _ => other.update(&file, |file| file.name = "a 2.pdf".into()),
        }
        context.paragon.advance(MINUTE).await;
        // A real sender also lets some real time pass before a retry.
        context.rest(RESTLESS).await;
        context.paragon.run_until_idle().await;
        if !context.timeline_since(mark).attempts().any(|(_, attempt)| attempt.number > 1) {
            return Err(CaseError::NotEvaluable("the policy does not send such an event again".to_owned()));
        }
    }
    context.stays_right(&[&sync, &of_other]).await
}

pub(super) const ANSWER_LOST: Case = Case {
    id: "out-answer-lost",
    family: Family::Out,
    level: Level::Should,
    title: "an event that was taken, but whose answer was lost, may come again",
    title_unseen: None,
    why: "The work is done and Paragon thinks that it failed: the second time must change nothing more.",
    fix: "Make each event safe to do twice: upsert, and let removing what is gone succeed.",
    needs: &[Need::State],
    presumes: &["rec-duplicate"],
    rests_on: &["webhook.wire", "webhook.retry", "webhook.duplicate", "sync.incremental"],
    run: |context| Box::pin(once_over(context, Wire::ResetAfterBody)),
};

pub(super) const HANG_UP: Case = Case {
    id: "out-hang-up",
    family: Family::Out,
    level: Level::Should,
    title: "a sender that hangs up before the answer leaves nothing half done",
    title_unseen: None,
    why: "Some servers end the handler when the client is gone: in the middle of what it was doing.",
    fix: "Do what belongs together in one transaction, or in a task of its own.",
    needs: &[Need::State],
    presumes: &["rec-duplicate"],
    rests_on: &["webhook.wire", "webhook.retry", "sync.incremental"],
    run: |context| Box::pin(once_over(context, Wire::HangUp)),
};

pub(super) const RESTART: Case = Case {
    id: "out-restart",
    family: Family::Out,
    level: Level::Should,
    title: "after a restart the receiver holds what it held, and goes on",
    title_unseen: None,
    why: "Every deployment is a restart, and no event tells a receiver again what it knew.",
    fix: "Keep records and cursors in a database.",
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
    title: "a receiver that is killed right after its 2xx has not lost the event",
    title_unseen: Some(
        "a receiver that is killed right after its 2xx still fetches what the event was about; what is kept was not seen",
    ),
    why: "2xx tells Paragon that the event is yours now; what lies in memory then is gone with the process.",
    fix: "Store the event, and commit, before you answer; at start do what is stored and not done.",
    needs: &[Need::Process],
    presumes: &["out-restart", "out-killed-at-start"],
    rests_on: &["webhook.2xx", "sync.incremental", "webhook.retry"],
    run: |context| Box::pin(killed_after_ack(context)),
};

/// Kills the receiver after it has answered the first event of a new sync, because no other event leads to that sync.
/// Then kills it three more times: after the 1st, the 2nd and the 3rd of three events.
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
    again(context, sync, &format!("it was killed right after its 2xx to {what}")).await
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
    timeline.attempts().filter(|(_, attempt)| attempt.decision == Decision::Delivered).count()
}

/// Waits until this many events since `mark` were answered 2xx.
async fn answered(context: &CaseContext<'_>, mark: usize, answers: usize) -> Result<(), CaseError> {
    let mut at = mark;
    let counting = async {
        while accepted(&context.timeline_since(mark)) < answers {
            (_, at) = context.paragon.timeline_after(at).await;
        }
    };
    let counted = tokio::time::timeout(context.run.suite.settle, counting).await;
    counted.map_err(|_| {
        let seen = accepted(&context.timeline_since(mark));
        CaseError::NotEvaluable(format!(
            "the receiver answered {seen} of {answers} events 2xx: what it loses after its 2xx was not seen"
        ))
    })
}

/// Starts the receiver again, and expects it to become right. No change causes a new event: only events that are still
/// due are sent.
async fn again(context: &CaseContext<'_>, sync: &SyncHandle, after: &str) -> Result<(), CaseError> {
    let process = context.process()?;
    context.launch().await?;
    process.ready().await.map_err(|error| CaseError::Fail(format!("{after}, and does not come up again: {error}")))?;
    let ended = context.ends_right(&[sync]).await;
    ended.map_err(|stop| stop.map_fail(|found| format!("{after}, and started again:\n{found}")))
}

pub(super) const KILLED_IN_PULL: Case = Case {
    id: "out-killed-in-pull",
    family: Family::Out,
    level: Level::Should,
    title: "a receiver that is killed in the middle of a pull ends up with all records",
    title_unseen: Some(
        "a receiver that is killed in the middle of a pull fetches all records; what is kept was not seen",
    ),
    why: "A large initial sync is pulled for hours, and only one event announces it.",
    fix: "Store a page and its cursor in one transaction; at start go on with what is not done.",
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
    again(context, &sync, "it was killed when it had pulled the first of four pages").await
}

pub(super) const KILLED_AT_START: Case = Case {
    id: "out-killed-at-start",
    family: Family::Out,
    level: Level::Should,
    title: "a receiver that is killed while it starts, starts the next time, and has lost nothing",
    title_unseen: None,
    why: "Deployments are rolled back half-way; a lock or a half-written file must not be in the way of the next start.",
    fix: "Change the database in transactions, and let nothing stay behind that only a clean end removes.",
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
        CaseError::Fail(format!("it was killed while it started, and does not come up again: {error}"))
    })?;
    process.kill().await?;
    again(context, &sync, "it was killed while it started").await?;
    context.answered_in_the_end(mark, EventKind::RecordCreated)
}
