//! Tests the cases of the suite: each broken receiver fails the cases that are about its bug, each good receiver passes
//! all cases, and each case is failed by a broken receiver. `tests/receivers/zoo.toml` describes the receivers, and says
//! which bug fails which cases.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Condvar, LazyLock, Mutex};

use paragon_testkit::check::cases;
use serde::Deserialize;

use crate::run::{Judged, START, STATE, WEBHOOK, check, judge, run};

static ZOO: LazyLock<Zoo> =
    LazyLock::new(|| toml::from_str(include_str!("../../../tests/receivers/zoo.toml")).expect("zoo.toml"));

/// The receivers of the tests. `zoo.toml` says what the members mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zoo {
    good: Vec<Good>,
    right: Vec<Right>,
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    file: String,
    style: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Right {
    name: String,
    #[expect(dead_code, reason = "docs/generate.py uses it")]
    table: Style,
    programs: Vec<Program>,
    unusual: String,
    waiting: String,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    own_options: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    name: String,
    table: Table,
    programs: Vec<Program>,
    wrong: String,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    fails: Vec<String>,
    #[serde(default)]
    fails_alone: Vec<String>,
    purpose: Option<String>,
}

/// A table of `tests/receivers/right/README.md`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Style {
    Work,
    Storage,
    State,
    Http,
    Users,
}

/// A table of `tests/receivers/README.md`.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Table {
    Answering,
    Pulling,
    Records,
    Users,
    Outages,
    Histories,
    Alone,
    Suite,
}

/// A program with several receivers. Its first argument is the name of a receiver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
enum Program {
    #[serde(rename = "broken.py")]
    BrokenPython,
    #[serde(rename = "broken.mjs")]
    BrokenNode,
    #[serde(rename = "right.py")]
    RightPython,
    #[serde(rename = "processes.py")]
    RightProcesses,
    #[serde(rename = "right.mjs")]
    RightNode,
}

impl Program {
    const ALL: [Self; 5] =
        [Self::BrokenPython, Self::BrokenNode, Self::RightPython, Self::RightProcesses, Self::RightNode];

    fn command(self) -> [&'static str; 2] {
        match self {
            Self::BrokenPython => ["python3", "tests/receivers/python/broken.py"],
            Self::BrokenNode => ["node", "tests/receivers/node/broken.mjs"],
            Self::RightPython => ["python3", "tests/receivers/right/right.py"],
            Self::RightProcesses => ["python3", "tests/receivers/right/processes.py"],
            Self::RightNode => ["node", "tests/receivers/right/right.mjs"],
        }
    }

    fn spawn(self, name: &str) -> String {
        format!("{} {name}", self.command().join(" "))
    }

    /// Returns the names of the program's receivers. The program lists the names if it is started without one.
    fn names(self) -> Vec<String> {
        let [interpreter, file] = self.command();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let listed = Command::new(interpreter).arg(file).current_dir(root).output().unwrap();
        let listed = String::from_utf8(listed.stderr).unwrap();
        listed.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
    }
}

/// Each receiver of the programs has exactly one entry, and each entry is complete.
#[test]
fn zoo_toml_describes_each_receiver_once() {
    let right = ZOO.right.iter().map(|entry| (&entry.name, &entry.programs));
    let broken = ZOO.broken.iter().map(|entry| (&entry.name, &entry.programs));
    let entries = right.chain(broken).flat_map(|(name, programs)| programs.iter().map(|it| (*it, name.clone())));
    let mut described: Vec<_> = entries.collect();
    let listed = Program::ALL.iter().flat_map(|program| program.names().into_iter().map(|name| (*program, name)));
    let mut existing: Vec<_> = listed.collect();
    described.sort();
    existing.sort();
    assert_eq!(described, existing, "left: the entries of zoo.toml, right: what the programs list");
    for Good { file, style } in &ZOO.good {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/receivers").join(file);
        assert!(path.is_file() && !style.is_empty(), "{file}");
    }
    for Right { name, unusual, waiting, .. } in &ZOO.right {
        assert!(!unusual.is_empty() && !waiting.is_empty(), "{name}");
    }
    let cases: BTreeSet<_> = cases().iter().map(|case| case.id).collect();
    for Broken { name, table, wrong, fails, fails_alone, purpose, .. } in &ZOO.broken {
        assert!(!wrong.is_empty(), "{name}");
        assert_eq!(!fails.is_empty(), !matches!(table, Table::Alone | Table::Suite), "{name}: `fails` in {table:?}");
        assert_eq!(purpose.is_some(), *table == Table::Suite, "{name}: `purpose` in {table:?}");
        assert!(*table != Table::Alone || !fails_alone.is_empty(), "{name}: no `fails_alone`");
        for case in fails.iter().chain(fails_alone) {
            assert!(cases.contains(case.as_str()), "{name}: there is no case {case}");
        }
    }
}

