use super::digest::{INTERRUPTED, outdated};
use super::escape::{cut, one_line, visible};
use super::json::Report;
use super::policies::{Outcome, Row};
use crate::check::{Level, Verdict};

/// Maximum number of characters of a finding. An annotation is a hint, and the other reports have the rest.
const LONGEST: usize = 2_000;

/// Returns the failures as GitHub Actions commands, one on each line, and one notice that lists the cases that could
/// not be judged. A failure at level `must` is an error, at level `should` a warning, and at level `may` a notice.
///
/// A workflow that prints the commands shows them on the page of its run. GitHub shows ten of each kind for each step,
/// so a case that fails under several policies appears only once.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use paragon_testkit::{FakeParagon, check::Suite, report::Report};
/// use paragon_testkit::report::annotations;
/// # let suite = Suite::for_receiver("http://127.0.0.1:3000/webhook".parse()?).select(|_| false);
/// # let judgment = suite.run(&FakeParagon::start().await).await;
///
/// let report = Report::new(&judgment, |case| format!("paragon-testkit check … --case {case}"));
/// assert_eq!(annotations(&report), "::error title=paragon-testkit::nothing was judged\n");
/// # Ok(()) }
/// ```
pub fn annotations(report: &Report) -> String {
    let mut rows = Row::all(&report.cases);
    rows.sort_by_key(|row| row.case().level);
    let mut text = String::new();
    for row in &rows {
        let failures: Vec<_> = row.with(Verdict::Fail).filter(|case| !case.known).collect();
        let Some(first) = failures.first() else { continue };
        let kind = match first.level {
            Level::Must => "error",
            Level::Should => "warning",
            Level::May => "notice",
        };
        let under: Vec<_> = failures.iter().map(|failure| one_line(&failure.policy)).collect();
        let found = cut(&visible(&first.detail), LONGEST);
        let message = format!("{found}\nunder {}\nfix: {}\nagain: {}", under.join(", "), first.fix, first.reproduce);
        text += &command(kind, &format!("{}: {}", first.id, first.title), &message);
    }
    let blind =
        rows.iter().filter(|row| row.safe_under().is_none() && row.with(Verdict::NotEvaluable).next().is_some());
    let mut blind: Vec<_> = blind.map(|row| row.case().id).collect();
    blind.sort_unstable();
    if !blind.is_empty() {
        text += &command("notice", "not evaluable", &blind.join(", "));
    }
    if Outcome::of(&report.cases) == Outcome::NothingJudged {
        text += &command("error", "paragon-testkit", "nothing was judged");
    }
    if let Some(outdated) = outdated(report) {
        text += &command("error", "paragon-testkit", &outdated);
    }
    if report.interrupted {
        text += &command("error", "paragon-testkit", INTERRUPTED);
    }
    text
}

fn command(kind: &str, title: &str, message: &str) -> String {
    let escaped = |text: &str| visible(text).replace('%', "%25").replace('\n', "%0A");
    let title = escaped(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{kind} title={title}::{}\n", escaped(message))
}
