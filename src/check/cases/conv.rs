//! Convergence: whatever happened, the receiver holds the records of the source in the end.

use crate::check::case::{Case, Family, Level};
use crate::check::converge::converges;
use crate::scenario::Fault;

const FIX: &str = "Run the saved scenario again with `replay`. Find the first step after which the receiver's records \
                   are wrong, and trace what the receiver did with the event of that step.";

macro_rules! convergence {
    ($($name:ident $id:literal $level:ident $title:literal, $seen:literal, $why:literal, [$($presumed:literal),*], [$($rule:literal),*], [$($fault:ident),*];)*) => {$(
        pub(super) const $name: Case = Case {
            id: $id,
            family: Family::Conv,
            level: Level::$level,
            title: $title,
            title_unseen: Some($seen),
            why: $why,
            fix: FIX,
            needs: &[],
            presumes: &[$($presumed),*],
            rests_on: &["sync.initial", "sync.incremental", "sync.full", "feed.cursor", $($rule),*],
            run: |context| Box::pin(converges(context, &[$(Fault::$fault),*])),
        };
    )*};
}

convergence! {
    QUIET "conv-quiet" Must
        "after any history of changes whose events are delivered once and in order, all records are correct",
        "after any history of changes whose events are delivered once and in order, the latest version of every record \
         was fetched; the stored records were not checked",
        "This is normal operation. A receiver that fails here loses data even when no fault occurs.",
        ["rec-many-at-once", "rec-nothing-left", "rec-recreated", "rec-odd", "iso-deletion"],
        [], [];
    REDELIVERY "conv-redelivery" Should
        "after any history whose events are duplicated, delayed and out of order, all records are correct",
        "after any history whose events are duplicated, delayed and out of order, the latest version of every record \
         was fetched; the stored records were not checked",
        "Webhook senders deliver at least once and do not promise an order. Tests usually leave out combinations of \
         both.",
        ["conv-quiet", "rec-duplicate-together", "rec-updated-first", "out-unreachable", "out-answer-lost", "out-hang-up", "pull-late-record"],
        ["webhook.duplicate", "webhook.order", "webhook.retry"],
        [EventsDoubled, EventsTogether, EventsDelayed, EventsReordered, AnswersLost];
    OUTAGES "conv-outages" Should
        "after any history with outages of the receiver and a disabled webhook, all records are correct once the next \
         event has arrived",
        "after any history with outages of the receiver and a disabled webhook, the latest version of every record was \
         fetched once the next event had arrived; the stored records were not checked",
        "Outages coincide with changes, retries and deletions at the worst moment, and some events never arrive.",
        ["conv-quiet", "rec-duplicate", "out-unreachable", "out-disabled", "pull-late-record"],
        ["webhook.retry", "webhook.disable", "webhook.missed", "webhook.duplicate"],
        [ReceiverUnreachable, WebhookDisabled, EventsDoubled];
    API "conv-api" Should
        "after any history in which the Sync API fails or returns partial responses or unusual pages, all records are \
         correct once the next event has arrived",
        "after any history in which the Sync API fails or returns partial responses or unusual pages, the latest \
         version of every record was fetched once the next event had arrived; the stored records were not checked",
        "A pull that ends early leaves the wrong cursor behind, and no error shows it.",
        ["conv-quiet", "out-api-failing", "pull-reset", "pull-cut-json", "pull-repeated-record", "pull-changing", "pull-new-members", "pull-empty-page", "pull-late-record", "out-disabled", "out-unreachable"],
        ["api.unavailable", "api.broken", "api.pages", "webhook.retry", "webhook.disable"],
        [ApiUnavailable, ApiFlaky, ShortPages, RepeatedRecords, UnknownMembers];
    HOSTILE "conv-hostile" Should
        "after any history with faults of deliveries, outages and a failing Sync API at once, all records are correct \
         once the next event has arrived",
        "after any history with faults of deliveries, outages and a failing Sync API at once, the latest version of \
         every record was fetched once the next event had arrived; the stored records were not checked",
        "Faults come together: retries, duplicates and failing calls coincide exactly during an outage.",
        ["conv-redelivery", "conv-outages", "conv-api"],
        ["webhook.duplicate", "webhook.order", "webhook.retry", "webhook.disable", "webhook.missed", "api.unavailable", "api.broken", "api.pages"],
        [
            ReceiverUnreachable, WebhookDisabled, ApiUnavailable, EventsDoubled, EventsTogether, EventsDelayed,
            EventsReordered, AnswersLost, ApiFlaky, ShortPages, RepeatedRecords, UnknownMembers
        ];
}
