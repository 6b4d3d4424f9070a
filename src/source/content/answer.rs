use crate::contract::{ExternalId, File, Hash, Object, Pipeline};

use super::filler::Numbers;
use super::ooxml::{document, presentation, spreadsheet};
use super::pdf::pdf;
use super::png::png;
use super::text::{About, Text};
use super::ticket::ticket;
use super::zip::zip_of_size;

/// Maximum length of a content, whatever `size` says: 64 MiB.
pub const LONGEST: u64 = 64 << 20;

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const GOOGLE: &str = "application/vnd.google-apps.";

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content {
    /// Media type: the file's own, or the type that the file is converted to. Safe as a header value.
    pub media_type: String,
    /// File name for saving, with the extension of the type that the file is converted to. Safe inside the quotes of a
    /// header value, except that it may contain characters beyond ASCII.
    pub file_name: String,
    /// The bytes of the content.
    pub bytes: Vec<u8>,
}

/// Why a record has no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct NotDownloadable(#[from] NotDownloadableKind);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NotDownloadableKind {
    /// The record is a folder (`api.content-folder`).
    #[error("the record is a folder (type {0:?}), and folders have no content")]
    Folder(String),
    /// Only four of Google's own types are converted (`api.content-conversion`).
    #[error("documents of the type {0} have no content, because they are not converted to any format")]
    NoConversion(String),
    /// The records of this pipeline have no content (`api.content-other`).
    #[error("records of the pipeline {0} have no content; only files and tickets have content")]
    Pipeline(Pipeline),
}

impl NotDownloadable {
    /// Returns whether the record is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self.0, NotDownloadableKind::Folder(_))
    }
}

/// Returns the content that a download of this record serves. The same record and external id always give the same
/// bytes.
///
/// # Errors
///
/// Returns an error that says why the record has no content.
pub fn content(record: &Object, external: &ExternalId, integration: &str) -> Result<Content, NotDownloadable> {
    match record {
        Object::File(file) => of_file(file, external, integration),
        Object::Ticket(record) => Ok(Content {
            media_type: "application/zip".to_owned(),
            file_name: name(&record.title, "zip"),
            bytes: ticket(record, external.as_str()),
        }),
        other => Err(NotDownloadableKind::Pipeline(other.pipeline()).into()),
    }
}

/// Maximum length of a content with a hash. Hashing a longer content takes too long.
const HASHED: u64 = 1 << 20;

/// Returns the size and the hash that the provider reports for a file. The hash is `None` if the content is too long
/// for one.
///
/// Returns `None` if the file has no content of its own: a folder, or a document that a download converts.
pub(crate) fn checked(file: &File, external: &ExternalId, integration: &str) -> Option<(u64, Option<Hash>)> {
    let kind = kind(file);
    let form = convert(&kind, &file.name, integration).ok()?;
    if !keeps_size(form, &kind) {
        return None;
    }
    if let Some(size) = file.size.filter(|size| *size > HASHED) {
        return Some((size, None));
    }
    let bytes = of_file(file, external, integration).ok()?.bytes;
    let hash = Hash {
        kind: "MD5".to_owned(),
        value: Some(format!("{:x}", md5::compute(&bytes))),
        other: serde_json::Map::new(),
    };
    Some((bytes.len() as u64, Some(hash)))
}

/// Returns the media type in lowercase, without its parameters.
fn kind(file: &File) -> String {
    file.mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns whether a download has the size that the provider reports. A converted file has another size.
fn keeps_size(form: Option<Form>, kind: &str) -> bool {
    form.is_none() || (form == Some(Form::Markdown) && kind == "text/markdown")
}

/// Type that a file is converted to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Docx,
    Xlsx,
    Pptx,
    Pdf,
    Html,
    Markdown,
}

