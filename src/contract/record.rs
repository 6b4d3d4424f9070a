use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{ExternalId, RecordId};
use super::object::objects;

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

objects! {
    /// A file or a folder of a storage integration (pipeline `files`), without its ids.
    ///
    /// ```
    /// use paragon_testkit::contract::File;
    /// let file = File { size: Some(20_000), ..File::named("Q1 report.pdf") };
    /// assert_eq!(file.mime_type, "application/pdf");
    /// ```
    File {
        /// With its extension.
        name: String,
        /// The provider's type; folders of Google Drive are `application/vnd.google-apps.folder`.
        mime_type: String,
        /// In bytes. When it is left open, the source sets it to the length of the content that a download serves.
        /// Google-native documents and folders stay without one, `null` (observed).
        size: Option<u64>,
        [optional]
        /// Where a person opens it.
        url: String,
        /// A small picture of it.
        thumbnail_url: String,
        /// When it was created, RFC 3339 with milliseconds. Set by the source when left out.
        created_at: String,
        /// When it was last changed, RFC 3339 with milliseconds. Set by the source at each change, later each time.
        updated_at: String,
        /// A checksum, if the provider has one. Set by the source to that of the content when left out.
        hash: Hash,
        /// The external id of the folder that it lies in.
        parent_folder_id: ExternalId,
        /// What only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A person (pipeline `contacts`), without its ids.
    Contact {
        [optional]
        /// Given name.
        first_name: String,
        /// Family name.
        last_name: String,
        /// Both.
        full_name: String,
        /// Where the person works.
        company_name: String,
        /// As what.
        job_title: String,
        /// Addresses of mail; what is in one is not documented.
        emails: Vec<Map<String, Value>>,
        /// Numbers; what is in one is not documented.
        phone_numbers: Vec<Map<String, Value>>,
        /// Postal addresses; what is in one is not documented.
        addresses: Vec<Map<String, Value>>,
        /// Profiles; what is in one is not documented.
        social_profiles: Vec<Map<String, Value>>,
        /// `lead`, `customer`, `prospect`, `partner` or `other`.
        r#type: String,
        /// `active`, `inactive`, `new`, `qualified` or `unqualified`.
        status: String,
        /// External id of the owner.
        owner_id: ExternalId,
        /// Shown as an integer; milliseconds since 1970 are assumed.
        created_at: i64,
        /// Shown as an integer; milliseconds since 1970 are assumed.
        updated_at: i64,
        /// Shown as an integer; milliseconds since 1970 are assumed.
        last_activity_at: i64,
        /// In the provider's words.
        lifecycle_stage: String,
        /// In the provider's words.
        lead_source: String,
        /// Labels.
        tags: Vec<String>,
        /// Free text.
        notes: String,
        /// An address.
        website: String,
        /// What only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A company (pipeline `companies`), without its ids.
    Company {
        /// When it was created, RFC 3339.
        created_at: String,
        /// When it was last changed, RFC 3339.
        updated_at: String,
        /// Its name.
        name: String,
        [optional]
        /// Free text.
        description: String,
        /// An address.
        website: String,
        /// Postal addresses; what is in one is not documented.
        addresses: Vec<Map<String, Value>>,
        /// Numbers; what is in one is not documented.
        phone_numbers: Vec<Map<String, Value>>,
        /// A sum; its type is not documented, a number is assumed.
        annual_revenue: Value,
        /// How many work there.
        number_of_employees: u64,
        /// External id of the company above it.
        parent_company_id: ExternalId,
        /// An IANA name, such as `America/New_York`.
        timezone: String,
        /// Free, such as `Prospect`.
        r#type: String,
        /// Free, such as `Technology`.
        industry: String,
        /// External id of the owner.
        owner_id: ExternalId,
        /// What only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A deal (pipeline `deals`), without its ids.
    Deal {
        /// When it was created, RFC 3339.
        created_at: String,
        /// When it was last changed, RFC 3339.
        updated_at: String,
        /// A sum.
        amount: serde_json::Number,
        /// `open`, `closed_lost` or `closed_won`.
        status_type: String,
        /// In the provider's words.
        status: String,
        /// External id of the company.
        account_id: ExternalId,
        /// External id of the owner.
        owner_id: ExternalId,
        /// The day on which it closes, `YYYY-MM-DD`.
        close_date: String,
        [optional]
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// Free text.
        next_step: String,
        /// In percent.
        probability: u8,
        /// What only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A record of a type that the customer defined (pipeline `custom_objects`), without its ids.
    CustomObject {
        /// When it was created, RFC 3339.
        created_at: String,
        /// When it was last changed, RFC 3339.
        updated_at: String,
        /// The provider's name of the type, such as `Product_Catalog__c`.
        object_type: String,
        [optional]
        /// What the customer defined.
        custom_fields: Map<String, Value>,
    }

    /// A ticket (pipeline `tickets`), without its ids. It has no times of creation and change.
    Ticket {
        /// Its title.
        title: String,
        /// What is in it is not documented.
        status: Map<String, Value>,
        /// `low`, `normal`, `high` or `urgent`.
        priority: String,
        /// In the provider's words.
        r#type: String,
        /// Who has it; what is in one is not documented.
        assignees: Vec<Map<String, Value>>,
        /// As the provider has it.
        original_record: Map<String, Value>,
        [optional]
        /// Markdown.
        description: String,
        /// What is in it is not documented.
        created_by: Map<String, Value>,
        /// Labels.
        tags: Vec<String>,
        /// When it is due, RFC 3339.
        due_at: String,
        /// When it was solved, RFC 3339.
        resolved_at: String,
        /// Where a person opens it.
        external_url: String,
        /// Where it belongs; what is in it is not documented.
        project: Map<String, Value>,
    }

    /// What the feed shows of a deleted record. Documented: only the two ids stay. The marker `deleted` is
    /// observed in a client, its type assumed (rule `feed.tombstone`).
    Tombstone {
        /// Paragon's id.
        id: RecordId,
        /// The provider's id.
        external_id: ExternalId,
        /// Always true.
        deleted: bool,
    }
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
    /// Members beyond these, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl File {
    /// A file with the type that its extension suggests. The source sets its size and its hash to those of the content.
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
            "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "html" => "text/html",
            "json" => "application/json",
            "svg" => "image/svg+xml",
            "zip" => "application/zip",
            _ => "application/octet-stream",
        };
        Self {
            mime_type: mime_type.to_owned(),
            name,
            size: None,
            url: None,
            thumbnail_url: None,
            created_at: None,
            updated_at: None,
            hash: None,
            parent_folder_id: None,
            custom_fields: None,
            other: Map::new(),
        }
    }
}

impl File {
    /// Whether it is a folder: Google Drive has a type for these, `SharePoint` leaves the type empty (observed).
    pub fn is_folder(&self) -> bool {
        self.mime_type.is_empty() || self.mime_type.ends_with("folder")
    }
}

impl Tombstone {
    /// What stays of a record with these ids.
    pub fn new(id: RecordId, external_id: ExternalId) -> Self {
        Self { id, external_id, deleted: true, other: Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_by_its_type_or_by_having_none() {
        let of_type = |mime_type: &str| File { mime_type: mime_type.to_owned(), ..File::named("Reports") };
        assert!(of_type("application/vnd.google-apps.folder").is_folder(), "Google Drive");
        assert!(of_type("").is_folder(), "SharePoint");
        assert!(!of_type("application/vnd.google-apps.document").is_folder());
        assert!(!File::named("folder").is_folder(), "the name does not matter");
    }

    #[test]
    fn a_file_has_the_type_of_its_last_extension() {
        let types = ["a.pdf", "a.txt", "a.md", "a.csv", "a.png", "a.docx", "a.xlsx", "a.pdf.zip", "a.pdf.bin", "pdf"];
        let types = types.map(|name| format!("{name}: {}", File::named(name).mime_type));
        insta::assert_snapshot!(types.join("\n"), @r"
        a.pdf: application/pdf
        a.txt: text/plain
        a.md: text/markdown
        a.csv: text/csv
        a.png: image/png
        a.docx: application/vnd.openxmlformats-officedocument.wordprocessingml.document
        a.xlsx: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
        a.pdf.zip: application/zip
        a.pdf.bin: application/octet-stream
        pdf: application/octet-stream
        ");
    }
}
