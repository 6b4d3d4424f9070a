//! Tests how a receiver is set up for a run: wrong set-ups are named before any case is judged, and a receiver that keeps
//! running, or has habits of its own, is judged without changes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{GOOD, Judged, Killed, START, STATE, WEBHOOK, check, free_port, judge, program, run, until};

/// Answers every request with a redirect to a sign-in page, until the test ends. Returns the address.
fn sign_in() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for line in listener.incoming() {
            let mut line = line.unwrap();
            let _ = line.read(&mut [0; 8_192]);
            let _ = line.write_all(
                b"HTTP/1.1 302 Found\r\nlocation: /sign-in\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn a_wrong_set_up_is_named_in_one_line_with_the_remedy_and_nothing_is_judged() {
    let elsewhere = sign_in();
    let (webhook, state) = (format!("{elsewhere}/webhook"), format!("{elsewhere}/state"));
    let nowhere = format!("http://127.0.0.1:{}/state", free_port());
    let base = format!("PARAGON_API_URL=$PARAGON_API_URL/v1 exec {GOOD}");
    let own_key = format!("PARAGON_SIGNING_KEY=\"$(cat src/fake/other_key.pem)\" exec {GOOD}");
    let unknown = "API_KEY=k exec python3 tests/receivers/right/right.py in-production";
    let key = ["--header", "X-Api-Key: k"];
    let spawn = |command: &'static str| vec!["--spawn", command];
    for (url, options, part, told, remedy) in [
        ("http://127.0.0.1:{port}/hook", vec![STATE, "--spawn", GOOD], "webhook", "answered 404", "use the path"),
        (&webhook, vec![STATE], "state", "does not work", "--state-url"),
        (WEBHOOK, vec![&nowhere, "--spawn", GOOD], "state", "Connection refused", "--state-url"),
        (
            WEBHOOK,
            vec![&state, "--spawn", GOOD],
            "state",
            "302 Found, which redirects to /sign-in",
            "without a redirect",
        ),
        (
            WEBHOOK,
            [vec![STATE, "--env", "PARAGON_PROJECT_ID=other"], spawn(GOOD)].concat(),
            "calls",
            "`aud` is [\"useparagon.com/other\"]",
            "--project",
        ),
        (WEBHOOK, vec![STATE, "--spawn", &base], "calls", "/v1/api/syncs/", "the paths of the API begin with"),
        (WEBHOOK, vec![STATE, "--spawn", &own_key], "calls", "not signed with the project's key", "--signing-key"),
        (WEBHOOK, [&[STATE, "--spawn", unknown][..], &key].concat(), "webhook", "answered 404", "--before-sync"),
        (WEBHOOK, vec![STATE, "--spawn", unknown], "state", "401 Unauthorized", "without a redirect or a sign-in"),
    ] {
        for verb in ["doctor", "check"] {
            let ran = run([&[verb, url, "--api-port", "0", "--settle", "2s", "--state-url"][..], &options].concat());
            assert_eq!(ran.code, 3, "{url} {options:?}: {}{}", ran.stdout, ran.stderr);
            let printed = if verb == "doctor" { &ran.stdout } else { &ran.stderr };
            let line = printed.lines().find(|line| line.contains(&format!(" {part}: ")) && line.contains(told));
            let line = line.unwrap_or_else(|| panic!("{url} {options:?}: {}{}", ran.stdout, ran.stderr));
            assert!(line.contains(remedy), "{line}");
            assert!(!ran.stdout.contains("FAIL"), "{}", ran.stdout);
        }
    }
    let ran = run(["doctor", &webhook, "--api-port", "0", "--settle", "1s"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("answered 302, expected 2xx, which redirects to /sign-in; use"), "{}", ran.stdout);
}

#[test]
fn a_right_set_up_is_told_part_by_part_and_a_broken_receiver_is_still_judged() {
    let doctor = |spawn: &str| run(["doctor", WEBHOOK, "--state-url", STATE, "--spawn", spawn]);
    let ran = doctor(GOOD);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let parts = |text: &str| text.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(parts(&ran.stdout), ["ok        state", "ok        webhook", "ok        calls"], "{}", ran.stdout);
    // The receiver itself may be the cause of what was not seen, so the cases judge it.
    for (broken, code, calls) in [("does-nothing", 4, "not seen  calls"), ("forgets-user", 0, "ok        calls")] {
        let ran = doctor(&format!("python3 tests/receivers/python/broken.py {broken}"));
        assert_eq!(ran.code, code, "{broken}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(parts(&ran.stdout), ["ok        state", "ok        webhook", calls], "{broken}: {}", ran.stdout);
    }
}

/// Starts a receiver that is configured once, for the project and the key of every run.
fn start(words: &[&str], port: u16, api_port: u16, more: &[(&str, &str)]) -> Killed {
    let key = run(["key"]).stdout;
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command.env("PORT", port.to_string()).env("PARAGON_API_URL", format!("http://127.0.0.1:{api_port}"));
    command.env("PARAGON_PROJECT_ID", "7dabbfd2-54d8-5238-8946-96c4a34144ff").env("PARAGON_SIGNING_KEY", key);
    command.envs(more.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Killed(command.spawn().unwrap());
    until("the receiver", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    running
}

#[test]
fn a_receiver_with_habits_of_its_own_is_judged_again_and_again_without_being_emptied() {
    // The third run is as the second one: the same seed, and the store still holds the records of that run.
    let few = ["rec-created", "rec-deleted", "iso-two-users", "ack-verification"].map(|case| ["--case", case]).concat();
    let runs = ["6", "7", "7"].map(|seed| [&few[..], &["--seed", seed]].concat());
    with_habits(&runs.each_ref().map(Vec::as_slice), 4);
}

#[test]
#[ignore = "`.ci/run` runs it"]
fn a_receiver_with_habits_of_its_own_passes_the_suite_twice_in_a_row() {
    with_habits(&[&[], &[]], 55);
}

/// Judges a receiver that keeps running several times, with these options. It passes at least `count` cases each time.
fn with_habits(runs: &[&[&str]], count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (port, api_port) = (free_port(), free_port());
    let file = folder.path().join("state.db").display().to_string();
    let words = ["python3", "tests/receivers/right/right.py", "in-production"];
    let _running = start(&words, port, api_port, &[("API_KEY", "k"), ("STATE_FILE", &file)]);
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let (webhook, state, syncs, api) = (at("/webhook"), at("/state"), at("/syncs"), api_port.to_string());
    let kept = folder.path().join("failures").display().to_string();
    let judged = |more: &[&str]| -> Judged {
        let target = ["check", &webhook, "--state-url", &state, "--before-sync", &syncs, "--header", "X-Api-Key: k"];
        judge(&[&target[..], &["--api-port", &api, "--failures", &kept], more].concat())
    };
    for more in runs {
        let ran = judged(more);
        assert!(ran.code == 0 && ran.with("pass").len() >= count, "{ran}");
    }
}

#[test]
fn the_value_of_a_header_is_neither_printed_nor_reported() {
    let spawn = "python3 tests/receivers/python/broken.py does-nothing";
    let more = ["--header", "X-Api-Key: s3cret", "--case", "rec-created", "--settle", "100ms"];
    let ran = check(spawn, &more);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("--header 'X-Api-Key: …'") || ran.stdout.contains("--header 'x-api-key: …'"), "{ran}");
    assert!(!format!("{}{}{}", ran.stdout, ran.stderr, ran.report).contains("s3cret"), "{ran}");
}

#[test]
fn the_same_users_are_used_only_if_they_are_named() {
    let users = |more: &[&str]| {
        let target = ["check", WEBHOOK, "--state-url", STATE, "--spawn", GOOD, "--seed", "7", "--start", START];
        let ran = judge(&[&target[..], &["--case", "rec-created"], more].concat());
        assert_eq!(ran.code, 0, "{ran}");
        ran.report["cases"][0]["timeline"].to_string()
    };
    assert_ne!(users(&[]), users(&[]));
    assert_eq!(users(&["--users", "a"]), users(&["--users", "a"]));
}

#[test]
fn keys_are_printed_and_wrong_ones_are_named() {
    let (private, public) = (run(["key"]), run(["key", "--public"]));
    assert_eq!((private.code, public.code), (0, 0));
    assert!(private.stdout.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{}", private.stdout);
    assert!(public.stdout.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", public.stdout);
    let own = run(["key", "--public", "--signing-key", "src/fake/other_key.pem"]);
    assert!(own.code == 0 && own.stdout != public.stdout, "{}", own.stderr);
    let wrong = run(["key", "--signing-key", "Cargo.toml"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.starts_with("error: --signing-key Cargo.toml: expected an RSA private key"),
        "{}",
        wrong.stderr
    );
    for (typed, told) in [("X-Api-Key", "there is no colon"), ("X Api: s3cret", "invalid HTTP header name")] {
        let ran = run(["check", WEBHOOK, "--header", typed]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(told) && !ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
}

#[test]
fn a_command_prepares_the_receiver_before_it_is_examined() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen").display().to_string();
    // The receiver and the fake are running by then.
    let reset = format!(
        "curl -sf http://127.0.0.1:$PORT/state > '{file}' && \
         curl -s -o /dev/null -w '%{{http_code}} ' $PARAGON_API_URL/api/syncs >> '{file}' && \
         echo $PARAGON_PROJECT_ID \"$PARAGON_SIGNING_KEY\" >> '{file}'"
    );
    let key = run(["key"]).stdout;
    for (verb, more) in [("doctor", &[][..]), ("check", &["--case", "rec-created"])] {
        let target = [verb, WEBHOOK, "--state-url", STATE, "--spawn", GOOD, "--project", "mine", "--reset-cmd", &reset];
        let ran = run([&target[..], more].concat());
        assert_eq!(ran.code, 0, "{verb}: {}{}", ran.stdout, ran.stderr);
        let seen = std::fs::read_to_string(&file).unwrap();
        assert_eq!(seen.trim(), format!("{{\"records\":[]}}401 mine {key}").trim(), "{verb}");
        std::fs::remove_file(&file).unwrap();
    }
    let broken = "python3 tests/receivers/python/broken.py does-nothing";
    let ran = check(broken, &["--case", "rec-created", "--settle", "100ms", "--reset-cmd", "true 'it is ready'"]);
    assert!(ran.stdout.contains(r#"--reset-cmd "true 'it is ready'""#), "{ran}");
}

#[test]
fn nothing_is_judged_if_the_receiver_cannot_be_prepared() {
    for (reset, told) in [
        (
            "echo empties it; echo 'it is locked' >&2; exit 7",
            ["exit status: 7:\n", "  | empties it\n", "  | it is locked\n"],
        ),
        ("kill -9 $$", ["signal: 9", ", and printed nothing\n", "--reset-cmd \"kill -9 $$\": "]),
    ] {
        for verb in ["doctor", "check"] {
            let ran = run([verb, WEBHOOK, "--state-url", STATE, "--spawn", GOOD, "--reset-cmd", reset]);
            assert_eq!((ran.code, &*ran.stdout), (3, ""), "{}", ran.stderr);
            assert!(told.iter().all(|told| ran.stderr.contains(told)), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_proxy_that_may_take_the_calls_is_named() {
    // The address of the proxy stands for a receiver that makes its calls through the proxy, whatever NO_PROXY says.
    let proxy = sign_in();
    let spawn = "PARAGON_API_URL=$HTTP_PROXY exec python3 tests/receivers/python/queue_worker.py";
    let hint = "HTTP_PROXY is set, and a receiver that ignores NO_PROXY sends its calls to that proxy";
    for (verb, code) in [("doctor", 4), ("check", 1)] {
        let target = [verb, WEBHOOK, "--state-url", STATE, "--spawn", spawn, "--settle", "500ms"];
        let case: &[&str] = if verb == "check" { &["--case", "rec-created"] } else { &[] };
        let told = |set: bool| {
            let mut command = program([&target[..], case].concat());
            for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
                command.env_remove(name);
            }
            if set {
                command.env("HTTP_PROXY", proxy.replace("//", "//ada:s3cret@"));
            } else {
                command.env("HTTP_PROXY", "");
            }
            let ran = command.output().unwrap();
            let printed = String::from_utf8(if verb == "doctor" { ran.stdout } else { ran.stderr }).unwrap();
            assert_eq!(ran.status.code(), Some(code), "{printed}");
            let line = printed.lines().find(|line| line.starts_with("not seen  calls: no call arrived at "));
            line.unwrap_or_else(|| panic!("{printed}")).to_owned()
        };
        let line = told(true);
        assert!(line.contains(hint) && !line.contains("s3cret"), "{line}");
        assert!(!told(false).contains(hint));
    }
}

#[test]
fn the_state_of_one_sync_is_asked_for_by_url_and_by_command() {
    let spawn = "python3 tests/receivers/right/right.py one-sync";
    let url = "http://127.0.0.1:{port}/state?sync={sync}";
    let command = r#"[ '{sync}' = "$PARAGON_SYNC_ID" ] && curl -sf "http://127.0.0.1:$PORT/state?sync={sync}""#;
    for state in [["--state-url", url], ["--state-cmd", command]] {
        let ran = run([&["doctor", WEBHOOK, "--spawn", spawn], &state[..]].concat());
        assert!(ran.code == 0 && ran.stdout.contains("state: the receiver lists its records"), "{}", ran.stdout);
        let judged = judge(&[&["check", WEBHOOK, "--spawn", spawn, "--case", "rec-*"], &state[..]].concat());
        assert!(judged.code == 0 && judged.all_pass(), "{judged}");
    }
    // Without the id, this receiver lists nothing.
    let ran = run(["doctor", WEBHOOK, "--spawn", spawn, "--state-url", STATE, "--settle", "500ms"]);
    assert!(ran.code == 3 && ran.stdout.contains("state: ") && ran.stdout.contains("400"), "{}", ran.stdout);
    let unknown = "http://127.0.0.1:{port}/nothing/{sync}";
    let ran = run(["doctor", WEBHOOK, "--spawn", GOOD, "--state-url", unknown, "--settle", "500ms"]);
    let told = "list no records for a sync that it does not know";
    assert!(ran.code == 3 && ran.stdout.contains(told), "{}", ran.stdout);
    // A wrong receiver is found in the same way.
    let broken = "python3 tests/receivers/python/broken.py drops-deletions";
    let judged = judge(
        &[&["check", WEBHOOK, "--spawn", broken, "--case", "rec-deleted", "--settle", "1s"], &["--state-url", url][..]]
            .concat(),
    );
    assert_eq!((judged.code, judged.with("fail")), (1, vec!["rec-deleted"]), "{judged}");
}
