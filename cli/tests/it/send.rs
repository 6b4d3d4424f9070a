//! Tests of `send`, with a receiver that keeps the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::run::{program, run};

/// Starts a receiver that responds to this many requests with a status. Its thread returns the bodies of the requests.
fn receiver(requests: usize, status: &'static str) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let serve = move || {
        let answer = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone").unwrap();
            String::from_utf8(body).unwrap()
        };
        (0..requests).map(answer).collect()
    };
    (url, std::thread::spawn(serve))
}

fn sent(args: &[&str]) -> (String, Value) {
    let (url, receiver) = receiver(1, "200 OK");
    let ran = run([&["send", "--to", &url], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    let body = receiver.join().unwrap().pop().unwrap();
    (ran.stdout, serde_json::from_str(&body).unwrap())
}

#[test]
fn events_fixtures_and_generated_events_are_sent_with_changes() {
    let (told, event) = sent(&["record_created"]);
    assert!(told.starts_with("record_created -> 200 in ") && told.ends_with(" ms  done\n"), "{told}");
    assert_eq!(event["event"], "record_created");
    let (_, changed) =
        sent(&["record_created", "--set", "user.id=ada", "--set", "data.n=0", "--remove", "credentialId"]);
    assert_eq!((&changed["user"]["id"], &changed["data"]["n"]), (&json!("ada"), &json!(0)));
    assert_eq!(changed.get("credentialId"), None);
    let (_, old) = sent(&["sync_complete", "--revision", "snake_case"]);
    assert_eq!(old["data"]["model"], "File");
    let (_, generated) = sent(&["sync_complete", "--seed", "3"]);
    assert_eq!(generated, sent(&["webhooks/sync_complete", "--seed", "3"]).1);
    assert_eq!(sent(&["webhooks/sync_complete/minimal"]).1["event"], "sync_complete");
    assert_eq!(sent(&["webhook_verification"]).1, json!({"event": "webhook_verification"}));
}

#[test]
fn bytes_are_sent_unchanged_as_often_as_asked() {
    let (url, receiver) = receiver(3, "204 No Content");
    let mut command = program(["send", "--to", &url, "--file", "-", "--times", "3"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"event\": cut").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("- -> 204").count(), 3);
    assert_eq!(receiver.join().unwrap(), ["{\"event\": cut"; 3]);
}

#[test]
fn a_refused_or_undelivered_event_is_not_a_success() {
    let (url, receiver) = receiver(1, "500 Internal Server Error");
    let ran = run(["send", "record_deleted", "--to", &url]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("record_deleted -> 500 in "), "{}", ran.stdout);
    receiver.join().unwrap();
    let nobody = run(["send", "record_deleted", "--to", "http://127.0.0.1:9/webhook"]);
    assert_eq!(nobody.code, 3);
    assert!(nobody.stderr.contains("connection refused"), "{}", nobody.stderr);
    let told: Vec<_> = [
        &["recordDeleted"][..],
        &["record_deleted", "--set", "x"],
        &["record_deleted", "--remove", "x"],
        &["webhooks/sync_complete/minimal", "--seed", "1"],
        &["--file", "nowhere.json"],
        &["record_deleted", "--times", "0"],
        &[],
    ]
    .into_iter()
    .map(|args| {
        let ran = run([&["send", "--to", "http://127.0.0.1:9/webhook"], args].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        ran.stderr.lines().next().unwrap_or_default().to_owned()
    })
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}
