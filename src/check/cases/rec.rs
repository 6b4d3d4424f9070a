//! Correctness of each record in the end.

use serde_json::json;

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE, about};
use crate::check::error::CaseError;
use crate::check::need::Need;
use crate::check::result::left_out;
use crate::contract::{EventKind, File, SyncId};
use crate::delivery::{DeliveryFault, DeliveryFaultKind};
use crate::source::ProviderFaultKind;

pub(super) const CREATED: Case = Case {
    id: "rec-created",
    family: Family::Rec,
    level: Level::Must,
    title: "a record that is created after the initial sync is fetched and kept",
    title_unseen: Some(
        "a record that is created after the initial sync is fetched; whether the record is kept was not checked",
    ),
    why: "Otherwise files that users add after they connect never show up.",
    fix: "On record_created, fetch the record or pull from the stored cursor, with a token for the `user.id` of the \
          event.",
    needs: &[],
    presumes: &["ack-every-event", "pull-token"],
    rests_on: &["sync.incremental", "events.no-data", "feed.cursor"],
    run: |context| Box::pin(created(context)),
};

/// Starts with an empty account, so that the case judges only the new records.
async fn created(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let sync = context.enable().await?;
    context.paragon.settle().await;
    for name in ["new.pdf", "newer.pdf"] {
        context.create(name);
        context.paragon.advance(MINUTE).await;
    }
    context.right(&[&sync]).await
}

pub(super) const UPDATED: Case = Case {
    id: "rec-updated",
    family: Family::Rec,
    level: Level::Must,
    title: "each change of a record is fetched, even if its event is identical to the previous event",
    title_unseen: None,
    why: "Events contain no event id and no record data. Two updates of a record have identical bodies, and the second \
          one counts too.",
    fix: "On record_updated, fetch the record again and replace the stored version. Do not skip a body that you have \
          seen before.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["sync.incremental", "events.no-data"],
    run: |context| Box::pin(updated(context)),
};

async fn updated(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["draft.docx", "other.pdf"]).await?;
    for name in ["draft 2.docx", "final.docx"] {
        context.rename(&files[0], name)?;
        context.paragon.advance(MINUTE).await;
        context.right(&[&sync]).await?;
    }
    Ok(())
}

pub(super) const RESTORED: Case = Case {
    id: "rec-restored",
    family: Family::Rec,
    level: Level::May,
    title: "an earlier version that is restored, with its older updatedAt, gets a 2xx response and is processed",
    title_unseen: None,
    why: "If somebody restores an earlier version, some providers also restore its old updatedAt, so the time goes \
          back.",
    fix: "Keep the version that the Sync API served last, not the version with the later updatedAt. Do not fail if the \
          time goes back.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["sync.incremental", "events.no-data"],
    run: |context| Box::pin(restored(context)),
};

/// Accepts a receiver that keeps the version with the later `updatedAt`: then the case is not evaluable instead of
/// failed. This choice is a good one where times are right.
async fn restored(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const NEWER: &str = "worse.pdf";
    let (sync, files) = context.synced(&["a.pdf"]).await?;
    let first = context.drive.object(&files[0]);
    context.rename(&files[0], NEWER)?;
    context.paragon.advance(MINUTE).await;
    context.given(&[&sync]).await?;
    context.drive.restore(&files[0], first);
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(MINUTE).await;
    context.answered(mark, &[EventKind::RecordUpdated]).await?;
    let followed = context.right(&[&sync]).await;
    let held = context.held(sync.id()).await;
    let keeps_newer =
        matches!(held.as_slice(), [held] if held.value.as_ref().is_some_and(|held| held["name"] == NEWER));
    match followed {
        Err(CaseError::Fail(_)) if keeps_newer => Err(CaseError::NotEvaluable(
            "the receiver keeps the version with the later updatedAt, which is correct unless a provider restores an \
             earlier version with its old time"
                .to_owned(),
        )),
        followed => followed,
    }
}

pub(super) const DELETED: Case = Case {
    id: "rec-deleted",
    family: Family::Rec,
    level: Level::Must,
    title: "a deleted record is removed",
    title_unseen: None,
    why: "A deletion can mean that access was revoked. A receiver that keeps the record shows people data that they \
          may not see.",
    fix: "On record_deleted, ask the Sync API, and remove the record if the API no longer serves it. When you pull, \
          remove records that arrive without their data (tombstones).",
    needs: &[Need::State],
    presumes: &["pull-all-pages"],
    rests_on: &["sync.full", "webhook.events"],
    run: |context| Box::pin(deleted(context)),
};

async fn deleted(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["kept.pdf", "deleted.pdf"]).await?;
    context.drive.delete(&files[1]);
    context.paragon.advance(DAY).await;
    context.stays_right(&[&sync]).await
}

