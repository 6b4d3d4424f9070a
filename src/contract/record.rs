use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::{ExternalId, RecordId};

/// A synced object as the Sync API serves it: its two ids, and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<T> {
    /// Paragon's id: `recordId` of the events.
    pub id: RecordId,
    /// The provider's id.
    pub external_id: ExternalId,
    /// What it holds.
    #[serde(flatten)]
    pub object: T,
}

/// A file or a folder of a storage integration (pipeline `files`), without its ids.
///
/// ```
/// use paragon_testkit::contract::File;
/// let file = File { size: None, ..File::named("Q1 report.pdf") };
/// assert_eq!(file.mime_type, "application/pdf");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// With its extension.
    pub name: String,
    /// The provider's type; folders of Google Drive are `application/vnd.google-apps.folder`.
    pub mime_type: String,
    /// In bytes. Google-native documents have `null` (observed).
    pub size: Option<u64>,
    /// Where a person opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it was created, RFC 3339 with milliseconds. Set by the source when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was last changed, RFC 3339 with milliseconds. Set by the source at each change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// A checksum, if the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// The external id of the folder that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_folder_id: Option<ExternalId>,
    /// Members beyond these, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `hash` of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hash {
    /// The algorithm, such as `MD5`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Missing where the provider computes none (observed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl File {
    /// A file of 1,024 bytes with the type that its extension suggests.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let mime_type = match extension {
            "pdf" => "application/pdf",
            "txt" => "text/plain",
            "md" => "text/markdown",
            "csv" => "text/csv",
            "png" => "image/png",
            "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            _ => "application/octet-stream",
        };
        Self {
            mime_type: mime_type.to_owned(),
            name,
            size: Some(1024),
            url: None,
            created_at: None,
            updated_at: None,
            hash: None,
            parent_folder_id: None,
            other: Map::new(),
        }
    }
}

/// What the feed shows of a deleted record. Documented: only the two ids stay. The marker `deleted` is
/// observed in a client, its type assumed (rule `feed.tombstone`).
pub fn tombstone(id: &RecordId, external_id: &ExternalId) -> Value {
    json!({"id": id, "externalId": external_id, "deleted": true})
}
