//! Runs the program.

use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use paragon_testkit::clock::eventually;
use serde_json::Value;

pub(crate) const WEBHOOK: &str = "http://127.0.0.1:{port}/webhook";
pub(crate) const STATE: &str = "http://127.0.0.1:{port}/state";
pub(crate) const GOOD: &str = "python3 tests/receivers/python/receiver.py";

/// Returns a command that runs the program at the root of the repository.
pub(crate) fn program<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paragon-testkit"));
    let mut args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    if args.first().is_some_and(|verb| verb == "check") && !args.iter().any(|arg| arg == "--failures") {
        // Keeps failing histories outside of the repository.
        args.extend(["--failures".to_owned(), concat!(env!("CARGO_TARGET_TMPDIR"), "/failures").to_owned()]);
    }
    command.args(args);
    command.current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."));
    command.stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Ran {
    let Output { status, stdout, stderr } = program(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// Waits until a condition holds, for at most 20 s.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let met = eventually(Duration::from_secs(20), || {
        let met = condition();
        async move { met.then_some(()) }
    });
    assert!(runtime.block_on(met).is_some(), "waited in vain for {what}");
}

/// A process that ends with the test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a free port. It lies between the ports that `{port}` stands for and the ports that systems assign, so that
/// no other process takes it before it is used.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7_919);
    loop {
        let port = 30_000 + first.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % 2_700;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Start of the virtual clock in tests, so that the output is the same each time.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// Runs `check` on a spawned receiver that has a state probe.
pub(crate) fn check(spawn: &str, more: &[&str]) -> Judged {
    let target = ["check", WEBHOOK, "--state-url", STATE, "--spawn", spawn];
    judge(&[&target[..], &["--seed", "7", "--users", "tests", "--start", START], more].concat())
}

/// A run of `check` with its JSON report. It is displayed as the command, the exit code and all that was printed.
pub(crate) struct Judged {
    command: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The JSON report. It is null if the program ended before it wrote one. Then the methods below panic.
    pub(crate) report: Value,
}

/// Runs `check` with these arguments, and with a JSON report.
pub(crate) fn judge(args: &[&str]) -> Judged {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let Ran { code, stdout, stderr } = run([args, &["--report", &format!("json={}", file.display())]].concat());
    let report = if file.exists() { read_report(&file) } else { Value::Null };
    Judged { command: args.join(" "), code, stdout, stderr, report }
}

pub(crate) fn read_report(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

impl Judged {
    /// Returns the verdicts by case.
    pub(crate) fn verdicts(&self) -> BTreeMap<&str, &str> {
        let cases = self.report["cases"].as_array().unwrap_or_else(|| panic!("there is no report: {self}"));
        cases.iter().map(|case| (case["id"].as_str().unwrap(), case["verdict"].as_str().unwrap())).collect()
    }

    pub(crate) fn verdict(&self, case: &str) -> &str {
        self.verdicts().get(case).unwrap_or_else(|| panic!("{case} has no verdict: {self}"))
    }

    /// Returns the cases with this verdict.
    pub(crate) fn with(&self, verdict: &str) -> Vec<&str> {
        let verdicts = self.verdicts().into_iter();
        let cases: Vec<_> = verdicts.filter(|(_, other)| *other == verdict).map(|(case, _)| case).collect();
        assert_eq!([cases.len() as u64], self.summary([verdict]), "the summary differs from the cases: {self}");
        cases
    }

    /// Returns whether the receiver passed all cases.
    pub(crate) fn all_pass(&self) -> bool {
        self.with("pass").len() == self.verdicts().len()
    }

    /// Returns how many cases have each of these verdicts.
    pub(crate) fn summary<const N: usize>(&self, verdicts: [&str; N]) -> [u64; N] {
        let count = |verdict| self.report["summary"][verdict].as_u64();
        verdicts.map(|verdict| count(verdict).unwrap_or_else(|| panic!("no number of {verdict:?}: {self}")))
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr, .. } = self;
        write!(f, "`{command}` ended with code {code} and printed\n{stdout}{stderr}")
    }
}
