//! Tests of the commands about the contract: `validate`, `schema`, `fixture`, `generate` and `explain`; and of `cases`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::run::{Ran, program, run};

/// Runs the program with this standard input.
fn fed(args: &[&str], input: &[u8]) -> Ran {
    let mut command = program(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn line(args: &[&str]) -> String {
    let ran = run(args);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}\n{}", ran.stderr);
    ran.stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn each_violation_of_a_payload_is_reported_with_its_member() {
    let input = concat!(
        r#"{"event":"record_created","sync":"googledrive","syncInstanceId":"163a345e-2dd4-51ff-bcf5-7667de564bb0","user":{"id":"u"},"data":{"recordId":"3ce16e33-0163-564d-98ce-99b0a25ab375","model":"files"}}"#,
        "\n\n",
        r#"{"event":"recordCreated","sync":"googledrive"}"#,
        "\n{\"event\":\n",
        r#"[{"event":"record_deleted","sync":7,"user":{"id":""},"data":{}},[],"x"]"#,
        "\n",
    );
    let ran = fed(&["validate"], input.as_bytes());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout + &ran.stderr);
}

#[test]
fn what_generate_prints_can_be_validated() {
    for (options, valid, code) in [(&[][..], 20, 0), (&["--invalid"], 0, 1)] {
        let generated = run([&["generate", "record_updated", "--count", "20"], options].concat());
        for validate in [&["validate"][..], &["validate", "--as", "event"], &["validate", "--as", "record_updated"]] {
            let ran = fed(&[validate, &["--strict"]].concat(), generated.stdout.as_bytes());
            let told = format!("{valid} valid, {} invalid, by credential_id, strict\n", 20 - valid);
            assert_eq!((ran.code, ran.stderr), (code, told), "{options:?} {validate:?}\n{}", ran.stdout);
        }
    }
}

#[test]
fn the_readme_shows_the_real_output() {
    let readme = include_str!("../../../README.md");
    let ran = fed(&["validate"], br#"{"event":"recordCreated","sync":"googledrive"}"#);
    assert!(readme.contains(&(ran.stdout + &ran.stderr)));
    for command in ["generate event --count 1000 --edge", "explain webhook.retry"] {
        assert!(readme.contains(&format!("cargo run -- {command}")));
        assert_eq!(run(command.split(' ')).code, 0, "{command}");
    }
}

#[test]
fn payloads_may_span_several_lines_and_come_from_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let event = run(["fixture", "webhooks/sync_complete/with_credential_id"]).stdout;
    assert!(event.lines().count() > 5, "{event}");
    let (good, cut) = (write("good.json", &event), write("cut.json", event.trim_end().trim_end_matches('}')));
    assert_eq!(run(["validate", "--strict", &good, &good]).stderr, "2 valid, 0 invalid, by credential_id, strict\n");
    let ran = run(["validate", &good, &cut]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "1 valid, 1 invalid, by credential_id, tolerant\n"));
    assert!(ran.stdout.starts_with(&format!("{cut}: not JSON: EOF")), "{}", ran.stdout);
    assert_eq!(fed(&["validate"], b"\xff\xfe{}\n").code, 1, "bytes that are no text are no JSON");
    assert_eq!(fed(&["validate"], b" \n").code, 4, "nothing was judged");
    assert!(line(&["validate", "nowhere.json"]).starts_with("error: nowhere.json: "));
    assert!(line(&["validate", "--as", "fiel"]).contains("did you mean records/file?"));
}

#[test]
fn other_encodings_are_reported_with_advice() {
    let event = r#"{"event":"webhook_verification"}"#;
    assert_eq!(fed(&["validate"], event.as_bytes()).code, 0);
    let wide = |encode: fn(u16) -> [u8; 2]| event.encode_utf16().flat_map(encode).collect::<Vec<u8>>();
    let with_mark = [b"\xef\xbb\xbf", event.as_bytes(), b"\n", event.as_bytes()].concat();
    let on_lines = [b"\xef\xbb\xbf", event.replace(':', ":\n").as_bytes()].concat();
    for (input, place, what, advice, end) in [
        (with_mark, "standard input:1: ", "begins with a byte order mark", "without BOM", "1 valid, 1 invalid"),
        (on_lines, "standard input:1: ", "begins with a byte order mark", "without BOM", "0 valid, 1 invalid"),
        ([b"\xff\xfe", &wide(u16::to_le_bytes)[..]].concat(), "", "text in UTF-16,", "`iconv -f UTF-16 -t", "0 valid"),
        ([b"\xfe\xff", &wide(u16::to_be_bytes)[..]].concat(), "", "text in UTF-16,", "`iconv -f UTF-16 -t", "0 valid"),
        (wide(u16::to_le_bytes), "", "text in UTF-16LE,", "`iconv -f UTF-16LE -t UTF-8 FILE |", "0 valid, 1 invalid"),
        (wide(u16::to_be_bytes), "", "text in UTF-16BE,", "`iconv -f UTF-16BE -t UTF-8 FILE |", "0 valid, 1 invalid"),
        (b"\x1f\x8b\x08\0\n\n\n".to_vec(), "", "gzip data", "`gunzip -c FILE | paragon-testkit validate`", "0 valid"),
        (b"\x28\xb5\x2f\xfd".to_vec(), "", "zstd data", "`zstd -dc FILE |", "0 valid, 1 invalid"),
    ] {
        let ran = fed(&["validate"], &input);
        assert_eq!((ran.code, ran.stdout.lines().count()), (1, 1), "{}", ran.stdout);
        let place = if place.is_empty() { "standard input: " } else { place };
        assert!(ran.stdout.starts_with(&format!("{place}not JSON: ")), "{}", ran.stdout);
        assert!(ran.stdout.contains(what) && ran.stdout.contains(advice), "{}", ran.stdout);
        assert!(ran.stderr.starts_with(end), "{}", ran.stderr);
    }
}

