//! Behavior of Paragon that the fake imitates and that verdicts rely on.

use super::{
    CHECKED, DOWNLOAD, Grade, MONITORING, PERMISSIONS, PULL, RECORDED, Rule, RuleKind, STATUS, SYNC_API, WEBHOOKS,
};

macro_rules! behaviours {
    ($($id:literal $grade:ident $says:literal, $source:expr $(, knob $knob:literal)?;)*) => {
        pub(super) const RULES: &[Rule] = &[$({
            let rule = Rule {
                id: $id,
                kind: RuleKind::Behaviour,
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

behaviours! {
    "webhook.2xx" Documented "an event is delivered when the receiver answers 2xx in time", WEBHOOKS;
    "webhook.redirect" Assumed "a redirect is a failure and is not followed", "Paragon documents 2xx only", knob "Policy::redirects";
    "webhook.events" Documented "there are exactly six events", WEBHOOKS;
    "webhook.one-per-post" Assumed "each POST carries one event", "all examples are single objects", knob "Policy::batch";
    "webhook.verification" Observed "a probe, webhook_verification, may be sent before any event; it names no sync and no user", "Paragon's own sample receiver answers it", knob "Policy::verify";
    "webhook.new-members" Observed "events gain members over time: credentialId came in 2026", "two ages of the webhooks page", knob "Builder::revision, check --revision";
    "webhook.timeout" Assumed "an answer later than the time-out is a failure", "documented only as 'timely'", knob "Policy::timeout, Policy::connect_timeout";
    "webhook.retry" Assumed "a failed delivery is tried again later", "no schedule is documented; webhook senders retry", knob "Policy::backoff, Policy::window, Policy::ttl, Policy::jitter, Policy::on";
    "webhook.disable" Assumed "a webhook is disabled after a number of failures in a row", "documented as 'repeatedly', without a number", knob "Policy::disable";
    "webhook.missed" Assumed "events while the webhook is disabled are not sent later", "undocumented", knob "Policy::while_off, Policy::enable";
    "webhook.order" Assumed "webhooks come one at a time, in the order in which runs find their events", "undocumented; several at a time are likely", knob "Policy::concurrent, Policy::order, FakeParagon::adversity";
    "webhook.duplicate" Assumed "the same event may arrive more than once", "undocumented; at-least-once follows from retries", knob "FakeParagon::duplicate_events";
    "webhook.malformed" Assumed "a body that is not JSON may reach the endpoint", "anybody can reach a public URL";
    "webhook.large" Assumed "an event may be as large as a provider's message makes it", "the messages are texts of others; no limit is documented";
    "webhook.odd" Assumed "texts in events and records are any Unicode, numbers any that JSON can hold exactly", "they come from people and providers";
    "webhook.wire" Assumed "a body may come in chunks or small pieces, and a connection may end before the answer", "true of every HTTP client; undocumented", knob "FakeParagon::adversity";
    "sync.initial" Documented "an initial sync ends with sync_complete and sends no event per record", SYNC_API;
    "sync.incremental" Documented "an incremental sync, each minute, sends record_created and record_updated", SYNC_API;
    "sync.full" Documented "a full sync, each 24 hours, notices deletions and sends record_deleted", SYNC_API;
    "sync.errored" Documented "sync_errored is for errors that do not pass by themselves; the sync is then ERRORED until it is re-enabled", WEBHOOKS;
    "sync.record-errored" Documented "record_errored leaves the sync running and its status as it is", WEBHOOKS;
    "sync.transient" Documented "rate limits, network trouble and expired access tokens are retried and never told by webhook", WEBHOOKS;
    "sync.statuses" Documented "a sync is INITIALIZING, ACTIVE, IDLE, RATE_LIMITED, DISABLED or ERRORED", STATUS;
    "sync.same-id" Documented "a sync that is deleted and enabled again with the same configuration name has its old id", "https://docs.useparagon.com/managed-sync/api/delete-sync";
    "enable.integration" Assumed "an integration that Managed Sync does not have, or that lacks the pipeline, is refused with 400", "the integrations and their pipelines are documented, the refusal is not";
    "enable.configuration" Assumed "a configuration that lacks what its integration asks for, or has it in another type, is refused with 400; members that are not documented are let through", "the members are documented, the refusal is not";
    "enable.custom-object" Documented "custom_objects take the name of the type as customObjectName in the configuration", "https://docs.useparagon.com/managed-sync/synced-objects";
    "events.no-data" Documented "events about records carry the id, not the data", WEBHOOKS;
    "sync.network-retry" Assumed "a run that does not reach the provider is tried again after 30 s", "that it is tried again is documented, when is not";
    "sync.run-takes" Assumed "a run takes no time, so that ACTIVE is not seen", "undocumented", knob "FakeParagon::runs_take";
    "sync.reenable" Assumed "a sync that is enabled again is ACTIVE, looks for changes at once and makes up for the full run that it missed", "'from where it left off' is documented, ACTIVE recorded; enabling again what is not paused changes nothing";
    "sync.another-account" Documented "another account starts a full sync", "https://docs.useparagon.com/managed-sync/api/update-sync";
    "sync.account-records" Assumed "after that the records of the account before are deleted and those of the new one created", "undocumented";
    "sync.unreadable" Assumed "record_errored comes again with each full run until the record can be read", "undocumented";
    "sync.revoked-access" Documented "a record whose access is revoked is told as a deletion", WEBHOOKS;
    "enable.filters" Assumed "mimeTypes, folderId and customObjectName choose what is synced; what they no longer choose is deleted by the next full run", "the settings are documented, their effect is plain";
    "enable.default-account" Documented "without credentialId the oldest active account is used", "https://docs.useparagon.com/managed-sync/api/enable-a-sync";
    "enable.other-account" Assumed "a credentialId that is not an account of the token's user in that integration is refused with 400", "undocumented";
    "feed.bad-cursor" Assumed "a cursor of another sync, one that is too old and what is no cursor are refused with 400; cursors do not age", "undocumented", knob "Builder::cursor_lifetime";
    "feed.cursor" Documented "a cursor is stable, and what changed later comes after it", PULL;
    "feed.cursor-form" Observed "a cursor is base64 of milliseconds, a colon and a record id; clients must not look into it", RECORDED;
    "feed.caught-up" Documented "an empty page or remainingRecords 0 means caught up", PULL;
    "feed.moves" Assumed "a changed record moves to the end of the feed", "follows from the stable cursor";
    "feed.tombstone" Assumed "a deleted record stays in the feed as its ids and `deleted: true`", "the ids are documented, the marker observed in a client";
    "record.id" Observed "a record keeps its id for as long as its sync lives; in another sync the same external id has another one", RECORDED;
    "record.folder" Documented "folders are records of the files pipeline, told apart by their type", "https://docs.useparagon.com/managed-sync/synced-objects";
    "record.null-size" Observed "size is null where the provider has none", RECORDED;
    "api.page-size" Assumed "a page has 100 records unless asked otherwise, and at most 1,000", "undocumented", knob "Builder::page_size_cap";
    "api.page-size-names" Observed "the page size is taken as pageSize, page_size or limit", "public clients send all three";
    "api.errors" Observed "errors have the form {message, error, statusCode}", "a recorded 409; assumed for the others";
    "api.conflict" Observed "enabling a sync that exists is refused with 409", RECORDED;
    "api.not-found" Observed "an unknown sync, or another user's, is 404", "Paragon documents 404 for unknown syncs; that another user's is treated alike is assumed";
    "api.deleted-record" Assumed "a deleted record is 404 when fetched by id", "undocumented";
    "api.content" Documented "a file's content is binary, with the file's type; a ticket's is a ZIP of one Markdown file and a folder attachments", DOWNLOAD;
    "api.content-conversion" Documented "documents of Google come as DOCX, XLSX, PPTX and drawings as PDF; Dropbox Paper, Confluence and Guru as HTML; Notion and entries of Contentful as Markdown", "https://docs.useparagon.com/managed-sync/integrations";
    "api.content-folder" Observed "folders have no content", "Paragon's own sample does not download them; the answer is assumed";
    "api.content-other" Assumed "contacts, companies, deals and custom objects have no content", "the page about downloads names files and tickets only";
    "api.content-size" Assumed "the content of a file that is not converted is as long as the record's size says", "undocumented; office documents, ZIP, and files too short for their format are as long as they are here";
    "api.record-form" Documented "one record comes as {data: …}", "https://docs.useparagon.com/managed-sync/api/get-synced-record", knob "Builder::bare_records: some clients expect the record itself";
    "api.stands-still" Assumed "records of a sync that is paused or failed are served as before", "undocumented";
    "api.stale" Assumed "for a while after a change the API may serve what was there before", "true of every replicated store; undocumented", knob "ApiFault, Trouble::StaleReads";
    "api.unavailable" Assumed "the Sync API may answer 503 for a while", "undocumented; true of every service", knob "FakeParagon::fail_api, FakeParagon::fault";
    "api.rate-limit" Assumed "the Sync API may answer 429 with retry-after", "undocumented; true of every service", knob "FakeParagon::fault";
    "api.broken" Assumed "an answer of the Sync API may end early, or never come", "true of every network", knob "FakeParagon::fault";
    "api.pages" Assumed "a page may be shorter than asked for, empty, without a cursor at the end, or repeat a record", "public clients expect each of these; undocumented", knob "FakeParagon::fault";
    "api.audience" Documented "the token's audience is useparagon.com/<project id>", SYNC_API;
    "api.audience-dashboard" Observed "dashboard.useparagon.com/<project id> is taken as well", "a sample of Paragon's", knob "Builder::audience";
    "api.token" Documented "a user token is a JWT, RS256, signed with the project's key; its sub is the Connected User", SYNC_API;
    "api.not-before" Assumed "a token whose nbf is to come is refused, as is one whose exp is past; no tolerance for clocks that differ", "the JWT standard; Paragon is silent about nbf";
    "permissions.integrations" Documented "the Permissions API covers Box, Confluence, Dropbox, Google Drive, OneDrive and SharePoint", PERMISSIONS;
    "permissions.model" Assumed "an owner may write and a writer may read; folders hand can_read and can_write down to what is in them", "the roles are documented, and an example of expand names viewer, editor and parent";
    "permissions.owner" Assumed "files belong to <user id>@example.com until they are shared", "made up: whose account it is, is the provider's affair";
    "permissions.sync" Assumed "permissions are seen when a sync runs", "that they are synced by themselves is documented, when is not";
    "permissions.unknown-object" Assumed "nobody may use an object that the sync does not hold; expand of one is 404", "as in OpenFGA, which Paragon runs";
    "permissions.other-syncs" Assumed "for a sync without permissions the answer is 404", "undocumented";
    "permissions.limit" Documented "lists of users and of objects end at 1,000", PERMISSIONS;
    "permissions.end-of-feed" Documented "the feed of changes ends with an empty page and the same token again", "https://docs.useparagon.com/managed-sync/api/permission-changes";
    "monitoring.log" Documented "runs, warnings, errors and deliveries are in the event log of the dashboard; no API for it is documented", MONITORING;
}
