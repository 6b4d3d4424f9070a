//! A team that adopts the suite with a receiver that has defects.

use std::fs;

use crate::run::{Judged, STATE, WEBHOOK, judge};

const DEFECTS: &str =
    "rejects-unknown-members requires-credential rejects-unknown-events accepts-malformed drops-deletions";

/// Judges the Python receiver with these defects by a few cases.
fn judged(defects: &str, more: &[&str]) -> Judged {
    let spawn = format!("python3 tests/receivers/python/broken.py {defects}");
    let target = ["check", WEBHOOK, "--state-url", STATE, "--spawn", &spawn, "--settle", "300ms", "--seed", "7"];
    let cases = ["ack-unknown-*", "ack-older-revision", "ack-malformed", "rec-deleted", "rec-created"];
    judge(&[&target[..], &cases.map(|case| ["--case", case]).concat(), more].concat())
}

/// Returns the last lines of the list of known failures, without the comment at its beginning.
fn listed(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn known_failures_do_not_fail_a_run_until_one_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.txt").display().to_string();
    let missing = judged(DEFECTS, &["--known", &file]);
    let told = "the file does not exist; --write-known writes it";
    assert!(missing.code == 2 && missing.stderr.contains(told), "{missing}");

    let first = judged(DEFECTS, &[]);
    assert_eq!((first.code, first.summary(["pass", "fail", "known"])), (1, [1, 5, 0]), "{first}");

    let written = judged(DEFECTS, &["--known", &file, "--write-known"]);
    let told = format!("{file}: 5 cases known to fail, 5 added, 0 taken out\n");
    assert!(written.code == 0 && written.stdout.ends_with(&told), "{written}");
    let all = ["ack-malformed", "ack-older-revision", "ack-unknown-event", "ack-unknown-members", "rec-deleted"];
    assert_eq!(listed(&file), all);

    let second = judged(DEFECTS, &["--known", &file]);
    assert_eq!((second.code, second.summary(["pass", "fail", "known"])), (0, [1, 5, 5]), "{second}");
    assert!(!second.stdout.contains("FAIL") && second.stdout.contains("0 failed"), "{second}");
    assert!(second.stdout.contains("5 known to fail"), "{second}");

    // A comment of the team stays when the list is updated.
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("rec-deleted", "# TICKET-7\nrec-deleted")).unwrap();
    let mended = DEFECTS.replace("requires-credential ", "");
    let outdated = judged(&mended, &["--known", &file]);
    let told = "ack-older-revision passes now, but is listed as known to fail: update the list (--write-known)\n";
    assert!(outdated.code == 1 && outdated.stdout.contains(told), "{outdated}");
    assert_eq!(outdated.report["cases"].as_array().unwrap().iter().filter(|case| case["decides"] == true).count(), 1);

    let written = judged(&mended, &["--known", &file, "--write-known"]);
    let told = format!("{file}: 4 cases known to fail, 0 added, 1 taken out\n");
    assert!(written.code == 0 && written.stdout.ends_with(&told), "{written}");
    assert!(fs::read_to_string(&file).unwrap().ends_with("\n# TICKET-7\nrec-deleted\n"));
    let third = judged(&mended, &["--known", &file]);
    assert_eq!((third.code, third.summary(["pass", "fail", "known"])), (0, [2, 4, 4]), "{third}");
}

/// A known failure does not hide a new one, and a wrong list is an error before anything is started.
#[test]
fn a_new_failure_fails_the_run_and_a_list_with_unknown_names_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.txt").display().to_string();
    fs::write(&file, "\u{feff}# since March\r\n\r\nack-unknown-event\r\n").unwrap();
    let one_more = judged("rejects-unknown-events accepts-malformed", &["--known", &file, "--fail-fast"]);
    assert_eq!((one_more.code, one_more.summary(["fail", "known"])), (1, [2, 1]), "{one_more}");
    assert_eq!(one_more.with("fail"), ["ack-malformed", "ack-unknown-event"], "{one_more}");

    fs::write(&file, "rec-created\nrec-deletd\n").unwrap();
    let wrong = judged("accepts-malformed", &["--known", &file]);
    let told = format!(
        "error: --known {file}: line 2: there is no case \"rec-deletd\", did you mean rec-deleted? \
         (`paragon-testkit cases` lists all cases)\n"
    );
    assert_eq!((wrong.code, wrong.stderr.as_str()), (2, told.as_str()), "{wrong}");
}

/// The report of a receiver with one defect fits on one screen, in the terminal and on a phone (tests/html.mjs).
#[test]
fn one_defect_is_told_on_one_screen() {
    let spawn = "python3 tests/receivers/python/broken.py drops-deletions";
    let target = ["check", WEBHOOK, "--state-url", STATE, "--spawn", spawn, "--settle", "300ms", "--seed", "7"];
    let ran = judge(&target);
    assert_eq!(ran.with("fail"), ["rec-deleted"], "{ran}");
    let lines = ran.stdout.lines().chain(ran.stderr.lines()).count();
    assert!(lines <= 40, "{lines} lines: {ran}");
    // Each case is listed only on request.
    assert!(!ran.stdout.contains("pass  "), "{ran}");
    let verbose = judge(&[&target[..], &["--case", "ack-large", "--verbose"]].concat());
    assert!(verbose.stdout.starts_with("pass  ack-large "), "{verbose}");
}
