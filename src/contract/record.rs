use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{ExternalId, RecordId};
use super::object::objects;

/// A synced object as the Sync API serves it: two ids and the members of the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<T> {
    /// Paragon's id: `recordId` in the events.
    pub id: RecordId,
    /// The provider's id.
    pub external_id: ExternalId,
    /// Members of the object.
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
        /// File name, including the extension.
        name: String,
        /// MIME type from the provider. Folders in Google Drive have the type `application/vnd.google-apps.folder`.
        mime_type: String,
        /// Size in bytes. If the size is `None`, the source sets it to the length of the content that a download
        /// serves. The size of Google-native documents and folders stays `None`, in JSON `null` (observed).
        size: Option<u64>,
        [optional]
        /// URL at which a person opens the file.
        url: String,
        /// URL of a small picture of the file.
        thumbnail_url: String,
        /// Time of creation, RFC 3339 with milliseconds. If it is left out, the source sets it.
        created_at: String,
        /// Time of the last change, RFC 3339 with milliseconds. The source sets it at each change to a later time.
        updated_at: String,
        /// Checksum, if the provider has one. If it is left out, the source sets it to the checksum of the content.
        hash: Hash,
        /// External id of the folder that contains the file.
        parent_folder_id: ExternalId,
        /// Members that only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A person (pipeline `contacts`), without its ids.
    Contact {
        [optional]
        /// Given name.
        first_name: String,
        /// Family name.
        last_name: String,
        /// Given name and family name.
        full_name: String,
        /// Name of the company at which the person works.
        company_name: String,
        /// Title of the person's job.
        job_title: String,
        /// E-mail addresses. The members of an address are not documented.
        emails: Vec<Map<String, Value>>,
        /// Phone numbers. The members of a phone number are not documented.
        phone_numbers: Vec<Map<String, Value>>,
        /// Postal addresses. The members of an address are not documented.
        addresses: Vec<Map<String, Value>>,
        /// Profiles in social networks. The members of a profile are not documented.
        social_profiles: Vec<Map<String, Value>>,
        /// Type of the contact: `lead`, `customer`, `prospect`, `partner` or `other`.
        r#type: String,
        /// Status of the contact: `active`, `inactive`, `new`, `qualified` or `unqualified`.
        status: String,
        /// External id of the owner.
        owner_id: ExternalId,
        /// Time of creation. The documentation shows an integer; milliseconds since 1970 are assumed.
        created_at: i64,
        /// Time of the last change. The documentation shows an integer; milliseconds since 1970 are assumed.
        updated_at: i64,
        /// Time of the last activity. The documentation shows an integer; milliseconds since 1970 are assumed.
        last_activity_at: i64,
        /// Stage in the provider's words.
        lifecycle_stage: String,
        /// Source of the lead in the provider's words.
        lead_source: String,
        /// Labels.
        tags: Vec<String>,
        /// Notes as free text.
        notes: String,
        /// URL of the website.
        website: String,
        /// Members that only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A company (pipeline `companies`), without its ids.
    Company {
        /// Time of creation, RFC 3339.
        created_at: String,
        /// Time of the last change, RFC 3339.
        updated_at: String,
        /// Name of the company.
        name: String,
        [optional]
        /// Description as free text.
        description: String,
        /// URL of the website.
        website: String,
        /// Postal addresses. The members of an address are not documented.
        addresses: Vec<Map<String, Value>>,
        /// Phone numbers. The members of a phone number are not documented.
        phone_numbers: Vec<Map<String, Value>>,
        /// Annual revenue. The type is not documented; a number is assumed.
        annual_revenue: Value,
        /// Number of employees.
        number_of_employees: u64,
        /// External id of the parent company.
        parent_company_id: ExternalId,
        /// IANA name of the time zone, such as `America/New_York`.
        timezone: String,
        /// Type as free text, such as `Prospect`.
        r#type: String,
        /// Industry as free text, such as `Technology`.
        industry: String,
        /// External id of the owner.
        owner_id: ExternalId,
        /// Members that only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A deal (pipeline `deals`), without its ids.
    Deal {
        /// Time of creation, RFC 3339.
        created_at: String,
        /// Time of the last change, RFC 3339.
        updated_at: String,
        /// Amount of money.
        amount: serde_json::Number,
        /// Type of the status: `open`, `closed_lost` or `closed_won`.
        status_type: String,
        /// Status in the provider's words.
        status: String,
        /// External id of the company.
        account_id: ExternalId,
        /// External id of the owner.
        owner_id: ExternalId,
        /// Day on which the deal closes, `YYYY-MM-DD`.
        close_date: String,
        [optional]
        /// Name of the deal.
        name: String,
        /// Description as free text.
        description: String,
        /// Next step as free text.
        next_step: String,
        /// Probability in percent.
        probability: u8,
        /// Members that only this integration has.
        custom_fields: Map<String, Value>,
    }

    /// A record of a type that the customer defined (pipeline `custom_objects`), without its ids.
    CustomObject {
        /// Time of creation, RFC 3339.
        created_at: String,
        /// Time of the last change, RFC 3339.
        updated_at: String,
        /// Name of the type at the provider, such as `Product_Catalog__c`.
        object_type: String,
        [optional]
        /// Fields that the customer defined.
        custom_fields: Map<String, Value>,
    }

    /// A ticket (pipeline `tickets`), without its ids. Tickets have no time of creation and no time of the last change.
    Ticket {
        /// Title of the ticket.
        title: String,
        /// Status of the ticket. The members are not documented.
        status: Map<String, Value>,
        /// Priority: `low`, `normal`, `high` or `urgent`.
        priority: String,
        /// Type of the ticket in the provider's words.
        r#type: String,
        /// People whom the ticket is assigned to. The members of an assignee are not documented.
        assignees: Vec<Map<String, Value>>,
        /// The ticket in the provider's own form.
        original_record: Map<String, Value>,
        [optional]
        /// Description in Markdown.
        description: String,
        /// Creator of the ticket. The members are not documented.
        created_by: Map<String, Value>,
        /// Labels.
        tags: Vec<String>,
        /// Time at which the ticket is due, RFC 3339.
        due_at: String,
        /// Time at which the ticket was resolved, RFC 3339.
        resolved_at: String,
        /// URL at which a person opens the ticket.
        external_url: String,
        /// Project that the ticket belongs to. The members are not documented.
        project: Map<String, Value>,
    }

    /// The tombstone of a deleted record in the feed. Documented: only the two ids stay. The marker `deleted` was
    /// observed in a client, and its type is assumed (rule `feed.tombstone`).
    Tombstone {
        /// Paragon's id of the deleted record.
        id: RecordId,
        /// The provider's id of the deleted record.
        external_id: ExternalId,
        /// Marker of the deletion, always true.
        deleted: bool,
    }
}

/// The checksum of a file: its member `hash`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hash {
    /// Name of the algorithm, such as `MD5`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Value of the checksum. Absent if the provider computes none (observed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl File {
    /// Creates a file with the MIME type that belongs to the extension of its name. The source sets the size and the
    /// hash to those of the content.
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
    /// Returns whether the file is a folder. Google Drive has a MIME type for folders, and `SharePoint` leaves the MIME
    /// type empty (observed).
    pub fn is_folder(&self) -> bool {
        self.mime_type.is_empty() || self.mime_type.ends_with("folder")
    }
}

impl Tombstone {
    /// Creates the tombstone of a record with these ids.
    pub fn new(id: RecordId, external_id: ExternalId) -> Self {
        Self { id, external_id, deleted: true, other: Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_recognized_by_its_type_or_an_empty_type() {
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
