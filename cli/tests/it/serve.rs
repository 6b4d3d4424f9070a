//! Tests of `serve` and `trigger` with real processes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::run::{Ran, program, run};

/// A running `serve`, which ends with the test.
struct Serve {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    ready: Value,
}

impl Serve {
    fn start(more: &[&str]) -> Self {
        let mut child = program([&["serve", "--port", "0", "--ready-json"], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, stdout, ready }
    }

    fn admin_url(&self) -> &str {
        self.ready["adminUrl"].as_str().unwrap()
    }

    /// Ends the process with a signal. Returns its exit code, its remaining standard output, and its standard error.
    fn end(mut self, signal: &str) -> Ran {
        let killed = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        self.stdout.read_to_string(&mut stdout).unwrap();
        Ran { code: self.child.wait().unwrap().code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a webhook that accepts every event, and passes it on.
fn sink() -> (String, mpsc::Receiver<Value>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let (took, taken) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handler = move |axum::Json(event): axum::Json<Value>| {
            let _ = took.send(event);
            std::future::ready(())
        };
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let router = axum::Router::new().route("/webhook", axum::routing::post(handler));
            axum::serve(listener, router).await.unwrap();
        });
    });
    (url, taken)
}

#[test]
fn serve_prints_its_urls_and_ends_with_a_summary() {
    for signal in ["INT", "TERM"] {
        let (url, taken) = sink();
        let serve = Serve::start(&["--webhook", &url, "--source", "files=20", "--project", "p"]);
        let ready = &serve.ready;
        assert_eq!((&ready["projectId"], ready["webhook"].as_str()), (&"p".into(), Some(url.as_str())));
        assert_eq!(serve.admin_url(), format!("{}/_testkit", ready["apiUrl"].as_str().unwrap()));
        assert!(ready["signingKey"].as_str().unwrap().contains("PRIVATE KEY"));
        let event = taken.recv().unwrap();
        assert_eq!((&event["event"], &event["data"]["numRecords"]), (&"sync_complete".into(), &20.into()));
        let ended = serve.end(signal);
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.starts_with("1 run, 0 calls of the Sync API, "), "{}", ended.stdout);
        assert!(ended.stderr.contains("sync      initial run, 1 event"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("PRIVATE KEY"));
    }
}

