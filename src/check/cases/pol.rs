//! Delivery policies: what a receiver loses under each policy when it is unreachable for a while.

use std::time::Duration;

use crate::check::case::{Case, Family, Level};
use crate::check::context::{CaseContext, DAY, MINUTE};
use crate::check::error::CaseError;
use crate::delivery::DeliveryFaultKind;
use crate::delivery::{Decision, WebhookState};
use crate::fake::EntryKind;

const WHY: &str = "Paragon does not publish how often and for how long it retries. Senders differ, and every sender \
                   gives up at some point.";
const FIX: &str = "Do not rely on receiving every event. Pull from the stored cursor at each event, or on a timer.";
const PRESUMES: &[&str] = &["out-disabled", "out-unreachable"];
const RESTS_ON: &[&str] = &["webhook.retry", "webhook.disable", "webhook.missed", "feed.cursor"];

pub(super) const MINUTES: Case = Case {
    id: "pol-outage-minutes",
    family: Family::Pol,
    level: Level::Should,
    title: "after an outage of the receiver of ten minutes, all records are correct once the next event has arrived",
    title_unseen: Some(
        "after an outage of the receiver of ten minutes, the latest version of every record was fetched once the next \
         event had arrived; the stored records were not checked",
    ),
    why: WHY,
    fix: FIX,
    needs: &[],
    presumes: PRESUMES,
    rests_on: RESTS_ON,
    run: |context| Box::pin(outage(context, 10 * MINUTE)),
};

pub(super) const HOURS: Case = Case {
    id: "pol-outage-hours",
    family: Family::Pol,
    level: Level::Should,
    title: "after an outage of the receiver of six hours, all records are correct once the next event has arrived",
    title_unseen: Some(
        "after an outage of the receiver of six hours, the latest version of every record was fetched once the next \
         event had arrived; the stored records were not checked",
    ),
    why: WHY,
    fix: FIX,
    needs: &[],
    presumes: PRESUMES,
    rests_on: RESTS_ON,
    run: |context| Box::pin(outage(context, 360 * MINUTE)),
};

pub(super) const DAYS: Case = Case {
    id: "pol-outage-days",
    family: Family::Pol,
    level: Level::Should,
    title: "after an outage of the receiver of four days, all records are correct once the next event has arrived",
    title_unseen: Some(
        "after an outage of the receiver of four days, the latest version of every record was fetched once the next \
         event had arrived; the stored records were not checked",
    ),
    why: WHY,
    fix: FIX,
    needs: &[],
    presumes: PRESUMES,
    rests_on: RESTS_ON,
    run: |context| Box::pin(outage(context, 4 * DAY)),
};

async fn outage(context: &CaseContext<'_>, span: Duration) -> Result<(), CaseError> {
    let paragon = &context.paragon;
    let (sync, files) = context.synced(&["a.pdf", "b.pdf", "c.pdf"]).await?;
    paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    context.create("new.pdf");
    context.drive.update(&files[0], |file| file.name = "a 2.pdf".into());
    context.drive.delete(&files[1]);
    paragon.advance(MINUTE + span).await;
    paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    paragon.run_until_idle().await;
    // An operator enables the webhook again, at the latest now.
    if paragon.webhook() == WebhookState::Disabled {
        paragon.enable_webhook();
    }
    context.create("next.pdf");
    paragon.advance(MINUTE).await;
    let ended = context.ends_right(&[&sync]).await;
    let policy = paragon.policy().name;
    ended.map_err(|stop| stop.map_fail(|found| format!("{found}\nlost under {policy}:\n{}", lost(context))))
}

/// Returns the events that were never delivered, each with the entry of the policy that decided so.
fn lost(context: &CaseContext<'_>) -> String {
    let timeline = context.timeline();
    let named = |event: &str, about: &Option<String>| match about {
        Some(name) => format!("{event} {name:?}"),
        None => event.to_owned(),
    };
    let lost = timeline.entries().iter().filter_map(|entry| match &entry.what {
        EntryKind::Dropped { event, about, rule, .. } => {
            Some(format!("{} was dropped (`{rule}`)", named(event, about)))
        }
        EntryKind::Queued { event, about, deliveries, .. } if deliveries.is_empty() => {
            Some(format!("{} was not sent, because the webhook was off (`while_off`)", named(event, about)))
        }
        EntryKind::Attempt { event, about, record }
            if matches!(record.decision, Decision::GivenUp | Decision::Disabled) =>
        {
            let (number, rule) = (record.number, &record.rule);
            Some(format!("{} was given up after attempt {number} (`{rule}`)", named(event, about)))
        }
        _ => None,
    });
    let mut lost: Vec<_> = lost.collect();
    if lost.is_empty() {
        lost.push("none: every event was delivered".to_owned());
    }
    lost.dedup();
    lost.join("\n")
}
