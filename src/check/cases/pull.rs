//! Use of the Sync API.

use std::time::Duration;

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, MINUTE, about};
use crate::check::error::CaseError;
use crate::check::lane::PAGE_SIZE_CAP;
use crate::check::need::Need;
use crate::check::rest::RESTLESS;
use crate::contract::File;
use crate::fake::{ApiFault, ApiFaultKind, Call, Endpoint, RetryAfterHeader, Stale, SyncHandle};
use crate::sync::RunKind;

/// Number of records in an initial sync of three pages.
const THREE_PAGES: usize = PAGE_SIZE_CAP * 2 + 3;

pub(super) const ALL_PAGES: Case = Case {
    id: "pull-all-pages",
    family: Family::Pull,
    level: Level::Must,
    title: "after the initial sync every page is pulled, even if pages are short",
    title_unseen: None,
    why: "An initial sync sends one event for all its records. Records that are not pulled then are never announced \
          again.",
    fix: "Pull with `paging.cursor` until `data` is empty or `paging.remainingRecords` is 0; do not count records.",
    needs: &[],
    presumes: &["ack-every-event", "pull-token", "rec-created"],
    rests_on: &["sync.initial", "feed.cursor", "feed.caught-up"],
    run: |context| Box::pin(all_pages(context)),
};

async fn all_pages(context: &CaseContext<'_>) -> Result<(), CaseError> {
    context.fill(THREE_PAGES);
    let sync = context.enable().await?;
    context.paragon.settle().await;
    context.right(&[&sync]).await
}

pub(super) const TOKEN: Case = Case {
    id: "pull-token",
    family: Family::Pull,
    level: Level::Must,
    title: "each call has a user token that Paragon accepts: signed with RS256, for the right audience and the user of \
            the event, and not expired",
    title_unseen: None,
    why: "Paragon refuses all other tokens. A receiver without a valid token fetches no records.",
    fix: "Sign with the project's key: `sub` is the `user.id` of the event, `aud` is `useparagon.com/<project id>`, \
          and `exp` is in the future.",
    needs: &[],
    presumes: &[],
    rests_on: &["api.token", "api.audience", "sync.incremental"],
    run: |context| Box::pin(token(context)),
};

async fn token(context: &CaseContext<'_>) -> Result<(), CaseError> {
    context.create("a.pdf");
    let sync = context.enable().await?;
    context.paragon.settle().await;
    // A second user shows whether the receiver uses the token of the right user.
    let other = context.other_drive("other");
    other.create(File::named("other.pdf"));
    let of_other = context.enable_of(&other, "default").await?;
    context.paragon.settle().await;
    context.create("b.pdf");
    context.paragon.advance(MINUTE).await;
    let right = context.right(&[&sync, &of_other]).await;
    let timeline = context.timeline();
    let refused = |call: &&Call| {
        let is_of_another = call.reason.as_deref().is_some_and(|why| why.contains("the token's user"));
        call.status == 401 || call.status == 403 || is_of_another
    };
    if let Some(call) = timeline.calls().find(refused) {
        let why = call.reason.as_deref().unwrap_or_default();
        return Err(CaseError::Fail(format!("{} {} was answered {}: {why}", call.method, call.path, call.status)));
    }
    if !timeline.calls().any(|call| call.status == 200) {
        let why = right.err().map_or_else(String::new, |stop| format!(": {}", stop.told()));
        return Err(CaseError::NotEvaluable(format!("the receiver made no call with a token of this user{why}")));
    }
    Ok(())
}

/// Runs an initial sync of three pages with these faults, and waits until the receiver holds the right
/// records.
async fn pulls_through(
    context: &CaseContext<'_>,
    troubles: impl IntoIterator<Item = ApiFault>,
) -> Result<SyncHandle, CaseError> {
    context.fill(THREE_PAGES);
    let sync = context.enable().await?;
    let faults: Vec<_> = troubles
        .into_iter()
        .map(|fault| context.paragon.api_fault(fault.endpoint(Endpoint::PullRecords).user(context.user.clone())))
        .collect();
    context.paragon.settle().await;
    if let Some(first) = faults.first() {
        context.met(*first, 1).await?;
    }
    context.ends_right(&[&sync]).await?;
    Ok(sync)
}

