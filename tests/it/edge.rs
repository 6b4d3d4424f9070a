//! Tests the two servers of the API at the level of HTTP.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paragon_testkit::contract::File;
use paragon_testkit::fake::ApiFaultKind;
use paragon_testkit::fake::{BoxFuture, Server};
use paragon_testkit::scenario::{Scenario, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use crate::api::Client;
use crate::described::FakeParagon;

const LONG: Duration = Duration::from_secs(10);
const SERVERS: [Server; 2] = [Server::Wiremock, Server::Hyper];

/// A plain TCP connection: the test itself writes and reads each byte of HTTP.
struct Raw(TcpStream);

impl Raw {
    async fn connect(paragon: &FakeParagon) -> Self {
        Self(TcpStream::connect(paragon.api_url().strip_prefix("http://").unwrap()).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `done` holds for the text so far, or until the connection ends.
    async fn read_until(&mut self, done: impl Fn(&str) -> bool) -> String {
        let mut got = Vec::new();
        while !done(&String::from_utf8_lossy(&got)) {
            let read = timeout(LONG, self.0.read_buf(&mut got)).await.expect("the server goes on");
            if read.is_ok_and(|read| read > 0) {
                continue;
            }
            break;
        }
        String::from_utf8(got).unwrap()
    }

    /// Reads until the server closes the connection.
    async fn rest(&mut self) -> String {
        self.read_until(|_| false).await
    }
}

#[tokio::test]
async fn both_servers_give_the_same_responses() {
    let mut answers = Vec::new();
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let ada = Client::new(&paragon, "ada");
        paragon.user("ada").connect("googledrive").enable("files").unwrap();
        paragon.settle().await;
        let (_, list) = ada.get("/api/syncs").await;
        let id = list["data"][0]["id"].as_str().unwrap();
        let mut all = vec![(200, list.clone())];
        for path in ["records?pageSize=7&cursor=%2B+x", "records", "records/%F0%9F%8C%8D", "nowhere?a=b&&c", "%zz/.."] {
            all.push(ada.get(&format!("/api/syncs/{id}/{path}")).await);
        }
        answers.push(all);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_server_responds_while_the_runtime_of_the_test_is_blocked() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let address = paragon.api_url().replace("http://", "");
        // Blocks the only thread of this test's runtime.
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /api/syncs HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.contains(" 401 Unauthorized\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_fake_may_be_dropped_by_a_task_with_an_exhausted_budget() {
    for server in [Server::Wiremock, Server::Hyper] {
        let paragon = FakeParagon::start_on(server).await;
        // None of these calls yields to tokio, so they use up the budget of the task.
        for _ in 0..1_000 {
            paragon.settle().await;
        }
        drop(paragon);
    }
}

#[tokio::test]
async fn an_expectation_that_is_not_met_fails_the_test_that_drops_the_fake() {
    let paragon = FakeParagon::start_on(Server::Wiremock).await;
    paragon.mount(Mock::given(path("/api/syncs")).respond_with(ResponseTemplate::new(418)).expect(1)).await;
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(paragon))).unwrap_err();
    assert!(told.downcast_ref::<String>().unwrap().contains("Expected range of matching incoming requests: == 1"));
}

#[tokio::test]
async fn a_mock_of_the_user_takes_precedence() {
    let paragon = FakeParagon::start_on(Server::Wiremock).await;
    let mock = Mock::given(path("/api/syncs")).respond_with(ResponseTemplate::new(418)).up_to_n_times(1);
    paragon.mount(mock).await;
    let url = format!("{}/api/syncs", paragon.api_url());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 418);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 401);
    assert_eq!(paragon.timeline().calls().count(), 1, "the fake was not asked the first time");
}

/// Returns the line and the message of a panic.
fn panicked(using: impl FnOnce()) -> (u32, String) {
    let seen: Arc<Mutex<Option<(u32, String)>>> = Arc::default();
    let (see, thread) = (seen.clone(), std::thread::current().id());
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == thread {
            let at = panic.location().unwrap();
            assert!(at.file().ends_with("edge.rs"), "{at}");
            let text = panic.payload();
            let text = text
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| text.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            *see.lock().unwrap() = Some((at.line(), text.unwrap_or_default()));
        } else {
            others(panic);
        }
    }));
    assert!(catch_unwind(AssertUnwindSafe(using)).is_err());
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_mock_without_wiremock_fails_where_it_is_mounted() {
    let paragon = FakeParagon::start_on(Server::Hyper).await;
    let mock = Mock::given(path("/")).respond_with(ResponseTemplate::new(200));
    let (line, message) = panicked(|| drop(paragon.mount(mock)));
    assert_eq!(line, line!() - 1);
    assert!(message.contains("without `.server(Server::Hyper)`"), "{message}");
}

#[tokio::test]
async fn an_account_removed_by_a_reset_fails_where_it_is_used_until_it_is_connected_again() {
    let paragon = paragon_testkit::FakeParagon::builder().admin().start().await.unwrap();
    let drive = paragon.user("ada").connect("googledrive");
    let file = drive.create(File::named("a.pdf"));
    let reset = reqwest::Client::new().post(format!("{}/reset", paragon.admin_url().unwrap())).send().await.unwrap();
    assert_eq!(reset.status(), 200);
    let panics = [
        (line!(), panicked(|| drop(drive.create(File::named("b.pdf"))))),
        (line!(), panicked(|| drive.update(&file, |_| ()))),
        (line!(), panicked(|| drive.delete(&file))),
        (line!(), panicked(|| drop(drive.enable("files")))),
        (line!(), panicked(|| drop(drive.objects::<File>()))),
    ];
    for (line, (at, message)) in panics {
        assert_eq!(at, line);
        assert!(message.contains("is gone: the fake was reset"), "{message}");
    }
    paragon.user("ada").connect("googledrive");
    drive.create(File::named("c.pdf"));
}

