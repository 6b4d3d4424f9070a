//! Tests of kept connections: how receivers end them, and how the client reacts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::receiver::{Peer, Receiver};
use super::{Failure, Http, Outcome, Request, Transmission, Transport, Wire};

const BODY: &[u8] = b"{}";
const OK: &str = "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok";

/// Starts a receiver on its own thread. The receiver responds to each request, and closes the connection after the
/// responses that `closes_after` selects by their number. Returns the URL and the number of connections so far.
fn start(answer: &'static str, closes_after: fn(usize) -> bool) -> (url::Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::<AtomicUsize>::default();
    let count = connections.clone();
    std::thread::spawn(move || {
        let mut answered = 0;
        while let Ok((mut peer, _)) = listener.accept() {
            count.fetch_add(1, Ordering::SeqCst);
            while read_request(&mut peer) && peer.write_all(answer.as_bytes()).is_ok() {
                answered += 1;
                if closes_after(answered) {
                    break;
                }
            }
        }
    });
    (url, connections)
}

fn read_request(peer: &mut std::net::TcpStream) -> bool {
    let (mut read, mut piece) = (Vec::new(), [0; 1_024]);
    while !read.ends_with(b"\r\n\r\n{}") {
        match peer.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
    true
}

/// Sends 1,000 events that must all succeed, and returns how many of them went out twice.
async fn all_answered(url: url::Url) -> usize {
    let (http, request) = (Http::new(), Request::new(url, BODY));
    let mut reconnected = 0;
    for number in 0..1_000 {
        let sent = http.transmit(&request).await;
        let Outcome::Answered(answer) = &sent.outcome else { panic!("event {number}: {}", sent.outcome) };
        assert_eq!((answer.status, &*answer.body), (200, "ok"), "event {number}");
        reconnected += usize::from(sent.reconnected);
    }
    reconnected
}

/// The close and the next request race. If requests were not sent again, some events would be lost in each run.
#[tokio::test]
async fn receivers_that_close_without_saying_so_lose_nothing() {
    for closes_after in [|_| true, |answered| answered % 3 == 0] {
        all_answered(start(OK, closes_after).0).await;
    }
}

#[tokio::test]
async fn receivers_that_say_what_they_do_are_never_sent_anything_twice() {
    for (answer, closes_after, connections) in [
        ("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", true, 1_000),
        ("HTTP/1.1 200 X\r\nconnection: close\r\n\r\nok", true, 1_000),
        ("HTTP/1.1 200 X\r\n\r\nok", true, 1_000),
        ("HTTP/1.0 200 X\r\ncontent-length: 2\r\n\r\nok", true, 1_000),
        ("HTTP/1.0 200 X\r\n\r\nok", true, 1_000),
        ("HTTP/1.0 200 X\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", false, 1),
        (OK, false, 1),
    ] {
        let (url, seen) = start(answer, if closes_after { |_| true } else { |_| false });
        assert_eq!(all_answered(url).await, 0, "{answer}");
        assert_eq!(seen.load(Ordering::SeqCst), connections, "{answer}");
    }
}

/// Makes the client keep a connection, and sends `request` over it. `then` is what the receiver does meanwhile.
async fn over_kept(
    receiver: &Receiver,
    request: &Request,
    then: impl AsyncFnOnce(Peer, &Receiver) -> Vec<Peer>,
) -> Transmission {
    let http = Http::new();
    let before = receiver.request(BODY);
    let (first, peer) = tokio::join!(http.transmit(&before), async {
        let mut peer = receiver.accept().await;
        peer.request().await;
        peer.write(OK).await;
        peer
    });
    assert_eq!((first.outcome.to_string().as_str(), first.reconnected), ("200", false));
    tokio::join!(http.transmit(request), then(peer, receiver)).0
}

/// How the receiver ends the kept connection when the next request arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Closed,
    Reset,
    /// The peer closes the connection before it has read all bytes. The operating system then sends a reset.
    Unread,
}

async fn end(mut peer: Peer, end: End) {
    peer.head().await;
    if end != End::Unread {
        // The system would turn a close with unread bytes into a reset.
        peer.bytes(BODY.len()).await;
    }
    end_now(peer, end);
}

fn end_now(peer: Peer, how: End) {
    if how == End::Reset {
        peer.reset();
    }
}

#[tokio::test]
async fn a_request_that_dies_on_a_kept_connection_goes_out_once_more() {
    for how in [End::Closed, End::Reset, End::Unread] {
        for wire in [Wire::Clean, Wire::Chunked, Wire::Dribbled] {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(&if how == End::Unread { vec![b' '; 3_000_000] } else { BODY.to_vec() });
            request.wire = wire;
            let length = request.body.len();
            let sent = over_kept(&receiver, &request, async |kept, receiver| {
                end(kept, how).await;
                let mut fresh = receiver.accept().await;
                assert!(fresh.head().await.starts_with("POST / "));
                // A chunked body has more bytes than this, which stay unread.
                fresh.bytes(length).await;
                fresh.write(OK).await;
                vec![fresh]
            })
            .await;
            assert_eq!((sent.outcome.to_string().as_str(), sent.reconnected), ("200", true), "{how:?} {wire:?}");
        }
    }
}

