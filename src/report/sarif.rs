use serde_json::{Value, json};
use url::Url;

use super::case::ReportedCase;
use super::digest::{INTERRUPTED, outdated, plain};
use super::escape::visible;
use super::json::Report;
use super::policies::{Row, policies};
use crate::check::{Level, Verdict};
use crate::contract::Grade;

pub(super) fn write(report: &Report) -> String {
    let rows = Row::all(&report.cases);
    let location = location(&report.target);
    let rule_of = |case: &ReportedCase| rows.iter().position(|row| row.case().id == case.id).unwrap_or_default();
    let with = |verdict| report.cases.iter().filter(move |case| case.verdict == verdict);
    let results: Vec<_> = with(Verdict::Fail).map(|case| result(case, rule_of(case), &location)).collect();
    let blind = with(Verdict::NotEvaluable).chain(with(Verdict::Skipped));
    let mut notifications: Vec<_> = blind.map(|case| notification(case, rule_of(case))).collect();
    if let Some(outdated) = outdated(report) {
        notifications.push(json!({ "level": "error", "message": { "text": outdated } }));
    }
    if report.interrupted {
        notifications.push(json!({ "level": "error", "message": { "text": INTERRUPTED } }));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "paragon-testkit",
                "semanticVersion": report.version,
                "rules": rows.iter().map(|row| rule(row.case())).collect::<Vec<_>>(),
            } },
            "invocations": [{ "executionSuccessful": !report.interrupted, "startTimeUtc": report.started, "toolExecutionNotifications": notifications }],
            "results": results,
            "properties": {
                "seconds": report.seconds,
                "seed": report.seed,
                "target": report.target,
                "revision": report.revision,
                "policies": policies(&report.cases),
                "summary": report.summary,
            },
        }],
    });
    format!("{log:#}\n")
}

fn rule(case: &ReportedCase) -> Value {
    let text = format!("Required: {}.\n\nWhy: {}\n\nFix: {}", case.title, case.why, case.fix);
    let markdown =
        format!("**Required:** {}.\n\n**Why it matters:** {}\n\n**How to fix it:** {}", case.title, case.why, case.fix);
    let problem = match case.level {
        Level::Must => "error",
        Level::Should => "warning",
        Level::May => "recommendation",
    };
    let precision = match case.grade {
        Grade::Documented => "very-high",
        Grade::Observed => "high",
        Grade::Assumed => "medium",
    };
    json!({
        "id": case.id,
        "shortDescription": { "text": case.title },
        "fullDescription": { "text": case.why },
        "help": { "text": text, "markdown": markdown },
        "defaultConfiguration": { "level": level(case) },
        "properties": {
            "tags": ["webhooks", case.level],
            "problem.severity": problem,
            "precision": precision,
        },
    })
}

fn result(case: &ReportedCase, rule: usize, location: &Value) -> Value {
    let mut result = json!({
        "ruleId": case.id,
        "ruleIndex": rule,
        "kind": "fail",
        "level": level(case),
        "message": { "text": plain(case) },
        "locations": [location],
        // Code scanning follows an alert across runs by this fingerprint. There is no source line that could be hashed
        // instead.
        "partialFingerprints": { "primaryLocationLineHash": format!("{}:{}", case.id, case.policy) },
        "properties": {
            "policy": case.policy,
            "grade": case.grade,
            "assumes": case.assumes,
            "timeline": case.timeline.lines(),
            "reproduce": case.reproduce,
        },
    });
    if case.known {
        result["suppressions"] = json!([{ "kind": "external", "justification": "listed as known to fail" }]);
    }
    if let Some(scenario) = &case.scenario {
        result["properties"]["scenario"] = json!(scenario);
    }
    result
}

fn notification(case: &ReportedCase, rule: usize) -> Value {
    let what = match case.verdict {
        Verdict::Skipped => "was skipped",
        _ => "is not evaluable",
    };
    json!({
        "level": "note",
        "associatedRule": { "id": case.id, "index": rule },
        "message": { "text": format!("{} {what} under {}: {}", case.id, visible(&case.policy), visible(&case.detail)) },
    })
}

fn level(case: &ReportedCase) -> &'static str {
    match case.level {
        Level::Must => "error",
        Level::Should => "warning",
        Level::May => "note",
    }
}

/// Returns the location of all results. Code scanning requires the path of a file in the repository, and refuses other
/// URLs. The path of the webhook is the best substitute: it identifies the endpoint, and does not change with the port.
fn location(target: &str) -> Value {
    let url = Url::parse(target).ok();
    let path = url.as_ref().map(|url| url.path().trim_matches('/').replace(':', "%3A")).unwrap_or_default();
    let path = if path.is_empty() { "webhook".to_owned() } else { path };
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": path },
            "region": { "startLine": 1 },
        },
        "logicalLocations": [{ "name": path, "fullyQualifiedName": target, "kind": "resource" }],
    })
}
