//! Outages: the receiver's, and those of what it depends on.

use std::time::Duration;

use crate::check::case::{Case, Level};
use crate::check::trial::{DAY, MINUTE, Stop, Trial};
use crate::clock::eventually;
use crate::contract::File;

pub(super) const UNREACHABLE: Case = Case {
    id: "out-unreachable",
    level: Level::Should,
    title: "events that come late, after newer ones, leave the right records",
    why: "After an outage retries arrive hours late: a record_created may follow the record's own record_deleted.",
    fix: "Take each event as a hint to fetch the latest version; when that is 404, hold nothing.",
    needs_state: true,
    rests_on: &["webhook.retry", "sync.incremental", "sync.full", "api.deleted-record"],
    run: |trial| Box::pin(unreachable(trial)),
};

/// The outage is the sender's: attempts are not sent and count as failed. It lies across a full run, so that the
/// deletion of a record overtakes its creation.
async fn unreachable(trial: &Trial<'_>) -> Result<(), Stop> {
    let paragon = trial.paragon;
    let (sync, files) = trial.synced(&["a.pdf"]).await?;
    paragon.advance(DAY.saturating_sub(3 * MINUTE)).await;
    paragon.receiver_unreachable(true);
    let fleeting = trial.drive.create(File::named("fleeting.pdf"));
    trial.drive.create(File::named("new.pdf"));
    trial.drive.update(&files[0], |file| file.name = "a (1).pdf".into());
    paragon.advance(2 * MINUTE).await;
    paragon.receiver_unreachable(false);
    trial.drive.delete(&fleeting);
    trial.drive.update(&files[0], |file| file.name = "a (2).pdf".into());
    paragon.advance(MINUTE).await;
    paragon.run_until_idle().await;
    let timeline = trial.timeline();
    if !timeline.attempts().any(|(event, attempt)| event == "record_created" && attempt.number > 1) {
        return Err(Stop::NotEvaluable("the policy does not try again within the outage".to_owned()));
    }
    trial.stays_right(&sync).await
}

pub(super) const API_FAILING: Case = Case {
    id: "out-api-failing",
    level: Level::Should,
    title: "an event that arrives while the Sync API fails is not lost",
    why: "A receiver that answers 2xx and then cannot fetch has told Paragon to forget the event.",
    fix: "Fetch before you answer and pass the failure on as 5xx, or queue the event and try again until it works.",
    needs_state: false,
    rests_on: &["api.unavailable", "webhook.retry", "sync.incremental"],
    run: |trial| Box::pin(api_failing(trial)),
};

async fn api_failing(trial: &Trial<'_>) -> Result<(), Stop> {
    let paragon = trial.paragon;
    let (sync, _) = trial.synced(&["a.pdf"]).await?;
    paragon.fail_api(Some(503));
    trial.drive.create(File::named("new.pdf"));
    paragon.advance(MINUTE).await;
    let failed = eventually(trial.settle.min(Duration::from_secs(2)), || {
        let failed = trial.timeline().calls().any(|call| call.status == 503);
        async move { failed.then_some(()) }
    });
    let failed = failed.await;
    paragon.fail_api(None);
    if failed.is_none() {
        return Err(Stop::NotEvaluable("the receiver did not call the Sync API while it was failing".to_owned()));
    }
    paragon.run_until_idle().await;
    trial.right(&sync).await
}
