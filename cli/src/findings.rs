//! Prints what an examination of a receiver's set-up has found.

use paragon_testkit::check::{Examination, Finding, Health};
use paragon_testkit::report::exits;

use crate::output;

/// Prints all findings, and returns the exit code.
pub(crate) fn tell(examination: &Examination) -> u8 {
    for finding in &examination.findings {
        output::result(&(line(finding) + "\n"));
    }
    let all_right = || examination.findings.iter().all(|finding| finding.health == Health::Right);
    match examination.is_wrong() {
        true => exits::UNREACHABLE,
        false if all_right() => exits::PASSED,
        false => exits::NOTHING_JUDGED,
    }
}

/// Prints what was not seen to work, before the receiver is judged.
pub(crate) fn warn(examination: &Examination) {
    for finding in examination.findings.iter().filter(|finding| finding.health == Health::Unknown) {
        output::note(&line(finding));
    }
}

fn line(finding: &Finding) -> String {
    let health = match finding.health {
        Health::Right => "ok",
        Health::Wrong => "WRONG",
        _ => "not seen",
    };
    format!("{health:<9} {finding}")
}

/// Returns the message that ends a run because the receiver is set up wrongly.
pub(crate) fn wrong(examination: &Examination) -> String {
    let wrong: Vec<_> = examination.wrong().map(|finding| format!("\n  {finding}")).collect();
    format!("nothing was judged, because the receiver is set up wrongly:{}", wrong.concat())
}