pub(super) const DUPLICATE: Case = Case {
    id: "rec-duplicate",
    family: Family::Rec,
    level: Level::Should,
    title: "an event that arrives a second time changes nothing more",
    title_unseen: None,
    why: "A sender that did not get your response sends the event again. A record that is inserted twice is shown \
          twice.",
    fix: "Upsert records by syncInstanceId and recordId. Treat the removal of a missing record as a success.",
    needs: &[Need::State],
    presumes: &["rec-updated"],
    rests_on: &["webhook.duplicate", "sync.incremental", "sync.full"],
    run: |context| Box::pin(duplicate(context)),
};

async fn duplicate(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let other = context.other_drive("other");
    let deleted = other.create(File::named("deleted.pdf"));
    let (sync, files) = context.synced(&["a.pdf"]).await?;
    let of_other = context.enable_of(&other, "default").await?;
    context.paragon.settle().await;
    context.given(&[&of_other]).await?;
    context.paragon.delivery_fault(DeliveryFaultKind::Duplicate);
    context.create("c.pdf");
    context.drive.update(&files[0], |file| file.name = "a 2.pdf".into());
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&sync, &of_other]).await?;
    // Another case judges whether a deletion is followed at all. Here the second copy of the event must not be an
    // error.
    other.delete(&deleted);
    let mark = context.paragon.timeline_mark();
    context.paragon.advance(DAY).await;
    context.answered(mark, &[EventKind::RecordDeleted]).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const TOGETHER: Case = Case {
    id: "rec-duplicate-together",
    family: Family::Rec,
    level: Level::Should,
    title: "copies of an event that arrive at the same time leave one record",
    title_unseen: None,
    why: "If the receiver looks first and then inserts, two simultaneous requests both find no record, and both insert \
          one.",
    fix: "Let the database decide: use a unique key on syncInstanceId and recordId, and an upsert.",
    needs: &[Need::State],
    presumes: &["rec-duplicate"],
    rests_on: &["webhook.duplicate", "webhook.order", "sync.incremental"],
    run: |context| Box::pin(together(context)),
};

async fn together(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    context.paragon.delivery_fault(DeliveryFaultKind::Together(6));
    for name in ["b.pdf", "c.pdf"] {
        context.create(name);
        context.paragon.advance(MINUTE).await;
    }
    context.stays_right(&[&sync]).await
}

pub(super) const RECREATED: Case = Case {
    id: "rec-recreated",
    family: Family::Rec,
    level: Level::Should,
    title: "a record that was deleted and appears again is kept again",
    title_unseen: None,
    why: "A file may be moved out of a shared folder and back. A receiver that remembers deletions forever never shows \
          the file again.",
    fix: "Remove a deleted record without leaving a mark. Treat every record that the Sync API serves as live.",
    needs: &[Need::State],
    presumes: &["rec-deleted"],
    rests_on: &["sync.full", "sync.revoked-access", "record.id"],
    run: |context| Box::pin(recreated(context)),
};

async fn recreated(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["kept.pdf", "shared.pdf"]).await?;
    context.drive.revoke_access(&files[1]);
    context.paragon.advance(DAY).await;
    context.given(&[&sync]).await?;
    context.drive.grant_access(&files[1]);
    context.paragon.advance(DAY).await;
    context.stays_right(&[&sync]).await
}

pub(super) const UPDATED_FIRST: Case = Case {
    id: "rec-updated-first",
    family: Family::Rec,
    level: Level::Should,
    title: "record_updated of a record without a record_created event is processed",
    title_unseen: Some(
        "after record_updated of a record without a record_created event, the record is fetched; whether the record is \
         kept was not checked",
    ),
    why: "The record_created event may be lost in an outage, or arrive later. A receiver that updates only existing \
          rows then loses the update as well.",
    fix: "On record_updated, fetch the record, and insert it if there is no row to update (upsert).",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["webhook.order", "sync.incremental", "events.no-data"],
    run: |context| Box::pin(updated_first(context)),
};

async fn updated_first(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    context.paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Lose).next(1));
    let new = context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.drive.update(&new, |file| file.size = Some(7));
    context.paragon.advance(MINUTE).await;
    context.right(&[&sync]).await?;
    // Delivers the `record_created` event that was lost above, after the update.
    context.deliver(about(&sync, "record_created", sync.record_of(&new))).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const DELETED_UNKNOWN: Case = Case {
    id: "rec-deleted-unknown",
    family: Family::Rec,
    level: Level::Should,
    title: "record_deleted of a record that the receiver never held gets a 2xx response and changes nothing",
    title_unseen: None,
    why: "A record can be created and deleted within one outage. A receiver that fails on its record_deleted makes \
          Paragon retry the event, and in the end disable the webhook.",
    fix: "Treat the removal of a missing record as a success.",
    needs: &[Need::State],
    presumes: &["rec-deleted"],
    rests_on: &["webhook.order", "webhook.2xx", "sync.full"],
    run: |context| Box::pin(deleted_unknown(context)),
};

