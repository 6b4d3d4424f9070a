use std::collections::BTreeSet;

use super::case::Family;
use super::cases::cases;
use super::result::{CaseResult, Judgment, Verdict};

/// Failures that are known, for example from the day on which a team adopted the suite. A known failure does not decide
/// whether a run fails. A case that is listed as known and passes does, so that the list cannot become outdated.
///
/// The text has one case on each line. A `pol-` case may name its policy. Blank lines and lines that begin with `#` are
/// ignored.
///
/// ```
/// use paragon_testkit::check::Known;
///
/// let known = Known::parse("# TICKET-7\nrec-deleted\npol-outage-days under svix\n")?;
/// assert_eq!(known.names().collect::<Vec<_>>(), ["pol-outage-days under svix", "rec-deleted"]);
///
/// let error = Known::parse("rec-delted").unwrap_err();
/// assert_eq!(error.to_string(), "line 1: there is no case \"rec-delted\", did you mean rec-deleted?");
/// # Ok::<(), paragon_testkit::check::UnknownCase>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeSet<String>);

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

impl Known {
    /// Parses the list.
    ///
    /// # Errors
    ///
    /// Returns an error for the first line that names no case.
    pub fn parse(text: &str) -> Result<Self, UnknownCase> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate();
        let named = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let known = named.map(|(index, line)| {
            let (id, policy) = line.split_once(UNDER).map_or((line, None), |(id, policy)| (id.trim(), Some(policy)));
            match (cases().iter().find(|case| case.id == id), policy) {
                (Some(case), Some(policy)) => Ok(format!("{}{UNDER}{}", case.id, policy.trim())),
                (Some(case), None) => Ok(case.id.to_owned()),
                (None, _) => Err(UnknownCase { line: index + 1, name: id.to_owned(), nearest: nearest(id) }),
            }
        });
        known.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the names of the failures, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the list after a run: with all failures of the run, and without the cases that passed. Cases that were
    /// not judged stay as they are.
    #[must_use]
    pub fn after(&self, judgment: &Judgment) -> Self {
        let mut names = self.0.clone();
        let of = |verdict| judgment.results.iter().filter(move |result| result.verdict == verdict);
        for passed in of(Verdict::Pass) {
            names.remove(passed.case.id);
            names.remove(&name(passed));
        }
        names.extend(of(Verdict::Fail).filter(|failed| !self.lists(failed)).map(name));
        Self(names)
    }

    /// Returns whether the list contains the case of a result.
    pub(super) fn lists(&self, result: &CaseResult) -> bool {
        self.0.contains(result.case.id) || self.0.contains(&name(result))
    }
}

/// Writes the list as text, with a comment that explains it.
impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "# Cases that are known to fail, one on each line. They do not fail `paragon-testkit check --known FILE`.\n\
             # A case that passes must be taken out: the option `--write-known` writes this file anew.\n",
        )?;
        self.0.iter().try_for_each(|name| writeln!(f, "{name}"))
    }
}

/// Returns the name of a result in the list. The verdict of a `pol-` case depends on the policy.
fn name(result: &CaseResult) -> String {
    let CaseResult { case, policy, .. } = result;
    if case.family == Family::Pol { format!("{}{UNDER}{policy}", case.id) } else { case.id.to_owned() }
}

/// Returns the id of the case that is most similar; `None` if no id is similar enough.
fn nearest(name: &str) -> Option<&'static str> {
    let scored = cases().iter().map(|case| (strsim::jaro_winkler(case.id, name), case.id));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness >= 0.8).map(|(_, id)| id)
}
