//! Tests the delivery engine with the virtual clock and real receivers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use paragon_testkit::FakeParagon;
use paragon_testkit::clock::eventually;
use paragon_testkit::contract::{Event, File};
use paragon_testkit::delivery::{
    Backoff, Batch, Decision, DeliveryFault, DeliveryFaultKind, DisableRule, Failing, HeaderRule, Limit, Off, Order,
    Payload, Policy, Signature, WebhookState, WhileOff, Wire,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;
use url::Url;

/// A receiver that keeps every request, and responds with the status that a closure returns.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    /// Holds back all responses until this many requests have arrived.
    gate: Option<Arc<Barrier>>,
}

impl Receiver {
    fn of(width: usize) -> Self {
        Self { gate: Some(Arc::new(Barrier::new(width))), ..Self::default() }
    }

    async fn start(self, answer: impl Fn(usize) -> StatusCode + Clone + Send + Sync + 'static) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let handler = move |headers: HeaderMap, body: Bytes| {
            let (this, answer) = (self.clone(), answer.clone());
            async move {
                let now = this.at_once.fetch_add(1, Ordering::SeqCst) + 1;
                this.most_at_once.fetch_max(now, Ordering::SeqCst);
                if let Some(gate) = &this.gate {
                    gate.wait().await;
                }
                let number = {
                    let mut got = this.got.lock().unwrap();
                    got.push((headers, body));
                    got.len()
                };
                this.at_once.fetch_sub(1, Ordering::SeqCst);
                answer(number)
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(handler))).await });
        url
    }

    fn bodies(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }
}

async fn fake(policy: Policy, receiver: &Receiver, answer: fn(usize) -> StatusCode) -> FakeParagon {
    let paragon = FakeParagon::builder().policy(policy).start().await.unwrap();
    paragon.set_webhook(receiver.clone().start(answer).await).await;
    paragon
}

fn event() -> Event {
    named("something")
}

fn named(name: &str) -> Event {
    Event::from_value(serde_json::json!({"event": name})).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_limits_concurrent_attempts_and_the_timeline_keeps_their_order() {
    for width in [1, 8] {
        let receiver = Receiver::of(width as usize);
        let paragon = fake(Policy::paragon_assumed().concurrent(width), &receiver, |_| StatusCode::OK).await;
        for _ in 0..48 {
            paragon.send(&event());
        }
        paragon.settle().await;
        assert_eq!(receiver.most_at_once.load(Ordering::SeqCst), width as usize);
        let told: Vec<_> = paragon.timeline().attempts().map(|attempt| attempt.record.delivery).collect();
        assert!(told.is_sorted() && told.len() == 48, "{told:?}");
    }
}

#[tokio::test]
async fn simultaneous_copies_ignore_the_concurrency_limit_of_the_policy() {
    let receiver = Receiver::of(4);
    let paragon = fake(Policy::paragon_assumed(), &receiver, |_| StatusCode::OK).await;
    paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Together(4)).next(1));
    paragon.send(&event());
    paragon.settle().await;
    assert_eq!(receiver.most_at_once.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn wire_faults_are_recorded_and_failed_attempts_are_retried() {
    for wire in [Wire::ResetAfterBody, Wire::HangUp, Wire::Chunked, Wire::Dribbled, Wire::ExpectContinue] {
        let receiver = Receiver::default();
        let paragon = fake(Policy::paragon_assumed(), &receiver, |_| StatusCode::OK).await;
        paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Wire(wire)).next(1));
        paragon.send(&event());
        paragon.run_until_idle().await;
        let fails = matches!(wire, Wire::ResetAfterBody | Wire::HangUp);
        let timeline = paragon.timeline();
        let attempts: Vec<_> = timeline.attempts().map(|attempt| attempt.record).collect();
        assert_eq!(attempts.len(), if fails { 2 } else { 1 }, "{timeline}");
        assert_eq!(attempts[0].wire, wire);
        assert_eq!(attempts.last().unwrap().decision, Decision::Delivered);
        if wire == Wire::ResetAfterBody {
            assert_eq!(receiver.bodies().len(), 2, "the work was done, and is done again");
        }
    }
}