#[test]
fn a_number_beyond_the_range_of_a_float_is_reported() {
    let words = "is beyond what a 64-bit float holds (about 1.8E308): it is JSON, but most programs cannot read it; \
                 write it as a string\n";
    for (input, place, number) in [
        ("{\"size\":1E400}", ":1", "1E400"),
        ("{}\n{\"size\": -1.5e+999 ,\"a\":1}\n", ":2", "-1.5e+999"),
        ("\n{\n  \"a\": 7,\n  \"size\": 1E400\n}\n", ":4", "1E400"),
        ("[1,\n2E999]", ":2", "2E999"),
        ("1E400\n", ":1", "1E400"),
    ] {
        let ran = fed(&["validate"], input.as_bytes());
        assert_eq!(ran.code, 1);
        let told = format!("standard input{place}: the number {number} {words}");
        assert!(ran.stdout.ends_with(&told), "{input:?}: {}", ran.stdout);
    }
    assert!(!fed(&["validate"], b"{\"size\":1E300}").stdout.contains("float"));
    let broken = fed(&["validate"], b"{\"size\":1E}").stdout;
    assert!(broken.starts_with("standard input:1: not JSON: "), "{broken}");
}

#[test]
fn each_revision_accepts_its_own_fixtures_and_strict_refuses_unknown_members() {
    let snake = run(["fixture", "records/file/snake_case"]).stdout;
    let judged = |more: &[&str]| fed(&[&["validate", "--as", "file"], more].concat(), snake.as_bytes()).code;
    assert_eq!(judged(&["--revision", "snake_case", "--strict"]), 0);
    assert_eq!(judged(&["--strict"]), 1);
    let more = run(["fixture", "webhooks/sync_complete/with_credential_id"]).stdout.replacen('{', r#"{"new":1,"#, 1);
    assert_eq!(fed(&["validate"], more.as_bytes()).code, 0);
    let strict = fed(&["validate", "--strict"], more.as_bytes());
    assert!(strict.stdout.contains("/new: expected no such member, got 1 (additionalProperties)"), "{}", strict.stdout);
}

#[test]
fn generated_payloads_are_valid_and_the_same_for_the_same_seed() {
    for kind in ["event", "record_deleted", "webhooks/webhook_verification"] {
        for more in [&[][..], &["--edge"], &["--revision", "snake_case"]] {
            let args = [&["generate", kind, "--count", "20", "--seed", "7"], more].concat();
            let made = run(&args);
            assert_eq!((made.code, made.stdout.lines().count()), (0, 20), "{args:?}");
            assert_eq!(made.stdout, run(&args).stdout, "{args:?}");
            let revision = if more.contains(&"snake_case") { "snake_case" } else { "credential_id" };
            let judged = fed(&["validate", "--strict", "--revision", revision], made.stdout.as_bytes());
            assert_eq!(judged.code, 0, "{args:?}: {}", judged.stdout);
        }
    }
    let seed = |seed| run(["generate", "file", "--seed", seed]).stdout;
    assert_ne!(seed("1"), seed("2"));
    let histories = run(["generate", "history", "--count", "10", "--edge"]).stdout;
    assert_eq!(fed(&["validate", "--as", "scenario"], histories.as_bytes()).code, 0);
}

#[test]
fn a_generated_invalid_payload_names_the_rule_that_it_breaks() {
    let made = run(["generate", "sync_complete", "--invalid", "--count", "30"]).stdout;
    for line in made.lines() {
        let miss: Value = serde_json::from_str(line).unwrap();
        let judged = fed(&["validate", "--strict", "--as", "sync_complete"], miss["payload"].to_string().as_bytes());
        let told: Vec<_> = judged.stdout.lines().skip(1).collect();
        let path = miss["breaks"]["path"].as_str().unwrap();
        let path = if path.is_empty() { "the payload" } else { path };
        assert_eq!(told.len(), 1, "{line}\n{}", judged.stdout);
        assert!(told[0].trim().starts_with(&format!("{path}: ")), "{line}\n{}", told[0]);
        assert!(told[0].ends_with(&format!("({})", miss["breaks"]["rule"].as_str().unwrap())), "{}", told[0]);
    }
}

#[test]
fn generate_ends_when_its_output_is_closed() {
    let mut command = program(["generate", "event", "--count", "1000000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    drop(reader);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn schemas_are_printed_whole_and_exported() {
    let schema: Value = serde_json::from_str(&run(["schema", "sync_complete", "--strict"]).stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let event: Value =
        serde_json::from_str(&run(["fixture", "webhooks/sync_complete/with_credential_id"]).stdout).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&event) && !validator.is_valid(&serde_json::json!({})));
    let list = run(["schema"]).stdout;
    assert!(["records/file ", "openapi ", "asyncapi ", "admin "].iter().all(|name| list.contains(name)), "{list}");
    assert!(run(["schema", "openapi"]).stdout.starts_with("openapi: 3.1"));
    assert!(run(["schema", "asyncapi"]).stdout.contains("asyncapi: 3.0"));
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("schemas");
    let ran = run(["schema", "--export", to.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(to.join("records/file.json").is_file() && to.join("openapi.yaml").is_file());
    assert!(ran.stderr.ends_with(&format!("schemas and 3 descriptions are in {}\n", to.display())), "{}", ran.stderr);
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(line(&["schema", "--export", file.to_str().unwrap()]).starts_with("error: --export "));
    assert!(line(&["schema", "sync_completed"]).contains("did you mean webhooks/sync_complete?"));
}

#[test]
fn fixtures_are_listed_and_printed() {
    let list = run(["fixture"]).stdout;
    assert!(list.lines().count() > 400, "{}", list.lines().count());
    let own = run(["fixture", "record_deleted"]).stdout;
    assert!(own.lines().nth(1).unwrap().starts_with("webhooks/record_deleted/"), "{own}");
    assert!(
        line(&["fixture", "webhooks/sync_complete/documentd"])
            .contains("did you mean webhooks/sync_complete/documented?")
    );
}

#[test]
fn rules_cases_members_and_fixtures_are_explained_by_id() {
    let told =
        ["unknown.retries", "contradiction.model", "ack-unknown-members", "webhook.disable", "records/file#externalId"]
            .iter()
            .chain(&["invalid/webhooks/record_created/name-recordCreated", "disable_sync_response"])
            .map(|id| {
                let ran = run(["explain", id]);
                if ran.code == 0 { ran.stdout } else { ran.stderr }
            });
    insta::assert_snapshot!(told.collect::<String>());
    assert!(line(&["explain", "webhook.retri"]).contains("did you mean webhook.retry?"));
    assert!(line(&["explain"]).contains("required arguments"));
}

#[test]
fn the_cases_are_listed_as_json_with_what_each_needs() {
    let cases: Value = serde_json::from_str(&run(["cases", "--json"]).stdout).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len() + 1, run(["cases"]).stdout.lines().count());
    let case = |id: &str| cases.iter().find(|case| case["id"] == id).unwrap();
    assert_eq!(case("out-restart")["needs"], serde_json::json!(["process", "state"]));
    assert_eq!(case("rec-odd")["family"], "rec");
    assert_eq!(case("rec-deleted")["rests_on"][0]["grade"], "documented");
}

#[test]
fn the_provenance_table_is_the_one_in_the_docs() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/provenance.md");
    let table = run(["explain", "--all"]).stdout;
    let same = std::fs::read_to_string(docs).is_ok_and(|docs| docs == table);
    assert!(same, "it is out of date: cargo run -- explain --all > docs/src/provenance.md");
}

/// Returns the peak memory of a process, in KiB.
#[cfg(target_os = "linux")]
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_events_are_printed_without_being_kept_in_memory() {
    let mut command = program(["generate", "event", "--count", "1000000", "--seed", "1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut after = |count: usize| {
        let bytes: usize = lines.by_ref().take(count).map(|line| line.unwrap().len()).sum();
        (bytes as u64 / 1024, peak(child.id()))
    };
    let (_, early) = after(1_000);
    let (printed, late) = after(19_000);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(printed > 4_000 && late - early < 1_000, "{early} KiB, then {late} KiB after {printed} KiB of events");
}