/// Cases that every receiver passes, unless its bug is about them.
const CONTROL: [&str; 5] = ["ack-every-event", "ack-verification", "ack-unknown-event", "rec-updated", "iso-two-users"];

/// Limit of receivers that are judged at the same time, across all tests. Several share a core, because receivers
/// mostly wait.
static FREE: Slots = Slots(Mutex::new(5), Condvar::new());

struct Slots(Mutex<usize>, Condvar);

/// A slot in use. It becomes free when this value is dropped.
struct Taken;

impl Slots {
    fn take(&self) -> Taken {
        let free = self.1.wait_while(self.0.lock().unwrap(), |free| *free == 0);
        *free.unwrap() -= 1;
        Taken
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *FREE.0.lock().unwrap() += 1;
        FREE.1.notify_one();
    }
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// Runs the suite on a receiver.
fn judged(spawn: &str, more: &[&str]) -> Judged {
    let target = ["check", WEBHOOK, "--state-url", STATE, "--seed", "7", "--start", START];
    judged_by(spawn, &[&target[..], more].concat())
}

fn judged_by(spawn: &str, args: &[&str]) -> Judged {
    let _taken = FREE.take();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (state, kept) = (format!("STATE_FILE={}", place("state")), place("failures"));
    let own = ["--level", "may", "--spawn", spawn, "--env", &state, "--failures", &kept];
    judge(&[args, &own].concat())
}

fn assert_passes_the_whole_suite(judged: &Judged) {
    assert!(judged.verdicts().len() > 60 && judged.all_pass(), "{judged}");
}

/// Makes a test for each good receiver.
macro_rules! good {
    ($($(#[$attribute:meta])* $name:ident: $spawn:literal,)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            assert_passes_the_whole_suite(&judged($spawn, &[]));
        }
    )*};
}

good! {
    a_python_receiver_that_fetches_before_it_answers_passes: "python3 tests/receivers/python/receiver.py",
    #[ignore = "`.ci/run` runs it"]
    a_python_receiver_with_queue_and_worker_passes: "python3 tests/receivers/python/queue_worker.py",
    a_node_receiver_with_queue_and_worker_passes: "node tests/receivers/node/receiver.mjs",
    #[ignore = "`.ci/run` runs it"]
    a_node_receiver_that_reconciles_on_a_timer_passes: "node tests/receivers/node/timer.mjs",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_that_returns_values_in_other_forms_passes: "python3 tests/receivers/right/right.py database-driver",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_that_keeps_no_folders_passes: "node tests/receivers/right/right.mjs no-folders",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_that_closes_connections_silently_passes: "node tests/receivers/right/right.mjs closes-silently",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_that_sends_bearer_in_lower_case_passes: "node tests/receivers/right/right.mjs lower-case-bearer",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_that_takes_an_empty_body_for_a_ping_passes: "python3 tests/receivers/right/right.py empty-body-is-ping",
    #[ignore = "`.ci/run` runs it"]
    a_receiver_with_a_process_for_each_request_passes: "python3 tests/receivers/right/processes.py per-request",
}

#[test]
#[ignore = "`.ci/run` runs it"]
fn receivers_pass_behind_a_path_prefix_and_if_they_refuse_old_events() {
    let webhook = "http://127.0.0.1:{port}/app/hooks/paragon";
    let state = "http://127.0.0.1:{port}/app/internal/state";
    let target = ["check", webhook, "--state-url", state, "--seed", "7"];
    assert_passes_the_whole_suite(&judged_by("python3 tests/receivers/right/right.py prefix", &target));
    let target = ["check", WEBHOOK, "--state-url", STATE, "--seed", "7"];
    assert_passes_the_whole_suite(&judged_by("python3 tests/receivers/right/right.py fresh-events", &target));
}

#[test]
fn a_receiver_that_lists_the_records_of_one_sync_only_passes() {
    let spawn = "python3 tests/receivers/right/right.py one-sync";
    let state = "http://127.0.0.1:{port}/state?sync={sync}";
    let target = ["check", WEBHOOK, "--state-url", state, "--seed", "7", "--start", START];
    assert_passes_the_whole_suite(&judged_by(spawn, &target));
}

#[test]
#[ignore = "`.ci/run` runs it"]
fn a_receiver_that_needs_to_know_its_users_passes_with_before_sync() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users").display().to_string();
    let (told, env) = (format!("echo \"$PARAGON_USER_ID\" >> '{users}'"), format!("USERS_FILE={users}"));
    let spawn = "python3 tests/receivers/right/right.py knows-users";
    assert_passes_the_whole_suite(&judged(spawn, &["--before-sync", &told, "--env", &env]));
}

