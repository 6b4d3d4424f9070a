//! `cases`: what is judged.

use paragon_testkit::check::{Case, cases};

use crate::output;

pub(crate) fn run() -> u8 {
    output::result(&table(cases()));
    0
}

pub(crate) fn table<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let head = format!("{:<24} {:<7} {:<11} what is required\n", "case", "level", "rests on");
    cases.into_iter().fold(head, |table, case| {
        format!("{table}{:<24} {:<7} {:<11} {}\n", case.id, case.level, case.grade(), case.title)
    })
}
