//! Tests of `paragon-testkit.toml` and of the environment variables `PARAGON_TESTKIT_…`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Killed, Ran, STATE, WEBHOOK, program, read_report, run};

const NAME: &str = "paragon-testkit.toml";

/// Receivers that the tests start from other folders.
const RECEIVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/receivers/python");

/// A folder with a configuration file. The program runs in it, or in a folder below it.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(file: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.write(NAME, file);
        std::fs::create_dir(project.path("below")).unwrap();
        project
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().canonicalize().unwrap().join(name).display().to_string()
    }

    /// Returns a command without the variables of the person who runs the tests.
    fn command(&self, folder: &str, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = program::<&str>([]);
        let own = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("PARAGON_TESTKIT"));
        for name in own {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.path(folder)).envs(variables.iter().copied());
        command
    }

    fn run(&self, folder: &str, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = self.command(folder, args, variables).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs `config show`, and returns the value and the origin of each of these options.
    fn shown(&self, args: &[&str], variables: &[(&str, &str)], options: &[&str]) -> String {
        let ran = self.run("", &[&["config", "show"], args].concat(), variables);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        let lines = ran.stdout.lines().filter(|line| options.contains(&line.split(' ').next().unwrap()));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn check_judges_the_receiver_that_the_file_names_from_any_folder_below() {
    let project = Project::new(&format!(
        "url = \"{WEBHOOK}\"\nstate-url = \"{STATE}\"\nspawn = \"sh start.sh\"\n\
         case = [\"rec-created\", \"rec-deleted\"]\nreport = [\"json=report.json\"]\nfailures = \"kept\"\n"
    ));
    project.write("start.sh", &format!("exec python3 {RECEIVERS}/receiver.py"));
    for folder in ["", "below"] {
        let ran = project.run(folder, &["check", "--env", "EXTRA=1"], &[]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("2 passed, 0 failed"), "{}", ran.stdout);
        let file = if folder.is_empty() { NAME.to_owned() } else { project.path(NAME) };
        assert!(ran.stderr.contains(&format!("options from {file}\n")), "{}", ran.stderr);
        // The report lies beside the file.
        std::fs::remove_file(project.path("report.json")).unwrap();
    }
    let doctor = project.run("", &["doctor"], &[]);
    assert_eq!(doctor.code, 0, "{}{}", doctor.stdout, doctor.stderr);
}

#[test]
fn the_command_that_repeats_a_run_needs_no_file() {
    let project = Project::new(&format!(
        "url = \"{WEBHOOK}\"\nstate-url = \"{STATE}\"\nspawn = \"sh start.sh\"\ncase = [\"rec-*\"]\n\
         exclude = [\"rec-[!d]*\", \"rec-deleted-*\", \"rec-dup*\"]\nsettle = \"1s\"\nwait-for = \"25s\"\nheader = [\"X-Key: hidden\"]\n\
         report = [\"json=report.json\"]\nfailures = \"kept\"\n"
    ));
    project.write("start.sh", &format!("exec python3 {RECEIVERS}/broken.py drops-deletions"));
    let ran = project.run("below", &["check"], &[]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let report = read_report(Path::new(&project.path("report.json")));
    let again = report["cases"][0]["reproduce"].as_str().unwrap();
    assert!(again.contains(" --no-config ") && again.contains("--wait-for 25s"), "{again}");
    assert!(![&ran.stdout, &ran.stderr, &report.to_string()].iter().any(|text| text.contains("hidden")), "{again}");

    let words = shlex::split(again).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    let elsewhere = Project::new("case = [\"ack-*\"]\nstate-url = \"http://127.0.0.1:1/\"");
    let repeated = elsewhere.run("", &[&words[..], &["--report", "json=report.json"]].concat(), &[]);
    assert_eq!(repeated.code, 1, "{}{}", repeated.stdout, repeated.stderr);
    let repeated = read_report(Path::new(&elsewhere.path("report.json")));
    let ids_and_verdicts = ["id", "verdict"].map(|member| repeated["cases"][0][member].as_str().unwrap());
    assert_eq!(ids_and_verdicts, ["rec-deleted", "fail"], "{repeated}");
    assert_eq!(repeated["cases"].as_array().unwrap().len(), 1, "{repeated}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let project = Project::new(
        "settle = \"1s\"\npatience = \"1m\"\nwait-for = \"1s\"\nfail-fast = true\nlist = true\n\
         case = [\"a\"]\npipelines = [\"files\", \"deals\"]\n",
    );
    let variables = [
        ("PARAGON_TESTKIT_SETTLE", "2s"),
        ("PARAGON_TESTKIT_PATIENCE", "2m"),
        ("PARAGON_TESTKIT_WAIT_FOR", ""),
        ("PARAGON_TESTKIT_FAIL_FAST", "false"),
        ("PARAGON_TESTKIT_CASE", "b\n c\n"),
        ("PARAGON_TESTKIT_EXCLUDE", "d"),
        // These two are read by other programs.
        ("PARAGON_TESTKIT", "target/debug/paragon-testkit"),
        ("PARAGON_TESTKIT_BINARY", "target/debug/paragon-testkit"),
    ];
    let options = [
        "settle",
        "patience",
        "wait-for",
        "timeout",
        "fail-fast",
        "list",
        "case",
        "exclude",
        "pipelines",
        "config",
        "no-config",
        "spawn",
    ];
    let shown = project.shown(&["check", "--settle", "3s", "--exclude", "e", "--exclude", "f"], &variables, &options);
    insta::assert_snapshot!(shown, @r"
    spawn - default
    timeout 5s default
    settle 3s flag
    patience 2m environment PARAGON_TESTKIT_PATIENCE
    wait-for 1s paragon-testkit.toml:3
    config paragon-testkit.toml default
    no-config false default
    case b, c environment PARAGON_TESTKIT_CASE
    exclude e, f flag
    list true paragon-testkit.toml:5
    fail-fast false environment PARAGON_TESTKIT_FAIL_FAST
    pipelines files, deals paragon-testkit.toml:7
    ");
}

#[test]
fn an_option_displaces_what_it_excludes_in_a_weaker_origin() {
    let project = Project::new("state-url = \"http://h/\"\npolicy = \"svix\"\ncase = [\"a\"]\n");
    let args = ["check", "--state-cmd", "cat state", "--all-policies"];
    let shown = project.shown(
        &args,
        &[("PARAGON_TESTKIT_RERUN_FAILED", "true")],
        &["state-url", "state-cmd", "policy", "all-policies", "case", "rerun-failed"],
    );
    insta::assert_snapshot!(shown, @r"
    state-url - default
    state-cmd cat state flag
    policy - default
    case a paragon-testkit.toml:3
    all-policies true flag
    rerun-failed true environment PARAGON_TESTKIT_RERUN_FAILED
    ");
}

#[test]
fn another_file_or_no_file_can_be_chosen() {
    let project = Project::new("settle = \"1s\"\nsigning-key = \"key.pem\"");
    project.write("below/other.toml", "settle = \"2s\"\nsigning-key = \"key.pem\"\nstate-cmd = \"cat state\"");
    let options = ["settle", "signing-key", "state-cmd", "config"];
    let other = [("PARAGON_TESTKIT_CONFIG", "below/other.toml")];
    let shown = [
        project.shown(&[], &[], &options),
        project.shown(&["check", "--config", "below/other.toml"], &[], &options),
        project.shown(&[], &other, &options),
        project.shown(&["check", "--no-config"], &other, &options),
        project.shown(&[], &[("PARAGON_TESTKIT_NO_CONFIG", "true")], &options),
    ];
    insta::assert_snapshot!(shown.join("\n\n"), @r"
    state-cmd - default
    settle 1s paragon-testkit.toml:1
    signing-key key.pem paragon-testkit.toml:2
    config paragon-testkit.toml default

    state-cmd cd below && cat state below/other.toml:3
    settle 2s below/other.toml:1
    signing-key below/key.pem below/other.toml:2
    config below/other.toml flag

    state-cmd cd below && cat state below/other.toml:3
    settle 2s below/other.toml:1
    signing-key below/key.pem below/other.toml:2
    config below/other.toml environment PARAGON_TESTKIT_CONFIG

    state-cmd - default
    settle 10s default
    signing-key - default
    config - default

    state-cmd - default
    settle 10s default
    signing-key - default
    config - default
    ");
}

#[test]
fn a_wrong_file_is_reported_with_its_line_and_key() {
    let mut told = String::new();
    for file in [
        "# A comment.\nsetle = \"3s\"\n",
        "settle = 3",
        "settle = \"soon\"",
        "level = \"most\"",
        "seed = -1",
        "seed = \"1\"",
        "port = 0x10",
        "speed = \"1\"",
        "fail-fast = \"yes\"",
        "case = \"rec-*\"",
        "case = [1]",
        "header = [\"X-Key: hidden",
        "header = \"X-Key: hidden\"",
        "\nheader = [\"hidden\"]",
        "[check]\nsettle = \"3s\"",
        "config = \"other.toml\"",
        "case = [\"[\"]",
        "state-url = \"/state\"",
        "signing-key = \"nowhere.pem\"",
        "policy = \"swix\"",
        "report = [\"json=nowhere/report.json\"]",
        "env = [\"A\"]\nspawn = \"true\"",
    ] {
        let ran = Project::new(file).run("", &["check", WEBHOOK], &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{file}");
        let _ = writeln!(told, "{}", ran.stderr.lines().next().unwrap());
    }
    // The options of a file that exclude each other, or that lack another one.
    for (file, args) in [
        ("state-url = \"http://h/\"\nstate-cmd = \"cat state\"", &["check", WEBHOOK][..]),
        ("env = [\"A=B\"]", &["check", WEBHOOK]),
        ("url = \"http://h/\"", &["replay"]),
        ("url = \"nonsense\"", &["check"]),
    ] {
        let ran = Project::new(file).run("", args, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{file}");
        let _ = writeln!(told, "{}", ran.stderr);
    }
    assert!(!told.contains("hidden\n") && !told.contains("X-Key: hidden"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn a_wrong_variable_is_reported_by_its_name() {
    let mut told = String::new();
    for (variable, value) in [
        ("SETTLE", "soon"),
        ("SEED", "x"),
        ("FAIL_FAST", "yes"),
        ("LEVEL", "most"),
        ("STATE_URL", "/state"),
        ("URL", "nonsense"),
        ("CASE", "["),
        ("HEADER", "hidden"),
        ("CONFIG", "nowhere.toml"),
        // A variable is checked even if another command has the option.
        ("PORT", "70000"),
    ] {
        let ran = Project::new("").run("", &["check"], &[URL, (&format!("PARAGON_TESTKIT_{variable}"), value)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{variable}={value}");
        let _ = writeln!(told, "{}", ran.stderr.lines().next().unwrap());
    }
    insta::assert_snapshot!(told);
}

/// The URL of the receiver, unless the test sets another one.
const URL: (&str, &str) = ("PARAGON_TESTKIT_URL", WEBHOOK);

#[test]
fn a_variable_that_names_no_option_is_warned_of() {
    let unknown = [("PARAGON_TESTKIT_SETLE", "3s"), ("PARAGON_TESTKIT_settle", "3s"), ("PARAGON_TESTKIT_XYZ", "1")];
    let ran = Project::new("").run("", &["check", "--list", "--case", "rec-created"], &[&unknown[..], &[URL]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let warnings: BTreeSet<_> = ran.stderr.lines().collect();
    let expected = [
        "warning: the environment variable PARAGON_TESTKIT_SETLE names no option, did you mean PARAGON_TESTKIT_SETTLE?",
        "warning: the environment variable PARAGON_TESTKIT_XYZ names no option",
        "warning: the environment variable PARAGON_TESTKIT_settle names no option, did you mean PARAGON_TESTKIT_SETTLE?",
    ];
    assert_eq!(warnings, BTreeSet::from(expected));
    // The other commands have no options in the environment.
    let ran = Project::new("nonsense").run("", &["cases"], &unknown);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn secrets_are_not_shown() {
    let project = Project::new("header = [\"X-Key: hidden\"]\nspawn = \"true\"\nenv = [\"TOKEN=hidden\"]");
    let shown = project.shown(&[], &[], &["header", "env"]);
    assert_eq!(shown, "env TOKEN=… paragon-testkit.toml:3\nheader X-Key:… paragon-testkit.toml:1");
    let header = [("PARAGON_TESTKIT_HEADER", "X-Key: hidden\nnonsense")];
    let shown = project.shown(&["check", "--env", "A=hidden"], &header, &["header", "env"]);
    assert_eq!(shown, "env A=… flag\nheader X-Key:…, … environment PARAGON_TESTKIT_HEADER");
}

#[test]
fn serve_and_replay_take_their_options_from_the_file_too() {
    let project = Project::new(&format!(
        "port = 0\nquiet = true\nready-json = true\nproject = \"mine\"\nstart = 2026-01-01T00:00:00Z\nspeed = 0\n\
         url = \"{WEBHOOK}\"\nstate-url = \"{STATE}\"\nspawn = \"python3 {RECEIVERS}/receiver.py\"\n"
    ));
    let mut serve = project.command("", &["serve"], &[]);
    let mut serve = Killed(serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut ready = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.contains("\"projectId\":\"mine\"") && !ready.contains(":8642"), "{ready}");

    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios/missed-deletion.json");
    let ran = project.run("", &["replay", "--", scenario], &[("PARAGON_TESTKIT_READY_JSON", "false")]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

/// Removes the # in front of each option.
fn with_options(commented: &str) -> String {
    let option = |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let lines = commented.lines().map(|line| if option(line) { &line[1..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn init_writes_a_file_that_is_valid_with_and_without_its_options() {
    let project = Project { folder: tempfile::tempdir().unwrap() };
    let ran = project.run("", &["init"], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_eq!(ran.stderr, "wrote paragon-testkit.toml; remove the # in front of the options that you need\n");
    let written = std::fs::read_to_string(project.path(NAME)).unwrap();
    assert!(written.lines().all(|line| line.is_empty() || line.starts_with('#')), "{written}");
    let listed = project.run("", &["check", "--list", "--no-config", WEBHOOK], &[]);
    let ran = project.run("", &["check", "--list", WEBHOOK], &[]);
    assert_eq!((ran.code, ran.stdout, ran.stderr.as_str()), (0, listed.stdout, ""));

    project.write(NAME, &with_options(&written));
    let ran = project.run("", &["check", "--list"], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let ids: Vec<_> = ran.stdout.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with("rec-") || id.starts_with("out-")), "{ids:?}");
    let file: Value = toml::from_str(&with_options(&written)).unwrap();
    jsonschema::validate(&schema(), &file).unwrap();

    let ran = project.run("", &["init"], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_eq!(ran.stderr, "error: paragon-testkit.toml already exists, and is not overwritten\n");
    assert_eq!(std::fs::read_to_string(project.path(NAME)).unwrap(), with_options(&written));
}

fn schema() -> Value {
    serde_json::from_str(&run(["schema", "config"]).stdout).unwrap()
}

#[test]
fn the_schema_lists_exactly_the_options_that_the_commands_have() {
    let mut options = BTreeSet::from(["url".to_owned()]);
    for verb in ["check", "doctor", "replay", "serve"] {
        let help = run([verb, "--help"]).stdout;
        // An option may have a short form as well: `-v, --verbose`.
        let long = |line: &str| {
            let line = line.trim_start();
            let line = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
            Some(line.strip_prefix("--")?.split(' ').next()?.to_owned())
        };
        options.extend(help.lines().filter_map(long));
    }
    options.retain(|option| !["config", "no-config", "help"].contains(&option.as_str()));
    assert!(options.len() > 30, "{options:?}");
    let schema = schema();
    let keys: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, options);

    let validator = jsonschema::validator_for(&schema).unwrap();
    let is_valid = |text: &str| validator.is_valid(&toml::from_str(text).unwrap());
    assert!(is_valid("settle = \"3s\"\nseed = 7\nspeed = 0.5\nlist = true\ncase = [\"a\"]\nlevel = \"must\""));
    for wrong in ["setle = \"3s\"", "settle = 3", "seed = \"7\"", "list = 1", "case = \"a\"", "level = \"most\""] {
        assert!(!is_valid(wrong), "{wrong}");
    }
}
