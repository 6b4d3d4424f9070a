//! Tests of `policies` and of the argument of `--policy`.

use serde_json::Value;

use crate::run::run;

#[test]
fn policies_are_listed_and_printed() {
    let listed = run(["policies"]);
    assert_eq!(listed.code, 0);
    insta::assert_snapshot!(listed.stdout);
    let printed = run(["policies", "svix"]);
    let policy: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!((printed.code, &policy["timeout"], &policy["jitter"]), (0, &"15s".into(), &Value::Null));
    let filled: Value = serde_json::from_str(&run(["policies", "svix", "--filled"]).stdout).unwrap();
    assert_eq!(filled["jitter"], "none");
    assert!(filled["filled"].as_array().unwrap().contains(&"jitter".into()));
}

/// Returns the policy of the README.
fn ours() -> String {
    let readme = include_str!("../../../README.md");
    let start = readme.split_once("```toml\n").unwrap().1;
    start.split_once("```").unwrap().0.to_owned()
}

#[test]
fn a_policy_file_is_accepted_or_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let list = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let ran = run(["check", "http://127.0.0.1:9/", "--policy", file.to_str().unwrap(), "--list"]);
        (ran.code, ran.stderr.replace(folder.path().to_str().unwrap(), "FOLDER"))
    };
    let (code, told) = list("ours.toml", &ours());
    assert_eq!(code, 0, "{told}");
    let (_, json) = list("ours.json", r#"{"name":"x","grade":"assumed","timeout":"1s"}"#);
    let wrong = [
        list("wrong.toml", "name = 'x'\ngrade = 'assumed'\ntimeuot = '1s'\n").1,
        list("wrong.json", r#"{"name":"x","grade":"assumed","timeout":"soon"}"#).1,
        list("odd.json", r#"{"name":"x","grade":"assumed","disable":[{"when":{"exhausted":0},"then":"disable"}]}"#).1,
        list("no.json", "{").1,
        run(["check", "http://127.0.0.1:9/", "--policy", "nowhere.toml", "--list"]).stderr,
        run(["check", "http://127.0.0.1:9/", "--policy", "paragon-documented", "--list"]).stderr,
        run(["policies", "svx"]).stderr,
    ];
    insta::assert_snapshot!([&[told, json], &wrong[..]].concat().join("\n"));
}
