use std::collections::BTreeSet;

use super::case::Family;
use super::cases::cases;
use super::result::{CaseResult, Judgment, Verdict};
use crate::contract::nearest;

/// A list of cases that are known to fail, for example since the day on which a team adopted the suite. The failure of
/// a listed case does not fail a run. The pass of a listed case does, so that the list cannot become outdated.
///
/// The text has one case on each line. A `pol-` case may name its policy. Blank lines and lines that begin with `#` are
/// comments.
///
/// ```
/// use paragon_testkit::check::Known;
///
/// let known = Known::parse("# TICKET-7\nrec-deleted\npol-outage-days under svix\n")?;
/// assert_eq!(known.names().collect::<Vec<_>>(), ["rec-deleted", "pol-outage-days under svix"]);
///
/// let error = Known::parse("rec-delted").unwrap_err();
/// assert_eq!(error.to_string(), "line 1: there is no case \"rec-delted\", did you mean rec-deleted?");
/// # Ok::<(), paragon_testkit::check::UnknownCase>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The lines of the text, with the comments.
    lines: Vec<String>,
}

/// Error for a line of a [`Known`] that names no case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: there is no case {name:?}{}", .nearest.map(|id| format!(", did you mean {id}?")).unwrap_or_default())]
pub struct UnknownCase {
    line: usize,
    name: String,
    nearest: Option<&'static str>,
}

/// Word between the id of a case and the name of a policy.
const UNDER: &str = " under ";

/// Comment at the beginning of a new list.
const HEAD: [&str; 2] = [
    "# Cases that are known to fail, one on each line. They do not fail `paragon-testkit check --known FILE`.",
    "# A case that passes must be taken out: the option `--write-known` updates this file.",
];

impl Known {
    /// Parses the list.
    ///
    /// # Errors
    ///
    /// Returns an error for the first line that names no case.
    pub fn parse(text: &str) -> Result<Self, UnknownCase> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate();
        let lines = lines.map(|(index, line)| {
            if !is_name(line) {
                return Ok(line.to_owned());
            }
            let (id, policy) = line.split_once(UNDER).map_or((line, None), |(id, policy)| (id.trim(), Some(policy)));
            if cases().iter().all(|case| case.id != id) {
                return Err(UnknownCase { line: index + 1, name: id.to_owned(), nearest: similar(id) });
            }
            Ok(policy.map_or_else(|| id.to_owned(), |policy| format!("{id}{UNDER}{}", policy.trim())))
        });
        Ok(Self { lines: lines.collect::<Result<_, _>>()? })
    }

    /// Returns the names of the cases, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str).filter(|line| is_name(line))
    }

    /// Returns the list after a run: cases that failed are added, and cases that passed are taken out. A `conv-` case
    /// stays if it passed: its histories are random, so it may fail in the next run. Cases that were not judged stay,
    /// and so do comments.
    #[must_use]
    pub fn after(&self, judgment: &Judgment) -> Self {
        let of = |verdict| judgment.results.iter().filter(move |result| result.verdict == verdict);
        let passed = of(Verdict::Pass).filter(|passed| passed.case.family != Family::Conv);
        let passed: BTreeSet<_> = passed.flat_map(|passed| [passed.case.id.to_owned(), name(passed)]).collect();
        let failed: BTreeSet<_> = of(Verdict::Fail).filter(|failed| !self.lists(failed)).map(name).collect();
        let mut lines = if self.lines.is_empty() { HEAD.map(str::to_owned).into() } else { self.lines.clone() };
        lines.retain(|line| !passed.contains(line));
        lines.extend(failed);
        Self { lines }
    }

    /// Returns whether the list contains the case of a result.
    pub(super) fn lists(&self, result: &CaseResult) -> bool {
        self.names().any(|known| known == result.case.id || known == name(result))
    }
}

/// Writes the list as text.
impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn is_name(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// Returns the name of a result in the list. The verdict of a `pol-` case depends on the policy.
fn name(result: &CaseResult) -> String {
    let CaseResult { case, policy, .. } = result;
    if case.family == Family::Pol { format!("{}{UNDER}{policy}", case.id) } else { case.id.to_owned() }
}

/// Returns the id of the case that is most similar; `None` if no id is similar enough.
fn similar(name: &str) -> Option<&'static str> {
    nearest(cases().iter().map(|case| case.id), |id| strsim::jaro_winkler(id, name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::contract::Revision;
    use crate::fake::Timeline;

    fn judgment(results: &[(&str, Verdict)]) -> Judgment {
        let result = |(id, verdict): &(&str, Verdict)| {
            let case = cases().iter().find(|case| case.id == *id).unwrap();
            CaseResult {
                case,
                title: case.title,
                policy: "svix".to_owned(),
                verdict: *verdict,
                detail: String::new(),
                known: false,
                because_of: Vec::new(),
                timeline: Timeline::default(),
                scenario: None,
                took: Duration::ZERO,
            }
        };
        let (target, results) = ("http://127.0.0.1/".parse().unwrap(), results.iter().map(result).collect());
        Judgment::of_results(target, 7, "svix", Revision::default(), results, Duration::ZERO)
    }

    #[test]
    fn a_list_keeps_what_was_not_judged_and_its_comments() {
        let known = "\u{feff}# ours\r\nrec-deleted\r\n\r\nconv-quiet\npol-outage-days under svix\nack-large\n";
        let known = Known::parse(known).unwrap();
        let passes = ["rec-deleted", "conv-quiet", "pol-outage-days"].map(|id| (id, Verdict::Pass));
        let others =
            [("ack-large", Verdict::NotEvaluable), ("pol-outage-hours", Verdict::Fail), ("rec-odd", Verdict::Fail)];
        let after = known.after(&judgment(&[&passes[..], &others].concat()));
        assert_eq!(after.to_string(), "# ours\n\nconv-quiet\nack-large\npol-outage-hours under svix\nrec-odd\n");
        assert_eq!(Known::parse(&after.to_string()), Ok(after.clone()));
        assert_eq!(after.after(&judgment(&[("rec-odd", Verdict::Fail)])), after, "it is listed once");
        let new = Known::default().after(&judgment(&[("rec-odd", Verdict::Fail)]));
        assert!(new.to_string().starts_with("# Cases that") && new.names().eq(["rec-odd"]), "{new}");
    }
}
