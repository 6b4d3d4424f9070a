//! Texts that several report formats share: the outcome, the grounds of a verdict, and the policies of a report.

use std::fmt::Write as _;

use super::case::ReportedCase;
use super::escape::visible;
use super::json::Report;
use super::policies::{Outcome, policies};
use crate::check::Verdict;
use crate::contract::{Rule, rule};

/// Number of lines at each end of a long timeline that are shown.
const TIMELINE_END: usize = 20;

/// Returns the outcome of a report. An interrupted run has not passed, whatever was judged before.
pub(super) fn outcome(report: &Report) -> Outcome {
    match Outcome::of(&report.cases) {
        Outcome::Passed if report.interrupted => Outcome::NothingJudged,
        outcome => outcome,
    }
}

/// Message that the run was interrupted.
pub(super) const INTERRUPTED: &str = "the run was interrupted: cases may be missing";

/// Returns the outcome as a sentence.
pub(super) fn headline(report: &Report) -> String {
    let judged = headline_of_judged(report);
    if report.interrupted { format!("Interrupted. {judged}") } else { judged }
}

fn headline_of_judged(report: &Report) -> String {
    let summary = &report.summary;
    let judged = summary.pass + summary.fail - summary.known;
    let what = if policies(&report.cases).len() > 1 { "verdicts" } else { "cases" };
    let known = counted(summary.known, "known failure");
    let failed = match (summary.fail - summary.known, judged) {
        (0, 0) => format!("Nothing passed, and there is no failure besides {known}"),
        (0, 1) => "The one case that was judged passed".to_owned(),
        (0, _) => format!("All {judged} {what} that were judged passed"),
        (failed, _) => format!("{failed} of {judged} {what} failed"),
    };
    let failed = if summary.known == 0 || judged == 0 { failed } else { format!("{failed}, besides {known}") };
    match Outcome::of(&report.cases) {
        Outcome::NothingJudged => "Nothing was judged".to_owned(),
        Outcome::Passed if summary.fail > summary.known => {
            format!("{failed}, but only at level may, which never decides")
        }
        _ if outdated(report).is_some() => format!("{failed}, but the list of known failures is outdated"),
        _ => failed,
    }
}

/// Says which cases must be taken out of the list of known failures, if there are any.
pub(super) fn outdated(report: &Report) -> Option<String> {
    let mended = report.cases.iter().filter(|case| case.decides && case.verdict == Verdict::Pass);
    let mended: Vec<_> = mended.map(|case| case.id).collect();
    let cases = if mended.len() == 1 { "passes now, but is" } else { "pass now, but are" };
    (!mended.is_empty())
        .then(|| format!("{} {cases} listed as known to fail: update the list (--write-known)", mended.join(", ")))
}

/// Returns what to fix first, if it explains other cases, such as `fix pull-all-pages first: it explains 28 other cases
/// that could not be judged`.
pub(super) fn causes(report: &Report) -> Option<String> {
    let explained = |id: &str| report.cases.iter().filter(|case| case.because_of.contains(&id)).count();
    let causes: Vec<_> = report.causes.iter().filter(|id| explained(id) > 0).copied().collect();
    let others = match report.cases.iter().filter(|case| !case.because_of.is_empty()).count() {
        1 => "1 other case that could not be judged".to_owned(),
        others => format!("{others} other cases that could not be judged"),
    };
    match causes.as_slice() {
        [] => None,
        [one] => Some(format!("fix {one} first: it explains {others}")),
        several => Some(format!("fix these {} cases first: {} explain {others}", several.len(), several.join(", "))),
    }
}

/// Returns when the run began, how long it took, and the version of the program that judged.
pub(super) fn when(report: &Report) -> String {
    format!("{}, {:.1} s, paragon-testkit {}.", report.started, report.seconds, report.version)
}

/// Returns the number of cases with each verdict, as text.
pub(super) fn counts(report: &Report) -> String {
    let summary = &report.summary;
    let mut text = format!("{} passed, {} failed", summary.pass, summary.fail - summary.known);
    if summary.known > 0 {
        let _ = write!(text, ", {} known to fail", summary.known);
    }
    let _ = write!(text, ", {} not evaluable", summary.not_evaluable);
    if summary.skipped > 0 {
        let _ = write!(text, ", {} skipped", summary.skipped);
    }
    text
}

/// Returns the rules that a verdict rests on and that Paragon does not document.
pub(super) fn assumptions(case: &ReportedCase) -> impl Iterator<Item = &'static Rule> {
    case.assumes.iter().filter_map(|id| rule(id))
}

/// Returns the first and last lines, and between them the number of lines that are left out.
pub(super) fn ends(lines: &[String]) -> Vec<String> {
    ends_of(lines, TIMELINE_END, left_out)
}

/// Says how many lines are left out.
pub(super) fn left_out(lines: usize) -> String {
    format!("… {} more in the JSON report …", counted(lines, "line"))
}

/// Returns a number with a noun: `1 line`, `2 lines`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns `end` items from each end, and between them the result of `gap` for the number of items that are left out.
pub(super) fn ends_of<T: Clone>(all: &[T], end: usize, gap: impl Fn(usize) -> T) -> Vec<T> {
    match all.len().checked_sub(2 * end) {
        None | Some(0) => all.to_vec(),
        Some(left_out) => [&all[..end], &[gap(left_out)], &all[all.len() - end..]].concat(),
    }
}

/// Appends text with a label in a column on the left.
pub(super) fn block(text: &mut String, width: usize, label: &str, lines: &str) {
    for (number, line) in visible(lines).lines().enumerate() {
        let label = if number == 0 { label } else { "" };
        let _ = writeln!(text, "{}", format!("{label:<width$}{line}").trim_end());
    }
}

/// Returns everything that is known of a verdict, as plain text.
pub(super) fn plain(case: &ReportedCase) -> String {
    let mut text = String::new();
    let mut tell = |label, lines: &str| block(&mut text, 10, label, lines);
    tell("found", &case.detail);
    tell("required", case.title);
    tell("why", case.why);
    tell("fix", case.fix);
    tell("level", &case.level.to_string());
    tell("policy", &case.policy);
    let rests_on: Vec<_> =
        assumptions(case).map(|rule| format!("{} ({}): {}", rule.id, rule.grade, rule.says)).collect();
    tell("rests on", if rests_on.is_empty() { DOCUMENTED.to_owned() } else { rests_on.join("\n") }.as_str());
    tell("scenario", case.scenario.as_deref().unwrap_or_default());
    tell("again", &case.reproduce);
    tell("story", &ends(&case.timeline.lines()).join("\n"));
    text
}

/// Text for a verdict without assumptions.
pub(super) const DOCUMENTED: &str = "what Paragon documents";
