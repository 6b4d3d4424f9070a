//! Requests and responses of the Sync API and the Permissions API, and entries of the event log.
//!
//! The types mirror the schemas in `schemas/api/` and `schemas/common/`. Unknown members are kept in `other`.
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
    /// Request body of `POST /api/syncs`.
    EnableSyncRequest {
        /// Name of the integration, such as `googledrive`.
        integration: String,
        /// Name of the pipeline, such as `files`.
        pipeline: String,
        [optional]
        /// Settings that the integration asks for.
        configuration: Map<String, Value>,
        /// Name that distinguishes syncs of the same integration and pipeline.
        configuration_name: String,
        /// Credential of the account to sync. If it is left out, Paragon uses the oldest active account.
        credential_id: CredentialId,
        /// Time between two incremental syncs, such as `1m` (assumed for this request, documented for Update).
        incremental_accumulator_frequency: String,
    }

    /// Response to `POST /api/syncs`.
    EnableSyncResponse {
        /// Id of the sync: `syncInstanceId` in the events of the sync.
        id: SyncId,
        /// User that the sync belongs to.
        user_id: UserId,
        /// Name of the integration, such as `googledrive`.
        integration: String,
        /// Name of the pipeline, such as `files`.
        pipeline: String,
        /// Project that the sync belongs to.
        project_id: ProjectId,
        /// Status of the sync, such as `INITIALIZING`.
        status: String,
    }

    /// Response to `GET /api/syncs`.
    ListSyncsResponse {
        /// Syncs of the user that the token belongs to.
        data: Vec<ListedSync>,
    }

    /// One sync in a [`ListSyncsResponse`].
    ListedSync {
        /// Id of the sync: `syncInstanceId` in the events of the sync.
        id: SyncId,
        /// Name of the integration, such as `googledrive`.
        integration: String,
        /// Name of the pipeline, such as `files`.
        pipeline: String,
        /// Status of the sync, such as `IDLE`.
        status: String,
        [optional]
        /// Reason for the status `ERRORED`.
        reason: String,
        /// Configuration name that was given when the sync was enabled.
        configuration_name: String,
        /// Time at which the sync was enabled, RFC 3339.
        date_created: String,
        /// Time of the last change of the sync, RFC 3339.
        date_updated: String,
    }

    /// Response to `GET /api/syncs/{syncId}`.
    SyncStatusResponse {
        /// Status of the sync, such as `IDLE`.
        status: String,
        /// Record counts, time of the last run, and latest cursor.
        summary: SyncSummary,
        [optional]
        /// Credential that the sync uses.
        credential_id: CredentialId,
        /// Time between two incremental syncs. Present only if it was set.
        incremental_accumulator_frequency: String,
        /// Backoff in milliseconds while the status is `RATE_LIMITED`.
        rate_limit_backoff_ms: u64,
        /// Reason for the status `ERRORED`.
        reason: String,
    }

    /// `summary` of a [`SyncStatusResponse`].
    SyncSummary {
        /// Number of records.
        total_records: u64,
        /// Number of synced records.
        synced_records_count: u64,
        /// Time at which the last run ended, RFC 3339. Null until the first run has ended (assumed).
        last_synced_at: Option<String>,
        /// Cursor at the end of the feed. Null while the feed is empty (assumed).
        latest_cursor: Option<String>,
    }

    /// Request body of `PATCH /api/syncs/{syncId}`. At least one of the two members is required.
    UpdateSyncRequest {
        [optional]
        /// Credential of another account. A new account starts a full sync.
        credential_id: CredentialId,
        /// Time between two incremental syncs, such as `1m`.
        incremental_accumulator_frequency: String,
    }

    /// Response to `PATCH /api/syncs/{syncId}`.
    UpdateSyncResponse {
        /// Id of the sync.
        id: SyncId,
        /// Members of the request.
        data: UpdateSyncRequest,
        /// Message for people.
        message: String,
    }

    /// Response to `POST /api/syncs/{syncId}/disable` and `…/reenable` (observed).
    SyncStatusChange {
        /// Id of the sync.
        id: SyncId,
        /// Status of the sync after the request, such as `DISABLED`.
        status: String,
    }

    /// Response to `GET /api/syncs/{syncId}/records`: one page of the feed.
    PullRecordsResponse {
        /// Records and tombstones, in the order of their last change.
        data: Vec<Value>,
        /// Position of the page in the feed.
        paging: Paging,
    }

    /// `paging` of a [`PullRecordsResponse`].
    Paging {
        /// Number of records in the feed, including deleted records.
        total_records: u64,
        /// Number of records in the feed, without deleted records.
        total_active_records: u64,
        /// Number of records after this page. 0 means that the receiver has caught up.
        remaining_records: u64,
        /// Cursor for the next page. Null only if the feed never held a record (assumed).
        cursor: Option<String>,
        /// Time at which Paragon saw the last record of the page, in milliseconds since 1970 (the unit is assumed).
        last_seen: Option<i64>,
    }

    /// Response to `GET /api/syncs/{syncId}/records/{recordId}`.
    GetRecordResponse {
        /// The record as JSON.
        data: Value,
    }

    /// Body of an error response (observed for 409, assumed for the other statuses).
    ErrorBody {
        /// Description of the error, for people.
        message: String,
        /// Name of the HTTP status.
        error: String,
        /// HTTP status code.
        status_code: u16,
        [optional]
        /// Error code for programs, such as `PERMISSION_CHANGES_CURSOR_INVALID`.
        code: String,
    }

    /// Request body of `POST /api/permissions/{syncId}/check`, and one check of `…/batch-check`.
    CheckAccessRequest {
        /// Record id of a file or folder.
        object: RecordId,
        /// E-mail address of the user. In a batch, the address has the prefix `user:`.
        user: String,
        /// Role: `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// Response to `POST /api/permissions/{syncId}/check`.
    CheckAccessResponse {
        /// Whether the user has the role for the object.
        has_access: bool,
    }

    /// Request body of `POST /api/permissions/{syncId}/batch-check`.
    BatchCheckAccessRequest {
        /// Checks to evaluate.
        checks: Vec<CheckAccessRequest>,
    }

    /// Response to `POST /api/permissions/{syncId}/batch-check`.
    BatchCheckAccessResponse {
        /// Results, one for each check.
        result: Vec<BatchCheckResult>,
    }

    /// One result in a [`BatchCheckAccessResponse`].
    BatchCheckResult {
        /// Whether the user has the role for the object.
        allowed: bool,
        /// Check that this result belongs to.
        request: CheckAccessRequest,
        [optional]
        /// Reason why the check could not be evaluated.
        error: String,
    }

    /// Request body of `POST /api/permissions/{syncId}/list-users`.
    ListUsersRequest {
        /// Record id of a file or folder.
        object: RecordId,
        /// Role: `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// Response to `POST /api/permissions/{syncId}/list-users`.
    ListUsersResponse {
        /// E-mail addresses of at most 1,000 users.
        users: Vec<String>,
    }

    /// Request body of `POST /api/permissions/{syncId}/list-objects` and of its two streaming variants.
    ListObjectsRequest {
        /// Type of the objects: `file` or `folder`.
        object_type: String,
        /// E-mail address of the user.
        user: String,
        /// Role: `can_read`, `can_write` or `is_owner`.
        role: String,
    }

    /// Response to `POST /api/permissions/{syncId}/list-objects`.
    ListObjectsResponse {
        /// Record ids of at most 1,000 objects.
        objects: Vec<RecordId>,
    }

    /// One line of the response to `POST /api/permissions/{syncId}/streamed-list-objects`.
    StreamedObject {
        /// Record id of the object.
        object: RecordId,
    }

    /// One line of the stream over all syncs: an object or an error.
    StreamedObjectAllSyncs {
        /// Id of the sync.
        sync_instance_id: SyncId,
        /// Name of the integration, such as `googledrive`.
        integration: String,
        [optional]
        /// Record id of the object.
        object: RecordId,
        /// Reason why this sync has no result. The stream continues with the next sync.
        error: String,
    }

    /// Request body of `POST /api/permissions/{syncId}/expand`.
    ExpandRequest {
        /// Record id of a file or folder.
        object: RecordId,
        /// Relation: `can_read`, `can_write` or `is_owner`.
        relation: String,
    }

    /// Response to `POST /api/permissions/{syncId}/expand`.
    ExpandResponse {
        /// Permission tree of the object.
        tree: UsersetTree,
    }

    /// `tree` of an [`ExpandResponse`].
    UsersetTree {
        /// Root node of the tree.
        root: Userset,
    }

    /// A node of a permission tree. It has a name and exactly one of the four optional members.
    Userset {
        /// Name of the node: `object#relation`.
        name: String,
        [optional]
        /// Leaf at which the tree ends.
        leaf: Leaf,
        /// Nodes of which at least one must hold.
        union: Usersets,
        /// Nodes that must all hold.
        intersection: Usersets,
        /// One node without another node.
        difference: Difference,
    }

    /// Several nodes of a permission tree.
    Usersets {
        /// The nodes of the group.
        nodes: Vec<Userset>,
    }

    /// `difference` of a [`Userset`].
    Difference {
        /// Users who have the relation before the subtraction.
        base: Box<Userset>,
        /// Users to subtract.
        subtract: Box<Userset>,
    }

    /// `leaf` of a [`Userset`]. It has exactly one of the three members.
    Leaf {
        [optional]
        /// Users that are listed by name.
        users: Users,
        /// Another userset that the leaf refers to.
        computed: Computed,
        /// Usersets that are reached through a tuple.
        tuple_to_userset: TupleToUserset,
    }

    /// `users` of a [`Leaf`].
    Users {
        /// Users, each as `user:` followed by an e-mail address.
        users: Vec<String>,
    }

    /// A reference to a userset by its name.
    Computed {
        /// Name of the userset: `object#relation`.
        userset: String,
    }

    /// `tupleToUserset` of a [`Leaf`].
    TupleToUserset {
        /// Name of the tuple set: `object#relation`, such as `file:0f…#parent`.
        tupleset: String,
        /// Usersets that the tuple leads to.
        computed: Vec<Computed>,
    }

    /// Response to `GET /api/permissions/{syncId}/changes`.
    PermissionChangesResponse {
        /// Changes, oldest first. The list is empty at the end of the feed.
        changes: Vec<PermissionChange>,
        /// Cursor for the next request. At the end of the feed, the response repeats the cursor of the request.
        continuation_token: String,
    }

    /// An entry of the event log of a sync.
    EventLogEntry {
        /// Id of the sync: `syncInstanceId` in the events of the sync.
        sync_id: SyncId,
        /// Trace id, which all entries of one run share.
        trace_id: String,
        /// User that the sync belongs to.
        user_id: UserId,
        /// Name of the integration, such as `googledrive`.
        integration: String,
        /// Name of the pipeline, such as `files`.
        pipeline: String,
        /// Name of the log event, such as `INITIAL_SYNC_COMPLETED`.
        sync_event: String,
        /// Type of the run: `INITIAL`, `INCREMENTAL`, `FULL`, `PERMISSION` or `SINGLE_RECORD`.
        sync_type: String,
        /// Status of the sync, such as `IDLE`.
        sync_status: String,
        [optional]
        /// Counts of the run. The names of its members are assumed.
        summary: RunSummary,
        /// Error of the run. The names of its members are assumed.
        error: RunError,
    }

    /// `summary` of an [`EventLogEntry`].
    RunSummary {
        [optional]
        /// Number of new records.
        created: u64,
        /// Number of changed records.
        updated: u64,
        /// Number of deleted records.
        deleted: u64,
        /// Number of records that the run looked at.
        total_processed: u64,
        /// Number of all changes.
        total_changes: u64,
        /// Duration of the run in milliseconds.
        duration_ms: u64,
    }

    /// `error` of an [`EventLogEntry`].
    RunError {
        [optional]
        /// Whether Paragon retries the run.
        recoverable: bool,
        /// HTTP status of the provider's response.
        http_status: u16,
        /// Error code of the provider.
        code: String,
        /// Delay before the retry, in milliseconds.
        retry_after_ms: u64,
    }
}

/// One change in a [`PermissionChangesResponse`]. The form is assumed to be that of `OpenFGA`, which Paragon runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionChange {
    /// Permission that was granted or revoked.
    pub tuple_key: TupleKey,
    /// Operation: `TUPLE_OPERATION_WRITE` or `TUPLE_OPERATION_DELETE`.
    pub operation: String,
    /// Time of the change, RFC 3339.
    pub timestamp: String,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `tuple_key` of a [`PermissionChange`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TupleKey {
    /// User who has the relation.
    pub user: String,
    /// Relation between the user and the object.
    pub relation: String,
    /// Object that the relation applies to.
    pub object: String,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
