//! A timeline as a sequence diagram: each line becomes a note or a message between two participants.

/// Participant of the sequence diagram, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Integration,
    Paragon,
    Receiver,
    SyncApi,
}

impl Lane {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Integration, "Integration"),
        (Self::Paragon, "Paragon"),
        (Self::Receiver, "Receiver"),
        (Self::SyncApi, "Sync API"),
    ];

    /// Returns the letter that the CSS classes of the page use for the participant.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Integration => 'i',
            Self::Paragon => 'p',
            Self::Receiver => 'r',
            Self::SyncApi => 's',
        }
    }
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// Time since the first entry of the timeline, as printed.
    pub(super) at: &'a str,
    pub(super) what: What<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// An event at one participant.
    Note(Lane, &'a str),
    /// A message from one participant to another, with the response if there was one.
    Message { from: Lane, to: Lane, text: &'a str, answer: Option<Answer<'a>> },
    /// Number of lines that are left out here.
    Gap(usize),
}

/// Response to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) text: &'a str,
    /// Whether the status is 2xx.
    pub(super) good: bool,
}

impl<'a> Step<'a> {
    /// Parses a line in the form that [`Timeline`](crate::fake::Timeline) prints: time, kind, text. A line in any other
    /// form is a note.
    pub(super) fn of(line: &'a str) -> Self {
        let offset = |c: char| c.is_ascii_digit() || "+d:. ".contains(c);
        let text = if line.starts_with(['+', ' ']) { line.trim_start_matches(offset) } else { line };
        let at = line[..line.len() - text.len()].trim_end();
        let (kind, said) = text.split_once(' ').unwrap_or((text, ""));
        let said = said.trim_start();
        let message = |from, to, (text, answer)| What::Message { from, to, text, answer };
        let what = match (kind, answered(said)) {
            ("source", _) => What::Note(Lane::Integration, said),
            ("sync", _) => message(Lane::Integration, Lane::Paragon, (said, None)),
            ("webhook", answered @ (_, Some(_))) => message(Lane::Paragon, Lane::Receiver, answered),
            ("api", answered @ (_, Some(_))) => message(Lane::Receiver, Lane::SyncApi, answered),
            ("webhook" | "state", _) => What::Note(Lane::Paragon, said),
            _ => What::Note(Lane::Paragon, text),
        };
        Self { at, what }
    }

    pub(super) fn gap(lines: usize) -> Self {
        Self { at: "", what: What::Gap(lines) }
    }
}

/// Splits a text into the request and the response, at the first arrow outside quotes.
fn answered(text: &str) -> (&str, Option<Answer<'_>>) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if !quoted && text[at..].starts_with(" -> ") {
            let answer = &text[at + " -> ".len()..];
            return (&text[..at], Some(Answer { text: answer, good: answer.starts_with('2') }));
        }
        (quoted, escaped) = match c {
            _ if escaped => (quoted, false),
            '\\' => (quoted, quoted),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_timeline_are_parsed() {
        let step = Step::of("+00:00:00      source    created \"a -> b\"");
        assert_eq!(step, Step { at: "+00:00:00", what: What::Note(Lane::Integration, "created \"a -> b\"") });
        let step =
            Step::of("+1d 02:03:04.005 webhook   record_deleted \"a\\\" -> \\\"b\", attempt 2 -> 500 \"x\", given up");
        let answer = Some(Answer { text: "500 \"x\", given up", good: false });
        let text = "record_deleted \"a\\\" -> \\\"b\", attempt 2";
        let what = What::Message { from: Lane::Paragon, to: Lane::Receiver, text, answer };
        assert_eq!(step, Step { at: "+1d 02:03:04.005", what });
        let step = Step::of("+00:00:00      api       GET /api/syncs/47e8b9b6…/records?pageSize=100 -> 200");
        assert!(matches!(step.what, What::Message { to: Lane::SyncApi, answer: Some(Answer { good: true, .. }), .. }));
        let step = Step::of("               the first 3 entries were dropped: the timeline has a limit");
        assert!(
            matches!(step, Step { at: "", what: What::Note(Lane::Paragon, text) } if text.starts_with("the first 3"))
        );
        assert!(matches!(Step::of("done"), Step { at: "", what: What::Note(Lane::Paragon, "done") }));
        assert_eq!(Step::of(""), Step { at: "", what: What::Note(Lane::Paragon, "") });
    }
}
