//! `cases`: lists the cases of the conformance suite.

use paragon_testkit::check::{Case, cases};
use serde_json::{Value, json};

use crate::{args, output};

pub(crate) fn run(typed: &args::Cases) -> u8 {
    output::result(&if typed.json { json() } else { table(cases()) });
    0
}

pub(crate) fn table<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let head = format!("{:<24} {:<7} {:<11} what is required\n", "case", "level", "rests on");
    cases.into_iter().fold(head, |table, case| {
        format!("{table}{:<24} {:<7} {:<11} {}\n", case.id, case.level, case.grade(), case.title)
    })
}

/// Returns all cases as JSON, with what `explain` says about each and what it needs. The guide's pages on the cases are
/// generated from this JSON.
fn json() -> String {
    let cases: Vec<_> = cases().iter().map(of_case).collect();
    format!("{:#}\n", Value::from(cases))
}

fn of_case(case: &Case) -> Value {
    let rests_on: Vec<_> =
        case.rules().map(|rule| json!({"id": rule.id, "grade": rule.grade, "says": rule.says})).collect();
    json!({
        "id": case.id, "family": case.family, "level": case.level, "grade": case.grade(), "title": case.title,
        "why": case.why, "fix": case.fix, "needs": case.needs, "rests_on": rests_on,
    })
}
