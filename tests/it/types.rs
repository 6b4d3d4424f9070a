//! Pairs each schema that a payload can have with the type that reads the payload. `fuzz/` includes this file too.

use paragon_testkit::contract::api::{
    BatchCheckAccessRequest, BatchCheckAccessResponse, CheckAccessRequest, CheckAccessResponse, EnableSyncRequest,
    EnableSyncResponse, ErrorBody, EventLogEntry, ExpandRequest, ExpandResponse, GetRecordResponse, ListObjectsRequest,
    ListObjectsResponse, ListSyncsResponse, ListUsersRequest, ListUsersResponse, Paging, PermissionChangesResponse,
    PullRecordsResponse, StreamedObject, StreamedObjectAllSyncs, SyncStatusChange, SyncStatusResponse,
    UpdateSyncRequest, UpdateSyncResponse, Userset, Usersets,
};
use paragon_testkit::contract::{
    Company, Contact, CustomObject, Deal, Event, EventKind, File, Record, Ticket, Tombstone,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a payload into a type, and returns the JSON that the type writes.
pub(crate) type Through = fn(&Value) -> Result<Value, String>;

fn through<T: Serialize + DeserializeOwned>(payload: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(payload.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

/// Returns each schema that a payload can have, with its type. `agreement.rs` fails if a shipped schema is missing
/// here.
pub(crate) fn types() -> Vec<(&'static str, Through)> {
    let mut types: Vec<(&str, Through)> = vec![
        ("records/file", through::<Record<File>>),
        ("records/contact", through::<Record<Contact>>),
        ("records/company", through::<Record<Company>>),
        ("records/deal", through::<Record<Deal>>),
        ("records/custom_object", through::<Record<CustomObject>>),
        ("records/ticket", through::<Record<Ticket>>),
        ("records/tombstone", through::<Tombstone>),
        ("api/enable_sync_request", through::<EnableSyncRequest>),
        ("api/enable_sync_response", through::<EnableSyncResponse>),
        ("api/list_syncs_response", through::<ListSyncsResponse>),
        ("api/sync_status_response", through::<SyncStatusResponse>),
        ("api/update_sync_request", through::<UpdateSyncRequest>),
        ("api/update_sync_response", through::<UpdateSyncResponse>),
        ("api/disable_sync_response", through::<SyncStatusChange>),
        ("api/reenable_sync_response", through::<SyncStatusChange>),
        ("api/pull_records_response", through::<PullRecordsResponse>),
        ("api/get_record_response", through::<GetRecordResponse>),
        ("api/check_access_request", through::<CheckAccessRequest>),
        ("api/check_access_response", through::<CheckAccessResponse>),
        ("api/batch_check_access_request", through::<BatchCheckAccessRequest>),
        ("api/batch_check_access_response", through::<BatchCheckAccessResponse>),
        ("api/list_users_request", through::<ListUsersRequest>),
        ("api/list_users_response", through::<ListUsersResponse>),
        ("api/list_objects_request", through::<ListObjectsRequest>),
        ("api/list_objects_response", through::<ListObjectsResponse>),
        ("api/streamed_object", through::<StreamedObject>),
        ("api/streamed_object_all_syncs", through::<StreamedObjectAllSyncs>),
        ("api/expand_request", through::<ExpandRequest>),
        ("api/expand_response", through::<ExpandResponse>),
        ("api/permission_changes_response", through::<PermissionChangesResponse>),
        ("api/event_log_entry", through::<EventLogEntry>),
        ("common/error", through::<ErrorBody>),
        ("common/paging", through::<Paging>),
        ("common/userset", through::<Userset>),
        ("common/nodes", through::<Usersets>),
    ];
    types.extend(EventKind::ALL.map(|kind| (kind.schema(), through::<Event> as Through)));
    types.push((EventKind::WebhookVerification.schema(), through::<Event>));
    types
}
