//! Runs the program.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

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

/// Start of the virtual clock in tests, so that the output is the same each time.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// Runs `check` on a spawned receiver that has a state probe.
pub(crate) fn check(spawn: &str, more: &[&str]) -> Ran {
    run([&["check", WEBHOOK, "--state-url", STATE, "--spawn", spawn, "--seed", "7", "--start", START], more].concat())
}
