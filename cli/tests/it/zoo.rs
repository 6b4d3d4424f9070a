//! Every check is checked: each broken receiver fails the cases that are about its bug and no other, each good one
//! passes all of them, and each case is failed by somebody.

use std::collections::BTreeMap;

use crate::run::{check, run};

/// Verdicts by case, from the JSON report.
fn verdicts(spawn: &str, more: &[&str]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let report = format!("json={}", file.display());
    let ran = check(spawn, &[&["--settle", "2s", "--report", &report], more].concat());
    let report = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{spawn}\n{}{}", ran.stdout, ran.stderr));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let cases = report["cases"].as_array().unwrap().iter();
    cases.map(|case| (case["id"].as_str().unwrap().to_owned(), case["verdict"].as_str().unwrap().to_owned())).collect()
}

fn with(verdicts: &BTreeMap<String, String>, verdict: &str) -> Vec<String> {
    verdicts.iter().filter(|(_, v)| *v == verdict).map(|(case, _)| case.clone()).collect()
}

/// Makes a test for each good receiver.
macro_rules! good {
    ($($name:ident: $spawn:literal,)*) => {$(
        #[test]
        fn $name() {
            for seed in ["7", "8", "9"] {
                let verdicts = verdicts($spawn, &["--seed", seed, "--settle", "10s"]);
                assert!(verdicts.len() >= 10 && verdicts.values().all(|v| v == "pass"), "seed {seed}: {verdicts:?}");
            }
        }
    )*};
}

good! {
    a_python_receiver_that_fetches_before_it_answers_passes: "python3 tests/receivers/python/receiver.py",
    a_node_receiver_with_queue_and_worker_passes: "node tests/receivers/node/receiver.mjs",
}

/// Makes a test for each broken receiver, which fails these cases and no others, and the list of those cases.
macro_rules! broken {
    ($($name:ident: $spawn:literal fails [$($case:literal),+],)*) => {
        const FAILED: &[&str] = &[$($($case),+),*];
        $(
            #[test]
            fn $name() {
                let verdicts = verdicts($spawn, &[]);
                assert_eq!(with(&verdicts, "fail"), [$($case),+], "{verdicts:?}");
            }
        )*
    };
}

broken! {
    python_drops_deletions: "python3 tests/receivers/python/broken.py drops-deletions" fails ["rec-deleted"],
    python_pulls_one_page: "python3 tests/receivers/python/broken.py pulls-one-page" fails ["pull-all-pages"],
    python_rejects_unknown_members:
        "python3 tests/receivers/python/broken.py rejects-unknown-members" fails ["ack-unknown-members"],
    python_inserts_twice: "python3 tests/receivers/python/broken.py inserts-twice" fails ["rec-duplicate"],
    python_ignores_updated:
        "python3 tests/receivers/python/broken.py ignores-updated" fails ["out-unreachable", "rec-duplicate", "rec-updated"],
    python_skips_bodies_seen_before:
        "python3 tests/receivers/python/broken.py skips-bodies-seen-before" fails ["rec-updated"],
    python_crashes_on_malformed:
        "python3 tests/receivers/python/broken.py crashes-on-malformed" fails ["ack-malformed"],
    python_accepts_malformed: "python3 tests/receivers/python/broken.py accepts-malformed" fails ["ack-malformed"],
    python_fails_on_record_errored:
        "python3 tests/receivers/python/broken.py fails-on-record-errored" fails ["ack-every-event"],
    python_swallows_api_errors:
        "python3 tests/receivers/python/broken.py swallows-api-errors" fails ["out-api-failing"],
    python_resurrects: "python3 tests/receivers/python/broken.py resurrects" fails ["out-unreachable"],
    node_drops_deletions: "node tests/receivers/node/broken.mjs drops-deletions" fails ["rec-deleted"],
    node_pulls_one_page: "node tests/receivers/node/broken.mjs pulls-one-page" fails ["pull-all-pages"],
    node_rejects_unknown_members:
        "node tests/receivers/node/broken.mjs rejects-unknown-members" fails ["ack-unknown-members"],
    node_inserts_twice: "node tests/receivers/node/broken.mjs inserts-twice" fails ["rec-duplicate"],
    node_forgets_when_api_fails:
        "node tests/receivers/node/broken.mjs forgets-when-api-fails" fails ["out-api-failing"],
}

#[test]
fn bugs_that_lie_deep_are_caught_wherever_they_show() {
    for (bug, case) in
        [("ignores-created", "rec-created"), ("stores-stubs", "rec-created"), ("forgets-user", "rec-created")]
    {
        let verdicts = verdicts(&format!("python3 tests/receivers/python/broken.py {bug}"), &["--settle", "1s"]);
        assert_eq!(verdicts[case], "fail", "{bug}: {verdicts:?}");
    }
    let late =
        verdicts("node tests/receivers/node/broken.mjs answers-too-late", &["--timeout", "300ms", "--case", "ack-*"]);
    assert_eq!(late["ack-every-event"], "fail", "{late:?}");
}

#[test]
fn a_token_of_the_wrong_user_is_told() {
    let spawn = "python3 tests/receivers/python/broken.py forgets-user";
    let ran = check(spawn, &["--case", "pull-all-pages", "--case", "rec-created", "--settle", "300ms"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("the Sync API refused GET /api/syncs/"), "{}", ran.stdout);
    assert!(ran.stdout.contains("with 404: the token's user has no sync"), "{}", ran.stdout);
}

#[test]
fn a_receiver_that_does_nothing_passes_no_case_about_records() {
    let verdicts = verdicts("python3 tests/receivers/python/broken.py does-nothing", &["--settle", "500ms"]);
    let passed = with(&verdicts, "pass");
    assert!(passed.iter().all(|case| case.starts_with("ack-")), "{passed:?}");
}

#[test]
fn every_case_is_failed_by_a_broken_receiver() {
    let listed = run(["cases"]).stdout;
    for line in listed.lines().skip(1) {
        let case = line.split_whitespace().next().unwrap();
        assert!(FAILED.contains(&case) || case == "rec-created", "no broken receiver fails {case}");
    }
}
