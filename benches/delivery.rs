//! Measures the delivery of webhooks, beside bare requests to the same receiver in the same run: events per second with
//! 1, 8 and 64 in flight; a five-day schedule of retries; and a soak test of 100,000 events, in which one of twenty
//! requests fails.
//!
//! Sender and receiver share the machine, so the absolute figures depend on the machine; the ratios compare our code
//! with the bare requests. The two take turns, round by round.

#![allow(missing_docs, reason = "a program")]

mod measure;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use paragon_testkit::FakeParagon;
use paragon_testkit::clock::Stopwatch;
use paragon_testkit::contract::Event;
use paragon_testkit::delivery::{Backoff, Decision, Policy};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use measure::{ROUNDS, resident, rounds};

const EVENTS: u32 = 4_000;
const FAILING: u32 = 1_000;
const SOAK: u64 = 100_000;

#[tokio::main]
async fn main() {
    println!("events per second to a receiver that answers 200, median of {ROUNDS} rounds");
    for width in [1, 8, 64] {
        let sink = Sink::start(|_| StatusCode::OK).await;
        let [bare, ours] = rounds(async |which| {
            let took = if which == 0 { bare(&sink, EVENTS, width).await } else { deliver(&sink, EVENTS, width).await };
            f64::from(EVENTS) / took.as_secs_f64()
        })
        .await;
        println!("  {width:>2} in flight: bare reqwest {bare:>9.0}   the fake {ours:>9.0}   {:.2} of it", ours / bare);
    }

    let sink = Sink::start(|_| StatusCode::SERVICE_UNAVAILABLE).await;
    let waits = [60, 600, 3_600, 14_400, 43_200, 86_400, 86_400, 198_000].map(Duration::from_secs);
    let requests = FAILING * (u32::try_from(waits.len()).unwrap() + 1);
    let [bare, ours] = rounds(async |which| {
        let took = if which == 0 { bare(&sink, requests, 1).await } else { five_days(&sink, &waits).await };
        took.as_secs_f64()
    })
    .await;
    println!("{FAILING} events that fail for five days, {requests} requests one after the other");
    println!("  bare reqwest {bare:.3} s   the fake {ours:.3} s   {:.2} times as long", ours / bare);

    soak().await;
}

/// A receiver whose status is a function of the number of earlier requests.
struct Sink {
    url: Url,
}

impl Sink {
    async fn start(answer: impl Fn(u64) -> StatusCode + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap()).parse().unwrap();
        let count = Arc::new(AtomicU64::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (count, answer) = (count.clone(), answer.clone());
                let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
                    let status = answer(count.fetch_add(1, Ordering::Relaxed));
                    async move {
                        read(request.into_body()).await;
                        let mut response = Response::new(Empty);
                        *response.status_mut() = status;
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url }
    }
}

async fn read(mut body: Incoming) {
    use hyper::body::Body as _;
    while let Some(Ok(_)) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {}
}

struct Empty;

impl hyper::body::Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

fn event() -> Event {
    Event::from_value(json!({
        "event": "record_updated", "sync": "googledrive", "syncInstanceId": "163a345e-2dd4-51ff-bcf5-7667de564bb0",
        "credentialId": "0aea7d3a-b5f7-4488-890e-d51a5cf4f8f1", "user": {"id": "user_01JH448D13EX2BE1SC1GXVT05R"},
        "data": {"recordId": "3ce16e33-0163-564d-98ce-99b0a25ab375", "model": "files"},
    }))
    .unwrap()
}

/// Runs `width` loops, each of which posts one body after the other.
async fn bare(sink: &Sink, requests: u32, width: u32) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = Bytes::from(event().to_value().to_string());
    // Both measurements begin with a client that is already connected.
    client.post(sink.url.clone()).body(body.clone()).send().await.unwrap();
    let watch = Stopwatch::start();
    let loops: Vec<_> = (0..width)
        .map(|_| {
            let (client, url, body) = (client.clone(), sink.url.clone(), body.clone());
            tokio::spawn(async move {
                for _ in 0..requests / width {
                    let request = client.post(url.clone()).header("content-type", "application/json");
                    request.body(body.clone()).send().await.unwrap().bytes().await.unwrap();
                }
            })
        })
        .collect();
    for running in loops {
        running.await.unwrap();
    }
    watch.elapsed()
}

async fn fake(sink: &Sink, policy: Policy) -> FakeParagon {
    let paragon = FakeParagon::builder().policy(policy).start().await.unwrap();
    paragon.set_webhook(sink.url.clone()).await;
    paragon
}

async fn deliver(sink: &Sink, events: u32, width: u32) -> Duration {
    let policy = Policy::paragon_assumed().concurrent(width);
    let paragon = fake(sink, policy).await;
    let event = event();
    paragon.send(&event);
    paragon.settle().await;
    let watch = Stopwatch::start();
    for _ in 0..events {
        paragon.send(&event);
    }
    paragon.settle().await;
    let took = watch.elapsed();
    assert_eq!(paragon.tally().delivered, u64::from(events) + 1);
    took
}

async fn five_days(sink: &Sink, waits: &[Duration]) -> Duration {
    let policy = Policy::paragon_assumed().backoff(Backoff::List(waits.to_vec())).disable(Vec::new());
    let paragon = fake(sink, policy).await;
    let event = event();
    let watch = Stopwatch::start();
    for _ in 0..FAILING {
        paragon.send(&event);
    }
    paragon.run_until_idle().await;
    let took = watch.elapsed();
    assert_eq!(paragon.tally().attempts, u64::from(FAILING) * (waits.len() as u64 + 1));
    took
}

/// Asserts that every event is delivered. Prints the memory, which is bounded because the timeline has a limit.
async fn soak() {
    let sink = Sink::start(|n| if n % 20 == 7 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }).await;
    let policy = Policy::paragon_assumed().concurrent(64).disable(Vec::new());
    let paragon = FakeParagon::builder().policy(policy).timeline_limit(10_000).start().await.unwrap();
    paragon.set_webhook(sink.url.clone()).await;
    let (event, watch) = (event(), Stopwatch::start());
    let mut memory = Vec::new();
    for round in 0..10 {
        for _ in 0..SOAK / 10 {
            paragon.send(&event);
        }
        paragon.run_until_idle().await;
        if round > 0 {
            memory.extend(resident());
        }
    }
    let tally = paragon.tally();
    let retried = paragon.timeline().attempts().filter(|it| matches!(it.record.decision, Decision::RetryAt(_))).count();
    println!("soak: {SOAK} events, 64 in flight, one request in twenty fails: {:.1} s", watch.elapsed().as_secs_f64());
    println!("  {} attempts, {} delivered, {retried} of the last entries are retries", tally.attempts, tally.delivered);
    println!("  resident memory after each tenth but the first, in KiB: {memory:?}");
    assert_eq!(tally.delivered, SOAK, "every event is accounted for");
}
