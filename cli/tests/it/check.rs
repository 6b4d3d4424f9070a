//! Tests of `check`: its output, its reports and its exit codes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::run::{GOOD, Killed, Ran, START, STATE, WEBHOOK, check, judge, program, read_report, run};

#[test]
fn a_good_receiver_is_judged_and_the_report_follows_its_schema() {
    let ran = check(GOOD, &["--case", "rec-*"]);
    assert_eq!((ran.code, &ran.report["seed"]), (0, &7.into()), "{ran}");
    assert_eq!(ran.summary(["pass", "fail", "not_evaluable", "skipped"]), [14, 0, 0, 0], "{ran}");
    let schemas = paragon_testkit::contract::schemas();
    let schema = schemas.iter().find(|schema| schema.name == "report").unwrap();
    let validator = jsonschema::draft202012::new(&schema.json).unwrap();
    let errors: Vec<_> = validator.iter_errors(&ran.report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_failure_says_what_was_required_what_happened_and_how_to_reproduce_it() {
    let spawn = "python3 tests/receivers/python/broken.py drops-deletions";
    let ran = check(spawn, &["--case", "rec-deleted", "--settle", "300ms"]);
    assert_eq!(ran.code, 1);
    let stable = ran.stdout.lines().filter(|line| !line.contains(" policy paragon-assumed, ")).collect::<Vec<_>>();
    insta::assert_snapshot!(stable.join("\n"));
    assert!(ran.stderr.contains("seed 7"), "{}", ran.stderr);
}

#[test]
fn a_failure_about_data_says_whether_the_receiver_got_the_record_and_why_it_counts_as_at_rest() {
    let spawn = "python3 tests/receivers/python/broken.py does-nothing";
    let ran = check(spawn, &["--case", "pull-all-pages", "--settle", "2500ms"]);
    assert!(
        ran.stdout.contains(
            "never fetched: no call brought them\n            at rest: the receiver has made no call for 3 s\n"
        ),
        "{}",
        ran.stdout
    );
    let spawn = "python3 tests/receivers/python/broken.py keeps-tombstones";
    let ran = check(spawn, &["--case", "rec-deleted", "--settle", "1s"]);
    assert!(ran.stdout.contains("told and not kept: GET /api/syncs/"), "{}", ran.stdout);
}

#[test]
fn reports_are_written_to_their_files_and_a_failed_write_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("html"), "the page of the run before").unwrap();
    let reports = ["json", "junit", "sarif", "md", "html"].map(|format| format!("{format}={}", file(format)));
    let mut args: Vec<_> = reports.iter().flat_map(|report| ["--report", report]).collect();
    args.extend(["--case", "rec-created", "--report", "json=/dev/full"]);
    let ran = check(GOOD, &args);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("error: --report json=/dev/full: No space left"), "{}", ran.stderr);
    let begins = ["{\n", "<?xml ", "{\n", "## ✅ The one case", "<!doctype html>\n"];
    for (format, begin) in ["json", "junit", "sarif", "md", "html"].into_iter().zip(begins) {
        let text = std::fs::read_to_string(file(format)).unwrap();
        assert!(text.starts_with(begin), "{format}: {text}");
    }
}

