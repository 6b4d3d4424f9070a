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
    "completion-event" Documented "the event is sync_complete; prose elsewhere calls it sync_completed", WEBHOOKS,
        here "sends sync_complete; validation of sync_completed names the right one";
    "created-event" Documented "the event is record_created; the page about pulling calls it recordCreated", WEBHOOKS,
        here "sends record_created; validation of recordCreated names the right one";
    "webhook-casing" Documented "data of sync_complete is syncedAt and numRecords; in mid-2025 it was synced_at and num_records", WEBHOOKS,
        here "newest form unless asked otherwise", knob "Builder::revision, check --revision";
    "model" Documented "model is the pipeline, such as files; in mid-2025 it was File", WEBHOOKS,
        here "newest form unless asked otherwise; old names of the other pipelines are assumed by analogy", knob "Builder::revision, check --revision";
    "record-casing" Documented "records have externalId, mimeType, createdAt; in mid-2025 external_id, mime_type, created_at, and prose about deletions still says external_id", "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "newest form unless asked otherwise", knob "Builder::revision, check --revision";
    "paging-casing" Documented "paging has totalRecords, totalActiveRecords, remainingRecords and a numeric lastSeen; before, total_records, remaining_records, last_seen as a time and no count of active ones", PULL,
        here "newest form unless asked otherwise", knob "Builder::revision, check --revision";
    "page-size" Documented "the parameter is pageSize; clients send page_size and limit too", PULL,
        here "all three are taken";
    "paths" Documented "paths begin with /api/syncs and /api/permissions; on-premises of mid-2025 had /sync and /permissions", SYNC_API,
        here "serves the documented ones, in every revision";
    "statuses" Documented "six upper-case statuses; RATE_LIMITED came in 2026, mid-2025 had active, idle, paused, errored, and a sample of Paragon's has four others", STATUS,
        here "the strict schema lists those of its revision, the tolerant one takes any", knob "Builder::revision, check --revision";
    "credential-id" Documented "webhooks carry credentialId; before March 2026 they did not", "https://docs-staging.useparagon.com/managed-sync/webhooks",
        here "the newest revision carries it in all events; tolerant validation lets it be absent", knob "Builder::revision, check --revision";
    "multi-account" Documented "several accounts of one integration are supported; an older text says that only the default one is", SYNC_API,
        here "several accounts of a user; the oldest one is the default";
    "update-body" Documented "PATCH takes credentialId, the frequency, or both; before, credentialId was required", "https://docs.useparagon.com/managed-sync/api/update-sync",
        here "the schema asks for one of the two";
    "sync-errored" Documented "sync_errored is for permanent errors and its error says more than a message; before, for any failure and with a message only", WEBHOOKS,
        here "message is required, code optional, and the tolerant schema lets any member through";
    "record-times" Documented "times of records are RFC 3339; mid-2025 sent milliseconds, and those of contacts are shown as integers still", "https://docs.useparagon.com/managed-sync/api/contact-schema",
        here "RFC 3339, integers for contacts, milliseconds in the oldest revision; tolerant validation takes both", knob "Builder::revision, check --revision";
    "parent" Documented "the parent is parentFolderId; the page about Notion says parentId", "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "parentFolderId";
    "file-title" Documented "the title is name; the page about Notion says fileName", "https://docs.useparagon.com/managed-sync/api/file-schema",
        here "name";
    "deletion-timing" Documented "deletions are told after a full sync, so up to 24 hours late; nobody documents an immediate one", WEBHOOKS,
        here "full runs alone notice deletions";
    "permission-user" Documented "check and list take an e-mail address, batch-check takes user: before it", PERMISSIONS,
        here "each as documented for its endpoint";
    "permission-result" Documented "check answers hasAccess, batch-check answers allowed", PERMISSIONS,
        here "each as documented for its endpoint";
    "permission-role" Documented "the member is role; expand, and answers of mid-2025, say relation", PERMISSIONS,
        here "role, and relation for expand; tolerant validation takes answers with either";
    "permission-object" Documented "an object is a bare id; answers of mid-2025 had file: before it", PERMISSIONS,
        here "bare; tolerant validation takes both";
    "id-version" Documented "ids of syncs and records look like UUIDs of version 5; some examples and all ids of credentials and projects do not", RECORDED,
        here "makes version 5, asks for a UUID only";
    "on-premises-host" Documented "on-premises the host begins with ms-sync.; Paragon's own terraform has sync. instead", SYNC_API,
        here "the address of the API is always given to the receiver";
    "host" Documented "the host is sync.useparagon.com; a marketing text and third-party collections name another", SYNC_API,
        here "only the documented one is in the descriptions";
    "size" Observed "size may be null; the schema says integer", RECORDED,
        here "both layers let null through, and generated files have it";
    "folder-type" Observed "folders are told by their type: Google has its own, SharePoint's is empty", "a public receiver of 2026",
        here "generated files include both";
    "expand-example" Documented "the documented example of expand asks for one object and shows the tree of another", "https://docs.useparagon.com/managed-sync/api/expand",
        here "the tree is that of the object that was asked for";
}
