use std::fmt::Write as _;

use super::digest;
use super::json::{ComparedPolicies, Report};
use crate::check::{CaseResult, Family, Judgment, Verdict};
use crate::contract::Revision;

/// Exit codes of a program that judges a receiver.
pub mod exits {
    /// Something was judged, and no case failed at a level that decides.
    pub const PASSED: u8 = 0;
    /// A case failed at a level that decides.
    pub const FAILED: u8 = 1;
    /// A flag, a URL, a file or a key is wrong.
    pub const USAGE: u8 = 2;
    /// The receiver or the environment cannot be reached.
    pub const UNREACHABLE: u8 = 3;
    /// Nothing was judged.
    pub const NOTHING_JUDGED: u8 = 4;
    /// The program was interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// Returns the exit code for a judgment, see [`exits`].
pub fn exit_code(judgment: &Judgment) -> u8 {
    if judgment.failed() {
        exits::FAILED
    } else if judgment.judged() {
        exits::PASSED
    } else {
        exits::NOTHING_JUDGED
    }
}

/// Writer of results as text for people.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Text {
    /// Whether to use ANSI colors.
    pub color: bool,
    /// Whether to print each case as soon as it is judged. Otherwise only failures are printed then.
    pub verbose: bool,
}

impl Text {
    /// Returns a writer without colors.
    pub fn plain() -> Self {
        Self { color: false, verbose: false }
    }

    /// Returns a writer with ANSI colors.
    pub fn colored() -> Self {
        Self { color: true, verbose: false }
    }

    /// Prints each case as soon as it is judged, with its title.
    #[must_use]
    pub fn verbose(self) -> Self {
        Self { verbose: true, ..self }
    }

    /// Returns what to print as soon as a case is judged. For a failure, the lines say what was found, why that matters,
    /// and how to fix it. Any other verdict has lines only if the text is [`verbose`](Self::verbose), because
    /// [`summary`](Self::summary) counts them.
    pub fn case(self, result: &CaseResult, reproduce: &str) -> String {
        if !self.verbose && (result.verdict != Verdict::Fail || result.known) {
            return String::new();
        }
        let case = result.case;
        let (word, color) = word(result);
        let mut text = format!("{}  {:<24} {}{}\n", self.paint(word, color), case.id, result.title, under(result));
        match result.verdict {
            Verdict::Fail if !result.known => {
                Self::block(&mut text, "found", &result.detail);
                Self::block(&mut text, "why", case.why);
                Self::block(&mut text, "fix", case.fix);
                Self::block(&mut text, "level", &format!("{}, rests on {}", case.level, rests_on(result)));
                Self::block(
                    &mut text,
                    "story",
                    &digest::ends_of(&result.timeline.lines(), STORY_END, digest::left_out).join("\n"),
                );
                if let Some(file) = &result.scenario {
                    let kept = format!("{}: `paragon-testkit replay` runs this scenario again", file.display());
                    Self::block(&mut text, "kept", &kept);
                }
                Self::block(&mut text, "again", reproduce);
            }
            Verdict::NotEvaluable => Self::block(&mut text, "", &result.detail),
            _ => (),
        }
        text
    }