/// Starts a run of several cases on a receiver that does nothing. Returns when the first verdict has been printed.
#[cfg(unix)]
fn after_the_first_verdict(more: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let spawn = "python3 tests/receivers/python/broken.py does-nothing";
    let args = ["check", WEBHOOK, "--spawn", spawn, "--state-url", STATE, "--case", "rec-*", "--settle", "1s"];
    let mut judge = program([&args[..], more].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(judge.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("FAIL") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended without a verdict");
    }
    (judge, stdout)
}

#[cfg(unix)]
fn signal(name: &str, judge: &Child) {
    let killed = Command::new("kill").args(["-s", name, &judge.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[cfg(unix)]
#[test]
fn verdicts_reached_before_an_interruption_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, junit) = (format!("json={}", file("json")), format!("junit={}", file("junit")));
    for name in ["INT", "TERM", "HUP"] {
        std::fs::write(file("json"), "the report of the run before").unwrap();
        let (mut judge, mut stdout) = after_the_first_verdict(&["--report", &json, "--report", &junit]);
        signal(name, &judge);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(judge.wait().unwrap().code(), Some(130), "{name}: {rest}");
        let of = paragon_testkit::check::cases().iter().filter(|case| case.id.starts_with("rec-"));
        let of = of.filter(|case| case.level < paragon_testkit::check::Level::May).count();
        let report = read_report(file("json").as_ref());
        let judged = report["cases"].as_array().unwrap().len();
        assert!(report["interrupted"] == true && (1..of).contains(&judged), "{name}: {report}");
        let told = format!("interrupted: {judged} of {of} verdicts were reached\n");
        assert!(rest.contains(" passed, ") && rest.contains(&told), "{name}: {rest}");
        assert!(std::fs::read_to_string(file("junit")).unwrap().contains("<error type=\"interrupted\""), "{name}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left in the folder");
    }
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_report_of_an_earlier_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    std::fs::write(&file, "the report of the run before").unwrap();
    let (mut judge, _stdout) = after_the_first_verdict(&["--report", &format!("json={}", file.display())]);
    signal("KILL", &judge);
    judge.wait().unwrap();
    assert!(!file.exists());
}

#[cfg(unix)]
#[test]
fn a_report_is_written_through_a_symbolic_link() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("report.json"), folder.path().join("link.json"));
    std::fs::write(&file, "the report of the run before").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let ran = check(GOOD, &["--case", "ack-verification", "--report", &format!("json={}", link.display())]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(link.is_symlink() && std::fs::read_to_string(&file).unwrap().starts_with("{\n"));
    let twice = [format!("json={}", file.display()), format!("md={}", link.display())];
    let ran = check(GOOD, &["--report", &twice[0], "--report", &twice[1]]);
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_spawned_receiver_calls_the_fake_in_spite_of_a_proxy_of_the_shell() {
    let args = ["check", WEBHOOK, "--spawn", GOOD, "--state-url", STATE, "--case", "rec-created", "--settle", "2s"];
    let mut command = program(args);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        // Nothing listens at this port.
        command.env(name, "http://127.0.0.1:9");
    }
    let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_clock_starts_now_and_the_command_that_repeats_a_case_has_the_start() {
    let spawn = "python3 tests/receivers/python/broken.py ignores-created";
    let args = ["check", WEBHOOK, "--spawn", spawn, "--state-url", STATE, "--case", "rec-created", "--settle", "100ms"];
    let before = paragon_testkit::clock::Timestamp::wall();
    let ran = run(args);
    let again = ran.stdout.lines().find(|line| line.starts_with("      again ")).unwrap();
    let start = again.split(" --start ").nth(1).unwrap().split(' ').next().unwrap();
    let start = paragon_testkit::clock::Timestamp::parse(start).unwrap();
    assert!(start.as_millis() % 1_000 == 0, "{again}");
    assert!((before.as_millis() - 1_000..before.as_millis() + 60_000).contains(&start.as_millis()), "{again}");
    let ran = run([&args[..], &["--start", "2030-05-06T07:08:09+02:00"]].concat());
    assert!(ran.stdout.contains(" --start 2030-05-06T05:08:09.000Z --case"), "{}", ran.stdout);
}

#[test]
fn a_workflow_gets_annotations_and_the_report_is_appended_to_its_summary() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary");
    std::fs::write(&summary, "# Before").unwrap();
    let report = format!("md={}", summary.display());
    let args = ["check", WEBHOOK, "--spawn", GOOD, "--case", "rec-deleted", "--report", report.as_str()];
    let output = program(args).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let printed = String::from_utf8(output.stdout).unwrap();
    let annotations: Vec<_> = printed.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(
        annotations,
        ["::notice title=not evaluable::rec-deleted", "::error title=paragon-testkit::nothing was judged"]
    );
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("# Before\n\n## ❔ Nothing was judged\n"), "{text}");
}