/// The reset comes between two steps that do not move the clock.
#[tokio::test]
async fn a_reset_in_the_middle_of_a_scenario_ends_it() {
    let paragon = paragon_testkit::FakeParagon::builder().admin().start().await.unwrap();
    let step = |name: &str| {
        json!({"do": "create", "user": "ada", "integration": "googledrive", "object": name,
            "record": {"name": name, "mimeType": "text/plain"}})
    };
    let steps = [step("a"), json!({"do": "update", "object": "a", "set": {"name": "b"}})];
    let scenario = Scenario::parse(&json!({"scenario": 1, "seed": 7, "steps": steps}).to_string()).unwrap();
    let reset = format!("{}/reset", paragon.admin_url().unwrap());
    let after = |_: &Step| -> BoxFuture<'_> {
        Box::pin(async {
            reqwest::Client::new().post(&reset).send().await.unwrap();
        })
    };
    let error = paragon.play_with(&scenario, &after).await.unwrap_err();
    assert_eq!(error.to_string(), "step 2: the state was replaced meanwhile");
    assert_eq!(error.step(), Some(2));
}

#[test]
fn the_blocking_fake_says_what_to_do_inside_of_async_code() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let (line, message) = panicked(|| drop(paragon_testkit::fake::blocking::FakeParagon::start()));
    assert_eq!(line, line!() - 1);
    assert!(message.ends_with("use paragon_testkit::FakeParagon there"), "{message}");
}

#[tokio::test]
async fn a_dropped_fake_leaves_no_request_hanging() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let mut raw = Raw::connect(&paragon).await;
        raw.send("POST /api/syncs HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
        drop(paragon);
        assert_eq!(raw.rest().await, "", "{server:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (length, status) in [(16 << 20, 401), ((16 << 20) + 1, 413)] {
            let post = client.post(format!("{}/api/syncs", paragon.api_url())).body(vec![b' '; length]);
            let answer = timeout(LONG, post.send()).await.unwrap().unwrap();
            assert_eq!(answer.status(), status, "{server:?}");
            assert_eq!(answer.json::<Value>().await.unwrap()["statusCode"], status);
        }
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let mut raw = Raw::connect(&paragon).await;
        for n in 0..3 {
            raw.send(&format!("GET /{n} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            let answer = raw.read_until(|got| got.ends_with('}')).await;
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{server:?}: {answer}");
        }
        // Sends two requests at once; the second one asks to close the connection.
        raw.send("GET /3 HTTP/1.1\r\nhost: x\r\n\r\nGET /4 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert_eq!(raw.rest().await.matches("HTTP/1.1 401").count(), 2, "{server:?}");
        assert_eq!(paragon.timeline().calls().count(), 5);
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_response_and_a_closed_connection() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        let mut raw = Raw::connect(&paragon).await;
        raw.send("GET /api/syncs HTTP/1.0\r\n\r\n").await;
        let answer = raw.rest().await;
        assert!(answer.contains(" 401 Unauthorized\r\n") && answer.ends_with('}'), "{server:?}: {answer}");
    }
}

#[tokio::test]
async fn a_body_may_come_in_pieces() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        paragon.api_fault(ApiFaultKind::status(503));
        for framing in [
            "content-length: 6\r\n\r\n|abc|def",
            "transfer-encoding: chunked\r\n\r\n|3\r\nab|c\r\n|3\r\ndef\r\n0|\r\n\r\n",
        ] {
            let mut raw = Raw::connect(&paragon).await;
            raw.0.set_nodelay(true).unwrap();
            let before = paragon.timeline().calls().count();
            let pieces: Vec<&str> = framing.split('|').collect();
            raw.send("POST /api/sy").await;
            raw.send("ncs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").await;
            for piece in &pieces[..pieces.len() - 1] {
                raw.send(piece).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(paragon.timeline().calls().count(), before, "the body is not complete");
            raw.send(pieces[pieces.len() - 1]).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{server:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_answered_too() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        for (method, body) in [("HEAD", false), ("OPTIONS", true), ("PURGE", true)] {
            let mut raw = Raw::connect(&paragon).await;
            raw.send(&format!("{method} /api/syncs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
            let answer = raw.rest().await;
            let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("content-length: "), "{server:?}: {head}");
            assert_eq!(!rest.is_empty(), body, "{server:?} {method}: {rest}");
        }
    }
}

#[tokio::test]
async fn an_invalid_request_gets_a_400_and_a_closed_connection() {
    for server in SERVERS {
        let paragon = FakeParagon::start_on(server).await;
        for nonsense in ["hello\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
            let mut raw = Raw::connect(&paragon).await;
            raw.send(nonsense).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{server:?} {nonsense:?}: {answer}");
        }
        let ada = Client::new(&paragon, "ada");
        assert_eq!(ada.get("/api/syncs").await, (200, json!({"data": []})), "others are still served");
    }
}

#[tokio::test]
async fn a_body_with_invalid_framing_gets_a_400_that_says_so() {
    let paragon = FakeParagon::start_on(Server::Hyper).await;
    let mut raw = Raw::connect(&paragon).await;
    raw.send("POST /api/syncs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the body cannot be read"), "{answer}");
}