pub(super) const EMPTY_PAGE: Case = Case {
    id: "pull-empty-page",
    family: Family::Pull,
    level: Level::Should,
    title: "after an empty page the next pull continues from the same place in the feed",
    title_unseen: None,
    why: "An empty page means that the receiver has caught up. If the receiver then loses its cursor, it may never see \
          later changes.",
    fix: "Keep the cursor of an empty page if the page has one, and the previous cursor if not. Pull again at the next \
          event.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.caught-up", "feed.cursor", "api.pages"],
    run: |context| Box::pin(empty_page(context)),
};

async fn empty_page(context: &CaseContext<'_>) -> Result<(), CaseError> {
    context.fill(THREE_PAGES);
    let sync = context.enable().await?;
    let empty = ApiFault::new(ApiFaultKind::EmptyPage).endpoint(Endpoint::PullRecords).user(context.user.clone());
    let fault = context.paragon.api_fault(empty.after(1).next(1));
    context.paragon.settle().await;
    context.met(fault, 1).await?;
    context.deliver(context.complete(&sync, THREE_PAGES as u64)).await?;
    context.ends_right(&[&sync]).await
}

pub(super) const NULL_CURSOR: Case = Case {
    id: "pull-null-cursor",
    family: Family::Pull,
    level: Level::Should,
    title: "after a last page without a cursor, the receiver keeps its place in the feed",
    title_unseen: None,
    why: "Some clients expect a null cursor at the end of the feed. A client that stores the null and treats it as \
          'done' never pulls the sync again.",
    fix: "Keep the last cursor that was not null. Without any cursor, start at the beginning of the feed.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.cursor", "api.pages", "sync.incremental"],
    run: |context| Box::pin(null_cursor(context)),
};

async fn null_cursor(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let sync = pulls_through(context, [ApiFault::new(ApiFaultKind::NullCursorAtEnd)]).await?;
    for name in ["later.pdf", "latest.pdf"] {
        context.create(name);
        context.paragon.advance(MINUTE).await;
        context.ends_right(&[&sync]).await?;
    }
    Ok(())
}

pub(super) const REPEATED: Case = Case {
    id: "pull-repeated-record",
    family: Family::Pull,
    level: Level::Should,
    title: "a record that appears on two pages is stored once",
    title_unseen: None,
    why: "A record that changes during a pull moves to the end of the feed, and appears again.",
    fix: "Upsert records by syncInstanceId and recordId, also within one pull.",
    needs: &[Need::State],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.moves", "api.pages"],
    run: |context| Box::pin(repeated(context)),
};