fn of_file(file: &File, external: &ExternalId, integration: &str) -> Result<Content, NotDownloadable> {
    let kind = kind(file);
    let form = convert(&kind, &file.name, integration)?;
    let version = file.updated_at.as_deref().unwrap_or_default();
    let about = About { title: &file.name, external: external.as_str(), version };
    let mut numbers = Numbers::new(&[about.external, version]);
    let size = file.size.filter(|_| keeps_size(form, &kind));
    let size = size.map(|size| usize::try_from(size.min(LONGEST)).unwrap_or(usize::MAX));
    let lines = [about.title, about.external, version];
    let as_pdf = |size| pdf(about.title, &lines, size);
    let (media_type, extension, bytes) = match form {
        Some(Form::Docx) => (DOCX, "docx", document(&lines, None)),
        Some(Form::Xlsx) => (XLSX, "xlsx", spreadsheet(&lines, None)),
        Some(Form::Pptx) => (PPTX, "pptx", presentation(&lines, None)),
        Some(Form::Pdf) => ("application/pdf", "pdf", as_pdf(None)),
        Some(Form::Html) => ("text/html", "html", Text::of("text/html", &about).write(None, &mut numbers)),
        Some(Form::Markdown) => ("text/markdown", "md", Text::markdown(&about).write(size, &mut numbers)),
        None => {
            let bytes = match kind.as_str() {
                "application/pdf" => as_pdf(size),
                "image/png" => {
                    let [red, green, blue, ..] = numbers.next().to_le_bytes();
                    png(&lines.join("\n"), [red, green, blue], size)
                }
                DOCX => document(&lines, size),
                XLSX => spreadsheet(&lines, size),
                PPTX => presentation(&lines, size),
                "application/zip" => zip_of_size(vec![("content.txt", lines.join("\n"))], "content.txt", size),
                other => Text::of(other, &about).write(size, &mut numbers),
            };
            let fit = !kind.is_empty() && file.mime_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            (if fit { file.mime_type.as_str() } else { "application/octet-stream" }, "", bytes)
        }
    };
    Ok(Content { media_type: media_type.to_owned(), file_name: name(&file.name, extension), bytes })
}

/// Returns the type that a media type is converted to; `None` if it is served unchanged (`api.content-conversion`).
fn convert(kind: &str, name: &str, integration: &str) -> Result<Option<Form>, NotDownloadable> {
    // The media type of pages is not known, so generic and text types count as pages. Attachments, such as a PDF, are
    // not converted.
    let entry = matches!(kind, "application/octet-stream" | "text/markdown");
    let page = entry || matches!(kind, "text/plain" | "text/html");
    let paper = kind.contains("paper") || name.to_ascii_lowercase().ends_with(".paper");
    match (kind.strip_prefix(GOOGLE), integration) {
        (Some("document"), _) => Ok(Some(Form::Docx)),
        (Some("spreadsheet"), _) => Ok(Some(Form::Xlsx)),
        (Some("presentation"), _) => Ok(Some(Form::Pptx)),
        (Some("drawing"), _) => Ok(Some(Form::Pdf)),
        (Some("folder"), _) => Err(NotDownloadableKind::Folder(kind.to_owned()).into()),
        (Some(_), _) => Err(NotDownloadableKind::NoConversion(kind.to_owned()).into()),
        (None, _) if kind.is_empty() => Err(NotDownloadableKind::Folder(String::new()).into()),
        (None, "confluence" | "guru") if page && kind != "text/html" => Ok(Some(Form::Html)),
        (None, "notion") if page => Ok(Some(Form::Markdown)),
        (None, "contentful") if entry => Ok(Some(Form::Markdown)),
        (None, "dropbox") if paper => Ok(Some(Form::Html)),
        _ => Ok(None),
    }
}

