//! `check`: judges a receiver.

use paragon_testkit::report::exits;

use crate::player::{Judging, Play};
use crate::selection::Selection;
use crate::{args, output};

pub(crate) fn run(typed: args::Check, color: bool) -> u8 {
    let selection = match Selection::of(typed) {
        Ok(selection) => selection,
        Err(error) => {
            output::error(&error);
            return exits::USAGE;
        }
    };
    if selection.typed.list {
        output::result(&crate::cases::table(selection.selected()));
        return exits::PASSED;
    }
    if selection.selected().next().is_none() {
        output::error("nothing is judged: no case matches the selection; `paragon-testkit cases` lists all cases");
        return exits::NOTHING_JUDGED;
    }
    let Selection { aim, seed, policy, .. } = &selection;
    let revision = selection.typed.revision.name;
    Play { aim, seed: *seed, revision, policy, judging: Judging::Cases(&selection), color }.run()
}