async fn repeated(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let sync = pulls_through(context, [ApiFault::new(ApiFaultKind::RepeatedRecord)]).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const CHANGING: Case = Case {
    id: "pull-changing",
    family: Family::Pull,
    level: Level::Should,
    title: "records that are created, changed or deleted during a pull are correct in the end",
    title_unseen: None,
    why: "Pulling the initial sync of a large account takes hours, and people keep working meanwhile.",
    fix: "Pull again at each event, run only one pull at a time for each sync, and let the later page win.",
    needs: &[Need::State],
    presumes: &["pull-repeated-record", "rec-updated", "rec-deleted"],
    rests_on: &["feed.moves", "feed.tombstone", "sync.incremental", "sync.full"],
    run: |context| Box::pin(changing(context)),
};

async fn changing(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let files = context.fill(THREE_PAGES);
    let sync = context.enable().await?;
    // The delay is long enough for all changes below to happen while the receiver waits for the second page.
    let slow = ApiFault::new(ApiFaultKind::Delay(Duration::from_millis(400))).endpoint(Endpoint::PullRecords);
    let fault = context.paragon.api_fault(slow.user(context.user.clone()).after(1).next(1));
    let changes = async {
        context.met(fault, 1).await?;
        context.drive.update(&files[0], |file| file.name = "first, changed.pdf".into());
        context.drive.update(&files[THREE_PAGES - 1], |file| file.name = "last, changed.pdf".into());
        context.create("new.pdf");
        context.drive.delete(&files[1]);
        context.drive.delete(&files[THREE_PAGES - 2]);
        sync.run_now(RunKind::Full);
        Ok::<(), CaseError>(())
    };
    let ((), done) = tokio::join!(context.paragon.settle(), changes);
    done?;
    context.paragon.end_api_fault(fault);
    context.paragon.settle().await;
    context.ends_right(&[&sync]).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const RATE_LIMITED: Case = Case {
    id: "pull-rate-limited",
    family: Family::Pull,
    level: Level::Should,
    title: "after a 429 in the middle of a pull, the receiver waits as long as Retry-After says, and continues the \
            pull",
    title_unseen: None,
    why: "A receiver that gives up after a 429 loses the rest of the feed. A receiver that retries at once is refused \
          for longer.",
    fix: "After a 429, wait as long as `retry-after` says, then repeat the same call. Keep the event until the call \
          succeeds.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.rate-limit", "feed.cursor", "webhook.retry"],
    run: |context| Box::pin(rate_limited(context)),
};

/// Counts the calls until just before `Retry-After` is over. A refused webhook is delivered again only after that.
async fn rate_limited(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const WATCHED: Duration = Duration::from_millis(1_900);
    context.fill(THREE_PAGES);
    let sync = context.enable().await?;
    let busy = ApiFaultKind::Status { code: 429, retry_after: Some(RetryAfterHeader::Seconds(2)) };
    let busy = ApiFault::new(busy).endpoint(Endpoint::PullRecords).user(context.user.clone()).after(1);
    let fault = context.paragon.api_fault(busy);
    context.paragon.settle().await;
    context.met(fault, 1).await?;
    let calls = calls_meanwhile(context, fault, WATCHED).await;
    context.paragon.end_api_fault(fault);
    if calls > 3 {
        let told = format!("{calls} calls were answered 429 with retry-after: 2, all of them within two seconds");
        return Err(CaseError::Fail(format!("the receiver retries at once, without waiting: {told}")));
    }
    context.ends_right(&[&sync]).await
}

/// Returns the number of calls that a fault has hit after this much real time.
async fn calls_meanwhile(context: &CaseContext<'_>, fault: crate::fake::FaultId, span: Duration) -> u64 {
    context.a_while(span).await;
    context.struck(fault)
}

pub(super) const SERVER_ERROR: Case = Case {
    id: "pull-server-error",
    family: Family::Pull,
    level: Level::Should,
    title: "a 502 in the middle of a pull loses no records",
    title_unseen: Some(
        "after a 502 in the middle of a pull every page is fetched; the stored records were not checked",
    ),
    why: "Any service fails now and then. Records that are not pulled then are never announced again.",
    fix: "Repeat the call after a pause, from the cursor of the last complete page.",
    needs: &[],
    presumes: &["out-api-failing"],
    rests_on: &["api.unavailable", "feed.cursor", "webhook.retry"],
    run: |context| {
        Box::pin(async move {
            let status = ApiFaultKind::status(502);
            pulls_through(context, [ApiFault::new(status).after(1).next(2)]).await.map(drop)
        })
    },
};

pub(super) const RESET: Case = Case {
    id: "pull-reset",
    family: Family::Pull,
    level: Level::Should,
    title: "connections that are reset in the middle of a pull lose no records",
    title_unseen: Some(
        "after connections that are reset in the middle of a pull every page is fetched; the stored records were not \
         checked",
    ),
    why: "A connection may end in the middle of a response. Half a page must neither be stored as a whole page nor end \
          the pull.",
    fix: "Use a page only if it arrived completely. Otherwise repeat the call after a pause.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |context| {
        Box::pin(async move {
            let resets = [
                ApiFault::new(ApiFaultKind::ResetInside).after(1).next(1),
                ApiFault::new(ApiFaultKind::ResetBefore).after(2).next(1),
            ];
            pulls_through(context, resets).await.map(drop)
        })
    },
};