    /// Returns the last lines of a run.
    pub fn summary(self, judgment: &Judgment) -> String {
        let report = Report::new(judgment, |_| String::new());
        let mut text = "\n".to_owned();
        if !self.verbose {
            text.push_str(&self.not_judged(judgment));
        }
        for hint in [digest::causes(&report), digest::outdated(&report)].into_iter().flatten() {
            let _ = writeln!(text, "{hint}");
        }
        let covered_less = |result: &&CaseResult| result.verdict == Verdict::Pass && result.title != result.case.title;
        match judgment.results.iter().filter(covered_less).count() {
            0 => (),
            cases => {
                let cases = digest::counted(cases, "case");
                let _ = writeln!(
                    text,
                    "there is no state probe: in {cases} that passed, the stored records were not checked"
                );
            }
        }
        for remark in &judgment.remarks {
            let _ = writeln!(text, "remark: {remark}");
        }
        let summary = report.summary;
        let failed = summary.fail - summary.known;
        let failing = format!("{failed} failed");
        let failing = if failed > 0 { self.paint(&failing, "1;31") } else { failing };
        let _ = write!(text, "{} passed, {failing}, {} not evaluable", summary.pass, summary.not_evaluable);
        for (count, what) in [(summary.known, "known to fail"), (summary.skipped, "skipped")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        let seconds = judgment.took.as_secs_f64();
        let _ = write!(text, "; seed {}, policy {}", judgment.seed, judgment.policy);
        if judgment.revision != Revision::default() {
            let _ = write!(text, ", revision {}", judgment.revision);
        }
        let _ = writeln!(text, ", {seconds:.1} s");
        if seconds >= LONG {
            let _ = writeln!(text, "longest: {}", longest(judgment));
        }
        if let Some(safe) = safe_under(&report) {
            let _ = writeln!(text, "{safe}");
        }
        let judged = judgment.results.iter().filter(|r| matches!(r.verdict, Verdict::Pass | Verdict::Fail));
        let mut assumed: Vec<_> = judged.flat_map(|result| result.case.assumes()).collect();
        assumed.sort_unstable();
        assumed.dedup();
        if !assumed.is_empty() {
            let _ =
                writeln!(text, "these verdicts rest on rules that Paragon does not document: {}", assumed.join(", "));
        }
        if !judgment.judged() {
            text.push_str("nothing was judged\n");
        }
        text
    }

    /// Returns the cases whose verdicts were not printed and that did not pass, grouped by the reason.
    fn not_judged(self, judgment: &Judgment) -> String {
        // The word and color, the reason, and the names of the cases.
        let mut groups: Vec<((&str, &str), &str, Vec<String>)> = Vec::new();
        for result in &judgment.results {
            let why = match result.verdict {
                Verdict::Pass => continue,
                Verdict::Fail if !result.known => continue,
                Verdict::Fail => "",
                Verdict::NotEvaluable | Verdict::Skipped => &result.detail,
            };
            let name = format!("{}{}", result.case.id, under(result));
            match groups.iter_mut().find(|(other, reason, _)| (*other, *reason) == (word(result), why)) {
                Some((.., names)) => names.push(name),
                None => groups.push((word(result), why, vec![name])),
            }
        }
        let mut text = String::new();
        for ((word, color), why, names) in groups {
            let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(", and {more} more (--verbose lists all)"),
            };
            let _ =
                writeln!(text, "{}  {}: {shown}{more}", self.paint(word, color), digest::counted(names.len(), "case"));
            Self::block(&mut text, "", why);
        }
        text
    }

    fn paint(self, text: &str, color: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn block(text: &mut String, label: &str, lines: &str) {
        digest::block(text, 12, &format!("      {label}"), lines);
    }
}

/// Returns the word for a verdict, and its color as an ANSI code.
fn word(result: &CaseResult) -> (&'static str, &'static str) {
    match result.verdict {
        Verdict::Fail if result.known => ("known", "33"),
        Verdict::Pass => ("pass", "32"),
        Verdict::Fail => ("FAIL", "1;31"),
        Verdict::NotEvaluable => ("n/a ", "33"),
        Verdict::Skipped => ("skip", "2"),
    }
}

/// Returns the policy of a case that is about policies.
fn under(result: &CaseResult) -> String {
    if result.case.family == Family::Pol { format!(" (under {})", result.policy) } else { String::new() }
}

/// Number of cases that are named for each reason why cases could not be judged.
const NAMED: usize = 12;

/// Number of lines at each end of a long story that are printed. A failure then fits on one screen.
const STORY_END: usize = 8;

/// Number of seconds after which a run also lists its longest cases.
const LONG: f64 = 5.0;

fn longest(judgment: &Judgment) -> String {
    let mut results: Vec<_> = judgment.results.iter().collect();
    results.sort_by_key(|result| std::cmp::Reverse(result.took));
    let told = results.iter().take(5).map(|result| format!("{} {:.1} s", result.case.id, result.took.as_secs_f64()));
    told.collect::<Vec<_>>().join(", ")
}

/// Returns under how many policies the receiver is safe, and under which it loses data. Returns `None` unless several
/// policies are compared.
fn safe_under(report: &Report) -> Option<String> {
    let ComparedPolicies { compared, safe } = report.policies.as_ref()?;
    let others: Vec<_> = compared.iter().filter(|policy| !safe.contains(policy)).map(String::as_str).collect();
    let loses = if others.is_empty() { String::new() } else { format!("; loses data under {}", others.join(", ")) };
    Some(format!("safe under {} of {} policies{loses}", safe.len(), compared.len()))
}

fn rests_on(result: &CaseResult) -> String {
    let rules = result.case.rules().map(|rule| format!("{} ({})", rule.id, rule.grade));
    rules.collect::<Vec<_>>().join(", ")
}