#[test]
fn a_scenario_is_played_before_serve_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.json");
    let text = r#"{"scenario": 1, "seed": 7, "steps": [
        {"do": "create", "user": "ada", "integration": "googledrive", "object": "a",
            "record": {"name": "a.md", "mimeType": "text/markdown", "size": 1}},
        {"do": "enable", "user": "ada", "integration": "googledrive"}, {"do": "advance", "by": "1m"}]}"#;
    std::fs::write(&file, text).unwrap();
    let (url, taken) = sink();
    let serve = Serve::start(&["--speed", "0", "--webhook", &url, "--scenario", file.to_str().unwrap()]);
    assert_eq!(taken.recv().unwrap()["event"], "sync_complete");
    let ended = serve.end("INT");
    assert!(
        ended.stdout.ends_with("1 attempt (1 delivered), the clock shows 2026-01-01T00:01:00.000Z\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn an_event_of_a_running_serve_is_triggered() {
    let (url, taken) = sink();
    let serve = Serve::start(&["--speed", "0", "--webhook", &url, "--source", "files=1"]);
    let to = ["--to", serve.admin_url()];
    let early = run([&["trigger", "record_updated"], &to[..]].concat());
    assert_eq!((early.code, early.stdout.as_str()), (3, ""));
    assert!(early.stderr.contains("has no record yet"), "{}", early.stderr);
    let done = run([&["trigger", "sync_complete", "--set", "data.numRecords=5"], &to[..]].concat());
    assert_eq!((done.code, done.stdout.as_str()), (0, "sync_complete -> 200\n"), "{}", done.stderr);
    // The initial run was due too. Its event and the triggered event may come in either order.
    let told: Vec<_> = (0..2).map(|_| taken.recv().unwrap()["data"]["numRecords"].clone()).collect();
    assert!(told.contains(&5.into()) && told.contains(&1.into()), "{told:?}");
    let updated = run([&["trigger", "record_updated"], &to[..]].concat());
    assert!(
        updated.code == 0 && updated.stdout.starts_with("record_updated \"") && updated.stdout.ends_with("-> 200\n")
    );
    assert_eq!(taken.recv().unwrap()["event"], "record_updated");
    let nobody = run([&["trigger", "record_updated", "--sync", "x"], &to[..]].concat());
    assert_eq!((nobody.code, nobody.stderr.as_str()), (3, "error: there is no sync \"x\"\n"));

    let deaf = Serve::start(&["--speed", "0", "--source", "files=1"]);
    let unset = run(["trigger", "sync_complete", "--to", deaf.admin_url()]);
    assert_eq!((unset.code, unset.stderr.as_str()), (3, "error: sync_complete was not sent: the webhook is unset\n"));
}

#[test]
fn invalid_arguments_are_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let key = file("key.pem", "nonsense");
    let broken = file("broken.json", "{");
    let impossible = file("impossible.json", r#"{"scenario":1,"seed":0,"steps":[{"do":"delete","object":"a"}]}"#);
    let told = |args: &[&str]| {
        let ran = run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}\n{}", ran.stderr);
        let line = ran.stderr.lines().next().unwrap_or_default().to_owned();
        line.replace(folder.path().to_str().unwrap(), "FOLDER")
    };
    let lines = [
        told(&["serve", "--port", "70000"]),
        told(&["serve", "--host", "localhost"]),
        told(&["serve", "--policy", "paragon"]),
        told(&["serve", "--speed", "-1"]),
        told(&["serve", "--speed", "fast"]),
        told(&["serve", "--source", "files"]),
        told(&["serve", "--source", "folders=1"]),
        told(&["serve", "--source", "files=many"]),
        told(&["serve", "--source", "files=1,files=2"]),
        told(&["serve", "--source", "integration=box"]),
        told(&["serve", "--source", "deals=1,integration=googledrive"]),
        told(&["serve", "--source", "files=1,integration=googlediver"]),
        told(&["serve", "--scenario", "nowhere.json"]),
        told(&["serve", "--scenario", &broken]),
        told(&["serve", "--scenario", &impossible]),
        told(&["serve", "--port", "0", "--signing-key", &key]),
        told(&["serve", "--signing-key", "nowhere.pem"]),
        told(&["serve", "--revision", "new"]),
        told(&["trigger", "sync_completed"]),
        told(&["trigger", "sync_complete", "--to", "ftp://x"]),
        told(&["trigger", "sync_complete", "--set", "x"]),
    ];
    insta::assert_snapshot!(lines.join("\n"));
    let gone = run(["trigger", "sync_complete", "--to", "http://127.0.0.1:9/_testkit"]);
    assert_eq!(gone.code, 3);
    assert!(gone.stderr.contains("is `paragon-testkit serve` running there?"), "{}", gone.stderr);
}

#[test]
fn a_port_that_is_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(["serve", "--port", &port]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with(&format!("error: cannot listen on 127.0.0.1:{port}: ")), "{}", ran.stderr);
}

#[test]
fn the_clock_starts_at_the_given_time() {
    let shows = |more: &[&str]| {
        let ended = Serve::start(&[&["--quiet"], more].concat()).end("INT");
        let (_, shows) = ended.stdout.split_once("the clock shows ").unwrap();
        paragon_testkit::clock::Timestamp::parse(shows.trim_end()).unwrap()
    };
    assert_eq!(shows(&["--speed", "0"]).to_string(), "2026-01-01T00:00:00.000Z");
    let told = ["--start", "2031-02-03T04:05:06Z"];
    assert_eq!(shows(&[&["--speed", "0"], &told[..]].concat()).to_string(), "2031-02-03T04:05:06.000Z");
    assert!(shows(&told).to_string().starts_with("2031-02-03T04:05:"));
    let wall = paragon_testkit::clock::Timestamp::wall().as_millis();
    assert!((wall - 2_000..wall + 60_000).contains(&shows(&[]).as_millis()));
}
