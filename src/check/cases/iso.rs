//! Isolation: each user's data stay apart.

use serde_json::json;

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE, about};
use crate::check::error::CaseError;
use crate::check::need::Need;
use crate::contract::File;
use crate::fake::SyncHandle;

pub(super) const TWO_USERS: Case = Case {
    id: "iso-two-users",
    family: Family::Iso,
    level: Level::Must,
    title: "interleaved events of two users are processed for each user, with the user's own token",
    title_unseen: Some(
        "interleaved events of two users are followed by fetches for each user, with the user's own token; the stored \
         records were not checked",
    ),
    why: "A receiver that keeps one token or one cursor for all users mixes up their data as soon as two users are \
          active.",
    fix: "Store the cursor and the records by syncInstanceId, and sign the token for the `user.id` of the event.",
    needs: &[],
    presumes: &["pull-all-pages"],
    rests_on: &["api.token", "sync.incremental", "events.no-data"],
    run: |context| Box::pin(two_users(context)),
};

async fn two_users(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let other = context.other_drive("other");
    context.create("mine.pdf");
    other.create(File::named("theirs.pdf"));
    let mine = context.enable().await?;
    let theirs = context.enable_of(&other, "default").await?;
    context.paragon.settle().await;
    for round in 0..3 {
        context.create(&format!("mine {round}.pdf"));
        other.create(File::named(format!("theirs {round}.pdf")));
        context.paragon.advance(MINUTE).await;
    }
    context.right(&[&mine, &theirs]).await?;
    refused(context)
}

/// Fails if the receiver made a call with a token of a user who does not own the sync.
fn refused(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let timeline = context.timeline();
    let wrong =
        timeline.calls().find(|call| call.reason.as_deref().is_some_and(|why| why.contains("the token's user")));
    wrong.map_or(Ok(()), |call| {
        let why = call.reason.as_deref().unwrap_or_default();
        Err(CaseError::Fail(format!("{} {} was answered {}: {why}", call.method, call.path, call.status)))
    })
}

pub(super) const TWO_SYNCS: Case = Case {
    id: "iso-two-syncs",
    family: Family::Iso,
    level: Level::Should,
    title: "the records of two syncs of one account, which have the same external ids, are kept apart",
    title_unseen: None,
    why: "The same file is a different record in each sync. A receiver that stores records by externalId overwrites \
          the copy of one sync with the copy of the other.",
    fix: "Use syncInstanceId and recordId as the key, not externalId or the user.",
    needs: &[Need::State],
    presumes: &["iso-two-users", "rec-updated"],
    rests_on: &["record.id", "sync.incremental", "sync.same-id"],
    run: |context| Box::pin(two_syncs(context)),
};

async fn two_of(context: &CaseContext<'_>) -> Result<(SyncHandle, SyncHandle), CaseError> {
    let one = context.enable().await?;
    let two = context.enable_of(&context.drive, "second").await?;
    context.paragon.settle().await;
    Ok((one, two))
}

async fn two_syncs(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let file = context.create("shared.pdf");
    let (one, two) = two_of(context).await?;
    context.right(&[&one, &two]).await?;
    context.drive.update(&file, |file| file.name = "shared 2.pdf".into());
    context.create("new.pdf");
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&one, &two]).await
}

pub(super) const DELETION: Case = Case {
    id: "iso-deletion",
    family: Family::Iso,
    level: Level::Should,
    title: "a record that is deleted from one sync stays in the other sync",
    title_unseen: None,
    why: "Otherwise, if one user loses access to a file or the selection of one sync is narrowed, everybody else's \
          copy disappears.",
    fix: "Remove records by syncInstanceId and recordId, not by externalId.",
    needs: &[Need::State],
    presumes: &["iso-two-syncs", "rec-deleted"],
    rests_on: &["record.id", "sync.full", "sync.reenable"],
    run: |context| Box::pin(deletion(context)),
};

async fn deletion(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let file = context.create("shared.pdf");
    context.create("kept.pdf");
    let (one, two) = two_of(context).await?;
    context.given(&[&one, &two]).await?;
    // A disabled sync does not see the deletion, and still serves its records.
    two.disable();
    context.drive.delete(&file);
    context.paragon.advance(DAY).await;
    context.stays_right(&[&one, &two]).await
}

pub(super) const FORGED_USER: Case = Case {
    id: "iso-forged-user",
    family: Family::Iso,
    level: Level::Should,
    title: "an event that names an existing sync and another user does not change the data of either user",
    title_unseen: None,
    why: "Webhooks are not signed. Anybody who knows the id of a sync could send an event that assigns the sync to \
          another user.",
    fix: "Store which user each sync belongs to. Accept another user only if the Sync API serves the sync with a token \
          of that user.",
    needs: &[Need::State],
    presumes: &["iso-two-users", "pull-deleted-sync", "rec-forged-deletion"],
    rests_on: &["webhook.malformed", "api.not-found", "sync.incremental"],
    run: |context| Box::pin(forged_user(context)),
};

async fn forged_user(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let (sync, files) = context.synced(&["a.pdf", "b.pdf"]).await?;
    let stranger = context.user_named("stranger");
    for kind in ["record_updated", "record_created"] {
        let mut event = about(&sync, kind, sync.record_of(&files[0]));
        event["user"]["id"] = json!(stranger);
        context.deliver(event).await?;
    }
    context.stays_right(&[&sync]).await?;
    context.rename(&files[1], "b 2.pdf")?;
    context.paragon.advance(MINUTE).await;
    context.stays_right(&[&sync]).await
}