async fn deleted_unknown(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    let mark = context.paragon.timeline_mark();
    context.deliver(about(&sync, "record_deleted", "00000000-0000-5000-8000-000000000000")).await?;
    context.answered(mark, &[EventKind::RecordDeleted]).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const FORGED_SYNC: Case = Case {
    id: "rec-forged-sync",
    family: Family::Rec,
    level: Level::Should,
    title: "an event of a sync that does not exist changes nothing, and valid events are still processed",
    title_unseen: None,
    why: "Webhooks are not signed, so anybody can POST a forged event. A forged event must not leave rows behind, or \
          block the queue forever.",
    fix: "Trust the Sync API, not the event. If the Sync API answers 404, drop the event.",
    needs: &[Need::State],
    presumes: &["out-unreachable", "pull-deleted-sync"],
    rests_on: &["webhook.malformed", "api.not-found", "sync.incremental"],
    run: |context| Box::pin(forged_sync(context)),
};

async fn forged_sync(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    let forged = SyncId::from("11111111-2222-5333-8444-555555555555");
    for kind in ["record_created", "record_updated"] {
        let mut event = about(&sync, kind, "00000000-0000-5000-8000-000000000000");
        event["syncInstanceId"] = json!(forged);
        context.deliver(event).await?;
    }
    context.create("b.pdf");
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&sync]).await?;
    match context.held(&forged).await.first() {
        Some(held) => {
            Err(CaseError::Fail(format!("the receiver holds the record {} of a sync that does not exist", held.record)))
        }
        None => Ok(()),
    }
}

pub(super) const FORGED_DELETION: Case = Case {
    id: "rec-forged-deletion",
    family: Family::Rec,
    level: Level::May,
    title: "record_deleted of a record that the Sync API still serves does not remove the record",
    title_unseen: None,
    why: "Webhooks are not signed, so anybody who knows the id of a record can make a receiver remove the record.",
    fix: "On record_deleted, ask the Sync API, and remove the record if the answer is 404. Or pull, and remove the \
          record when its tombstone arrives.",
    needs: &[Need::State],
    presumes: &["rec-deleted"],
    rests_on: &["webhook.malformed", "api.deleted-record"],
    run: |context| Box::pin(forged_deletion(context)),
};

async fn forged_deletion(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "b.pdf"]).await?;
    context.deliver(about(&sync, "record_deleted", sync.record_of(&files[0]))).await?;
    context.stays_right(&[&sync]).await
}

pub(super) const ERRORED: Case = Case {
    id: "rec-errored",
    family: Family::Rec,
    level: Level::Should,
    title: "record_errored affects no other record, and the failed record is updated when Paragon can read it again",
    title_unseen: Some(
        "record_errored does not keep the receiver from fetching everything else; the stored records were not checked",
    ),
    why: "One file that cannot be read is no reason to stop, and the file does not stay unreadable.",
    fix: "Log record_errored and continue. Do not remove the record or refuse its later events.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["sync.record-errored", "sync.unreadable", "sync.incremental"],
    run: |context| Box::pin(errored(context)),
};

async fn errored(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "locked.pdf"]).await?;
    context.drive.make_unreadable(&files[1], "the file is locked");
    context.rename(&files[1], "locked 2.pdf")?;
    context.create("b.pdf");
    context.paragon.advance(MINUTE).await;
    context.right(&[&sync]).await?;
    context.drive.make_readable(&files[1]);
    context.paragon.advance(DAY).await;
    context.stays_right(&[&sync]).await
}

pub(super) const SYNC_ERRORED: Case = Case {
    id: "rec-sync-errored",
    family: Family::Rec,
    level: Level::Should,
    title: "sync_errored does not end the sync: changes are processed after the sync is enabled again",
    title_unseen: Some(
        "after sync_errored, changes are fetched once the sync is enabled again; the stored records were not checked",
    ),
    why: "When a user reconnects after a week, the sync continues where it stopped, and there is no second \
          sync_complete.",
    fix: "On sync_errored, notify somebody. Keep the records and the cursor, and process later events as before.",
    needs: &[],
    presumes: &["rec-updated"],
    rests_on: &["sync.errored", "sync.reenable", "sync.incremental"],
    run: |context| Box::pin(sync_errored(context)),
};

