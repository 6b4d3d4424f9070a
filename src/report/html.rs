use std::fmt::Write as _;

use super::case::ReportedCase;
use super::digest::{
    DOCUMENTED, assumptions, causes, counted, counts, ends_of, headline, left_out, outcome, outdated, when,
};
use super::escape::Html;
use super::json::Report;
use super::lanes::{Lane, Step, What};
use super::policies::{Outcome, Row, policies, safe_policies};
use crate::check::Verdict;

/// Number of steps at each end of a long timeline that are drawn.
const DRAWN: usize = 150;

const STYLE: &str = include_str!("report.css");

/// Number of lines of a finding that are shown before folding out.
const FOUND: usize = 6;

/// Writes the HTML report. The page has no script. Failures come first, with what was found and how to fix it; everything
/// else is folded.
pub(super) fn write(report: &Report) -> String {
    let all = policies(&report.cases);
    let several = all.len() > 1;
    let outcome = match outcome(report) {
        Outcome::Passed => "pass",
        Outcome::Failed => "fail",
        Outcome::NothingJudged => "not_evaluable",
    };
    let under = match all[..] {
        [] => String::new(),
        [policy] => format!(" Policy {}.", Html(policy)),
        _ => format!(" {} policies.", all.len()),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}: {target}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1 class=\"{outcome}\">{title}</h1>\n<p><code>{target}</code>: {counts}.</p>\n\
         <p class=\"facts\">Seed {seed}.{under} Revision {revision}. {when}</p>\n</header>\n",
        title = Html(&headline(report)),
        target = Html(&report.target),
        counts = counts(report),
        seed = report.seed,
        revision = report.revision,
        when = Html(&when(report)),
    );
    for hint in [causes(report), outdated(report)].into_iter().flatten() {
        let _ = writeln!(page, "<p><b>{}.</b></p>", Html(&hint));
    }
    if several {
        page.push_str(&by_policy(report));
    }
    page.push_str("<main>\n");
    let numbered = || report.cases.iter().enumerate();
    for (index, case) in numbered().filter(|(_, case)| Group::of(case) == Group::Failed) {
        page.push_str(&failure(index, case, several));
    }
    for group in Group::FOLDED {
        let cases: Vec<_> = numbered().filter(|(_, case)| Group::of(case) == group).collect();
        if !cases.is_empty() {
            let articles: String = cases.iter().map(|(index, case)| folded(*index, case, several)).collect();
            page.push_str(&self::group(&format!("{} {}", cases.len(), group.name()), &articles));
        }
    }
    let mut remarks = String::new();
    for remark in &report.remarks {
        let _ = writeln!(remarks, "<p>{}</p>", Html(remark));
    }
    if !remarks.is_empty() {
        page.push_str(&group(&counted(report.remarks.len(), "remark"), &remarks));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Writes a part of the page that is folded at first.
fn group(title: &str, content: &str) -> String {
    format!("<details class=\"group\">\n<summary>{title}</summary>\n{content}</details>\n")
}

/// Group of cases on the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Failed,
    Known,
    NotEvaluable,
    Passed,
    Skipped,
}

impl Group {
    /// The groups that are folded at first, in the order of the page.
    const FOLDED: [Self; 4] = [Self::Known, Self::NotEvaluable, Self::Passed, Self::Skipped];

    fn of(case: &ReportedCase) -> Self {
        match case.verdict {
            Verdict::Fail if case.known => Self::Known,
            Verdict::Fail => Self::Failed,
            Verdict::NotEvaluable => Self::NotEvaluable,
            Verdict::Pass => Self::Passed,
            Verdict::Skipped => Self::Skipped,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Known => "known to fail",
            Self::NotEvaluable => "not evaluable",
            Self::Passed => "passed",
            Self::Skipped => "skipped",
        }
    }
}

