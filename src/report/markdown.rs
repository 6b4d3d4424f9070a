use std::fmt::Write as _;

use super::case::ReportedCase;
use super::digest::{DOCUMENTED, assumptions, causes, counted, counts, ends, headline, outcome, outdated, when};
use super::escape::{cut, one_line, visible};
use super::json::Report;
use super::policies::{Outcome, Row, policies, safe_policies};
use crate::check::Verdict;

/// Size of the Markdown, in bytes, up to which failures are written in full. GitHub accepts 1 MiB for a step, and drops
/// a longer summary entirely.
const MOST: usize = 900_000;
/// Maximum number of characters of a finding. The JSON report has the rest.
const FOUND: usize = 8_000;

pub(super) fn write(report: &Report) -> String {
    let sign = match outcome(report) {
        Outcome::Passed => "✅",
        Outcome::Failed => "❌",
        Outcome::NothingJudged => "❔",
    };
    let mut text = format!("## {sign} {}\n\n", headline(report));
    let all = policies(&report.cases);
    let under = match all[..] {
        [] => String::new(),
        [policy] => format!(", policy {}", code(policy)),
        _ => format!(", {} policies", all.len()),
    };
    let (target, revision) = (code(&report.target), report.revision);
    let (counts, seed, when) = (counts(report), report.seed, inline(&when(report)));
    let _ = writeln!(text, "{target}: {counts}. Seed {seed}{under}, revision `{revision}`. {when}\n");
    for hint in [causes(report), outdated(report)].into_iter().flatten() {
        let _ = writeln!(text, "**{}.**\n", inline(&hint));
    }
    for remark in &report.remarks {
        let _ = writeln!(text, "Remark: {}\n", inline(remark));
    }
    let rows = Row::all(&report.cases);
    if all.len() > 1 {
        safety(report, &mut text);
        by_policy(&rows, &mut text);
    } else if !rows.is_empty() {
        text.push_str("| | case | level | what is required |\n|---|---|---|---|\n");
        for case in &report.cases {
            let (sign, id, level, title) = (signed_case(case), code(case.id), case.level, case.title);
            let _ = writeln!(text, "| {sign} | {id} | {level} | {} |", inline(title));
        }
    }
    failures(report, &mut text);
    blind(&rows, all.len() > 1, &mut text);
    text
}

fn safety(report: &Report, text: &mut String) {
    let (safe, all) = safe_policies(&report.cases);
    let _ = writeln!(text, "**Safe under {} of {} policies.**\n", safe.len(), all.len());
}

fn by_policy(rows: &[Row<'_>], text: &mut String) {
    text.push_str("| | case | level | safe under | fails under | what is required |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let case = row.case();
        let order = [Verdict::Fail, Verdict::Pass, Verdict::NotEvaluable];
        let worst = order.into_iter().find(|verdict| row.with(*verdict).next().is_some());
        let fails: Vec<_> = row.with(Verdict::Fail).map(|result| code(&result.policy)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            signed(worst.unwrap_or(Verdict::Skipped)),
            code(case.id),
            case.level,
            row.safe_under().unwrap_or_default(),
            fails.join(", "),
            inline(case.title)
        );
    }
}

fn failures(report: &Report, text: &mut String) {
    let several = policies(&report.cases).len() > 1;
    let failed: Vec<_> = report.cases.iter().filter(|case| case.verdict == Verdict::Fail && !case.known).collect();
    if !failed.is_empty() {
        text.push_str("\n### Failures\n");
    }
    let mut unsaid = Vec::new();
    for case in failed {
        let told = failure(case, several);
        if text.len() + told.len() <= MOST {
            text.push_str(&told);
        } else {
            unsaid.push(format!("{} under {}", code(case.id), code(&case.policy)));
        }
    }
    if !unsaid.is_empty() {
        let _ = writeln!(
            text,
            "\nThere is no room here for {}. The other report formats contain these failures.",
            unsaid.join(", ")
        );
    }
}

fn failure(case: &ReportedCase, several: bool) -> String {
    let under = if several { format!(" (under {})", code(&case.policy)) } else { String::new() };
    let mut text = format!("\n#### ❌ {}: {}{under}\n", code(case.id), inline(case.title));
    let _ = write!(text, "\n**What happened**\n\n{}", fenced("text", &cut(&case.detail, FOUND)));
    let _ = write!(text, "\n**Why it matters.** {}\n", inline(case.why));
    let _ = write!(text, "\n**How to fix it.** {}\n", inline(case.fix));
    let assumed: Vec<_> =
        assumptions(case).map(|rule| format!("{} ({}: {})", code(rule.id), rule.grade, inline(rule.says))).collect();
    let rests_on = if assumed.is_empty() { DOCUMENTED.to_owned() } else { assumed.join("; ") };
    let _ = write!(text, "\n**Level** {}. **Rests on** {rests_on}.\n", case.level);
    if let Some(scenario) = &case.scenario {
        let _ = write!(text, "\n**Scenario** {}\n", code(scenario));
    }
    let _ = write!(text, "\n**Again**\n\n{}", fenced("sh", &case.reproduce));
    let timeline = case.timeline.lines();
    if !timeline.is_empty() {
        let (entries, lines) = (counted(timeline.len(), "line"), ends(&timeline).join("\n"));
        let _ = write!(
            text,
            "\n<details><summary>Timeline: {entries}</summary>\n\n{}\n</details>\n",
            fenced("text", &lines)
        );
    }
    text
}

fn blind(rows: &[Row<'_>], several: bool, text: &mut String) {
    let mut unseen = Vec::new();
    for row in rows {
        let results: Vec<_> = row.with(Verdict::NotEvaluable).collect();
        let Some(first) = results.first() else { continue };
        let policies: Vec<_> = results.iter().map(|result| code(&result.policy)).collect();
        let under = if several { format!(" under {}", policies.join(", ")) } else { String::new() };
        unseen.push(format!("- {}{under}: {}\n", code(first.id), inline(&cut(&one_line(&first.detail), FOUND))));
    }
    if !unseen.is_empty() {
        let _ = write!(text, "\n### Not evaluable\n\n{}", unseen.concat());
    }
}

fn signed_case(case: &ReportedCase) -> &'static str {
    if case.known && case.verdict == Verdict::Fail { "⚠️ known to fail" } else { signed(case.verdict) }
}

fn signed(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅ pass",
        Verdict::Fail => "❌ fail",
        Verdict::NotEvaluable => "❔ not evaluable",
        Verdict::Skipped => "⏭️ skipped",
    }
}

/// Formats a text as code on one line. With entities, Markdown sees no syntax in it. GitHub makes no link and no
/// mention inside code.
fn code(text: &str) -> String {
    format!("<code>{}</code>", inline(text))
}

/// Formats a text on one line, with entities for characters that Markdown could take for syntax.
fn inline(text: &str) -> String {
    let mut safe = String::new();
    for c in one_line(text).chars() {
        if c.is_ascii_punctuation() && !".,-:;()'/?{}=".contains(c) {
            let _ = write!(safe, "&#{};", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    // Otherwise, URLs would become links.
    safe.replace("://", "&#58;//")
}

/// Formats a code block, with a fence that is longer than any fence in the text.
fn fenced(language: &str, text: &str) -> String {
    let text = visible(text);
    let (mut longest, mut run) = (2, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}
