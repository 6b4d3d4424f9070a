//! Convergence: whatever happened, the receiver holds the records of the source in the end.

use crate::check::case::{Case, Family, Level};
use crate::check::converge::converges;
use crate::scenario::Fault;

const FIX: &str = "Play the scenario again (`replay`), look at the first step after which the receiver is wrong, and follow what it did with the event.";

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
        "after any history of changes, each event delivered once and in order, all records are right",
        "after any history of changes, each event delivered once and in order, the latest version of every record was fetched; what is kept was not seen",
        "This is every day: whoever gets this wrong loses data without any trouble at all.",
        ["rec-many-at-once", "rec-nothing-left", "rec-recreated", "rec-odd", "iso-deletion"],
        [], [];
    REDELIVERY "conv-redelivery" Should
        "after any history whose events are doubled, delayed and out of order, all records are right",
        "after any history whose events are doubled, delayed and out of order, the latest version of every record was fetched; what is kept was not seen",
        "At-least-once and no promised order are what webhook senders offer; combinations of both are what tests leave out.",
        ["conv-quiet", "rec-duplicate-together", "rec-updated-first", "out-unreachable", "out-answer-lost", "out-hang-up", "pull-late-record"],
        ["webhook.duplicate", "webhook.order", "webhook.retry"],
        [EventsDoubled, EventsTogether, EventsDelayed, EventsReordered, AnswersLost];
    OUTAGES "conv-outages" Should
        "after any history with outages of the receiver and a disabled webhook, and the next event, all records are right",
        "after any history with outages of the receiver and a disabled webhook, and the next event, the latest version of every record was fetched; what is kept was not seen",
        "Outages meet changes, retries and deletions at the worst moment, and some events never come.",
        ["conv-quiet", "rec-duplicate", "out-unreachable", "out-disabled", "pull-late-record"],
        ["webhook.retry", "webhook.disable", "webhook.missed", "webhook.duplicate"],
        [ReceiverUnreachable, WebhookDisabled, EventsDoubled];
    API "conv-api" Should
        "after any history in which the Sync API fails, answers in part or in odd pages, and the next event, all records are right",
        "after any history in which the Sync API fails, answers in part or in odd pages, and the next event, the latest version of every record was fetched; what is kept was not seen",
        "A pull that ends early ends at the wrong cursor, and nothing tells.",
        ["conv-quiet", "out-api-failing", "pull-reset", "pull-cut-json", "pull-repeated-record", "pull-changing", "pull-new-members", "pull-empty-page", "pull-late-record", "out-disabled", "out-unreachable"],
        ["api.unavailable", "api.broken", "api.pages", "webhook.retry", "webhook.disable"],
        [ApiUnavailable, ApiFlaky, ShortPages, RepeatedRecords, UnknownMembers];
    HOSTILE "conv-hostile" Should
        "after any history with all of these troubles at once, and the next event, all records are right",
        "after any history with all of these troubles at once, and the next event, the latest version of every record was fetched; what is kept was not seen",
        "Troubles come together: it is in an outage that retries, duplicates and failing calls meet.",
        ["conv-redelivery", "conv-outages", "conv-api"],
        ["webhook.duplicate", "webhook.order", "webhook.retry", "webhook.disable", "webhook.missed", "api.unavailable", "api.broken", "api.pages"],
        [
            ReceiverUnreachable, WebhookDisabled, ApiUnavailable, EventsDoubled, EventsTogether, EventsDelayed,
            EventsReordered, AnswersLost, ApiFlaky, ShortPages, RepeatedRecords, UnknownMembers
        ];
}
