use std::fmt::Write as _;

use super::digest;
use super::json::Report;
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
}

impl Text {
    /// Returns a writer without colors.
    pub fn plain() -> Self {
        Self { color: false }
    }

    /// Returns a writer with ANSI colors.
    pub fn colored() -> Self {
        Self { color: true }
    }

    /// Returns one line for a case. Unless the case passed or was skipped, the lines below say what was found.
    pub fn case(self, result: &CaseResult, reproduce: &str) -> String {
        let case = result.case;
        let (word, color) = match result.verdict {
            Verdict::Pass => ("pass", "32"),
            Verdict::Fail => ("FAIL", "1;31"),
            Verdict::NotEvaluable => ("n/a ", "33"),
            _ => ("skip", "2"),
        };
        let under = if case.family == Family::Pol { format!(" (under {})", result.policy) } else { String::new() };
        let mut text = format!("{}  {:<24} {}{under}\n", self.paint(word, color), case.id, result.title);
        match result.verdict {
            Verdict::Fail => {
                Self::block(&mut text, "found", &result.detail);
                Self::block(&mut text, "why", case.why);
                Self::block(&mut text, "fix", case.fix);
                Self::block(&mut text, "level", &format!("{}, rests on {}", case.level, rests_on(result)));
                Self::block(&mut text, "story", &digest::ends(&result.timeline.lines()).join("\n"));
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
        let count = |verdict| judgment.count(verdict);
        let (failed, blind) = (count(Verdict::Fail), count(Verdict::NotEvaluable));
        let mut text = "\n".to_owned();
        if let Some(first) = digest::causes(&Report::new(judgment, |_| String::new())) {
            let _ = writeln!(text, "{first}");
        }
        for remark in &judgment.remarks {
            let _ = writeln!(text, "remark: {remark}");
        }
        let _ = write!(text, "{} passed", count(Verdict::Pass));
        let failing = format!("{failed} failed");
        let failing = if failed > 0 { self.paint(&failing, "1;31") } else { failing };
        let _ = write!(text, ", {failing}, {blind} not evaluable");
        if count(Verdict::Skipped) > 0 {
            let _ = write!(text, ", {} skipped", count(Verdict::Skipped));
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
        if let Some(safe) = safe_under(judgment) {
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

    fn paint(self, text: &str, color: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn block(text: &mut String, label: &str, lines: &str) {
        digest::block(text, 12, &format!("      {label}"), lines);
    }
}

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
fn safe_under(judgment: &Judgment) -> Option<String> {
    let report = Report::new(judgment, |_| String::new());
    let (safe, all) = digest::safe_policies(&report);
    let others: Vec<_> = all.iter().filter(|policy| !safe.contains(policy)).copied().collect();
    let loses = if others.is_empty() { String::new() } else { format!("; loses data under {}", others.join(", ")) };
    (all.len() > 1).then(|| format!("safe under {} of {} policies{loses}", safe.len(), all.len()))
}

fn rests_on(result: &CaseResult) -> String {
    let rules = result.case.rules().map(|rule| format!("{} ({})", rule.id, rule.grade));
    rules.collect::<Vec<_>>().join(", ")
}
