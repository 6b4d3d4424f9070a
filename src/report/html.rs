use std::fmt::Write as _;

use super::digest::{
    DOCUMENTED, Outcome, Row, assumptions, causes, counts, ends_of, headline, lines_of, outcome, policies,
    safe_policies,
};
use super::escape::Html;
use super::json::{Report, ReportedCase};
use super::lanes::{Lane, Step, What};
use crate::check::Verdict;

/// Number of steps at each end of a long timeline that are drawn.
const DRAWN: usize = 150;

const STYLE: &str = include_str!("report.css");

/// Writes the HTML report. The page has no script: the filter consists of radio buttons and CSS.
pub(super) fn write(report: &Report) -> String {
    let all = policies(report);
    let several = all.len() > 1;
    let outcome = match outcome(report) {
        Outcome::Passed => "pass",
        Outcome::Failed => "fail",
        Outcome::NothingJudged => "not_evaluable",
    };
    let policy = match all[..] {
        [] => "none".to_owned(),
        [policy] => Html(policy).to_string(),
        _ => all.len().to_string(),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}: {target}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1 class=\"{outcome}\">{title}</h1>\n<p>{counts}.</p>\n<dl class=\"facts\">\n\
         <div><dt>Receiver</dt><dd><code>{target}</code></dd></div>\n<div><dt>Seed</dt><dd>{seed}</dd></div>\n\
         <div><dt>{label}</dt><dd>{policy}</dd></div>\n<div><dt>Revision</dt><dd>{revision}</dd></div>\n\
         </dl>\n</header>\n",
        title = Html(&headline(report)),
        target = Html(&report.target),
        counts = counts(report),
        seed = report.seed,
        label = if several { "Policies" } else { "Policy" },
        revision = report.revision,
    );
    if let Some(first) = causes(report) {
        let _ = writeln!(page, "<p class=\"causes\"><b>{}.</b></p>", Html(&first));
    }
    for remark in &report.remarks {
        let _ = writeln!(page, "<p>Remark: {}</p>", Html(remark));
    }
    if several {
        page.push_str(&by_policy(report));
    }
    page.push_str(&filter(report));
    page.push_str("<main>\n");
    for (index, case) in report.cases.iter().enumerate() {
        page.push_str(&article(index, case, several));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Writes the filter: radio buttons, which precede the cases that they filter, and their labels.
fn filter(report: &Report) -> String {
    let summary = &report.summary;
    let choices = [
        ("all", "all", report.cases.len()),
        (slug(Verdict::Fail), "failed", summary.fail),
        (slug(Verdict::Pass), "passed", summary.pass),
        (slug(Verdict::NotEvaluable), "not evaluable", summary.not_evaluable),
        (slug(Verdict::Skipped), "skipped", summary.skipped),
    ];
    let (mut inputs, mut labels) = (String::new(), String::new());
    for (name, label, count) in choices {
        let state = match (name, count) {
            ("all", _) => " checked",
            (_, 0) => " disabled",
            _ => "",
        };
        let _ = writeln!(inputs, "<input type=\"radio\" name=\"show\" id=\"show-{name}\"{state}>");
        let _ = writeln!(labels, "<label for=\"show-{name}\">{label} <b>{count}</b></label>");
    }
    format!("{inputs}<nav aria-label=\"Which cases are shown\">\n{labels}</nav>\n")
}

/// Writes a table with a row for each case and a column for each policy.
fn by_policy(report: &Report) -> String {
    let (safe, all) = safe_policies(report);
    let mut text = format!(
        "<section>\n<h2>Safe under {} of {} policies</h2>\n<div class=\"wide\">\n<table>\n<thead>\n<tr><th>Case</th><th>Safe under</th>",
        safe.len(),
        all.len()
    );
    for policy in &all {
        let _ = write!(text, "<th>{}</th>", Html(policy));
    }
    text.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in Row::all(report) {
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

fn article(index: usize, case: &ReportedCase, several: bool) -> String {
    let verdict = slug(case.verdict);
    let open = if case.verdict == Verdict::Fail { " open" } else { "" };
    let under = if several { format!(" <i>under {}</i>", Html(&case.policy)) } else { String::new() };
    format!(
        "<article class=\"{verdict}\" id=\"case-{index}\">\n<details{open}>\n\
         <summary><b class=\"{verdict}\">{word}</b> <code>{id}</code> <span>{title}</span>{under}</summary>\n\
         {facts}{timeline}</details>\n</article>\n",
        word = case.verdict,
        id = Html(case.id),
        title = Html(case.title),
        facts = facts(case),
        timeline = timeline(case),
    )
}

fn facts(case: &ReportedCase) -> String {
    let mut text = "<dl>\n".to_owned();
    let mut fact = |label: &str, html: String| {
        let _ = writeln!(text, "<dt>{label}</dt><dd>{html}</dd>");
    };
    let pre = |text: &str| format!("<pre>{}</pre>", Html(text));
    let found = match case.verdict {
        Verdict::Pass => "How it was judged",
        Verdict::Fail => "What happened",
        Verdict::NotEvaluable => "Why it could not be judged",
        Verdict::Skipped => "Why it was skipped",
    };
    fact(found, pre(&case.detail));
    fact("Why it matters", Html(case.why).to_string());
    fact("How to fix it", Html(case.fix).to_string());
    let rules = assumptions(case)
        .map(|rule| format!("<li><code>{}</code> ({}): {}</li>", Html(rule.id), rule.grade, Html(rule.says)));
    let rules: String = rules.collect();
    fact("Rests on", if rules.is_empty() { DOCUMENTED.to_owned() } else { format!("<ul>{rules}</ul>") });
    fact("Level", format!("{}, under the policy {}", case.level, Html(&case.policy)));
    if let Some(scenario) = &case.scenario {
        fact("Scenario", format!("<code>{}</code>", Html(scenario)));
    }
    fact("Again", pre(&case.reproduce));
    fact("Took", format!("{:.1} s", case.seconds));
    text.push_str("</dl>\n");
    text
}

/// Writes the timeline as a sequence diagram. The diagram is closed at first unless the case failed.
fn timeline(case: &ReportedCase) -> String {
    let steps = Step::all(&case.timeline);
    if steps.is_empty() {
        return String::new();
    }
    let open = if case.verdict == Verdict::Fail { " open" } else { "" };
    let mut text = format!(
        "<details class=\"timeline\"{open}>\n<summary>Timeline: {}</summary>\n<div class=\"lanes\" aria-hidden=\"true\">",
        lines_of(steps.len())
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
            format!("<li class=\"gap\"><p>… {} more in the JSON report …</p></li>\n", lines_of(*lines))
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
