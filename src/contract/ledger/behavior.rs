//! Behavior of Paragon that the fake imitates and that verdicts rely on.

use super::{
    CHECKED, DOWNLOAD, Grade, MONITORING, PERMISSIONS, PULL, RECORDED, Rule, RuleKind, STATUS, SYNC_API, WEBHOOKS,
};

macro_rules! behaviors {
    ($($id:literal $grade:ident $says:literal, $source:expr $(, knob $knob:literal)?;)*) => {
        pub(super) const RULES: &[Rule] = &[$({
            let rule = Rule {
                id: $id,
                kind: RuleKind::Behavior,
                grade: Grade::$grade,
                says: $says,
                source: $source,
                checked: CHECKED,
                here: None,
                knob: None,
            };
            $(let rule = Rule { knob: Some($knob), ..rule };)?
            rule
        }),*];
    };
}

behaviors! {
    "webhook.2xx" Documented "an event counts as delivered when the receiver answers with a 2xx status in time",
        WEBHOOKS;
    "webhook.redirect" Assumed "a redirect counts as a failure and is not followed",
        "Paragon documents only 2xx as success", knob "Policy::redirects";
    "webhook.events" Documented "there are exactly six types of events", WEBHOOKS;
    "webhook.one-per-post" Assumed "each POST request carries one event",
        "every documented example is a single object", knob "Policy::batch";
    "webhook.verification" Observed
        "Paragon may send a probe, webhook_verification, before any event; the probe names no sync and no user",
        "Paragon's own sample receiver answers this probe", knob "Policy::verify";
    "webhook.new-members" Observed "events gain members over time; for example, credentialId was added in 2026",
        "two versions of the webhooks page", knob "Builder::revision, check --revision";
    "webhook.timeout" Assumed "a response that arrives after the timeout counts as a failure",
        "the documentation says only 'timely'", knob "Policy::timeout, Policy::connect_timeout";
    "webhook.retry" Assumed "a failed delivery is retried later",
        "no retry schedule is documented, but webhook senders usually retry",
        knob "Policy::backoff, Policy::window, Policy::ttl, Policy::jitter, Policy::on";
    "webhook.disable" Assumed "a webhook is disabled after a number of consecutive failures",
        "the documentation says 'repeatedly', without a number", knob "Policy::disable";
    "webhook.missed" Assumed "events that occur while the webhook is disabled are not sent later",
        "undocumented", knob "Policy::while_off, Policy::enable";
    "webhook.order" Assumed "webhooks are sent one at a time, in the order in which sync runs find their events",
        "undocumented; concurrent requests are likely",
        knob "Policy::concurrent, Policy::order, FakeParagon::delivery_fault";
    "webhook.duplicate" Assumed "the same event may arrive more than once",
        "undocumented; retries imply at-least-once delivery", knob "FakeParagon::delivery_fault";
    "webhook.malformed" Assumed "a request body that is not JSON may reach the endpoint",
        "anyone can send requests to a public URL";
    "webhook.large" Assumed
        "an event may be of any size, because the provider's error message in it may have any length",
        "providers write these messages, and no size limit is documented";
    "webhook.odd" Assumed
        "strings in events and records may contain any Unicode text, and numbers may have any value that a 64-bit \
         float represents exactly",
        "the values come from people and providers";
    "webhook.wire" Assumed
        "a request body may arrive in chunks or small pieces, and a connection may close before the response",
        "true of every HTTP client; undocumented", knob "FakeParagon::delivery_fault";
    "sync.initial" Documented "an initial sync ends with sync_complete and sends no events for individual records",
        SYNC_API;
    "sync.incremental" Documented
        "an incremental sync runs every minute by default and sends record_created and record_updated",
        SYNC_API;
    "sync.full" Documented "a full sync runs every 24 hours, detects deletions and sends record_deleted", SYNC_API;
    "sync.errored" Documented
        "sync_errored reports an error that does not resolve by itself; the sync is then ERRORED until it is \
         re-enabled",
        WEBHOOKS;
    "sync.record-errored" Documented "record_errored does not stop the sync and does not change its status", WEBHOOKS;
    "sync.transient" Documented
        "rate limits, network errors and expired access tokens are retried; no webhook reports them",
        WEBHOOKS;
    "sync.statuses" Documented "the status of a sync is INITIALIZING, ACTIVE, IDLE, RATE_LIMITED, DISABLED or ERRORED",
        STATUS;
    "sync.same-id" Documented
        "a sync that is deleted and enabled again with the same configuration name gets the same id again",
        "https://docs.useparagon.com/managed-sync/api/delete-sync";
    "enable.integration" Assumed
        "enabling a sync is refused with 400 if Managed Sync does not support the integration, or the integration does \
         not support the pipeline",
        "the integrations and their pipelines are documented; the refusal is not";
    "enable.configuration" Assumed
        "a configuration is refused with 400 if a setting that the integration requires is missing or has the wrong \
         type; undocumented members are accepted",
        "the settings are documented; the refusal is not";
    "enable.custom-object" Documented
        "a sync of custom_objects takes the name of the object type from customObjectName in the configuration",
        "https://docs.useparagon.com/managed-sync/synced-objects";
    "events.no-data" Documented "events about records contain the id of the record, not its data", WEBHOOKS;
    "sync.network-retry" Assumed "a run that cannot reach the provider is retried after 30 s",
        "the retry is documented; the delay is not";
    "sync.run-takes" Assumed "a run takes no time, so clients never see the status ACTIVE during a run",
        "undocumented", knob "FakeParagon::set_run_duration";
    "sync.reenable" Assumed
        "a re-enabled sync is ACTIVE, looks for changes at once and makes up for a missed full run; re-enabling a sync \
         that is not paused or failed changes nothing",
        "'from where it left off' is documented; a recorded response shows ACTIVE";
    "sync.another-account" Documented "switching a sync to another account starts a full sync",
        "https://docs.useparagon.com/managed-sync/api/update-sync";
    "sync.account-records" Assumed
        "after a switch to another account, the records of the previous account are deleted and those of the new \
         account are created",
        "undocumented";
    "sync.unreadable" Assumed "each full run sends record_errored again until the record can be read", "undocumented";
    "sync.revoked-access" Documented "a record is reported as deleted when the account loses access to it", WEBHOOKS;
    "enable.filters" Assumed
        "mimeTypes, folderId and customObjectName select the objects that are synced; the next full run deletes \
         records that are no longer selected",
        "the settings are documented; their effect follows from their names";
    "enable.default-account" Documented "without credentialId, the user's oldest active account is used",
        "https://docs.useparagon.com/managed-sync/api/enable-a-sync";
    "enable.other-account" Assumed
        "a credentialId is refused with 400 if it is not an account of the token's user in that integration",
        "undocumented";
    "feed.bad-cursor" Assumed
        "an invalid cursor, a cursor of another sync and an expired cursor are refused with 400; by default, cursors \
         never expire",
        "undocumented", knob "Builder::cursor_lifetime";
    "feed.cursor" Documented "a cursor is stable; records that change later come after it", PULL;
    "feed.cursor-form" Observed
        "a cursor is the base64 encoding of milliseconds, a colon and a record id; clients must treat a cursor as \
         opaque",
        RECORDED;
    "feed.caught-up" Documented "an empty page, or remainingRecords of 0, means that the client is caught up", PULL;
    "feed.moves" Assumed "a changed record moves to the end of the feed", "follows from the stable cursor";
    "feed.tombstone" Assumed "a deleted record stays in the feed as a tombstone: its ids and `deleted: true`",
        "the ids are documented; the marker was observed in a client";
    "record.id" Observed
        "a record keeps its id for as long as its sync exists; in another sync, the same external id has a different \
         record id",
        RECORDED;
    "record.folder" Documented "folders are records of the files pipeline; their MIME type tells them apart from files",
        "https://docs.useparagon.com/managed-sync/synced-objects";
    "record.null-size" Observed "size is null if the provider reports no size", RECORDED;
    "api.page-size" Assumed "a page has 100 records by default and at most 1,000",
        "undocumented", knob "Builder::page_size_cap";
    "api.page-size-names" Observed "the page size is accepted as pageSize, page_size or limit",
        "public clients send all three";
    "api.errors" Observed "error bodies have the form {message, error, statusCode}",
        "a recorded 409; assumed for all other statuses";
    "api.conflict" Observed "enabling a sync that already exists is refused with 409", RECORDED;
    "api.not-found" Observed "a request for an unknown sync, or for a sync of another user, gets 404",
        "Paragon documents 404 for unknown syncs; 404 for another user's sync is assumed";
    "api.deleted-record" Assumed "a request for a deleted record by its id gets 404", "undocumented";
    "api.content" Documented
        "the content of a file is binary and has the file's MIME type; the content of a ticket is a ZIP archive of one \
         Markdown file and a folder named attachments",
        DOWNLOAD;
    "api.content-conversion" Documented
        "Google documents are converted to DOCX, XLSX or PPTX, and Google drawings to PDF; Dropbox Paper, Confluence \
         and Guru content is converted to HTML; Notion pages and Contentful entries are converted to Markdown",
        "https://docs.useparagon.com/managed-sync/integrations";
    "api.content-folder" Observed "folders have no content",
        "Paragon's own sample does not download folders; the response is assumed";
    "api.content-other" Assumed "contacts, companies, deals and custom objects have no content",
        "the page about downloads names only files and tickets";
    "api.content-size" Assumed
        "the content of a file that is not converted has the length that the record's size states",
        "undocumented; in the fake, office documents, ZIP archives and files that are too short for their format may \
         have another length";
    "api.record-form" Documented "a single record is returned as {data: …}",
        "https://docs.useparagon.com/managed-sync/api/get-synced-record",
        knob "Builder::bare_records: some clients expect the record itself";
    "api.stands-still" Assumed "the records of a paused or failed sync are served as before", "undocumented";
    "api.stale" Assumed "for a while after a change, the API may serve the state before the change",
        "true of every replicated store; undocumented", knob "ApiFault, ApiFaultKind::StaleReads";
    "api.unavailable" Assumed "the Sync API may respond with 503 for a while",
        "undocumented; true of every service", knob "FakeParagon::api_fault";
    "api.rate-limit" Assumed "the Sync API may respond with 429 and a retry-after header",
        "undocumented; true of every service", knob "FakeParagon::api_fault";
    "api.broken" Assumed "a response of the Sync API may end early or never arrive",
        "true of every network", knob "FakeParagon::api_fault";
    "api.pages" Assumed
        "a page may be shorter than requested, be empty, have no cursor at the end of the feed, or repeat a record",
        "public clients expect each of these; undocumented", knob "FakeParagon::api_fault";
    "api.audience" Documented "the audience of the token is useparagon.com/<project id>", SYNC_API;
    "api.audience-dashboard" Observed "the audience dashboard.useparagon.com/<project id> is accepted as well",
        "one of Paragon's samples uses it", knob "Builder::audience";
    "api.token" Documented
        "a user token is a JWT that is signed with the project's key (RS256); its sub is the Connected User",
        SYNC_API;
    "api.not-before" Assumed
        "a token is refused if its nbf is in the future or its exp is in the past; clock differences are not tolerated",
        "the JWT standard; Paragon does not mention nbf";
    "permissions.integrations" Documented
        "the Permissions API supports Box, Confluence, Dropbox, Google Drive, OneDrive and SharePoint",
        PERMISSIONS;
    "permissions.model" Assumed
        "an owner can also write, and a writer can also read; a folder passes can_read and can_write on to its \
         contents",
        "the roles are documented; an example of expand names viewer, editor and parent";
    "permissions.owner" Assumed "by default, <user id>@example.com owns every file, and nobody else has access",
        "invented; the real owner depends on the provider";
    "permissions.sync" Assumed "changes of permissions take effect when a sync runs",
        "the automatic sync of permissions is documented; its schedule is not";
    "permissions.unknown-object" Assumed
        "nobody has access to an object that the sync does not have; expand of such an object gets 404",
        "OpenFGA, which Paragon runs, behaves in this way";
    "permissions.other-syncs" Assumed "a permission request for a sync without permissions gets 404", "undocumented";
    "permissions.limit" Documented "lists of users and lists of objects have at most 1,000 entries", PERMISSIONS;
    "permissions.end-of-feed" Documented
        "the feed of permission changes ends with an empty page that has the same token as the request",
        "https://docs.useparagon.com/managed-sync/api/permission-changes";
    "monitoring.log" Documented
        "the event log in the dashboard shows runs, warnings, errors and deliveries; no API for the event log is \
         documented",
        MONITORING;
}