#[test]
fn the_same_seed_gives_the_same_story_and_another_one_does_not() {
    let story = |seed: &str| {
        let spawn = "python3 tests/receivers/python/broken.py ignores-created";
        let more = ["--case", "rec-created", "--settle", "100ms", "--seed", seed, "--start", START, "--users", "a"];
        let args = [&["check", WEBHOOK, "--spawn", spawn, "--state-url", STATE][..], &more].concat();
        run(args).stdout.lines().filter(|line| !line.contains(" policy ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(story("1"), story("1"));
    assert_ne!(story("1"), story("2"));
}

#[test]
fn cases_about_the_state_are_not_evaluable_without_a_state_url() {
    let ran = judge(&["check", WEBHOOK, "--spawn", GOOD, "--case", "rec-*"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(ran.summary(["pass", "fail", "not_evaluable"]), [5, 0, 9], "{ran}");
    assert_eq!(ran.verdict("rec-deleted"), "not_evaluable", "{ran}");
}

#[test]
fn a_run_without_a_verdict_is_not_a_success() {
    let Ran { code, stdout, .. } = run(["check", WEBHOOK, "--spawn", GOOD, "--case", "rec-deleted"]);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.contains("nothing was judged") && stdout.contains("--state-url"), "{stdout}");
    let Ran { code, stderr, .. } = run(["check", WEBHOOK, "--spawn", GOOD, "--case", "zzz-*"]);
    assert_eq!(code, 4);
    insta::assert_snapshot!(stderr, @"error: nothing is judged: no case matches the selection; `paragon-testkit cases` lists all cases");
}

#[test]
fn an_invalid_state_ends_the_run_before_any_case() {
    let ran = check("python3 tests/receivers/python/broken.py nonsense-state", &["--case", "rec-*", "--case", "ack-*"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains(r#"expected {"records":[{"syncInstanceId""#), "{ran}");
    assert!(ran.stdout.is_empty(), "{ran}");
}

#[test]
fn the_variables_of_a_spawned_receiver_can_be_renamed() {
    let spawn = r#"PARAGON_API_URL="$MY_API" PARAGON_PROJECT_ID="$MY_PROJECT" PORT="$MY_PORT" exec python3 tests/receivers/python/receiver.py"#;
    let more = ["--env", "MY_API={api_url}", "--env", "MY_PROJECT={project_id}", "--env", "MY_PORT={port}"];
    let ran = check(spawn, &[&more[..], &["--project", "mine", "--case", "rec-created"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_run_ends_at_the_first_failure_with_fail_fast() {
    let spawn = "python3 tests/receivers/python/broken.py fails-on-record-errored";
    let ran = check(spawn, &["--fail-fast", "--case", "ack-*"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(ran.summary(["fail", "skipped"]), [1, 11], "{ran}");
    assert!(ran.stdout.contains(", 11 skipped; seed 7, "), "the last line counts them too: {ran}");
}

#[test]
fn cases_can_be_listed() {
    insta::assert_snapshot!(run(["cases"]).stdout);
    let listed = run(["check", WEBHOOK, "--list", "--level", "must", "--exclude", "rec-*"]);
    assert_eq!(listed.code, 0);
    insta::assert_snapshot!(listed.stdout);
}

#[test]
fn one_line_of_json_has_all_that_a_receiver_started_elsewhere_needs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let report = format!("json={}", file.display());
    let args = ["check", WEBHOOK, "--state-url", STATE, "--ready-json", "--case", "rec-*", "--report", &report];
    let mut judge = Killed(program(args).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = BufReader::new(judge.0.stdout.take().unwrap());
    let mut ready = String::new();
    stdout.read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let environment = ready.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));

    let mut receiver = Command::new("python3");
    receiver.arg("tests/receivers/python/receiver.py").envs(environment);
    receiver.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let _receiver = Killed(receiver.spawn().unwrap());
    let mut judged = String::new();
    stdout.read_to_string(&mut judged).unwrap();
    assert_eq!(judge.0.wait().unwrap().code(), Some(0), "{judged}");
    assert_eq!(read_report(&file)["summary"]["pass"], 14, "{judged}");
}

#[test]
fn a_receiver_may_be_judged_under_an_older_revision() {
    let snake = check("node tests/receivers/node/receiver.mjs", &["--revision", "snake_case", "--case", "rec-created"]);
    assert_eq!((snake.code, &snake.report["revision"]), (0, &"snake_case".into()), "{snake}");
    assert!(snake.stdout.contains("policy paragon-assumed, revision snake_case, "), "{snake}");
    // This receiver reads `remainingRecords`, which has another name in the revision of mid-2025.
    let args = ["--revision", "snake_case", "--case", "pull-all-pages", "--settle", "1s"];
    let fails = check(GOOD, &args);
    assert_eq!(fails.code, 1, "{}{}", fails.stdout, fails.stderr);
    assert!(fails.stdout.contains("--revision snake_case --case"), "{}", fails.stdout);
    let ran = run(["check", WEBHOOK, "--revision", "snakecase"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("expected one of snake_case, camel_case, credential_id"), "{}", ran.stderr);
}

#[test]
fn a_command_can_be_the_state_probe() {
    let look = r#"python3 -c "import os, urllib.request; print(urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/state').read().decode())""#;
    let ran = run(["check", WEBHOOK, "--spawn", GOOD, "--state-cmd", look, "--case", "rec-deleted"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let fails = "echo 'no database' >&2; exit 3";
    let ran = run(["check", WEBHOOK, "--spawn", GOOD, "--state-cmd", fails, "--case", "rec-deleted"]);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    let told = r#"the state command "echo 'no database' >&2; exit 3" does not work: the command ended with exit status: 3: no database"#;
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = run(["check", WEBHOOK, "--spawn", GOOD, "--state-cmd", "yes", "--case", "rec-deleted"]);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    let told = r#"the state command "yes" does not work: the command printed more than 64 MiB, which is the limit"#;
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

/// Prints the state of the good receiver in the form in which some databases return it: ids in upper case, times with
/// another offset and without milliseconds, numbers and whole records as text, and without folders.
const OTHER_FORM: &str = r#"
import json, os, urllib.request
state = json.load(urllib.request.urlopen("http://127.0.0.1:" + os.environ["PORT"] + "/state"))
told = []
for held in state["records"]:
    record = held["record"]
    if record["mimeType"] == "" or "folder" in record["mimeType"]:
        continue
    record["id"] = record["id"].upper()
    for member in ("createdAt", "updatedAt"):
        record[member] = record[member].split(".")[0].rstrip("Z") + "+00:00"
    if record["size"] is not None:
        record["size"] = str(record["size"])
    sync, id = held["syncInstanceId"].upper(), held["recordId"].upper()
    told.append({"syncInstanceId": sync, "recordId": id, "record": json.dumps(record)})
print(json.dumps({"records": told}))
"#;

#[test]
fn the_same_state_in_another_form_passes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.py");
    std::fs::write(&file, OTHER_FORM).unwrap();
    let look = format!("python3 {}", file.display());
    let args = ["check", WEBHOOK, "--spawn", GOOD, "--seed", "7", "--start", START, "--state-cmd", &look];
    let cases = ["--case", "rec-created", "--case", "rec-updated", "--case", "rec-odd", "--case", "rec-deleted"];
    let ran = judge(&[&args[..], &cases, &["--case", "conv-quiet", "--cases", "6"]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(ran.summary(["pass", "fail", "not_evaluable"]), [5, 0, 0], "{ran}");
}

#[test]
fn histories_can_use_every_pipeline() {
    let pipelines = ["--pipelines", "files,contacts,companies,deals,custom_objects,tickets"];
    let ran = check(GOOD, &[&pipelines[..], &["--case", "conv-quiet", "--cases", "12"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = run(["check", WEBHOOK, "--pipelines", "files,songs"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("expected one of files, contacts, companies"), "{}", ran.stderr);
}

#[test]
fn histories_end_when_their_time_is_up() {
    let ran = check(GOOD, &["--case", "conv-quiet", "--cases", "1000000", "--max-time", "1ms"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_scenario_without_a_sync_judges_nothing_and_an_invalid_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let replay = |file: &str| run(["replay", file, WEBHOOK, "--state-url", STATE, "--spawn", GOOD]);
    let empty = replay(&file("empty.json", r#"{"scenario": 1, "seed": 7, "steps": []}"#));
    assert_eq!(empty.code, 4, "{}{}", empty.stdout, empty.stderr);
    assert!(empty.stdout.contains("the scenario enables no sync"), "{}", empty.stdout);
    let steps = r#"{"scenario": 1, "seed": 7, "steps": [{"do": "delete", "object": "draft"}]}"#;
    let broken = replay(&file("broken.json", steps));
    assert_eq!(broken.code, 2);
    assert!(broken.stderr.ends_with("broken.json: step 1: there is no object \"draft\"\n"), "{}", broken.stderr);
    let missing = replay("nowhere.json");
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.starts_with("error: nowhere.json: "), "{}", missing.stderr);
}
