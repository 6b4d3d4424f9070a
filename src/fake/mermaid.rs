use std::fmt::Write as _;

use super::entry::{About, Call, EntryKind, RECONNECTED, TimelineEntry, shorten};
use crate::clock::{Timestamp, offset};
use crate::delivery::{Decision, Outcome};

/// Returns these entries as a Mermaid sequence diagram. Calls of the API are included if `calls` is true.
pub(super) fn diagram(entries: &[TimelineEntry], start: Timestamp, calls: bool) -> String {
    let mut text = "sequenceDiagram\n    participant I as Integration\n    participant P as Paragon\n".to_owned();
    text.push_str("    participant R as Receiver\n");
    let mut last = None;
    for entry in entries {
        let mut lines = Vec::new();
        draw(&entry.what, calls, &mut lines);
        if !lines.is_empty() && last != Some(entry.at) {
            last = Some(entry.at);
            let _ = writeln!(text, "    Note over I,R: {}", offset(entry.at - start).trim());
        }
        for (arrow, message) in lines {
            let _ = writeln!(text, "    {arrow}: {}", escaped(&message));
        }
    }
    text
}

fn draw(what: &EntryKind, calls: bool, lines: &mut Vec<(&'static str, String)>) {
    let mut line = |arrow: &'static str, message: String| lines.push((arrow, message));
    match what {
        EntryKind::Changed { verb, name } => line("Note over I", format!("{verb} {name:?}")),
        EntryKind::ProviderFault(_) | EntryKind::Ran { .. } => line("I->>P", said(what)),
        EntryKind::Queued { deliveries, .. } if !deliveries.is_empty() => {}
        EntryKind::Queued { .. } | EntryKind::Dropped { .. } | EntryKind::Webhook(_) | EntryKind::State(_) => {
            line("Note over P", said(what));
        }
        EntryKind::Attempt { event, about: name, record } => {
            let number = if record.number > 1 { format!(", attempt {}", record.number) } else { String::new() };
            line("P->>R", format!("{event}{}{number}", About(name)));
            let answered = matches!(record.outcome, Outcome::Answered(_));
            if calls && record.reconnected {
                line("Note over P", RECONNECTED.to_owned());
            }
            line(if answered { "R-->>P" } else { "R--xP" }, record.outcome.to_string());
            match record.decision {
                Decision::Delivered => {}
                Decision::RetryAt(due) => line("Note over P", format!("again in {}", &offset(due - record.sent)[1..])),
                Decision::GivenUp => line("Note over P", format!("given up, by {}", record.rule)),
                Decision::Disabled => line("Note over P", format!("not sent again, by {}", record.rule)),
            }
        }
        EntryKind::Call(Call { method, path, status, .. }) if calls => {
            line("R->>P", format!("{method} {}", shorten(path)));
            line("P-->>R", status.to_string());
        }
        EntryKind::Call(_) => {}
    }
}

/// Returns the printed text of a timeline entry without its first column.
fn said(what: &EntryKind) -> String {
    what.text(false).text
}

/// Replaces characters that Mermaid would read as syntax by Mermaid's entity codes, and control characters by spaces.
fn escaped(message: &str) -> String {
    let mut text = String::new();
    for c in message.chars() {
        match c {
            '#' | ';' | '<' | '>' | '{' | '}' | '%' | '\\' => {
                let _ = write!(text, "#{};", u32::from(c));
            }
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}