/// A receiver that keeps less than Paragon serves is right, but only the options of its entry tell the suite so.
#[test]
#[ignore = "`.ci/run` runs it"]
fn receivers_that_keep_less_pass_with_the_options_that_say_so() {
    let keep_less: Vec<_> = ZOO.right.iter().filter(|entry| !entry.options.is_empty()).collect();
    assert!(keep_less.len() > 1);
    for entry in keep_less {
        let spawn = entry.programs[0].spawn(&entry.name);
        assert_passes_the_whole_suite(&judged(&spawn, &texts(&entry.options)));
        let accused = judged(&spawn, &["--case", "rec-created", "--case", "rec-odd", "--settle", "1s"]);
        assert!(!accused.with("fail").is_empty(), "{accused}");
    }
}

#[test]
#[ignore = "`.ci/run` runs it"]
fn receivers_that_refuse_events_for_a_while_pass() {
    for (style, more) in
        [("warms-up", ["--case", "ack-*", "--case", "out-*"]), ("breaker", ["--case", "ack-*", "--case", "pull-*"])]
    {
        let judged = judged(&format!("python3 tests/receivers/right/right.py {style}"), &more);
        assert!(judged.all_pass(), "{judged}");
    }
}

/// No right receiver fails a case, whatever the seed. This takes hours.
#[test]
#[ignore = "plays all cases to all right receivers, under five seeds"]
fn no_right_receiver_is_accused() {
    let right = ZOO.right.iter().filter(|entry| !entry.own_options);
    let spawns =
        right.flat_map(|entry| entry.programs.iter().map(|program| (program.spawn(&entry.name), &entry.options)));
    let spawns: Vec<_> = spawns.collect();
    let accused = |spawn: &str, options: &[String], seed: &str| {
        let target = ["check", WEBHOOK, "--state-url", STATE, "--seed", seed];
        let judged = judged_by(spawn, &[&target, &texts(options)[..]].concat());
        let failed = judged.with("fail");
        (!failed.is_empty()).then(|| format!("{spawn}, seed {seed}: {failed:?}"))
    };
    let accused: Vec<_> = std::thread::scope(|scope| {
        let looks = spawns.iter().flat_map(|receiver| ["1", "2", "3", "4", "5"].map(|seed| (receiver, seed)));
        let looks: Vec<_> =
            looks.map(|((spawn, options), seed)| scope.spawn(move || accused(spawn, options, seed))).collect();
        looks.into_iter().filter_map(|look| look.join().unwrap()).collect()
    });
    assert!(accused.is_empty(), "{}", accused.join("\n"));
}

/// A broken receiver in one language.
struct Bug {
    spawn: String,
    /// The options that say what the receiver does not keep.
    options: &'static [String],
    /// The cases that the receiver fails. It fails no other case.
    fails: Vec<&'static str>,
}

