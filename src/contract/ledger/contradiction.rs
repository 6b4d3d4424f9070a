//! Contradictions between public statements about Paragon. `says` begins with the newer or the more authoritative
//! statement.

use super::{CHECKED, Grade, PERMISSIONS, PULL, RECORDED, Rule, RuleKind, STATUS, SYNC_API, WEBHOOKS};

macro_rules! contradictions {
    ($($id:literal $grade:ident $says:literal, $source:expr, here $here:literal $(, knob $knob:literal)?;)*) => {
        pub(super) const RULES: &[Rule] = &[$({
            let rule = Rule {
                id: concat!("contradiction.", $id),
                kind: RuleKind::Contradiction,
                grade: Grade::$grade,
                says: $says,
                source: $source,
                checked: CHECKED,
                here: Some($here),
                knob: None,
            };
            $(let rule = Rule { knob: Some($knob), ..rule };)?
            rule
        }),*];
    };
}

contradictions! {
    "completion-event" Documented "the event is sync_complete; other pages call it sync_completed", WEBHOOKS,
        here "the fake sends sync_complete; the validation error for sync_completed names the right event";
    "created-event" Documented "the event is record_created; the page about pulling records calls it recordCreated",
        WEBHOOKS,
        here "the fake sends record_created; the validation error for recordCreated names the right event";
    "webhook-casing" Documented
        "the data of sync_complete has syncedAt and numRecords; in mid-2025 the names were synced_at and num_records",
        WEBHOOKS,
        here "the newest form, unless an older revision is selected", knob "Builder::revision, check --revision";
    "model" Documented "model is the name of the pipeline, such as files; in mid-2025 the value was File", WEBHOOKS,
        here "the newest form, unless an older revision is selected; the old names of the other pipelines are assumed \
              by analogy",
        knob "Builder::revision, check --revision";
    "record-casing" Documented
        "records have externalId, mimeType and createdAt; in mid-2025 the names were external_id, mime_type and \
         created_at, and the text about deletions still says external_id",
        "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "the newest form, unless an older revision is selected", knob "Builder::revision, check --revision";
    "paging-casing" Documented
        "paging has totalRecords, totalActiveRecords, remainingRecords and a numeric lastSeen; before, paging had \
         total_records, remaining_records and last_seen as a date-time, and no number of active records",
        PULL,
        here "the newest form, unless an older revision is selected", knob "Builder::revision, check --revision";
    "page-size" Documented "the query parameter is pageSize; clients also send page_size and limit", PULL,
        here "the fake accepts all three";
    "paths" Documented
        "paths begin with /api/syncs and /api/permissions; on-premises installations of mid-2025 had /sync and \
         /permissions",
        SYNC_API,
        here "the fake serves the documented paths in every revision";
    "statuses" Documented
        "there are six upper-case statuses; RATE_LIMITED was added in 2026, mid-2025 had active, idle, paused and \
         errored, and one of Paragon's samples has four others",
        STATUS,
        here "the strict schema lists the statuses of its revision; the tolerant schema accepts any status",
        knob "Builder::revision, check --revision";
    "credential-id" Documented "webhooks have credentialId; before March 2026 they did not",
        "https://docs-staging.useparagon.com/managed-sync/webhooks",
        here "in the newest revision all events have credentialId; tolerant validation accepts events without it",
        knob "Builder::revision, check --revision";
    "multi-account" Documented
        "a user may have several accounts of one integration; an older text says that only the default account is \
         supported",
        SYNC_API,
        here "the fake supports several accounts of a user; the oldest account is the default";
    "update-body" Documented "PATCH takes credentialId, the frequency, or both; before, credentialId was required",
        "https://docs.useparagon.com/managed-sync/api/update-sync",
        here "the schema requires at least one of the two members";
    "sync-errored" Documented
        "sync_errored is sent only for permanent errors, and its error has more members than message; before, it was \
         sent for any failure, and its error had only message",
        WEBHOOKS,
        here "message is required and code is optional; the tolerant schema accepts any other member";
    "record-times" Documented
        "times in records are RFC 3339; in mid-2025 they were milliseconds, and the contact schema still shows \
         integers",
        "https://docs.useparagon.com/managed-sync/api/contact-schema",
        here "RFC 3339, integers for contacts, and milliseconds in the oldest revision; tolerant validation accepts \
              both",
        knob "Builder::revision, check --revision";
    "parent" Documented "the parent folder is in parentFolderId; the page about Notion says parentId",
        "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "records have parentFolderId";
    "file-title" Documented "the title of a file is in name; the page about Notion says fileName",
        "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "records have name";
    "deletion-timing" Documented
        "deletions are reported after a full sync, so up to 24 hours late; no page documents an immediate report",
        WEBHOOKS,
        here "only full runs detect deletions";
    "permission-user" Documented
        "check and the list endpoints take an e-mail address; batch-check takes an e-mail address with the prefix \
         user:",
        PERMISSIONS,
        here "each endpoint takes the form that is documented for it";
    "permission-result" Documented "check returns hasAccess; batch-check returns allowed", PERMISSIONS,
        here "each endpoint returns the member that is documented for it";
    "permission-role" Documented "the member is role; expand, and responses of mid-2025, say relation", PERMISSIONS,
        here "role, and relation for expand; tolerant validation accepts either in responses";
    "permission-object" Documented "an object is a bare id; in responses of mid-2025 the id had the prefix file:",
        PERMISSIONS,
        here "a bare id; tolerant validation accepts both forms";
    "id-version" Documented
        "ids of syncs and records look like version 5 UUIDs; some examples, and all ids of credentials and projects, \
         do not",
        RECORDED,
        here "the fake creates version 5 UUIDs; validation accepts any UUID";
    "on-premises-host" Documented
        "the host of an on-premises installation begins with ms-sync.; Paragon's own terraform uses sync. instead",
        SYNC_API,
        here "the receiver is always told the address of the API";
    "host" Documented
        "the host is sync.useparagon.com; a marketing article and third-party collections name another host",
        SYNC_API,
        here "the descriptions name only the documented host";
    "size" Observed "size may be null; the documented schema says integer", RECORDED,
        here "both layers accept null, and generated files include it";
    "folder-type" Observed
        "folders are recognized by their MIME type: Google has a MIME type for folders; on SharePoint it is empty",
        "a public receiver of 2026",
        here "generated files include both";
    "expand-example" Documented "the documented example of expand requests one object and shows the tree of another",
        "https://docs.useparagon.com/managed-sync/api/expand",
        here "the response has the tree of the requested object";
}