#[tokio::test]
async fn a_hook_is_called_at_each_change_of_the_webhook() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hook = told.clone();
    let policy = Policy::paragon_assumed().backoff(Backoff::List(vec![Duration::from_secs(1); 9]));
    let mut pause = DisableRule::new(Failing::InARow { attempts: 2, within: Limit::NONE });
    pause.then = Off::Pause { first: Duration::from_secs(60), factor: 1.0, at_most: Limit::NONE };
    let policy = policy.disable(vec![pause]).while_off(WhileOff::Hold);
    let builder = FakeParagon::builder()
        .policy(policy)
        .on_webhook_change(move |change| hook.lock().unwrap().push(change.text.clone()));
    let paragon = builder.start().await.unwrap();
    let receiver = Receiver::default();
    let answer = |number| if number < 3 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    paragon.set_webhook(receiver.start(answer).await).await;
    paragon.send(&event());
    paragon.run_until_idle().await;
    assert_eq!(paragon.webhook(), WebhookState::Enabled);
    let expected = [
        "set and enabled",
        "paused for 1m: 2 attempts in a row failed",
        "on trial: the pause is over",
        "enabled: the trial succeeded",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(paragon.timeline().attempts().map(|attempt| attempt.record.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_new_url_is_probed_if_the_policy_says_so() {
    let receiver = Receiver::default();
    let paragon = fake(Policy::paragon_assumed().verify(true), &receiver, |_| StatusCode::OK).await;
    assert_eq!(paragon.webhook(), WebhookState::Unverified);
    assert!(!paragon.send(&event()), "nothing is sent before");
    paragon.settle().await;
    assert_eq!(paragon.webhook(), WebhookState::Enabled);
    assert_eq!(receiver.bodies(), [r#"{"event":"webhook_verification"}"#]);
    insta::assert_snapshot!(paragon.timeline());
}

#[tokio::test]
async fn webhooks_are_signed_if_asked_to() {
    let signature = Signature::new("secret");
    let paragon = FakeParagon::builder().sign_webhooks(signature.clone()).start().await.unwrap();
    let receiver = Receiver::default();
    paragon.set_webhook(receiver.clone().start(|_| StatusCode::OK).await).await;
    paragon.send(&event());
    paragon.settle().await;
    let got = receiver.got.lock().unwrap();
    let (headers, body) = &got[0];
    assert_eq!(headers["x-paragon-signature"], signature.of(body));
    assert!(!paragon.timeline().ndjson().contains("secret"));
}

#[tokio::test]
async fn events_come_in_batches_if_the_policy_says_so() {
    let receiver = Receiver::default();
    let batches = Policy::paragon_assumed().batch(Batch::of(3, Duration::from_secs(5)));
    let paragon = fake(batches, &receiver, |_| StatusCode::OK).await;
    for _ in 0..4 {
        paragon.send(&event());
    }
    paragon.run_until_idle().await;
    let lengths: Vec<usize> = receiver
        .bodies()
        .iter()
        .map(|body| serde_json::from_str::<Vec<serde_json::Value>>(body).unwrap().len())
        .collect();
    assert_eq!(lengths, [3, 1]);
    assert!(paragon.timeline().to_string().contains("something and 2 more"), "{}", paragon.timeline());
}

#[tokio::test]
async fn a_rebuilt_payload_has_the_current_values() {
    for (payload, expected) in [(Payload::Frozen, [1, 1]), (Payload::Rebuilt, [1, 2])] {
        let receiver = Receiver::default();
        let policy = Policy::paragon_assumed().payload(payload).backoff(Backoff::List(vec![Duration::from_secs(90)]));
        let answer = |number| if number == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        let paragon = fake(policy, &receiver, answer).await;
        let drive = paragon.user("ada").connect("googledrive");
        drive.create(File::named("a"));
        drive.enable("files").unwrap();
        paragon.settle().await;
        drive.create(File::named("b"));
        paragon.advance(Duration::from_secs(120)).await;
        let counts = receiver.bodies().into_iter().filter_map(|body| {
            let event: serde_json::Value = serde_json::from_str(&body).unwrap();
            event["data"]["numRecords"].as_u64()
        });
        assert_eq!(counts.collect::<Vec<_>>(), expected, "{payload:?}");
    }
}

#[tokio::test]
async fn a_failing_event_blocks_the_others_if_the_policy_says_so() {
    let receiver = Receiver::default();
    let policy = Policy::paragon_assumed().order(Order::HeadOfLine).concurrent(8);
    let answer = |number| if number < 3 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    let paragon = fake(policy, &receiver, answer).await;
    for name in ["first", "second"] {
        paragon.send(&named(name));
    }
    paragon.run_until_idle().await;
    let names: Vec<_> = paragon.timeline().attempts().map(|attempt| attempt.event.to_owned()).collect();
    assert_eq!(names, ["first", "first", "first", "second"]);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_loses_no_event() {
    // Accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let builder = FakeParagon::builder().answer_within(Duration::from_secs(60));
    let paragon = builder.start().await.unwrap();
    paragon.set_webhook(format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap()).await;
    paragon.send(&event());
    {
        let mut settling = std::pin::pin!(paragon.settle());
        // When the connection has arrived, the attempt is in flight.
        silent.set_nonblocking(true).unwrap();
        let silent = tokio::net::TcpListener::from_std(silent).unwrap();
        tokio::select! {
            () = &mut settling => unreachable!("nobody answers"),
            accepted = silent.accept() => drop(accepted.unwrap()),
        }
    }
    let ended = || async { (paragon.timeline().attempts().count() > 0).then_some(()) };
    eventually(Duration::from_secs(20), ended).await.expect("it ends without us");
    let timeline = paragon.timeline();
    let told: Vec<_> = timeline.attempts().map(|attempt| attempt.record).collect();
    assert!(matches!(told[0].decision, Decision::RetryAt(_)), "{timeline}");
    assert!(paragon.explain(told[0].delivery).unwrap().contains("attempt 2 at +00:00:10"));
}

#[tokio::test]
async fn the_timeline_is_printed_as_json_and_as_a_diagram() {
    let receiver = Receiver::default();
    let answer = |number| if number == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    let paragon = fake(Policy::paragon_assumed(), &receiver, answer).await;
    let drive = paragon.user("ada").connect("googledrive");
    drive.create(File::named("a; b # c %% {d} <e>"));
    drive.enable("files").unwrap();
    paragon.run_until_idle().await;
    let timeline = paragon.timeline();
    for line in timeline.ndjson().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(timeline.ndjson().lines().count(), timeline.entries().len());
    insta::assert_snapshot!(timeline.mermaid());
}

#[tokio::test]
async fn a_fake_with_an_incomplete_policy_does_not_start() {
    let error = FakeParagon::builder().policy(Policy::paragon_documented()).start().await.unwrap_err();
    assert!(error.is_policy() && !error.is_port() && !error.is_signing_key());
    let error = error.to_string();
    assert!(
        error.starts_with("policy paragon-documented leaves these settings open: timeout, connect_timeout, backoff"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_event_is_explained_by_the_rule_that_dropped_it() {
    let paragon = FakeParagon::start().await;
    paragon.set_webhook("http://127.0.0.1:9/".parse().unwrap()).await;
    paragon.send(&event());
    paragon.settle().await;
    paragon.disable_webhook();
    paragon.enable_webhook();
    let delivery = paragon.timeline().attempts().next().unwrap().record.delivery;
    let text = paragon.explain(delivery).unwrap();
    assert!(text.contains("something is not sent any more, by while_off: \"drop\"\n"), "{text}");
    assert!(text.ends_with("next           nothing\n"), "{text}");
}

/// Responds to the first request, and closes its connection when the next request arrives. To the sender this looks as
/// if the close and the request had crossed.
async fn closing_in_between() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut peer, _)) = listener.accept().await {
            let answers = if std::mem::take(&mut first) { 1 } else { usize::MAX };
            tokio::spawn(async move {
                let mut answered = 0;
                while has_come(&mut peer).await && answered < answers {
                    peer.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    answered += 1;
                }
            });
        }
    });
    url
}

/// Reads a whole request. Returns false if the connection ends first.
async fn has_come(peer: &mut tokio::net::TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if read.len() == end + 4 + length.parse::<usize>().unwrap() {
                return true;
            }
        }
        if peer.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return false;
        }
    }
}

#[tokio::test]
async fn a_reconnected_attempt_is_marked_only_in_output_that_may_differ_between_runs() {
    let paragon = FakeParagon::start().await;
    paragon.set_webhook(closing_in_between().await).await;
    let drive = paragon.user("ada").connect("googledrive");
    drive.enable("files").unwrap();
    paragon.settle().await;
    drive.create(File::named("a.pdf"));
    paragon.advance(Duration::from_secs(60)).await;
    let timeline = paragon.timeline();
    let marks: Vec<bool> = timeline.attempts().map(|attempt| attempt.record.reconnected).collect();
    assert_eq!(marks, [false, true]);
    assert!(timeline.attempts().all(|attempt| attempt.record.decision == Decision::Delivered));
    assert_eq!((paragon.tally().delivered, paragon.tally().reconnected), (2, 1));

    let words = "sent again on a fresh connection: the kept one was closed before any byte of an answer";
    let (text, diagram) = (timeline.to_string(), timeline.mermaid());
    assert!(!text.contains("sent again") && !diagram.contains("sent again"), "equal runs print the same: {text}");
    let entries: Vec<serde_json::Value> =
        timeline.ndjson().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_attempts = entries.iter().filter(|entry| entry["kind"] == "attempt");
    let marks: Vec<_> = of_attempts.map(|entry| (&entry["reconnected"], entry["text"].as_str().unwrap())).collect();
    assert_eq!((marks[0].0, marks[1].0), (&false.into(), &true.into()));
    assert!(!marks[0].1.contains(words) && marks[1].1.ends_with(words), "{marks:?}");
    let again = timeline.attempts().nth(1).unwrap().record.delivery;
    assert!(paragon.explain(again).unwrap().contains(&format!("attempt 1 was {words}\n")));
    let timeline = timeline.with_calls();
    assert!(timeline.to_string().contains(&format!(" -> 200, {words}\n")), "{timeline}");
    assert!(timeline.mermaid().contains("sent again on a fresh connection"));
}

#[tokio::test]
async fn raw_bodies_are_sent_with_the_headers_of_the_policy() {
    let policy = Policy::paragon_assumed().headers(vec![
        HeaderRule::new("x-secret", "open sesame"),
        HeaderRule::new("webhook-id", "{id}"),
        HeaderRule::new("x-try", "{attempt} {retry} {timestamp} {reason}"),
    ]);
    let signature = Signature::new("secret");
    let paragon = FakeParagon::builder().policy(policy).sign_webhooks(signature.clone()).start().await.unwrap();
    let receiver = Receiver::default();
    let url = receiver.clone().start(|_| StatusCode::OK).await;
    paragon.set_webhook(url.clone()).await;
    paragon.user("ada").connect("googledrive").enable("files").unwrap();
    paragon.settle().await;
    for body in [&b"no JSON"[..], b"", b"no JSON"] {
        assert_eq!(paragon.post_raw(&url, body).await.to_string(), "200");
    }
    let got = receiver.got.lock().unwrap();
    let (event, raw) = got.split_first().unwrap();
    let names = |headers: &HeaderMap| {
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    for (headers, body) in raw {
        assert_eq!(names(headers), names(&event.0), "as an attempt has them");
        for name in ["x-secret", "x-try", "content-type", "user-agent"] {
            assert_eq!(headers[name], event.0[name], "{name}");
        }
        assert_eq!(headers["x-paragon-signature"], signature.of(body));
    }
    let ids: std::collections::BTreeSet<_> = got.iter().map(|(headers, _)| headers["webhook-id"].as_bytes()).collect();
    assert_eq!(ids.len(), 4, "a receiver drops what has an id that it knows");
}

#[tokio::test]
async fn raw_bodies_are_sent_with_the_timeout_of_the_policy() {
    let policy = Policy::paragon_assumed().timeout(Duration::from_millis(200));
    let builder = FakeParagon::builder().policy(policy).answer_within(Duration::from_secs(3_600));
    let paragon = builder.start().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    assert_eq!(paragon.post_raw(&url, b"{}").await.to_string(), "no answer in time");
}