/// Writes a table with a row for each case and a column for each policy.
fn by_policy(report: &Report) -> String {
    let (safe, all) = safe_policies(&report.cases);
    let mut text = format!(
        "<section>\n<h2>Safe under {} of {} policies</h2>\n<div class=\"wide\">\n<table>\n<thead>\n<tr><th>Case</th><th>Safe under</th>",
        safe.len(),
        all.len()
    );
    for policy in &all {
        let _ = write!(text, "<th>{}</th>", Html(policy));
    }
    text.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in Row::all(&report.cases) {
        let safe = row.safe_under().unwrap_or_else(|| "not judged".to_owned());
        let _ = write!(text, "<tr><th><code>{}</code></th><td>{safe}</td>", Html(row.case().id));
        for policy in &all {
            let here = report.cases.iter().enumerate();
            let cells: Vec<_> = here
                .filter(|(_, case)| case.id == row.case().id && case.policy == *policy)
                .map(|(index, case)| {
                    format!("<a class=\"{}\" href=\"#case-{index}\">{}</a>", slug(case.verdict), case.verdict)
                })
                .collect();
            let _ = write!(text, "<td>{}</td>", cells.join(" "));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    text
}

/// Returns the name of a case, with its policy if the report has several.
fn name(case: &ReportedCase, several: bool) -> String {
    let under = if several { format!(" <i>under {}</i>", Html(&case.policy)) } else { String::new() };
    format!("<code>{}</code> <span>{}</span>{under}", Html(case.id), Html(case.title))
}

/// Writes a failure: what was found and how to fix it, and the rest folded.
fn failure(index: usize, case: &ReportedCase, several: bool) -> String {
    let lines: Vec<_> = case.detail.lines().collect();
    let (first, more) = lines.split_at(lines.len().min(FOUND));
    let mut found = pre(&first.join("\n"));
    if !more.is_empty() {
        let (count, more) = (counted(more.len(), "line"), pre(&more.join("\n")));
        let _ = write!(found, "<details><summary>{count} more</summary>{more}</details>");
    }
    format!(
        "<article class=\"fail\" id=\"case-{index}\">\n<h2>{name}</h2>\n\
         <dl>\n<dt>What happened</dt><dd>{found}</dd>\n<dt>How to fix it</dt><dd>{fix}</dd>\n</dl>\n\
         <details class=\"more\">\n<summary>Why, and how to run it again</summary>\n\
         <dl>\n{facts}</dl>\n</details>\n{timeline}</article>\n",
        name = name(case, several),
        fix = Html(case.fix),
        facts = facts(case),
        timeline = timeline(case),
    )
}

/// Writes a case of a folded group as one line that can be folded out.
fn folded(index: usize, case: &ReportedCase, several: bool) -> String {
    let found = match case.verdict {
        Verdict::Pass => "How it was judged",
        Verdict::Fail => "What happened",
        Verdict::NotEvaluable => "Why it could not be judged",
        Verdict::Skipped => "Why it was skipped",
    };
    format!(
        "<article class=\"{verdict}\" id=\"case-{index}\">\n<details>\n<summary>{name}</summary>\n\
         <dl>\n<dt>{found}</dt><dd>{detail}</dd>\n<dt>How to fix it</dt><dd>{fix}</dd>\n{facts}</dl>\n\
         {timeline}</details>\n</article>\n",
        verdict = slug(case.verdict),
        name = name(case, several),
        detail = pre(&case.detail),
        fix = Html(case.fix),
        facts = facts(case),
        timeline = timeline(case),
    )
}

fn pre(text: &str) -> String {
    format!("<pre>{}</pre>", Html(text))
}

/// Writes everything that is known of a case beside the finding and the fix.
fn facts(case: &ReportedCase) -> String {
    let mut text = String::new();
    let mut fact = |label: &str, html: String| {
        let _ = writeln!(text, "<dt>{label}</dt><dd>{html}</dd>");
    };
    fact("Why it matters", Html(case.why).to_string());
    let rules = assumptions(case)
        .map(|rule| format!("<li><code>{}</code> ({}): {}</li>", Html(rule.id), rule.grade, Html(rule.says)));
    let rules: String = rules.collect();
    fact("Rests on", if rules.is_empty() { DOCUMENTED.to_owned() } else { format!("<ul>{rules}</ul>") });
    fact("Level", format!("{}, under the policy {}", case.level, Html(&case.policy)));
    if let Some(scenario) = &case.scenario {
        fact("Scenario", format!("<code>{}</code>", Html(scenario)));
    }
    fact("Again", pre(&case.reproduce));
    fact("More", format!("<code>paragon-testkit explain {}</code>", Html(case.id)));
    fact("Took", format!("{:.1} s", case.seconds));
    text
}

/// Writes the timeline as a sequence diagram, folded at first.
fn timeline(case: &ReportedCase) -> String {
    let steps = Step::all(&case.timeline);
    if steps.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "<details class=\"timeline\">\n<summary>Timeline: {}</summary>\n<div class=\"lanes\" aria-hidden=\"true\">",
        counted(steps.len(), "line")
    );
    for (_, name) in Lane::ALL {
        let _ = write!(text, "<span>{name}</span>");
    }
    text.push_str("</div>\n<ol class=\"steps\">\n");
    let mut last = String::new();
    for Step { at, what } in ends_of(&steps, DRAWN, Step::gap) {
        text.push_str(&drawn(if at == last { "" } else { &at }, &what));
        last = at;
    }
    text.push_str("</ol>\n</details>\n");
    text
}

fn drawn(at: &str, what: &What) -> String {
    let time = if at.is_empty() { String::new() } else { format!("<time>{}</time> ", Html(at)) };
    match what {
        What::Note(lane, text) => {
            format!("<li class=\"{}\"><p>{time}<span class=\"note\">{}</span></p></li>\n", lane.letter(), Html(text))
        }
        What::Gap(lines) => {
            format!("<li class=\"gap\"><p>{}</p></li>\n", left_out(*lines))
        }
        What::Message { from, to, text, answer } => {
            let way = format!("{}{}", from.letter(), to.letter());
            let mut html = format!("<li class=\"{way}\"><p>{time}<span>{}</span></p><i></i>", Html(text));
            if let Some(answer) = answer {
                let good = if answer.is_good { "good" } else { "bad" };
                let _ = write!(
                    html,
                    "<p class=\"{good}\"><span>{}</span></p><i class=\"back {good}\"></i>",
                    Html(&answer.text)
                );
            }
            html + "</li>\n"
        }
    }
}

fn slug(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::NotEvaluable => "not_evaluable",
        Verdict::Skipped => "skipped",
    }
}
