//! Standard output: a full disk is an error, and a closed pipe is not.

use std::process::{Output, Stdio};

use crate::run::{GOOD, WEBHOOK, program};

const PRINTING: [&[&str]; 12] = [
    &["generate", "event", "--count", "3"],
    &["fixture"],
    &["fixture", "webhooks/sync_complete/documented"],
    &["schema"],
    &["schema", "records/file"],
    &["explain", "--all"],
    &["policies"],
    &["completions", "bash"],
    &["cases"],
    &["man"],
    &["help"],
    &["check", WEBHOOK, "--list"],
];

fn to(stdout: impl Into<Stdio>, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(args).stdout(stdout).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let told = "error: standard output cannot be written: No space left on device (os error 28)\n";
    for args in PRINTING {
        assert_eq!(to(full(), args), (Some(3), told.to_owned()), "{args:?}");
    }
    // The exit code of the verdicts takes precedence, unless they were a success.
    let judged: &[&str] = &["check", WEBHOOK, "--spawn", GOOD, "--case"];
    for (case, code) in [("ack-verification", 3), ("rec-deleted", 4)] {
        let (ended, stderr) = to(full(), &[judged, &[case]].concat());
        assert!(ended == Some(code) && stderr.ends_with(told), "{case}: {ended:?}\n{stderr}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    for args in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(to(writer, args), (Some(0), String::new()), "{args:?}");
    }
}
