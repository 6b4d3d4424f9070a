//! Use of the Sync API.

use std::time::Duration;

use crate::check::case::{Case, Family, Level, Need};
use crate::check::lane::PAGE_SIZE_CAP;
use crate::check::rest::RESTLESS;
use crate::check::stop::Stop;
use crate::check::trial::{MINUTE, Trial, about};
use crate::contract::File;
use crate::fake::{ApiFault, Call, Endpoint, RetryAfter, Stale, Sync, Trouble};
use crate::sync::RunKind;

/// Number of records in an initial sync of three pages.
const THREE_PAGES: usize = PAGE_SIZE_CAP * 2 + 3;

pub(super) const ALL_PAGES: Case = Case {
    id: "pull-all-pages",
    family: Family::Pull,
    level: Level::Must,
    title: "after the initial sync every page is pulled, however short pages are",
    title_unseen: None,
    why: "An initial sync sends one event for all its records; what is not pulled then is never announced again.",
    fix: "Pull with `paging.cursor` until `data` is empty or `paging.remainingRecords` is 0; do not count records.",
    needs: &[],
    presumes: &["ack-every-event", "pull-token", "rec-created"],
    rests_on: &["sync.initial", "feed.cursor", "feed.caught-up"],
    run: |trial| Box::pin(all_pages(trial)),
};

async fn all_pages(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.fill(THREE_PAGES);
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    trial.right(&[&sync]).await
}

pub(super) const TOKEN: Case = Case {
    id: "pull-token",
    family: Family::Pull,
    level: Level::Must,
    title: "each call has a user token that Paragon takes: RS256, the right audience, the user of the event, not expired",
    title_unseen: None,
    why: "Paragon refuses anything else, and a receiver that takes no for an answer holds nothing.",
    fix: "Sign with the project's key: `sub` is `user.id` of the event, `aud` is `useparagon.com/<project id>`, `exp` is to come.",
    needs: &[],
    presumes: &[],
    rests_on: &["api.token", "api.audience", "sync.incremental"],
    run: |trial| Box::pin(token(trial)),
};

async fn token(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.create("a.pdf");
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    // A second user shows whether the receiver uses the token of the right user.
    let other = trial.other_drive("other");
    other.create(File::named("other.pdf"));
    let of_other = trial.enable_of(&other, "default").await?;
    trial.paragon.settle().await;
    trial.create("b.pdf");
    trial.paragon.advance(MINUTE).await;
    let right = trial.right(&[&sync, &of_other]).await;
    let timeline = trial.timeline();
    let refused = |call: &&Call| {
        let is_of_another = call.reason.as_deref().is_some_and(|why| why.contains("the token's user"));
        call.status == 401 || call.status == 403 || is_of_another
    };
    if let Some(call) = timeline.calls().find(refused) {
        let why = call.reason.as_deref().unwrap_or_default();
        return Err(Stop::Fail(format!("{} {} was answered {}: {why}", call.method, call.path, call.status)));
    }
    if !timeline.calls().any(|call| call.status == 200) {
        let why = right.err().map_or_else(String::new, |stop| format!(": {}", stop.told()));
        return Err(Stop::NotEvaluable(format!("the receiver made no call with a token of this user{why}")));
    }
    Ok(())
}

/// Runs an initial sync of three pages with these faults, and waits until the receiver is right.
async fn pulls_through(trial: &Trial<'_>, troubles: impl IntoIterator<Item = ApiFault>) -> Result<Sync, Stop> {
    trial.fill(THREE_PAGES);
    let sync = trial.enable().await?;
    let faults: Vec<_> = troubles
        .into_iter()
        .map(|fault| trial.paragon.fault(fault.endpoint(Endpoint::PullRecords).user(trial.user.clone())))
        .collect();
    trial.paragon.settle().await;
    if let Some(first) = faults.first() {
        trial.met(*first, 1).await?;
    }
    trial.ends_right(&[&sync]).await?;
    Ok(sync)
}