pub(super) const CUT_JSON: Case = Case {
    id: "pull-cut-json",
    family: Family::Pull,
    level: Level::Should,
    title: "a 200 response with only half of its JSON in the middle of a pull loses no records",
    title_unseen: Some(
        "after a 200 response with only half of its JSON in the middle of a pull every page is fetched; the stored \
         records were not checked",
    ),
    why: "A proxy that gives up ends the response early, after it has already sent the status 200.",
    fix: "Treat a response that is not valid JSON as a failed call, and repeat the call after a pause.",
    needs: &[],
    presumes: &["pull-reset"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |context| {
        Box::pin(async move {
            let troubles = [
                ApiFault::new(ApiFaultKind::CutJson).after(1).next(1),
                ApiFault::new(ApiFaultKind::WrongContentType).after(3).next(1),
            ];
            pulls_through(context, troubles).await.map(drop)
        })
    },
};

pub(super) const HANGS: Case = Case {
    id: "pull-hangs",
    family: Family::Pull,
    level: Level::May,
    title: "a call that never gets a response is given up and repeated",
    title_unseen: None,
    why: "Many HTTP clients wait forever by default. One lost packet then blocks the worker for good.",
    fix: "Give each call a timeout of a few seconds, and repeat the call after a timeout.",
    needs: &[],
    presumes: &["ack-slow-api", "pull-server-error", "pull-deleted-sync"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |context| {
        Box::pin(async move {
            let pulled = pulls_through(context, [ApiFault::new(ApiFaultKind::NeverAnswers).after(1).next(1)]).await;
            pulled.map(drop).map_err(|stop| match stop {
                stuck @ CaseError::AtWork { unanswered: true, .. } => CaseError::Fail(stuck.told()),
                stop => stop,
            })
        })
    },
};

pub(super) const TOKEN_EXPIRED: Case = Case {
    id: "pull-token-expired",
    family: Family::Pull,
    level: Level::Should,
    title: "a token that is refused in the middle of a pull is replaced by a new token, and the pull continues",
    title_unseen: None,
    why: "A token that was valid for the first page can be expired at the last page. Clocks differ, and keys are \
          replaced.",
    fix: "After a 401, sign a new token and repeat the call. Do not treat a 401 as the end of the feed.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.token", "feed.cursor", "webhook.retry"],
    run: |context| {
        Box::pin(async move {
            pulls_through(context, [ApiFault::new(ApiFaultKind::ExpiredTokens).after(1).next(1)]).await.map(drop)
        })
    },
};

pub(super) const NEW_MEMBERS: Case = Case {
    id: "pull-new-members",
    family: Family::Pull,
    level: Level::Should,
    title: "responses of the Sync API with members that the receiver does not know are accepted",
    title_unseen: None,
    why: "Paragon adds members without notice, as it did with totalActiveRecords. A client that rejects unknown \
          members then fails.",
    fix: "Read the members that you need and ignore the others.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["webhook.new-members", "feed.cursor"],
    run: |context| {
        Box::pin(async move {
            let faults = [ApiFault::new(ApiFaultKind::UnknownMembers)];
            let sync = pulls_through(context, faults).await?;
            context.create("later.pdf");
            context.paragon.advance(MINUTE).await;
            context.ends_right(&[&sync]).await
        })
    },
};

pub(super) const LATE_RECORD: Case = Case {
    id: "pull-late-record",
    family: Family::Pull,
    level: Level::May,
    title: "a record that the Sync API does not serve yet when its event arrives is fetched later",
    title_unseen: None,
    why: "Replicas lag. Right after the event the Sync API may still return 404 or the old version, and no second \
          event follows.",
    fix: "If the fetch for an event returns nothing new, fetch again after a while. Or reconcile on a timer.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["api.stale", "sync.incremental"],
    run: |context| Box::pin(late_record(context)),
};

async fn late_record(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf"]).await?;
    context.paragon.api_fault(ApiFault::new(ApiFaultKind::StaleReads(Stale::Reads(1))).user(context.user.clone()));
    // The changes come one at a time, because the event of the next change would make the receiver fetch this one too.
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.ends_right(&[&sync]).await?;
    context.rename(&files[0], "a 2.pdf")?;
    context.paragon.advance(MINUTE).await;
    context.ends_right(&[&sync]).await
}

pub(super) const RESUME: Case = Case {
    id: "pull-resume",
    family: Family::Pull,
    level: Level::May,
    title: "for one new record, a few calls are made, and the feed is not pulled from the start",
    title_unseen: None,
    why: "Otherwise an account with a million records is pulled again for each change.",
    fix: "Store `paging.cursor` with the records, and pull from that cursor. Or fetch only the new record.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.cursor", "feed.caught-up", "sync.incremental"],
    run: |context| Box::pin(resume(context)),
};

