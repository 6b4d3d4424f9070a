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
                source: "no public source tells",
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
    "retries" Assumed "when and how often a failed delivery is tried again, and after which failures",
        here "after 10 s, 2 min, 10 min, 1 h and 3.5 h, after any failure", knob "Policy::backoff, Policy::on, serve and check --policy";
    "timeout" Assumed "how long a receiver has to answer",
        here "10 s", knob "Policy::timeout, check --timeout";
    "disabling" Assumed "after how many failures a webhook is disabled, who is told, how it is enabled again, what becomes of missed events",
        here "after 20 in a row; the timeline tells; set_webhook enables; missed events are dropped", knob "Policy::disable, Policy::while_off, Policy::enable, Builder::on_webhook_change";
    "signature" Assumed "whether and how webhooks are signed, from where and with which headers they come",
        here "unsigned, content-type application/json", knob "Policy::headers, Builder::sign_webhooks";
    "order" Assumed "in which order events arrive, whether twice, whether in batches; events have no id and no time",
        here "in the order in which a run finds them, one in each POST, once unless asked otherwise", knob "Policy::order, Policy::batch, FakeParagon::duplicate_events, FakeParagon::adversity";
    "verification-body" Assumed "the body of webhook_verification",
        here "nothing but the event's name; sent when Policy::verify or Policy::enable says so";
    "sync-error" Assumed "the members of error in the newest sync_errored, and its codes",
        here "message, and an optional code";
    "credential-id" Assumed "whether all six events carry credentialId",
        here "all do in the newest revision", knob "Builder::revision, check --revision";
    "num-records" Assumed "whether numRecords counts folders and deleted records, and whether folders cause events",
        here "counts everything that lives; folders are records like others";
    "paging" Assumed "default and largest page size, life of a cursor, the answer to a bad one, what an empty page's cursor is, the unit of lastSeen",
        here "100, 1,000, for ever, 400, the one that was asked for, milliseconds", knob "Builder::page_size_cap, Builder::cursor_lifetime";
    "error-bodies" Assumed "error bodies, and which of 400, 403, 409, 422, 429 and 5xx occur",
        here "the form of one recorded 409 for all";
    "lifecycle-answers" Assumed "bodies of disable, reenable and delete, the status right after reenable, whether each may be repeated, what the other endpoints answer meanwhile",
        here "as recorded for disable and reenable, no body for delete; repeating changes nothing; records are served as before";
    "missing-records" Assumed "the answers for deleted records, folders and unknown ids",
        here "404 for what is gone or unknown; 400 for the content of a folder";
    "tombstone" Assumed "the marker of a deleted record, and how long it stays in the feed",
        here "deleted: true, for ever";
    "nested" Assumed "the members of emails, phoneNumbers, addresses, socialProfiles, and of a ticket's status, assignees, createdBy and project",
        here "any object";
    "permission-feed" Assumed "the path of the stream over all syncs, the form and page size of permission changes, whether the limit of 1,000 can be changed",
        here "/api/permissions/streamed-list-objects; changes as in OpenFGA, which Paragon runs, 100 on a page; 1,000";
    "event-log" Assumed "names and form of log entries about deliveries, the list of warnings",
        here "the documented names only; members of summary and error are named by us";
    "limits" Assumed "rate limits of the API, the largest number of syncs, the largest body of a webhook",
        here "none";
    "frequencies" Assumed "how often each integration is looked at; what NetSuite takes",
        here "each minute; NetSuite takes contacts, companies, deals and custom objects";
    "enable-frequency" Assumed "whether Enable takes incrementalAccumulatorFrequency",
        here "it does";
}