pub(super) const EMPTY_PAGE: Case = Case {
    id: "pull-empty-page",
    family: Family::Pull,
    level: Level::Should,
    title: "after an empty page the next pull goes on from there",
    title_unseen: None,
    why: "An empty page means caught up; what a receiver then does with its cursor decides whether it ever sees the rest.",
    fix: "Keep the cursor of an empty page if it has one, and the one before if not; pull again at the next event.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.caught-up", "feed.cursor", "api.pages"],
    run: |trial| Box::pin(empty_page(trial)),
};

async fn empty_page(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.fill(THREE_PAGES);
    let sync = trial.enable().await?;
    let empty = ApiFault::new(Trouble::EmptyPage).endpoint(Endpoint::PullRecords).user(trial.user.clone());
    let fault = trial.paragon.fault(empty.after(1).next(1));
    trial.paragon.settle().await;
    trial.met(fault, 1).await?;
    trial.deliver(trial.complete(&sync, THREE_PAGES as u64)).await?;
    trial.ends_right(&[&sync]).await
}

pub(super) const NULL_CURSOR: Case = Case {
    id: "pull-null-cursor",
    family: Family::Pull,
    level: Level::Should,
    title: "a last page without a cursor does not lose the place in the feed",
    title_unseen: None,
    why: "Clients were written that expect a cursor to be null at the end; storing that null, and taking it for 'done', ends the sync.",
    fix: "Keep the last cursor that was one; without any, begin at the start.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.cursor", "api.pages", "sync.incremental"],
    run: |trial| Box::pin(null_cursor(trial)),
};

async fn null_cursor(trial: &Trial<'_>) -> Result<(), Stop> {
    let sync = pulls_through(trial, [ApiFault::new(Trouble::NullCursorAtEnd)]).await?;
    for name in ["later.pdf", "latest.pdf"] {
        trial.create(name);
        trial.paragon.advance(MINUTE).await;
        trial.ends_right(&[&sync]).await?;
    }
    Ok(())
}

pub(super) const REPEATED: Case = Case {
    id: "pull-repeated-record",
    family: Family::Pull,
    level: Level::Should,
    title: "a record that comes on two pages is held once",
    title_unseen: None,
    why: "A record that changes during a pull moves to the end of the feed, and comes again.",
    fix: "Store by syncInstanceId and recordId and replace (upsert), also within one pull.",
    needs: &[Need::State],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.moves", "api.pages"],
    run: |trial| Box::pin(repeated(trial)),
};

async fn repeated(trial: &Trial<'_>) -> Result<(), Stop> {
    let sync = pulls_through(trial, [ApiFault::new(Trouble::RepeatedRecord)]).await?;
    trial.stays_right(&[&sync]).await
}

pub(super) const CHANGING: Case = Case {
    id: "pull-changing",
    family: Family::Pull,
    level: Level::Should,
    title: "records that change, come and go while pages are pulled are right in the end",
    title_unseen: None,
    why: "An initial sync of a large account is pulled for hours, and people go on working.",
    fix: "Pull again at each event, one pull at a time for each sync, and let the later page win.",
    needs: &[Need::State],
    presumes: &["pull-repeated-record", "rec-updated", "rec-deleted"],
    rests_on: &["feed.moves", "feed.tombstone", "sync.incremental", "sync.full"],
    run: |trial| Box::pin(changing(trial)),
};

async fn changing(trial: &Trial<'_>) -> Result<(), Stop> {
    let files = trial.fill(THREE_PAGES);
    let sync = trial.enable().await?;
    // The delay is long enough for all changes below to happen while the receiver waits for the second page.
    let slow = ApiFault::new(Trouble::Delay(Duration::from_millis(400))).endpoint(Endpoint::PullRecords);
    let fault = trial.paragon.fault(slow.user(trial.user.clone()).after(1).next(1));
    let changes = async {
        trial.met(fault, 1).await?;
        trial.drive.update(&files[0], |file| file.name = "first, changed.pdf".into());
        trial.drive.update(&files[THREE_PAGES - 1], |file| file.name = "last, changed.pdf".into());
        trial.create("new.pdf");
        trial.drive.delete(&files[1]);
        trial.drive.delete(&files[THREE_PAGES - 2]);
        sync.run_now(RunKind::Full);
        Ok::<(), Stop>(())
    };
    let ((), done) = tokio::join!(trial.paragon.settle(), changes);
    done?;
    trial.paragon.end_fault(fault);
    trial.paragon.settle().await;
    trial.ends_right(&[&sync]).await?;
    trial.stays_right(&[&sync]).await
}