/// Returns the file name for a title and an extension, such as `Plan.docx` for `Plan`.
fn name(title: &str, extension: &str) -> String {
    let unfit = |c: char| c.is_control() || matches!(c, '/' | '\\' | '"');
    let mut name: String = title.chars().map(|c| if unfit(c) { '_' } else { c }).collect();
    let has_it = name.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(extension));
    if !extension.is_empty() && !has_it {
        name = format!("{name}.{extension}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE_TYPES: [(&str, &str, &str); 4] = [
        ("document", DOCX, "docx"),
        ("spreadsheet", XLSX, "xlsx"),
        ("presentation", PPTX, "pptx"),
        ("drawing", "application/pdf", "pdf"),
    ];

    fn of(file: File, integration: &str) -> Result<Content, NotDownloadable> {
        content(&file.into(), &ExternalId::from("1kfr"), integration)
    }

    fn typed(name: &str, mime_type: &str) -> File {
        File { mime_type: mime_type.to_owned(), ..File::named(name) }
    }

    fn holds(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn documents_in_a_format_of_their_provider_are_converted() {
        for (kind, media_type, extension) in GOOGLE_TYPES {
            let content = of(typed("Plan", &format!("{GOOGLE}{kind}")), "googledrive").unwrap();
            assert_eq!((content.media_type.as_str(), content.file_name), (media_type, format!("Plan.{extension}")));
        }
        for (name, mime_type, integration, media_type, file_name) in [
            ("Home", "application/octet-stream", "confluence", "text/html", "Home.html"),
            ("Card", "text/plain", "guru", "text/html", "Card.html"),
            ("Notes.paper", "application/octet-stream", "dropbox", "text/html", "Notes.paper.html"),
            ("Page.md", "text/markdown", "notion", "text/markdown", "Page.md"),
            ("Post", "application/octet-stream", "contentful", "text/markdown", "Post.md"),
            ("Asset.txt", "text/plain", "contentful", "text/plain", "Asset.txt"),
            ("Hung.pdf", "application/pdf", "confluence", "application/pdf", "Hung.pdf"),
            ("Page", "application/octet-stream", "box", "application/octet-stream", "Page"),
        ] {
            let content = of(typed(name, mime_type), integration).unwrap();
            assert_eq!((content.media_type.as_str(), content.file_name.as_str()), (media_type, file_name));
        }
        let page = of(typed("A: \"b\"\u{85}", "text/markdown"), "notion").unwrap().bytes;
        assert!(page.starts_with(b"---\ntitle: \"A: \\\"b\\\"\\u0085\"\nexternalId: \"1kfr\"\n"), "{page:?}");
    }

    #[test]
    fn records_without_content_are_refused_with_the_reason() {
        for (kind, reason) in [
            ("application/vnd.google-apps.folder", "is a folder"),
            ("", "is a folder"),
            ("application/vnd.google-apps.form", "not converted"),
        ] {
            let error = of(typed("x", kind), "sharepoint").unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.is_folder(), reason == "is a folder", "{error}");
        }
        for pipeline in [Pipeline::Contacts, Pipeline::Companies, Pipeline::Deals, Pipeline::CustomObjects] {
            let error = content(&Object::named(pipeline, "x"), &ExternalId::from("1"), "salesforce").unwrap_err();
            assert_eq!(error, NotDownloadableKind::Pipeline(pipeline).into());
            assert!(!error.is_folder());
        }
    }

    #[test]
    fn a_content_has_the_given_size_if_its_format_allows_it() {
        for kind in ["text/plain", "text/csv", "text/html", "text/markdown", "video/mp4", "application/octet-stream"] {
            for size in [0, 1, 9, 10, 100, 101, 102, 5_000] {
                let file = File { size: Some(size), ..typed("Größe.x", kind) };
                let bytes = of(file, "box").unwrap().bytes;
                assert_eq!(bytes.len() as u64, size, "{kind}");
                assert!(!kind.starts_with("text/") || std::str::from_utf8(&bytes).is_ok(), "{kind} {size}");
            }
        }
        let whole = ["application/pdf", "image/png", "application/json", "image/svg+xml", "text/xml"];
        for kind in whole.into_iter().chain([DOCX, XLSX, PPTX, "application/zip"]) {
            let of_size = |size| of(File { size, ..typed("x", kind) }, "box").unwrap().bytes;
            assert_eq!(of_size(Some(9_999)).len(), 9_999, "{kind}");
            assert!(of_size(Some(0)).len() > 40 && of_size(None).len() > 100, "{kind} is whole");
        }
        let huge = File { size: Some(u64::MAX), ..File::named("huge.bin") };
        assert_eq!(of(huge, "box").unwrap().bytes.len() as u64, LONGEST);
    }

    #[test]
    fn the_size_and_the_hash_match_the_content() {
        let id = ExternalId::from("1kfr");
        for name in ["a.pdf", "a.txt", "a.md", "a.csv", "a.png", "a.docx", "a.xlsx", "a.pptx", "a.zip", "a.json", "a"] {
            let mut file = File::named(name);
            let (size, hash) = checked(&file, &id, "box").unwrap();
            let open = of(file.clone(), "box").unwrap();
            assert_eq!(
                (size, hash.clone().unwrap().value),
                (open.bytes.len() as u64, Some(format!("{:x}", md5::compute(&open.bytes)))),
                "{name}"
            );
            (file.size, file.hash) = (Some(size), hash.clone());
            assert_eq!(of(file.clone(), "box").unwrap(), open, "{name}: the same with the size that it has");
            assert_eq!(checked(&file, &id, "box"), Some((size, hash)), "{name}");
        }
        for kind in ["", "application/vnd.google-apps.folder", "application/vnd.google-apps.document"] {
            assert_eq!(checked(&typed("x", kind), &id, "googledrive"), None, "{kind}");
        }
        assert_eq!(checked(&File::named("Page.txt"), &id, "confluence"), None, "a page has no size");
        let huge = File { size: Some(u64::MAX), ..File::named("huge.bin") };
        assert_eq!(checked(&huge, &id, "box"), Some((u64::MAX, None)));
    }

    #[test]
    fn contents_name_their_record_and_are_the_same_each_time() {
        let google = GOOGLE_TYPES.map(|(kind, ..)| format!("{GOOGLE}{kind}"));
        let own = ["application/pdf", "image/png", "image/svg+xml", "application/json", "text/csv", "application/zip"];
        for kind in google.iter().map(String::as_str).chain(own) {
            let file = Object::from(typed("plan & <co>", kind));
            let make = |external: &str| content(&file, &ExternalId::from(external), "box").unwrap().bytes;
            assert_eq!(make("1kfr"), make("1kfr"), "{kind}");
            assert_ne!(make("1kfr"), make("2kfr"), "{kind}");
            assert!(holds(&make("1kfr"), "1kfr"), "{kind}");
        }
        let mut changed = File::named("a.bin");
        let first = of(changed.clone(), "box");
        changed.updated_at = Some("2026-01-01T00:00:00.000Z".to_owned());
        assert_ne!(first, of(changed, "box"), "another version, another content");
    }

    #[test]
    fn the_type_and_the_name_of_a_content_are_valid_in_headers() {
        let content = of(typed("a/b\r\n\"c\"", "text/plain\r\nx: y"), "box").unwrap();
        assert_eq!((content.media_type.as_str(), content.file_name.as_str()), ("application/octet-stream", "a_b___c_"));
    }

    #[test]
    fn a_ticket_is_a_zip_of_text_and_attachments() {
        let ticket = Object::named(Pipeline::Tickets, "It broke");
        let content = content(&ticket, &ExternalId::from("T-1"), "jira").unwrap();
        assert_eq!((content.media_type.as_str(), content.file_name.as_str()), ("application/zip", "It broke.zip"));
        let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(content.bytes)).unwrap();
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["ticket.md", "attachments/", "attachments/attachment.txt"]);
        let text = std::io::read_to_string(archive.by_name("ticket.md").unwrap()).unwrap();
        for part in ["# It broke\n", "- externalId: T-1\n", "- priority: normal\n", "## Content", "### Comment 2 by"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