/// Returns the broken receivers of a table.
fn bugs(table: Table) -> Vec<Bug> {
    let entries = ZOO.broken.iter().filter(|entry| entry.table == table);
    entries.flat_map(|entry| bugs_of(entry, &entry.fails)).collect()
}

/// Returns the broken receivers that fail some cases only when nothing else is played, with these cases.
fn bugs_alone() -> Vec<Bug> {
    let entries = ZOO.broken.iter().filter(|entry| !entry.fails_alone.is_empty());
    entries.flat_map(|entry| bugs_of(entry, &entry.fails_alone)).collect()
}

fn bugs_of(entry: &'static Broken, fails: &'static [String]) -> impl Iterator<Item = Bug> {
    let fails = fails.iter().map(String::as_str);
    let spawns = entry.programs.iter().map(|program| program.spawn(&entry.name));
    spawns.map(move |spawn| Bug { spawn, options: &entry.options, fails: fails.clone().collect() })
}

impl Bug {
    /// Runs the cases of the receiver's entry and the control cases. Returns the differences from the entry.
    fn wrong(&self) -> Option<String> {
        let cases = self.fails.iter().chain(&CONTROL).flat_map(|case| ["--case", case]);
        self.wrong_of(&cases.collect::<Vec<_>>())
    }

    fn wrong_of(&self, cases: &[&str]) -> Option<String> {
        let quick = ["--settle", "3s", "--patience", "30s", "--timeout", "3s"];
        let judged = judged(&self.spawn, &[&quick[..], &texts(self.options), cases].concat());
        let (failed, verdicts) = (judged.with("fail"), judged.verdicts());
        let missed: Vec<_> = self.fails.iter().filter(|case| !failed.contains(case)).collect();
        let others: Vec<_> = failed.iter().filter(|case| !self.fails.contains(case)).collect();
        let fine = missed.is_empty() && others.is_empty();
        (!fine).then(|| format!("{}: not failed {missed:?}, failed as well {others:?}; {verdicts:?}", self.spawn))
    }
}

/// Makes a test for the bugs of each table.
macro_rules! broken {
    ($($name:ident: $table:ident,)*) => {
        const TABLES: &[Table] = &[$(Table::$table),*];
        $(
            #[test]
            #[ignore = "`.ci/run` runs it"]
            fn $name() {
                let bugs = bugs(Table::$table);
                let wrong: Vec<_> = std::thread::scope(|scope| {
                    let looks: Vec<_> = bugs.iter().map(|bug| scope.spawn(|| bug.wrong())).collect();
                    looks.into_iter().filter_map(|look| look.join().unwrap()).collect()
                });
                assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            }
        )*
    };
}

broken! {
    bugs_about_answering_are_caught: Answering,
    bugs_about_pulling_are_caught: Pulling,
    bugs_about_records_are_caught: Records,
    bugs_about_several_users_are_caught: Users,
    bugs_about_outages_are_caught: Outages,
}