pub(super) const RATE_LIMITED: Case = Case {
    id: "pull-rate-limited",
    family: Family::Pull,
    level: Level::Should,
    title: "429 in the middle of a pull is waited for as Retry-After says, and the pull goes on",
    title_unseen: None,
    why: "A receiver that gives up at 429 loses the rest; one that asks again at once is refused for longer.",
    fix: "On 429 wait for `retry-after`, then repeat the same call; keep the event until that has worked.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.rate-limit", "feed.cursor", "webhook.retry"],
    run: |trial| Box::pin(rate_limited(trial)),
};

/// Counts the calls until just before `Retry-After` is over. A refused webhook is delivered again only after that.
async fn rate_limited(trial: &Trial<'_>) -> Result<(), Stop> {
    const WATCHED: Duration = Duration::from_millis(1_900);
    trial.fill(THREE_PAGES);
    let sync = trial.enable().await?;
    let busy = Trouble::Status { code: 429, retry_after: Some(RetryAfter::Seconds(2)) };
    let busy = ApiFault::new(busy).endpoint(Endpoint::PullRecords).user(trial.user.clone()).after(1);
    let fault = trial.paragon.fault(busy);
    trial.paragon.settle().await;
    trial.met(fault, 1).await?;
    let calls = calls_meanwhile(trial, fault, WATCHED).await;
    trial.paragon.end_fault(fault);
    if calls > 3 {
        let told = format!("{calls} calls were answered 429 with retry-after: 2, all within two seconds");
        return Err(Stop::Fail(format!("it asks again at once: {told}")));
    }
    trial.ends_right(&[&sync]).await
}

/// Returns the number of calls that a fault has hit after this much real time.
async fn calls_meanwhile(trial: &Trial<'_>, fault: crate::fake::FaultId, span: Duration) -> u64 {
    trial.a_while(span).await;
    trial.struck(fault)
}

pub(super) const SERVER_ERROR: Case = Case {
    id: "pull-server-error",
    family: Family::Pull,
    level: Level::Should,
    title: "502 in the middle of a pull loses nothing",
    title_unseen: Some("after 502 in the middle of a pull every page is fetched; what is kept was not seen"),
    why: "Any service fails now and then; what was not pulled then is never announced again.",
    fix: "Repeat the call after a pause, from the cursor of the last page that came whole.",
    needs: &[],
    presumes: &["out-api-failing"],
    rests_on: &["api.unavailable", "feed.cursor", "webhook.retry"],
    run: |trial| {
        Box::pin(async move {
            let status = Trouble::status(502);
            pulls_through(trial, [ApiFault::new(status).after(1).next(2)]).await.map(drop)
        })
    },
};

pub(super) const RESET: Case = Case {
    id: "pull-reset",
    family: Family::Pull,
    level: Level::Should,
    title: "connections that are reset in the middle of a pull lose nothing",
    title_unseen: Some(
        "after connections that are reset in the middle of a pull every page is fetched; what is kept was not seen",
    ),
    why: "Connections end inside an answer; half a page must be neither stored as a whole one nor the end of the pull.",
    fix: "Take a page only when it came whole, and repeat the call after a pause.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |trial| {
        Box::pin(async move {
            let resets = [
                ApiFault::new(Trouble::ResetInside).after(1).next(1),
                ApiFault::new(Trouble::ResetBefore).after(2).next(1),
            ];
            pulls_through(trial, resets).await.map(drop)
        })
    },
};

