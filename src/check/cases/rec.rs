//! Each record right in the end.

use crate::check::case::{Case, Level};
use crate::check::trial::{DAY, MINUTE, Stop, Trial};
use crate::contract::{EventKind, File};

pub(super) const CREATED: Case = Case {
    id: "rec-created",
    level: Level::Must,
    title: "a record that is created later is fetched and kept",
    why: "Otherwise what users add after they connect never shows up.",
    fix: "On record_created fetch the record, or pull from the stored cursor, with a token of `user.id`.",
    needs_state: false,
    rests_on: &["sync.incremental", "events.no-data", "feed.cursor"],
    run: |trial| Box::pin(created(trial)),
};

/// Starts with an empty account, so that it judges nothing but the new record.
async fn created(trial: &Trial<'_>) -> Result<(), Stop> {
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    for name in ["new.pdf", "newer.pdf"] {
        trial.drive.create(File::named(name));
        trial.paragon.advance(MINUTE).await;
    }
    trial.right(&sync).await
}

pub(super) const UPDATED: Case = Case {
    id: "rec-updated",
    level: Level::Must,
    title: "each change of a record is fetched, also when the event is the same bytes as the one before",
    why: "Events carry no id and no data: two updates of a record are two equal bodies, and the second one counts.",
    fix: "On record_updated fetch the record again and replace what you hold; do not skip bodies seen before.",
    needs_state: false,
    rests_on: &["sync.incremental", "events.no-data"],
    run: |trial| Box::pin(updated(trial)),
};

async fn updated(trial: &Trial<'_>) -> Result<(), Stop> {
    let (sync, files) = trial.synced(&["draft.docx", "other.pdf"]).await?;
    for name in ["draft 2.docx", "final.docx"] {
        trial.drive.update(&files[0], |file| file.name = name.into());
        trial.paragon.advance(MINUTE).await;
        trial.right(&sync).await?;
    }
    Ok(())
}

pub(super) const DELETED: Case = Case {
    id: "rec-deleted",
    level: Level::Must,
    title: "a record that is deleted is removed",
    why: "A deletion can mean that access was revoked: keeping the record shows people what they may not see.",
    fix: "On record_deleted remove the record; when pulling, remove what comes without its data.",
    needs_state: true,
    rests_on: &["sync.full", "webhook.events"],
    run: |trial| Box::pin(deleted(trial)),
};

async fn deleted(trial: &Trial<'_>) -> Result<(), Stop> {
    let (sync, files) = trial.synced(&["kept.pdf", "deleted.pdf"]).await?;
    trial.drive.delete(&files[1]);
    trial.paragon.advance(DAY).await;
    trial.stays_right(&sync).await
}

pub(super) const DUPLICATE: Case = Case {
    id: "rec-duplicate",
    level: Level::Should,
    title: "an event that arrives twice changes nothing more",
    why: "A sender that did not see your answer sends again; a record that is inserted twice is shown twice.",
    fix: "Store by syncInstanceId and recordId and replace (upsert); let removing what is gone succeed.",
    needs_state: true,
    rests_on: &["webhook.duplicate", "sync.incremental", "sync.full"],
    run: |trial| Box::pin(duplicate(trial)),
};

async fn duplicate(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.paragon.duplicate_events(true);
    let (sync, files) = trial.synced(&["a.pdf", "b.pdf"]).await?;
    trial.drive.create(File::named("c.pdf"));
    trial.drive.update(&files[0], |file| file.size = Some(7));
    trial.paragon.advance(MINUTE).await;
    trial.stays_right(&sync).await?;
    // Whether a deletion is followed at all is another case; here the second one must not be an error.
    trial.drive.delete(&files[1]);
    let mark = trial.paragon.timeline_mark();
    trial.paragon.advance(DAY).await;
    trial.answered(mark, &[EventKind::RecordDeleted])
}
