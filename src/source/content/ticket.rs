use std::fmt::Write as _;

use serde_json::Value;

use super::filler::Numbers;
use super::text::line;
use super::zip::zip;
use crate::contract::Ticket;

/// Returns a ZIP with a Markdown file (properties, body and comments) and a folder of attachments (`api.content`).
/// That there is an attachment, and the names in the ZIP, are assumptions.
pub(super) fn ticket(ticket: &Ticket, external: &str) -> Vec<u8> {
    let mut numbers = Numbers::new(&[external, &ticket.title]);
    let mut text = format!("# {}\n\n## Properties\n\n- externalId: {external}\n", line(&ticket.title));
    let members = serde_json::to_value(ticket).unwrap_or_default();
    for (name, value) in members.as_object().into_iter().flatten() {
        if !["title", "description", "originalRecord"].contains(&name.as_str()) {
            let shown = value.as_str().map_or_else(|| value.to_string(), line);
            let _ = writeln!(text, "- {}: {shown}", line(name));
        }
    }
    let body = ticket.description.as_deref().unwrap_or_default();
    let _ = write!(text, "\n## Content\n\n{body}\n\n## Comments\n");
    for number in 1..=2 {
        let author = ticket.assignees.first().and_then(|assignee| assignee.get("name")).and_then(Value::as_str);
        let author = author.map_or_else(|| "Somebody".to_owned(), line);
        let _ = write!(text, "\n### Comment {number} by {author}\n\n{}\n", numbers.words(12));
    }
    let attachment = format!("{}\n{external}\n{}\n", ticket.title, numbers.words(24));
    zip(&[("ticket.md", text.as_bytes()), ("attachments/", &[]), ("attachments/attachment.txt", attachment.as_bytes())])
}
