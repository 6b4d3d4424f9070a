//! Using the Sync API.

use crate::check::case::{Case, Level};
use crate::check::trial::{PAGE_SIZE_CAP, Stop, Trial};
use crate::contract::File;

pub(super) const ALL_PAGES: Case = Case {
    id: "pull-all-pages",
    level: Level::Must,
    title: "after the initial sync every page is pulled, however short pages are",
    why: "An initial sync sends one event for all its records; what is not pulled then is never announced again.",
    fix: "Pull with `paging.cursor` until `data` is empty or `paging.remainingRecords` is 0; do not count records.",
    needs_state: false,
    rests_on: &["sync.initial", "feed.cursor", "feed.caught-up"],
    run: |trial| Box::pin(all_pages(trial)),
};

async fn all_pages(trial: &Trial<'_>) -> Result<(), Stop> {
    for number in 0..PAGE_SIZE_CAP * 2 + 3 {
        trial.drive.create(File::named(format!("{number}.pdf")));
    }
    let sync = trial.enable().await?;
    trial.paragon.settle().await;
    trial.right(&sync).await
}
