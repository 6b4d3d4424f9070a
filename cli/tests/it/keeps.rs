//! Tests of the options that say what a receiver keeps: `--without`, `--compare` and `--ignore-member`.

use crate::run::{GOOD, STATE, WEBHOOK, check, run};

/// A receiver that keeps only names, and never replaces a name.
const FIRST_NAMES: &str = "python3 tests/receivers/python/broken.py keeps-first-names";

#[test]
fn the_report_says_what_was_left_out_and_the_command_that_repeats_a_case_leaves_it_out_too() {
    let kept = ["--without", "odd-names,folders", "--compare", "name,id", "--compare", "hash"];
    let more = ["--ignore-member", "hash.value", "--case", "rec-updated", "--case", "rec-created", "--settle", "1s"];
    let ran = check(FIRST_NAMES, &[&kept[..], &more].concat());
    assert_eq!((ran.code, ran.verdict("rec-updated"), ran.verdict("rec-created")), (1, "fail", "pass"), "{ran}");
    let told = |member: &str| ran.report[member].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    assert_eq!(told("without").collect::<Vec<_>>(), ["folders", "odd-names"]);
    assert_eq!(told("compared_members").collect::<Vec<_>>(), ["hash", "id", "name"]);
    assert_eq!(told("ignored_members").collect::<Vec<_>>(), ["hash.value"]);
    for remark in [
        "remark: left out by --without folders,odd-names: no case contained such records\n",
        "remark: only these members of records were compared: `hash`, `id`, `name`, without `hash.value` (--compare, \
         --ignore-member)\n",
        "remark: the state never gave `hash`, so this member was not compared\n",
    ] {
        assert!(ran.stdout.contains(remark), "{ran}");
    }
    let again = ran.stdout.lines().find(|line| line.starts_with("      again ")).unwrap();
    assert!(again.contains(" --compare 'hash,id,name' --ignore-member hash.value "), "{again}");
    assert!(again.contains(" --without 'odd-names,folders' "), "{again}");
    let schemas = paragon_testkit::contract::schemas();
    let schema = schemas.iter().find(|schema| schema.name == "report").unwrap();
    assert!(jsonschema::draft202012::is_valid(&schema.json, &ran.report), "{}", ran.report);
}

#[test]
fn a_run_that_leaves_nothing_out_does_not_speak_of_it() {
    let ran = check(GOOD, &["--case", "rec-created"]);
    assert_eq!(ran.code, 0, "{ran}");
    for member in ["without", "compared_members", "ignored_members"] {
        assert!(ran.report.get(member).is_none(), "{member}: {ran}");
    }
}

#[test]
fn unknown_kinds_and_members_are_errors_that_list_the_known_ones() {
    let told = |more: &[&str]| {
        let ran = run([&["check", WEBHOOK, "--state-url", STATE], more].concat());
        assert_eq!(ran.code, 2, "{more:?}: {}{}", ran.stdout, ran.stderr);
        ran.stderr.lines().next().unwrap_or_default().to_owned()
    };
    let lines = [
        told(&["--without", "folder"]),
        told(&["--without", ""]),
        told(&["--compare", "id,nam"]),
        told(&["--ignore-member", "titel"]),
        told(&["--ignore-member", "emails"]),
        told(&["--compare", "updatedAt", "--revision", "snake_case"]),
        told(&["--ignore-member", "hash.md5"]),
    ];
    insta::assert_snapshot!(lines.join("\n"));
    let ran = run(["check", WEBHOOK, "--ignore-member", "updatedAt"]);
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    let told = "error: --ignore-member: without a state probe, no member of a record is compared; add --state-url or \
                --state-cmd\n";
    assert_eq!(ran.stderr, told);
    // Members of a pipeline are known if the histories sync it.
    let list = ["--list", "--pipelines", "contacts", "--compare", "id,emails.email"];
    let ran = run([&["check", WEBHOOK, "--state-url", STATE], &list[..]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_scenario_can_be_played_with_some_members_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("renamed.json");
    std::fs::write(
        &file,
        r#"{"scenario": 1, "seed": 1, "steps": [
            {"do": "create", "user": "ada", "integration": "googledrive", "pipeline": "files", "object": "a",
             "record": {"name": "a.pdf", "mimeType": "application/pdf", "size": 1}},
            {"do": "enable", "user": "ada", "integration": "googledrive", "pipeline": "files", "then": "1m"},
            {"do": "update", "object": "a", "set": {"name": "b.pdf"}, "then": "1m"}
        ]}"#,
    )
    .unwrap();
    let file = file.display().to_string();
    let replay = |more: &[&str]| {
        let target = ["replay", &file, WEBHOOK, "--state-url", STATE, "--spawn", FIRST_NAMES, "--settle", "1s"];
        run([&target[..], more].concat())
    };
    let ran = replay(&["--compare", "id,name"]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("has name \"a.pdf\", the latest version has \"b.pdf\""), "{}", ran.stdout);
    assert!(ran.stdout.contains(" --compare 'id,name' "), "{}", ran.stdout);
    let ran = replay(&["--compare", "id"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("remark: only these members of records were compared: `id` (--compare)"),
        "{}",
        ran.stdout
    );
}
