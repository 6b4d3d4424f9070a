//! Requests and responses of the Sync API and the Permissions API, and entries of the event log.
//!
//! Each mirrors the schema of its name under `schemas/api/`; members that we do not know are kept in `other`.
//!
//! ```
//! use paragon_testkit::contract::api::EnableSyncRequest;
//!
//! let request: EnableSyncRequest = serde_json::from_str(r#"{"integration":"googledrive","pipeline":"files"}"#)?;
//! assert_eq!(request.configuration_name, None);
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{CredentialId, ProjectId, RecordId, SyncId, UserId};
use super::object::objects;

objects! {
    /// `POST /api/syncs`
    EnableSyncRequest {
        /// Such as `googledrive`.
        integration: String,
        /// Such as `files`.
        pipeline: String,
        [optional]
        /// What the integration asks for.
        configuration: Map<String, Value>,
        /// Tells syncs of the same integration and pipeline apart.
        configuration_name: String,
        /// Which account; the oldest active one when left out.
        credential_id: CredentialId,
        /// How often to look for changes, such as `1m` (assumed here, documented for Update).
        incremental_accumulator_frequency: String,
    }

    /// The answer to `POST /api/syncs`
    EnableSyncResponse {
        /// `syncInstanceId` of its events.
        id: SyncId,
        /// Whose it is.
        user_id: UserId,
        /// Such as `googledrive`.
        integration: String,
        /// Such as `files`.
        pipeline: String,
        /// The project.
        project_id: ProjectId,
        /// Such as `INITIALIZING`.
        status: String,
    }

    /// The answer to `GET /api/syncs`
    ListSyncsResponse {
        /// The syncs of the token's user.
        data: Vec<ListedSync>,
    }

    /// One of [`ListSyncsResponse`]
    ListedSync {
        /// `syncInstanceId` of its events.
        id: SyncId,
        /// Such as `googledrive`.
        integration: String,
        /// Such as `files`.
        pipeline: String,
        /// Such as `IDLE`.
        status: String,
        [optional]
        /// Why it is `ERRORED`.
        reason: String,
        /// As given when it was enabled.
        configuration_name: String,
        /// When it was enabled, RFC 3339.
        date_created: String,
        /// When it last changed, RFC 3339.
        date_updated: String,
    }

    /// The answer to `GET /api/syncs/{syncId}`
    SyncStatusResponse {
        /// Such as `IDLE`.
        status: String,
        /// What it holds.
        summary: SyncSummary,
        [optional]
        /// The credential that it uses.
        credential_id: CredentialId,
        /// Only where it was set.
        incremental_accumulator_frequency: String,
        /// How long to wait, in milliseconds, while `RATE_LIMITED`.
        rate_limit_backoff_ms: u64,
        /// Why it is `ERRORED`.
        reason: String,
    }

    /// `summary` of [`SyncStatusResponse`]
    SyncSummary {
        /// How many records there are.
        total_records: u64,
        /// How many are synced.
        synced_records_count: u64,
        /// When the last run ended, RFC 3339; null before the first has (assumed).
        last_synced_at: Option<String>,
        /// The end of the feed; null while it is empty (assumed).
        latest_cursor: Option<String>,
    }

    /// `PATCH /api/syncs/{syncId}`: at least one of the two.
    UpdateSyncRequest {
        [optional]
        /// Another account; starts a full sync.
        credential_id: CredentialId,
        /// How often to look for changes, such as `1m`.
        incremental_accumulator_frequency: String,
    }

    /// The answer to `PATCH /api/syncs/{syncId}`
    UpdateSyncResponse {
        /// The sync.
        id: SyncId,
        /// What was asked for.
        data: UpdateSyncRequest,
        /// For people.
        message: String,
    }

    /// The answer to `POST /api/syncs/{syncId}/disable` and `…/reenable` (observed)
    SyncStatusChange {
        /// The sync.
        id: SyncId,
        /// Such as `DISABLED`.
        status: String,
    }

    /// The answer to `GET /api/syncs/{syncId}/records`
    PullRecordsResponse {
        /// Records and tombstones, in the order of their last change.
        data: Vec<Value>,
        /// Where the page stands.
        paging: Paging,
    }

    /// `paging` of [`PullRecordsResponse`]
    Paging {
        /// Everything in the feed, deleted records included.
        total_records: u64,
        /// Without the deleted ones.
        total_active_records: u64,
        /// What comes after this page; 0 means caught up.
        remaining_records: u64,
        /// Where the next pull goes on; null only in a feed that never held anything (assumed).
        cursor: Option<String>,
        /// When the page's last record was seen, in milliseconds since 1970 (the unit is assumed).
        last_seen: Option<i64>,
    }

    /// The answer to `GET /api/syncs/{syncId}/records/{recordId}`
    GetRecordResponse {
        /// The record.
        data: Value,
    }

    /// The body of a refusal (observed for 409, assumed for the others)
    ErrorBody {
        /// What is wrong, for people.
        message: String,
        /// The name of the status.
        error: String,
        /// The HTTP status.
        status_code: u16,
        [optional]
        /// For programs, such as `PERMISSION_CHANGES_CURSOR_INVALID`.
        code: String,
    }

    /// `POST /api/permissions/{syncId}/check`, and one question of `…/batch-check`
    CheckAccessRequest {
        /// A file or folder: its record id.
        object: RecordId,
        /// An e-mail address; with `user:` before it in a batch.
        user: String,
        /// `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// The answer to `POST /api/permissions/{syncId}/check`
    CheckAccessResponse {
        /// Whether the user may.
        has_access: bool,
    }

    /// `POST /api/permissions/{syncId}/batch-check`
    BatchCheckAccessRequest {
        /// The questions.
        checks: Vec<CheckAccessRequest>,
    }

    /// The answer to `POST /api/permissions/{syncId}/batch-check`
    BatchCheckAccessResponse {
        /// One for each question.
        result: Vec<BatchCheckResult>,
    }

    /// One of [`BatchCheckAccessResponse`]
    BatchCheckResult {
        /// Whether the user may.
        allowed: bool,
        /// The question.
        request: CheckAccessRequest,
        [optional]
        /// Why there is no answer.
        error: String,
    }

    /// `POST /api/permissions/{syncId}/list-users`
    ListUsersRequest {
        /// A file or folder: its record id.
        object: RecordId,
        /// `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// The answer to `POST /api/permissions/{syncId}/list-users`
    ListUsersResponse {
        /// E-mail addresses; at most 1,000.
        users: Vec<String>,
    }

    /// `POST /api/permissions/{syncId}/list-objects`, and both streams of it
    ListObjectsRequest {
        /// `file` or `folder`.
        object_type: String,
        /// An e-mail address.
        user: String,
        /// `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// The answer to `POST /api/permissions/{syncId}/list-objects`
    ListObjectsResponse {
        /// Record ids; at most 1,000.
        objects: Vec<RecordId>,
    }

    /// A line of `POST /api/permissions/{syncId}/streamed-list-objects`
    StreamedObject {
        /// A record id.
        object: RecordId,
    }

    /// A line of the stream over all syncs: an object or an error
    StreamedObjectAllSyncs {
        /// The sync.
        sync_instance_id: SyncId,
        /// Such as `googledrive`.
        integration: String,
        [optional]
        /// A record id.
        object: RecordId,
        /// Why this sync has no answer; the stream goes on.
        error: String,
    }

    /// `POST /api/permissions/{syncId}/expand`
    ExpandRequest {
        /// A file or folder: its record id.
        object: RecordId,
        /// `can_read`, `can_write` or `is_owner`.
        relation: String,
    }

    /// The answer to `POST /api/permissions/{syncId}/expand`
    ExpandResponse {
        /// The tree.
        tree: UsersetTree,
    }

    /// `tree` of [`ExpandResponse`]
    UsersetTree {
        /// Its top.
        root: Userset,
    }

    /// A node of a permission tree: a name, and one of the four
    Userset {
        /// `object#relation`
        name: String,
        [optional]
        /// Where the tree ends.
        leaf: Leaf,
        /// Any of them.
        union: Usersets,
        /// All of them.
        intersection: Usersets,
        /// One without the other.
        difference: Difference,
    }

    /// Several nodes of a permission tree
    Usersets {
        /// The nodes.
        nodes: Vec<Userset>,
    }

    /// `difference` of [`Userset`]
    Difference {
        /// Who would have it.
        base: Box<Userset>,
        /// Who is taken out.
        subtract: Box<Userset>,
    }

    /// `leaf` of [`Userset`]: one of the three
    Leaf {
        [optional]
        /// Named users.
        users: Users,
        /// Another userset.
        computed: Computed,
        /// Usersets reached through a tuple.
        tuple_to_userset: TupleToUserset,
    }

    /// `users` of [`Leaf`]
    Users {
        /// Each as `user:` and an e-mail address.
        users: Vec<String>,
    }

    /// A userset by its name
    Computed {
        /// `object#relation`
        userset: String,
    }

    /// `tupleToUserset` of [`Leaf`]
    TupleToUserset {
        /// `object#relation`, such as `file:0f…#parent`
        tupleset: String,
        /// The usersets.
        computed: Vec<Computed>,
    }

    /// The answer to `GET /api/permissions/{syncId}/changes`
    PermissionChangesResponse {
        /// Oldest first; empty at the end of the feed.
        changes: Vec<PermissionChange>,
        /// Where to go on; the same one again at the end of the feed.
        continuation_token: String,
    }

    /// An entry of the event log of a sync
    EventLogEntry {
        /// `syncInstanceId` of its events.
        sync_id: SyncId,
        /// The same for all entries of one run.
        trace_id: String,
        /// Whose it is.
        user_id: UserId,
        /// Such as `googledrive`.
        integration: String,
        /// Such as `files`.
        pipeline: String,
        /// Such as `INITIAL_SYNC_COMPLETED`.
        sync_event: String,
        /// `INITIAL`, `INCREMENTAL`, `FULL`, `PERMISSION` or `SINGLE_RECORD`.
        sync_type: String,
        /// Such as `IDLE`.
        sync_status: String,
        [optional]
        /// What the run did; the members' names are assumed.
        summary: RunSummary,
        /// What went wrong; the members' names are assumed.
        error: RunError,
    }

    /// `summary` of [`EventLogEntry`]
    RunSummary {
        [optional]
        /// New records.
        created: u64,
        /// Changed records.
        updated: u64,
        /// Deleted records.
        deleted: u64,
        /// Records looked at.
        total_processed: u64,
        /// All changes.
        total_changes: u64,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    }

    /// `error` of [`EventLogEntry`]
    RunError {
        [optional]
        /// Whether it is tried again.
        recoverable: bool,
        /// The provider's status.
        http_status: u16,
        /// The provider's code.
        code: String,
        /// When it is tried again, in milliseconds.
        retry_after_ms: u64,
    }
}

/// One of [`PermissionChangesResponse`]. Its form is assumed to be that of `OpenFGA`, which Paragon runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionChange {
    /// What was granted or taken.
    pub tuple_key: TupleKey,
    /// `TUPLE_OPERATION_WRITE` or `TUPLE_OPERATION_DELETE`.
    pub operation: String,
    /// When, RFC 3339.
    pub timestamp: String,
    /// Members beyond these, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `tuple_key` of [`PermissionChange`]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TupleKey {
    /// Who.
    pub user: String,
    /// What.
    pub relation: String,
    /// On what.
    pub object: String,
    /// Members beyond these, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
