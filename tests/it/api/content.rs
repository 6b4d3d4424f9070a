//! Tests the downloads of contents.

use std::time::Duration;

use paragon_testkit::contract::{Contact, File, Ticket};
use paragon_testkit::fake::Connection;

use super::{Client, SERVERS, reason, refusal};
use crate::described::FakeParagon;

struct Download {
    status: u16,
    content_type: String,
    disposition: String,
    bytes: Vec<u8>,
}

async fn download(client: &Client, sync: &paragon_testkit::fake::SyncHandle, object: &str) -> Download {
    let record = sync.record_of(&object.into()).unwrap();
    let answer = client.request("GET", &format!("/api/syncs/{}/records/{record}/content", sync.id())).send().await;
    let answer = answer.unwrap();
    let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, content_type, disposition) =
        (answer.status().as_u16(), header("content-type"), header("content-disposition"));
    Download { status, content_type, disposition, bytes: answer.bytes().await.unwrap().to_vec() }
}

fn file(drive: &Connection, name: &str, mime_type: &str, size: Option<u64>) -> String {
    drive.create(File { mime_type: mime_type.into(), size, ..File::named(name) }).as_str().to_owned()
}

#[tokio::test]
async fn files_are_served_unchanged_and_google_documents_are_converted() {
    const OFFICE: &str = "application/vnd.openxmlformats-officedocument";
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let ada = Client::new(&paragon, "ada");
        let drive = paragon.user("ada").connect("googledrive");
        let pdf = file(&drive, "a.pdf", "application/pdf", Some(70_000));
        let text = file(&drive, "notes ä\"\n.txt", "text/plain; charset=utf-8", Some(11));
        let google = |kind: &str| file(&drive, kind, &format!("application/vnd.google-apps.{kind}"), None);
        let natives = ["document", "spreadsheet", "presentation", "drawing"].map(google);
        let sync = drive.enable("files").unwrap();
        paragon.settle().await;

        let got = download(&ada, &sync, &pdf).await;
        assert_eq!((got.status, &*got.content_type, got.bytes.len()), (200, "application/pdf", 70_000));
        assert!(got.bytes.starts_with(b"%PDF-") && got.disposition.contains("filename=\"a.pdf\""));
        assert_eq!(download(&ada, &sync, &pdf).await.bytes, got.bytes, "each time the same");
        let got = download(&ada, &sync, &text).await;
        assert_eq!((&*got.content_type, got.bytes.len()), ("text/plain; charset=utf-8", 11));
        assert_eq!(got.disposition, "attachment; filename=\"notes ___.txt\"");

        let pdf = "application/pdf".to_owned();
        let word = format!("{OFFICE}.wordprocessingml.document");
        let sheet = format!("{OFFICE}.spreadsheetml.sheet");
        let slides = format!("{OFFICE}.presentationml.presentation");
        for (native, (kind, magic)) in natives.iter().zip([
            (word, &b"PK\x03\x04"[..]),
            (sheet, b"PK\x03\x04"),
            (slides, b"PK\x03\x04"),
            (pdf, b"%PDF-"),
        ]) {
            let got = download(&ada, &sync, native).await;
            assert_eq!((got.status, got.content_type), (200, kind));
            assert!(got.bytes.starts_with(magic));
        }
    }
}

#[tokio::test]
async fn a_download_without_content_is_refused_with_the_reason() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let folder = file(&drive, "folder", "application/vnd.google-apps.folder", None);
    let form = file(&drive, "form", "application/vnd.google-apps.form", None);
    let nameless = file(&drive, "a SharePoint folder", "", None);
    let hubspot = paragon.user("ada").connect("hubspot");
    let contact = hubspot.create(Contact::named("Ada Lovelace")).as_str().to_owned();
    let (files, contacts) = (drive.enable("files").unwrap(), hubspot.enable("contacts").unwrap());
    paragon.settle().await;
    for (sync, object, message) in [
        (
            &files,
            folder,
            r#"the record is a folder (type "application/vnd.google-apps.folder"), and folders have no content"#,
        ),
        (&files, nameless, r#"the record is a folder (type ""), and folders have no content"#),
        (
            &files,
            form,
            "documents of the type application/vnd.google-apps.form have no content, because they are not converted to any format",
        ),
        (&contacts, contact, "records of the pipeline contacts have no content; only files and tickets have content"),
    ] {
        let got = download(&ada, sync, &object).await;
        assert_eq!((got.status, serde_json::from_slice(&got.bytes).unwrap()), refusal(400, "Bad Request", message));
    }
}

#[tokio::test]
async fn the_content_of_a_ticket_is_a_zip_archive() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let desk = paragon.user("ada").connect("freshdesk");
    let ticket = desk.create(Ticket::named("It is broken"));
    let sync = desk.enable("tickets").unwrap();
    paragon.settle().await;
    let got = download(&ada, &sync, ticket.as_str()).await;
    assert_eq!((got.status, &*got.content_type), (200, "application/zip"));
    assert_eq!(got.disposition, "attachment; filename=\"It is broken.zip\"");
    let text = String::from_utf8_lossy(&got.bytes);
    assert!(got.bytes.starts_with(b"PK\x03\x04") && text.contains(".md") && text.contains("attachments/"));
}

/// Paragon stores no contents, so each download asks the provider.
#[tokio::test]
async fn each_download_asks_the_provider() {
    let paragon = FakeParagon::start().await;
    let ada = Client::new(&paragon, "ada");
    let drive = paragon.user("ada").connect("googledrive");
    let [gone, hidden, broken, kept] =
        ["gone.pdf", "hidden.pdf", "broken.pdf", "kept.pdf"].map(|name| file(&drive, name, "application/pdf", None));
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let before = download(&ada, &sync, &kept).await.bytes;
    drive.delete(&gone.as_str().into());
    drive.revoke_access(&hidden.as_str().into());
    drive.make_unreadable(&broken.as_str().into(), "Request failed with status code 500");
    for object in [&gone, &hidden, &broken] {
        let got = download(&ada, &sync, object).await;
        let body = serde_json::from_slice(&got.bytes).unwrap();
        assert_eq!((got.status, body), refusal(404, "Not Found", "Content not found"));
    }
    let record = sync.record_of(&broken.as_str().into()).unwrap();
    let path = format!("/api/syncs/{}/records/{record}/content", sync.id());
    assert_eq!(reason(&ada.request("GET", &path).send().await.unwrap()), "Request failed with status code 500");
    // The record exists until a full run notices the deletion. After that, the record itself is not found.
    assert_eq!(download(&ada, &sync, &kept).await.bytes, before);
    paragon.advance(Duration::from_secs(86_400)).await;
    let got = download(&ada, &sync, &gone).await;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&got.bytes).unwrap()["message"], "Record not found");
}
