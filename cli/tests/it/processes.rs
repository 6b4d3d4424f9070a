//! Receivers that do not come up, and programs that are killed: no process is left behind.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use paragon_testkit::clock::eventually;

use crate::run::{WEBHOOK, program, run};

/// Waits for a condition, for 20 s at most.
fn until(what: &str, condition: impl Fn() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let met = eventually(Duration::from_secs(20), || {
        let met = condition();
        async move { met.then_some(()) }
    });
    assert!(runtime.block_on(met).is_some(), "waited in vain for {what}");
}

#[test]
fn a_receiver_that_never_comes_up_is_told_with_what_it_printed() {
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
fn a_port_that_is_taken_is_not_judged_in_place_of_the_receiver() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", taken.local_addr().unwrap());
    let ran = run(["check", &url, "--spawn", "exec tail -f /dev/null"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("something listens at"), "{}", ran.stderr);
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(["check", WEBHOOK, "--api-port", &port]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn whatever_kills_the_program_its_receiver_ends_too() {
    use std::os::unix::process::ExitStatusExt;

    // `pkill` finds the process between the program and its receiver as well.
    for (signal, code, both) in [
        ("KILL", None, false),
        ("TERM", Some(130), false),
        ("INT", Some(130), false),
        ("HUP", Some(130), false),
        ("TERM", Some(130), true),
        ("INT", Some(130), true),
        ("HUP", Some(130), true),
    ] {
        // The receiver never listens; it is a shell with a child of its own, and tells both their ids and its parent's.
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
            // A zombie has ended; nobody has asked for its status yet.
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
