//! A timeline as a sequence diagram: each entry becomes a note or a message between two participants.

use crate::clock::{Timestamp, offset};
use crate::fake::{EntryAnswer, EntryKind, EntryText, Timeline, TimelineEntry};

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

/// One step of the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Time since the first entry of the timeline, as printed.
    pub(super) at: String,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An event at one participant.
    Note(Lane, String),
    /// A message from one participant to another, with the response if there was one.
    Message { from: Lane, to: Lane, text: String, answer: Option<EntryAnswer> },
    /// Number of lines that are left out here.
    Gap(usize),
}

impl Step {
    /// Returns the steps of a timeline, one for each line that the timeline prints.
    pub(super) fn all(timeline: &Timeline) -> Vec<Self> {
        let dropped =
            timeline.dropped_line().map(|text| Self { at: String::new(), what: What::Note(Lane::Paragon, text) });
        let entries = timeline.printed().map(|entry| Self::of(entry, timeline.start()));
        dropped.into_iter().chain(entries).collect()
    }

    fn of(entry: &TimelineEntry, start: Timestamp) -> Self {
        let EntryText { text, answer, .. } = entry.what.text(true);
        let message = |from, to| What::Message { from, to, text: text.clone(), answer: answer.clone() };
        let what = match &entry.what {
            EntryKind::Changed { .. } | EntryKind::ProviderFault(_) => What::Note(Lane::Integration, text),
            EntryKind::Ran { .. } => message(Lane::Integration, Lane::Paragon),
            EntryKind::Attempt { .. } => message(Lane::Paragon, Lane::Receiver),
            EntryKind::Call(_) => message(Lane::Receiver, Lane::SyncApi),
            EntryKind::Queued { .. } | EntryKind::Dropped { .. } | EntryKind::Webhook(_) | EntryKind::State(_) => {
                What::Note(Lane::Paragon, text)
            }
        };
        Self { at: offset(entry.at - start).trim().to_owned(), what }
    }

    pub(super) fn gap(lines: usize) -> Self {
        Self { at: String::new(), what: What::Gap(lines) }
    }
}