pub(super) const CUT_JSON: Case = Case {
    id: "pull-cut-json",
    family: Family::Pull,
    level: Level::Should,
    title: "a 200 with half of its JSON in the middle of a pull loses nothing",
    title_unseen: Some(
        "after a 200 with half of its JSON in the middle of a pull every page is fetched; what is kept was not seen",
    ),
    why: "A proxy that gives up sends what it has, with the status that it has already sent.",
    fix: "Treat an answer that does not parse as a failed call: repeat it after a pause.",
    needs: &[],
    presumes: &["pull-reset"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |trial| {
        Box::pin(async move {
            let troubles = [
                ApiFault::new(Trouble::CutJson).after(1).next(1),
                ApiFault::new(Trouble::WrongContentType).after(3).next(1),
            ];
            pulls_through(trial, troubles).await.map(drop)
        })
    },
};

pub(super) const HANGS: Case = Case {
    id: "pull-hangs",
    family: Family::Pull,
    level: Level::May,
    title: "a call that is never answered is given up and repeated",
    title_unseen: None,
    why: "Many HTTP clients wait for ever by default: one lost packet, and the worker never comes back.",
    fix: "Give each call a time-out of a few seconds, and repeat it.",
    needs: &[],
    presumes: &["ack-slow-api", "pull-server-error", "pull-deleted-sync"],
    rests_on: &["api.broken", "feed.cursor", "webhook.retry"],
    run: |trial| {
        Box::pin(async move {
            let pulled = pulls_through(trial, [ApiFault::new(Trouble::NeverAnswers).after(1).next(1)]).await;
            pulled.map(drop).map_err(|stop| match stop {
                stuck @ Stop::AtWork { unanswered: true, .. } => Stop::Fail(stuck.told()),
                stop => stop,
            })
        })
    },
};

pub(super) const TOKEN_EXPIRED: Case = Case {
    id: "pull-token-expired",
    family: Family::Pull,
    level: Level::Should,
    title: "a token that is refused in the middle of a pull is minted anew, and the pull goes on",
    title_unseen: None,
    why: "A token that was good for the first page can be too old for the last; clocks differ, keys are replaced.",
    fix: "On 401 mint a new token and repeat the call; do not take 401 for the end.",
    needs: &[],
    presumes: &["pull-server-error"],
    rests_on: &["api.token", "feed.cursor", "webhook.retry"],
    run: |trial| {
        Box::pin(async move {
            pulls_through(trial, [ApiFault::new(Trouble::ExpiredTokens).after(1).next(1)]).await.map(drop)
        })
    },
};

pub(super) const NEW_MEMBERS: Case = Case {
    id: "pull-new-members",
    family: Family::Pull,
    level: Level::Should,
    title: "answers of the Sync API with members that the receiver does not know are taken",
    title_unseen: None,
    why: "Paragon adds members without notice, as it did with totalActiveRecords; a strict client stops on that day.",
    fix: "Read the members that you need and ignore the others.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["webhook.new-members", "feed.cursor"],
    run: |trial| {
        Box::pin(async move {
            let faults = [ApiFault::new(Trouble::UnknownMembers)];
            let sync = pulls_through(trial, faults).await?;
            trial.create("later.pdf");
            trial.paragon.advance(MINUTE).await;
            trial.ends_right(&[&sync]).await
        })
    },
};

pub(super) const LATE_RECORD: Case = Case {
    id: "pull-late-record",
    family: Family::Pull,
    level: Level::May,
    title: "a record that the Sync API does not serve yet when its event comes is fetched later",
    title_unseen: None,
    why: "Replicas lag: right after the event the API may still answer 404, or the old version, and no second event comes.",
    fix: "Look again after a while when an event brought nothing new; or reconcile on a timer.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["api.stale", "sync.incremental"],
    run: |trial| Box::pin(late_record(trial)),
};

async fn late_record(trial: &Trial<'_>) -> Result<(), Stop> {
    let (sync, files) = trial.synced(&["a.pdf"]).await?;
    trial.paragon.fault(ApiFault::new(Trouble::StaleReads(Stale::Reads(1))).user(trial.user.clone()));
    // The changes come one at a time, because the event of the next change would make the receiver fetch this one too.
    trial.create("new.pdf");
    trial.paragon.advance(MINUTE).await;
    trial.ends_right(&[&sync]).await?;
    trial.drive.update(&files[0], |file| file.name = "a 2.pdf".into());
    trial.paragon.advance(MINUTE).await;
    trial.ends_right(&[&sync]).await
}

pub(super) const RESUME: Case = Case {
    id: "pull-resume",
    family: Family::Pull,
    level: Level::May,
    title: "one new record costs a few calls, not a pull from the start",
    title_unseen: None,
    why: "An account with a million records would be pulled again for each change.",
    fix: "Store `paging.cursor` with the records, and pull from there; or fetch the one record.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["feed.cursor", "feed.caught-up", "sync.incremental"],
    run: |trial| Box::pin(resume(trial)),
};

async fn resume(trial: &Trial<'_>) -> Result<(), Stop> {
    const PAGES: usize = 13;
    const BUDGET: usize = 8;
    trial.fill(PAGES * PAGE_SIZE_CAP - 1);
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    trial.given(&[&sync]).await?;
    trial.rest(RESTLESS).await;
    let mark = trial.paragon.timeline_mark();
    trial.create("new.pdf");
    trial.paragon.advance(MINUTE).await;
    trial.right(&[&sync]).await?;
    trial.rest(RESTLESS).await;
    let calls = trial.calls_since(mark);
    if calls > BUDGET {
        return Err(Stop::Fail(format!(
            "{calls} calls for one new record, in a feed of {PAGES} pages; at most {BUDGET} are expected"
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
    why: "A loop without a pause keeps a service down that would come up, and gets its owner blocked.",
    fix: "Double the pause after each failure, up to some minutes, and add some chance to it.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["api.unavailable", "sync.incremental"],
    run: |trial| Box::pin(no_hammering(trial)),
};

async fn no_hammering(trial: &Trial<'_>) -> Result<(), Stop> {
    const MOST: u64 = 30;
    let (_, _) = trial.synced(&["a.pdf"]).await?;
    let down = ApiFault::new(Trouble::status(503)).user(trial.user.clone());
    let fault = trial.paragon.fault(down);
    trial.create("new.pdf");
    trial.paragon.advance(MINUTE).await;
    trial.met(fault, 1).await?;
    let calls = calls_meanwhile(trial, fault, Duration::from_secs(1)).await;
    trial.paragon.end_fault(fault);
    if calls > MOST {
        return Err(Stop::Fail(format!(
            "{calls} calls within a second, all answered 503; at most {MOST} are expected"
        )));
    }
    Ok(())
}

pub(super) const DELETED_SYNC: Case = Case {
    id: "pull-deleted-sync",
    family: Family::Pull,
    level: Level::Should,
    title: "events of a sync that is deleted are let go, and others are still followed",
    title_unseen: None,
    why: "Events can outlive their sync; a worker that repeats a 404 for ever never comes to the next event.",
    fix: "On 404 for a sync drop the event after a few tries, and go on.",
    needs: &[],
    presumes: &["iso-two-syncs"],
    rests_on: &["api.not-found", "webhook.order", "sync.incremental"],
    run: |trial| Box::pin(deleted_sync(trial)),
};

async fn deleted_sync(trial: &Trial<'_>) -> Result<(), Stop> {
    const MOST: usize = 30;
    let (sync, files) = trial.synced(&["a.pdf"]).await?;
    let gone = trial.enable_of(&trial.drive, "gone").await?;
    trial.paragon.settle().await;
    trial.given(&[&gone]).await?;
    let late = about(&gone, "record_updated", gone.record_of(&files[0]));
    let pulled_late = trial.complete(&gone, 1);
    gone.delete();
    let mark = trial.paragon.timeline_mark();
    trial.deliver(late).await?;
    trial.deliver(pulled_late).await?;
    trial.create("b.pdf");
    trial.paragon.advance(MINUTE).await;
    trial.ends_right(&[&sync]).await?;
    trial.a_while(Duration::from_secs(1)).await;
    let calls = trial.timeline_since(mark).calls().filter(|call| call.path.contains(gone.id().as_str())).count();
    if calls > MOST {
        return Err(Stop::Fail(format!(
            "{calls} calls for a sync that is deleted, within a second; at most {MOST} are expected"
        )));
    }
    Ok(())
}