#[tokio::test]
async fn a_request_never_goes_out_a_third_time() {
    for how in [End::Closed, End::Reset] {
        let receiver = Receiver::bind().await;
        let request = receiver.request(BODY);
        let sent = over_kept(&receiver, &request, async |kept, receiver| {
            end(kept, how).await;
            let mut fresh = receiver.accept().await;
            fresh.request().await;
            end_now(fresh, how);
            assert_nobody_comes(receiver).await;
            Vec::new()
        })
        .await;
        let failure = if how == End::Reset { Failure::Reset } else { Failure::Closed };
        assert_eq!((sent.outcome, sent.reconnected), (failure.into(), true), "{how:?}");
    }
}

async fn assert_nobody_comes(receiver: &Receiver) {
    let another = tokio::time::timeout(Duration::from_millis(200), receiver.listener.accept()).await;
    assert!(another.is_err(), "the request goes out again");
}

#[tokio::test]
async fn a_request_that_got_a_byte_is_not_sent_again() {
    for (bytes, expected) in
        [("H", Failure::Closed), ("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nhalf", Failure::Closed)]
    {
        let receiver = Receiver::bind().await;
        let request = receiver.request(BODY);
        let sent = over_kept(&receiver, &request, async |mut kept, receiver| {
            kept.request().await;
            kept.write(bytes).await;
            drop(kept);
            assert_nobody_comes(receiver).await;
            Vec::new()
        })
        .await;
        assert_eq!((sent.outcome, sent.reconnected), (expected.into(), false), "{bytes}");
    }
}

#[tokio::test]
async fn a_request_on_a_fresh_connection_is_not_sent_again() {
    for how in [End::Closed, End::Reset] {
        let (receiver, http) = (Receiver::bind().await, Http::new());
        let request = receiver.request(BODY);
        let (sent, ()) = tokio::join!(http.transmit(&request), async {
            let mut fresh = receiver.accept().await;
            fresh.request().await;
            end_now(fresh, how);
            assert_nobody_comes(&receiver).await;
        });
        let failure = if how == End::Reset { Failure::Reset } else { Failure::Closed };
        assert_eq!((sent.outcome, sent.reconnected), (failure.into(), false), "{how:?}");
    }
}

#[tokio::test]
async fn what_is_broken_on_purpose_is_not_sent_again() {
    for wire in [Wire::ExpectContinue, Wire::ResetAfterBody, Wire::HangUp] {
        let receiver = Receiver::bind().await;
        let mut request = receiver.request(BODY);
        request.wire = wire;
        let sent = over_kept(&receiver, &request, async |kept, receiver| {
            let mut own = receiver.accept().await;
            own.head().await;
            own.bytes(BODY.len()).await;
            drop(own);
            assert_nobody_comes(receiver).await;
            vec![kept]
        })
        .await;
        let failed = matches!(sent.outcome, Outcome::Failed(Failure::Closed | Failure::Reset));
        assert!(failed && !sent.reconnected, "{wire:?}: {}", sent.outcome);
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_as_gone() {
    let receiver = Receiver::bind().await;
    let (request, http) = (receiver.request(BODY), Http::new());
    let (_, peer) = tokio::join!(http.transmit(&request), async {
        let mut peer = receiver.accept().await;
        peer.request().await;
        peer.write(OK).await;
        peer
    });
    let (sent, ()) = tokio::join!(http.transmit(&request), async {
        let mut peer = peer;
        peer.request().await;
        drop(receiver);
        drop(peer);
    });
    assert_eq!((sent.outcome, sent.reconnected), (Failure::Refused.into(), true));
}

#[tokio::test]
async fn time_does_not_begin_anew_with_the_second_sending() {
    let receiver = Receiver::bind().await;
    let mut request = receiver.request(BODY);
    request.timeouts.total = Duration::from_millis(500);
    let watch = crate::clock::Stopwatch::start();
    let sent = over_kept(&receiver, &request, async |mut kept, receiver| {
        kept.request().await;
        drop(kept);
        vec![receiver.accept().await]
    })
    .await;
    assert_eq!((sent.outcome, sent.reconnected), (Failure::TimedOut.into(), true));
    assert!(watch.elapsed() < Duration::from_secs(10));
}

/// The client may notice the close before it sends the request, while it sends it, or afterwards. In all these cases
/// the request ends as closed or reset.
#[tokio::test]
async fn a_receiver_that_closes_at_once_is_told_as_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: url::Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    for number in 0..200 {
        let sent = Http::new().transmit(&Request::new(url.clone(), BODY)).await;
        let ended = matches!(sent.outcome, Outcome::Failed(Failure::Closed | Failure::Reset));
        assert!(ended && !sent.reconnected, "{number}: {}", sent.outcome);
    }
}
