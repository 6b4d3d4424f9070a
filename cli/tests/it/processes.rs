//! Receivers that do not start, and programs that are killed: no process is left behind.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::run::{GOOD, STATE, WEBHOOK, judge, program, run, until};

#[test]
fn a_receiver_that_does_not_start_is_reported_with_its_output() {
    let ran = run(["check", WEBHOOK, "--spawn", "echo out of luck >&2; exit 3"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("the receiver ended before it listened at http://127.0.0.1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("exit status: 3") && ran.stderr.contains("| out of luck"), "{}", ran.stderr);

    let ran = run(["check", WEBHOOK, "--spawn", "exec tail -f /dev/null", "--wait-for", "200ms"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("nothing listens at"), "{}", ran.stderr);

    let ran = run(["check", WEBHOOK, "--wait-for", "200ms"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("PARAGON_API_URL=http://127.0.0.1:"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("PRIVATE KEY"), "the key is not for the screen");
}

#[test]
fn a_process_that_already_has_the_port_is_not_taken_for_the_receiver() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", taken.local_addr().unwrap());
    let ran = run(["check", &url, "--spawn", "exec tail -f /dev/null"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("something already listens at"), "{}", ran.stderr);
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(["check", WEBHOOK, "--api-port", &port]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn the_receiver_ends_with_the_program_whatever_the_signal() {
    use std::os::unix::process::ExitStatusExt;

    // `both`: the signal also goes to the process between the program and its receiver, because `pkill` finds that
    // process too.
    for (signal, code, both) in [
        ("KILL", None, false),
        ("TERM", Some(130), false),
        ("INT", Some(130), false),
        ("HUP", Some(130), false),
        ("TERM", Some(130), true),
        ("INT", Some(130), true),
        ("HUP", Some(130), true),
    ] {
        // The receiver is a shell with a child process, and never listens. It writes down the ids of the child, of
        // itself and of its parent.
        let folder = tempfile::tempdir().unwrap();
        let ids = folder.path().join("ids");
        let spawn = format!("sleep 600 & echo $! $$ $PPID > {0}.new; mv {0}.new {0}; wait", ids.display());
        let mut child = program(["check", WEBHOOK, "--spawn", &spawn, "--wait-for", "60s"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("the receiver", || ids.exists());
        let ids: Vec<_> = std::fs::read_to_string(&ids).unwrap().split_whitespace().map(str::to_owned).collect();
        let alive = |id: &String| {
            // A zombie has ended; its parent has not asked for its status yet.
            std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        assert!(ids.len() == 3 && ids.iter().all(alive), "{ids:?}");

        let mut to_kill = vec![child.id().to_string()];
        if both {
            to_kill.insert(0, ids[2].clone());
        }
        let killed = std::process::Command::new("kill").args(["-s", signal]).args(&to_kill).status().unwrap();
        assert!(killed.success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), code, "{signal}");
        assert_eq!(status.signal(), if code.is_none() { Some(9) } else { None });
        until("the end of its processes", || !ids.iter().any(alive));
        if code.is_some() {
            let stderr = BufReader::new(child.stderr.take().unwrap());
            assert!(stderr.lines().any(|line| line.unwrap() == "error: interrupted"), "{signal}");
        }
    }
}

/// Returns whether a process is running. A zombie has ended; its parent has not asked for its status yet.
#[cfg(target_os = "linux")]
fn alive(id: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[cfg(target_os = "linux")]
fn ids(file: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_command_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ids");
    let args = |look: &str| {
        let look = look.replace("FILE", &file.display().to_string());
        let args = ["check", WEBHOOK, "--spawn", GOOD, "--case", "rec-deleted", "--settle", "1s", "--state-cmd"];
        args.into_iter().map(str::to_owned).chain([look]).collect::<Vec<_>>()
    };
    // The background process keeps the output of the command open.
    let leaves = r#"echo $$ >> FILE; sleep 600 & echo $! >> FILE; echo '{"records":[]}'"#;
    let ran = run(args(leaves));
    assert!(!ran.stderr.contains("does not work"), "{}", ran.stderr);
    assert!(ids(&file).len() >= 2);
    until("the end of what the commands left", || !ids(&file).iter().any(|id| alive(id)));

    // This command does not end, and the program is interrupted meanwhile.
    std::fs::remove_file(&file).unwrap();
    let hangs = "echo $$ >> FILE; sleep 617; echo";
    let mut judge = program(args(hangs)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("a look", || ids(&file).first().is_some_and(|id| !children(id).is_empty()));
    let looks: Vec<_> = ids(&file).into_iter().flat_map(|id| [children(&id), vec![id]].concat()).collect();
    let killed = std::process::Command::new("kill").args(["-s", "INT", &judge.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(judge.wait().unwrap().code(), Some(130));
    until("the end of the look", || !looks.iter().any(|id| alive(id)));
}

#[cfg(target_os = "linux")]
fn children(id: &str) -> Vec<String> {
    ids(std::path::Path::new(&format!("/proc/{id}/task/{id}/children")))
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_command_that_takes_too_long_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ids");
    let look = format!("sleep 617 & echo $! >> {}; wait", file.display());
    let ran = run(["check", WEBHOOK, "--spawn", GOOD, "--case", "ack-verification", "--state-cmd", &look]);
    assert!(ran.stderr.contains("does not work: the command did not end within 5 s"), "{}", ran.stderr);
    until("the end of the looks", || !ids(&file).is_empty() && !ids(&file).iter().any(|id| alive(id)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_receiver_in_the_background_is_not_taken_for_a_killed_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    // The command ends when the receiver listens, as a command that starts a daemon does.
    let listens = r#"python3 -c "import os, socket; socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))""#;
    let spawn = format!(
        "setsid sh -c 'echo $$ > {}; exec {GOOD}' > /dev/null 2>&1 & until {listens} 2> /dev/null; do sleep 0.1; done",
        file.display()
    );
    let args = ["check", WEBHOOK, "--spawn", &spawn, "--state-url", STATE];
    let cases = ["--case", "out-restart", "--case", "out-killed-*", "--case", "rec-created"];
    let ran = judge(&[&args[..], &cases].concat());
    let id = ids(&file).remove(0);
    let runs_on = alive(&id);
    std::process::Command::new("kill").args(["-s", "KILL", &id]).status().unwrap();
    assert!(runs_on);
    assert_eq!(ran.code, 0, "{ran}");
    let why = "the port still answers after the process was ended: it seems to run in the background; start it in the foreground";
    assert!(ran.stdout.contains(why), "{ran}");
    assert!(ran.with("pass") == ["rec-created"] && ran.with("fail").is_empty(), "{ran}");
    assert!(ran.stderr.contains("something still listens at http://127.0.0.1:"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("the receiver ended by itself"), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_receiver_is_started_again_although_the_file_of_the_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("paragon-testkit");
    let args = ["check", WEBHOOK, "--spawn", GOOD, "--state-url", STATE, "--case", "out-restart"];
    let removes = format!("rm -f '{}'", copy.display());
    let built = program([args.as_slice(), &["--before-sync", &removes]].concat());
    std::fs::copy(built.get_program(), &copy).unwrap();
    let mut copied = std::process::Command::new(&copy);
    copied.args(built.get_args()).current_dir(built.get_current_dir().unwrap());
    let ran = copied.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed, 0 failed") && !copy.exists(), "{told}");
}