async fn sync_errored(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "b.pdf"]).await?;
    let mark = context.paragon.timeline_mark();
    context.drive.provider_fault(ProviderFaultKind::CredentialRevoked);
    context.paragon.advance(MINUTE).await;
    context.answered(mark, &[EventKind::SyncErrored]).await?;
    context.rename(&files[0], "a 2.pdf")?;
    context.drive.end_provider_faults();
    sync.reenable();
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&sync]).await
}

pub(super) const ODD: Case = Case {
    id: "rec-odd",
    family: Family::Rec,
    level: Level::Should,
    title: "records with unusual names, null members and large numbers are kept unchanged",
    title_unseen: None,
    why: "Names come from people and providers. They may be empty, have 255 characters, consist of emoji, or look like \
          markup.",
    fix: "Store the records of the Sync API as JSON, or in columns that accept any text, null, and 64-bit numbers.",
    needs: &[Need::State],
    presumes: &["pull-all-pages"],
    rests_on: &["record.null-size", "sync.incremental", "webhook.odd"],
    run: |context| Box::pin(odd(context)),
};

/// Creates unusual files, except for those that the run leaves out, and those whose unusual member is not compared.
async fn odd(context: &CaseContext<'_>) -> Result<(), CaseError> {
    const PLAIN: &str = "plain.pdf";
    let long = "x".repeat(251) + ".pdf";
    let names =
        ["", " ", "\u{1f4c4} \u{65e5}\u{672c}\u{8a9e}.pdf", "\"quoted\" <b>&amp; %20 ../../etc.pdf", "null", &long];
    // Each unusual file is listed with a file that differs from it only in what is unusual.
    let of_size = |size| File { size: Some(size), ..File::named("sized.pdf") };
    // A file without a type has no content, so its size is null.
    let untyped = File { mime_type: String::new(), ..File::named(PLAIN) };
    let mut all = vec![(untyped, File { size: Some(1), ..File::named(PLAIN) })];
    all.extend(names.map(|name| (File::named(name), File { name: PLAIN.to_owned(), ..File::named(name) })));
    all.extend([0, (1 << 53) - 1].map(|size| (of_size(size), of_size(1))));
    let contained: Vec<_> = all.into_iter().filter(|(odd, _)| context.may_contain(odd)).collect();
    if contained.is_empty() {
        return Err(CaseError::NotEvaluable(left_out(&context.run.target.without)));
    }
    let seen: Vec<_> = contained.into_iter().filter(|(odd, plain)| context.sees(odd, plain)).collect();
    if seen.is_empty() {
        return Err(CaseError::NotEvaluable(format!(
            "nothing that is unusual about the records of this case is compared: {}",
            context.run.target.members
        )));
    }
    let (sync, _) = context.synced(&["a.pdf"]).await?;
    for (odd, _) in seen {
        context.drive.create(odd);
    }
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&sync]).await
}

pub(super) const MANY_AT_ONCE: Case = Case {
    id: "rec-many-at-once",
    family: Family::Rec,
    level: Level::Must,
    title: "changes of many records at the same time are all processed",
    title_unseen: None,
    why: "When a person moves a folder, thirty records may change within a minute. The last record counts as much as \
          the first.",
    fix: "Pull to the end of the feed, and do not stop at the record of the first event.",
    needs: &[Need::State],
    presumes: &["rec-updated", "rec-deleted"],
    rests_on: &["sync.incremental", "sync.full", "feed.caught-up"],
    run: |context| Box::pin(many_at_once(context)),
};

async fn many_at_once(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, _) = context.synced(&["kept.pdf"]).await?;
    let files = context.fill(15);
    context.paragon.advance(MINUTE).await;
    for (number, file) in files.iter().enumerate() {
        context.drive.update(file, |file| file.name = format!("moved {number}.pdf"));
    }
    context.fill(5);
    context.paragon.advance(MINUTE).await;
    for file in files.iter().step_by(2) {
        context.drive.delete(file);
    }
    context.paragon.advance(DAY).await;
    context.stays_right(&[&sync]).await
}

pub(super) const NOTHING_LEFT: Case = Case {
    id: "rec-nothing-left",
    family: Family::Rec,
    level: Level::Must,
    title: "after the last record is deleted, the receiver holds no records",
    title_unseen: None,
    why: "Loops often fail at the end of a list. A record that stays is shown to people who may no longer see it.",
    fix: "Process record_deleted even if the feed has no live record left.",
    needs: &[Need::State],
    presumes: &["rec-deleted"],
    rests_on: &["sync.full", "webhook.events"],
    run: |context| Box::pin(nothing_left(context)),
};

async fn nothing_left(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "b.pdf"]).await?;
    for file in &files {
        context.drive.delete(file);
    }
    context.paragon.advance(DAY).await;
    context.stays_right(&[&sync]).await
}