async fn resume(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const PAGES: usize = 13;
    const BUDGET: usize = 8;
    context.fill(PAGES * PAGE_SIZE_CAP - 1);
    let sync = context.enable().await?;
    context.paragon.settle().await;
    context.given(&[&sync]).await?;
    context.rest(RESTLESS).await;
    let mark = context.paragon.timeline_mark();
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.right(&[&sync]).await?;
    context.rest(RESTLESS).await;
    let calls = context.calls_since(mark);
    if calls > BUDGET {
        return Err(CaseError::Fail(format!(
            "the receiver made {calls} calls for one new record, in a feed of {PAGES} pages; expected at most {BUDGET} \
             calls"
        )));
    }
    Ok(())
}

pub(super) const NO_HAMMERING: Case = Case {
    id: "pull-no-hammering",
    family: Family::Pull,
    level: Level::Should,
    title: "while the Sync API fails, calls are repeated with pauses",
    title_unseen: None,
    why: "Retries without pauses keep a failing service from recovering, and may get the client blocked.",
    fix: "Use exponential backoff with jitter: double the pause after each failure, up to some minutes, and add a \
          random part.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["api.unavailable", "sync.incremental"],
    run: |context| Box::pin(no_hammering(context)),
};

async fn no_hammering(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const MOST: u64 = 30;
    let (_, _) = context.synced(&["a.pdf"]).await?;
    let down = ApiFault::new(ApiFaultKind::status(503)).user(context.user.clone());
    let fault = context.paragon.api_fault(down);
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.met(fault, 1).await?;
    let calls = calls_meanwhile(context, fault, Duration::from_secs(1)).await;
    context.paragon.end_api_fault(fault);
    if calls > MOST {
        return Err(CaseError::Fail(format!(
            "the receiver made {calls} calls within one second, all answered 503; expected at most {MOST} calls"
        )));
    }
    Ok(())
}

pub(super) const DELETED_SYNC: Case = Case {
    id: "pull-deleted-sync",
    family: Family::Pull,
    level: Level::Should,
    title: "events of a deleted sync are dropped, and other events are still processed",
    title_unseen: None,
    why: "Events can arrive after their sync was deleted. A worker that retries a 404 forever never reaches the next \
          event.",
    fix: "If the Sync API answers 404 for a sync, drop the event after a few retries, and continue with the next \
          event.",
    needs: &[],
    presumes: &["iso-two-syncs"],
    rests_on: &["api.not-found", "webhook.order", "sync.incremental"],
    run: |context| Box::pin(deleted_sync(context)),
};

async fn deleted_sync(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const MOST: usize = 30;
    let (sync, files) = context.synced(&["a.pdf"]).await?;
    let gone = context.enable_of(&context.drive, "gone").await?;
    context.paragon.settle().await;
    context.given(&[&gone]).await?;
    let late = about(&gone, "record_updated", gone.record_of(&files[0]));
    let pulled_late = context.complete(&gone, 1);
    gone.delete();
    let mark = context.paragon.timeline_mark();
    context.deliver(late).await?;
    context.deliver(pulled_late).await?;
    context.create("b.pdf");
    context.paragon.advance(MINUTE).await;
    context.ends_right(&[&sync]).await?;
    context.a_while(Duration::from_secs(1)).await;
    let calls = context.timeline_since(mark).calls().filter(|call| call.path.contains(gone.id().as_str())).count();
    if calls > MOST {
        return Err(CaseError::Fail(format!(
            "the receiver made {calls} calls for a deleted sync within one second; expected at most {MOST} calls"
        )));
    }
    Ok(())
}