/// Runs one bug of each table. `.ci/run` runs all of them.
#[test]
fn a_bug_of_each_kind_is_caught() {
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let first = TABLES.iter().map(|table| bugs(*table).remove(1));
        let looks: Vec<_> = first.map(|bug| scope.spawn(move || bug.wrong())).collect();
        looks.into_iter().filter_map(|look| look.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A bug fails only the cases of its entry: every other case passes, or is not evaluable because of the bug. This takes
/// more than half an hour.
#[test]
#[ignore = "plays all cases to all broken receivers"]
fn no_bug_fails_what_is_not_in_its_row() {
    let bugs: Vec<_> = TABLES.iter().flat_map(|table| bugs(*table)).collect();
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let looks: Vec<_> = bugs.iter().map(|bug| scope.spawn(|| bug.wrong_of(&[]))).collect();
        looks.into_iter().filter_map(|look| look.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// This receiver removes its lock file when it ends in an orderly way, and does not start while the file exists. The
/// shell that starts the receiver ends at once.
#[test]
fn a_receiver_gets_the_time_to_end_in_an_orderly_way() {
    let judged = judged("python3 tests/receivers/python/broken.py stale-lock-file", &["--case", "out-restart"]);
    assert_eq!(judged.with("pass"), ["out-restart"], "{judged}");
}

/// Other cases are running when the receiver ends by itself. They are run again, and pass.
#[test]
fn a_crash_is_attributed_to_the_case_that_causes_it() {
    let bug = bugs(Table::Pulling).into_iter().find(|bug| bug.spawn.ends_with("crashes-at-empty-page")).unwrap();
    assert_eq!(bug.wrong_of(&["--case", "pull-*", "--case", "rec-*"]), None);
}

#[test]
#[ignore = "`.ci/run` runs it"]
fn cases_that_presume_others_also_find_the_bugs_alone() {
    let played = bugs_alone().into_iter().flat_map(|bug| {
        let one = |case: &&'static str| Bug { spawn: bug.spawn.clone(), options: bug.options, fails: vec![*case] };
        bug.fails.iter().map(one).collect::<Vec<_>>()
    });
    let wrong: Vec<_> = played.filter_map(|bug| bug.wrong_of(&["--case", bug.fails[0]])).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// This takes a quarter of an hour.
#[test]
#[ignore = "shrinks ten histories"]
fn bugs_that_only_histories_show_are_found_under_each_seed_and_shrunk() {
    for bug in bugs(Table::Histories) {
        for seed in ["1", "2", "3", "4", "5"] {
            let _taken = FREE.take();
            let folder = tempfile::tempdir().unwrap();
            let place = |name: &str| folder.path().join(name).display().to_string();
            let (kept, state) = (place("failures"), format!("STATE_FILE={}", place("state")));
            let target = ["check", WEBHOOK, "--state-url", STATE, "--spawn", &bug.spawn, "--start", START];
            let own = ["--env", &state, "--failures", &kept, "--settle", "3s", "--case", bug.fails[0], "--seed", seed];
            let ran = run([&target[..], &own].concat());
            assert_eq!(ran.code, 1, "{} {seed}: {}{}", bug.spawn, ran.stdout, ran.stderr);
            let file = folder.path().join("failures").join(bug.fails[0]).with_extension("json");
            let steps = paragon_testkit::scenario::Scenario::load(&file).unwrap().steps.len();
            assert!(steps <= 8, "{} {seed}: {steps} steps\n{}", bug.spawn, ran.stdout);
        }
    }
}

#[test]
fn every_case_is_failed_by_a_broken_receiver() {
    let tables = TABLES.iter().chain(&[Table::Histories]).flat_map(|table| bugs(*table));
    let all: Vec<_> = tables.chain(bugs_alone()).flat_map(|bug| bug.fails).collect();
    for case in cases() {
        // A broken receiver fails this case under other policies only.
        assert!(all.contains(&case.id) || case.id == "pol-outage-minutes", "no broken receiver fails {}", case.id);
    }
}

#[test]
fn a_receiver_that_relies_on_each_event_is_safe_under_few_policies_and_its_lost_event_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("failures").display().to_string();
    let spawn = "python3 tests/receivers/python/broken.py fetches-only";
    let more =
        ["--all-policies", "--case", "pol-outage-m*", "--case", "pol-outage-h*", "--settle", "1s", "--failures", &kept];
    let ran = check(spawn, &more);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let table = ran.stdout.lines().find(|line| line.starts_with("safe under ")).unwrap();
    assert_eq!(
        table,
        "safe under 4 of 11 policies; loses data under paragon-assumed, head-of-line, no-retry, drop-4xx, immediate-3, \
         gone-disables, rate-disable"
    );
    assert!(ran.stdout.contains("lost under no-retry:"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("record_created \"new.pdf\" was given up after attempt 1 (`backoff`)"),
        "{}",
        ran.stdout
    );

    let good = check("python3 tests/receivers/python/queue_worker.py", &more);
    assert_eq!(good.code, 0, "{}{}", good.stdout, good.stderr);
    assert!(good.stdout.contains("safe under 11 of 11 policies\n"), "{}", good.stdout);
}

#[test]
fn a_deep_bug_is_shrunk_to_a_few_steps_that_are_kept_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (kept, state) = (place("failures"), format!("STATE_FILE={}", place("state")));
    let spawn = "python3 tests/receivers/python/broken.py planted-versions";
    let own = ["--env", &state, "--settle", "3s"];
    let found = check(spawn, &[&own[..], &["--case", "conv-quiet", "--failures", &kept, "--seed", "5"]].concat());
    assert_eq!(found.code, 1, "{}{}", found.stdout, found.stderr);
    let file = folder.path().join("failures/conv-quiet.json");
    let scenario = paragon_testkit::scenario::Scenario::load(&file).unwrap();
    assert!(scenario.steps.len() <= 8, "{}", scenario.to_json());

    let file = file.display().to_string();
    let args = |spawn: &str| {
        let target = ["replay", &file, WEBHOOK, "--state-url", STATE, "--spawn", spawn];
        let seed = ["--seed", if spawn.contains("broken") { "10" } else { "11" }];
        run([&target[..], &own, &seed].concat())
    };
    let again = args(spawn);
    assert_eq!(again.code, 1, "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("told and not kept: "), "{}", again.stdout);
    let good = args("python3 tests/receivers/python/receiver.py");
    assert_eq!(good.code, 0, "{}{}", good.stdout, good.stderr);

    // With `--rerun-failed`, only the cases that failed the last time run again, beginning with the kept history.
    let rerun = |spawn, seed| {
        let more = ["--rerun-failed", "--failures", &kept, "--cases", "6", "--seed", seed];
        check(spawn, &[&own[..], &more].concat())
    };
    let still = rerun(spawn, "8");
    assert_eq!(still.code, 1, "{}{}", still.stdout, still.stderr);
    let mended = rerun("python3 tests/receivers/python/receiver.py", "9");
    assert_eq!((mended.code, mended.summary(["pass", "fail"])), (0, [1, 0]), "{mended}");
    assert!(!folder.path().join("failures").exists(), "what passes again is not kept");
    let nothing = rerun(spawn, "9");
    assert_eq!(nothing.code, 2, "{}", nothing.stdout);
    assert!(nothing.stderr.contains("--rerun-failed: nothing has failed"), "{}", nothing.stderr);
}

#[test]
fn a_token_of_the_wrong_user_is_reported() {
    let spawn = "python3 tests/receivers/python/broken.py forgets-user";
    let ran = check(spawn, &["--case", "pull-all-pages", "--case", "rec-created", "--settle", "300ms"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("the Sync API refused GET /api/syncs/"), "{}", ran.stdout);
    assert!(ran.stdout.contains("with 404: the token's user has no sync"), "{}", ran.stdout);
}

#[test]
fn a_receiver_that_does_nothing_passes_no_case_about_records() {
    let more = ["--settle", "300ms", "--timeout", "1s", "--exclude", "out-killed*", "--exclude", "ack-slow-api"];
    let judged = judged("python3 tests/receivers/python/broken.py does-nothing", &more);
    assert!(judged.with("pass").iter().all(|case| case.starts_with("ack-")), "{judged}");
    assert!(judged.verdicts().len() > 55, "{judged}");
}

#[test]
fn a_receiver_that_prints_without_end_is_judged_too() {
    for spawn in
        ["python3 tests/receivers/python/broken.py floods-log", "node tests/receivers/node/broken.mjs floods-log"]
    {
        let judged = judged(spawn, &["--case", "rec-*", "--settle", "5s"]);
        assert!(judged.all_pass(), "{judged}");
    }
}

#[test]
fn a_receiver_that_never_responds_is_given_up_after_a_few_cases() {
    let more = ["--settle", "300ms", "--timeout", "300ms", "--exclude", "out-*"];
    let judged = judged("python3 tests/receivers/python/broken.py hangs", &more);
    assert!(judged.with("pass").is_empty(), "{judged}");
    assert_eq!(judged.verdict("ack-every-event"), "fail", "{judged}");
    assert_eq!(judged.verdict("rec-odd"), "not_evaluable", "{judged}");
}
