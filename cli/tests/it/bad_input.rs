//! Invalid arguments are reported in one clear line, with exit code 2.

use crate::run::{GOOD, WEBHOOK, run};

fn told(args: &[&str]) -> String {
    let ran = run(args);
    assert_eq!(ran.code, 2, "{args:?}\n{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "", "{args:?}");
    ran.stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn invalid_urls_durations_patterns_reports_and_keys_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n").unwrap();
    let key = key.to_str().unwrap();
    let lines = [
        told(&["check", "nonsense"]),
        told(&["check", "ftp://127.0.0.1/"]),
        told(&["check", WEBHOOK, "--state-url", "/state"]),
        told(&["check", WEBHOOK, "--timeout", "soon"]),
        told(&["check", WEBHOOK, "--settle", "0s"]),
        told(&["check", WEBHOOK, "--case", "["]),
        told(&["check", WEBHOOK, "--report", "xml=x"]),
        told(&["check", WEBHOOK, "--report", "report.json"]),
        told(&["check", WEBHOOK, "--report", "json=nowhere/x.json"]),
        told(&["check", WEBHOOK, "--report", "html=README.md/x.html"]),
        told(&["check", WEBHOOK, "--report", "md=src"]),
        told(&["check", WEBHOOK, "--report", "md=x", "--report", "html=x"]),
        told(&["check", WEBHOOK, "--report", "md=x", "--report", "html=src/.././x"]),
        told(&["check", WEBHOOK, "--start", "soon"]),
        told(&["serve", "--start", "2026-01-01"]),
        told(&["check", WEBHOOK, "--spawn", GOOD, "--env", "X"]),
        told(&["check", WEBHOOK, "--signing-key", "nowhere.pem"]),
        told(&["check", WEBHOOK, "--signing-key", key]).replace(key, "KEY"),
        told(&["check", WEBHOOK, "--level", "most"]),
        told(&["check", WEBHOOK, "--seed", "-1"]),
        told(&["check"]),
        told(&["chek"]),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_an_error_before_the_run() {
    let line = told(&["check", WEBHOOK, "--spawn", GOOD, "--report", "json=/proc/report.json"]);
    assert!(line.starts_with("error: --report \"json=/proc/report.json\": the file cannot be written: "), "{line}");
}
