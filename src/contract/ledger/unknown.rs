//! Facts that no public source states, and the behavior that this project chose for each.

use super::{CHECKED, Grade, Rule, RuleKind};

macro_rules! unknowns {
    ($($id:literal $grade:ident $says:literal, here $here:literal $(, knob $knob:literal)?;)*) => {
        pub(super) const RULES: &[Rule] = &[$({
            let rule = Rule {
                id: concat!("unknown.", $id),
                kind: RuleKind::Unknown,
                grade: Grade::$grade,
                says: $says,
                source: "no public source states it",
                checked: CHECKED,
                here: Some($here),
                knob: None,
            };
            $(let rule = Rule { knob: Some($knob), ..rule };)?
            rule
        }),*];
    };
}

unknowns! {
    "retries" Assumed "the retry schedule: when, how often and after which failures a failed delivery is retried",
        here "retries follow after 10 s, 2 min, 10 min, 1 h and 3.5 h, after any failure",
        knob "Policy::backoff, Policy::on, serve and check --policy";
    "timeout" Assumed "how long a receiver may take to respond",
        here "10 s", knob "Policy::timeout, check --timeout";
    "disabling" Assumed
        "the number of failures after which a webhook is disabled, the people who are notified, the way in which the \
         webhook is enabled again, and the fate of the events that occur while the webhook is disabled",
        here "the webhook is disabled after 20 consecutive failures, and the timeline says so; set_webhook enables the \
              webhook again; events that occur meanwhile are dropped",
        knob "Policy::disable, Policy::while_off, Policy::enable, Builder::on_webhook_change";
    "signature" Assumed
        "whether and how webhooks are signed, which addresses they come from, and which headers they have",
        here "webhooks are unsigned and have content-type application/json",
        knob "Policy::headers, Builder::sign_webhooks";
    "order" Assumed
        "the order of events, whether an event may arrive twice, and whether events come in batches; events have no id \
         and no time",
        here "events are sent in the order in which a run finds them, one in each POST request, and once unless \
              configured otherwise",
        knob "Policy::order, Policy::batch, FakeParagon::delivery_fault";
    "verification-body" Assumed "the body of webhook_verification",
        here "the body has only the name of the event; the probe is sent if Policy::verify or Policy::enable requires \
              it";
    "sync-error" Assumed "the members of error in the newest sync_errored, and the error codes",
        here "error has message and an optional code";
    "credential-id" Assumed "whether all six events have credentialId",
        here "all six have it in the newest revision", knob "Builder::revision, check --revision";
    "num-records" Assumed "whether numRecords counts folders and deleted records, and whether folders cause events",
        here "numRecords counts all records that are not deleted, including folders; folders cause events like other \
              records";
    "paging" Assumed
        "the default and the maximum page size, the lifetime of a cursor, the response to an invalid cursor, the \
         cursor of an empty page, and the unit of lastSeen",
        here "100 and 1,000 records; cursors never expire; an invalid cursor gets 400; an empty page has the cursor of \
              the request; lastSeen is in milliseconds",
        knob "Builder::page_size_cap, Builder::cursor_lifetime";
    "error-bodies" Assumed "the form of error bodies, and which of 400, 403, 409, 422, 429 and 5xx occur",
        here "all error bodies have the form of one recorded 409";
    "lifecycle-answers" Assumed
        "the response bodies of disable, reenable and delete, the status right after reenable, whether each may be \
         repeated, and what the other endpoints return meanwhile",
        here "disable and reenable respond as recorded, delete has no body; a repeated call changes nothing; records \
              are served as before";
    "missing-records" Assumed "the responses for deleted records, folders and unknown ids",
        here "404 for a deleted or unknown record; 400 for the content of a folder";
    "tombstone" Assumed "the marker of a deleted record, and how long the tombstone stays in the feed",
        here "the marker is deleted: true; the tombstone stays forever";
    "nested" Assumed
        "the members of emails, phoneNumbers, addresses and socialProfiles, and of a ticket's status, assignees, \
         createdBy and project",
        here "any object is accepted";
    "permission-feed" Assumed
        "the path of the stream over all syncs, the form and the page size of permission changes, and whether the \
         limit of 1,000 can be changed",
        here "the path is /api/permissions/streamed-list-objects; changes have the form of OpenFGA, which Paragon \
              runs, with 100 on a page; the limit is 1,000";
    "event-log" Assumed "the names and the form of log entries about deliveries, and the list of warnings",
        here "the log uses only the documented names; the names of the members of summary and error are our own";
    "limits" Assumed "the rate limits of the API, the maximum number of syncs, and the maximum body size of a webhook",
        here "there are no limits";
    "frequencies" Assumed "how often each integration is checked for changes, and which pipelines NetSuite supports",
        here "every integration is checked every minute; NetSuite supports contacts, companies, deals and custom \
              objects";
    "enable-frequency" Assumed "whether Enable accepts incrementalAccumulatorFrequency",
        here "Enable accepts it";
}
