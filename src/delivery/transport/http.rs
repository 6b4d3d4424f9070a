use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use http::{Method, StatusCode};
use hyper::body::Bytes;
use tokio::time::timeout;
use url::Url;

use super::body::ChunkedBody;
use super::incoming::IncomingResponse;
use super::outcome::{Answer, Failure, Outcome, Transmission};
use super::pool::Pool;
use super::redirect::{Hop, target};
use super::request::{Request, Wire};
use super::secure::Clients;
#[cfg(feature = "tls")]
use super::trust::Trust;
use super::wire;
use super::{Sending, Transmitting, Transport};
use crate::clock::Stopwatch;

/// Time for which a body waits for a 100. Receivers that do not know the expectation send none.
const CONTINUE: Duration = Duration::from_millis(100);

/// Transport over the network: HTTP/1.1, no proxy, no cookies, no decompression.
///
/// Connections are kept and used again within a second, whatever the status of the response was. A receiver may close
/// an idle connection at any time. A request never goes out on a connection that is known to be closed. If the receiver
/// closes a kept connection while a request is on its way, the request is sent once more, on a fresh connection, as
/// browsers do; [`Transmission::reconnected`] reports this. The request is sent once more only if no byte of a response
/// has arrived, and never if its connection was a fresh one. The receiver may get such a request twice, as it may get
/// every event twice. [`Wire::ExpectContinue`], [`Wire::ResetAfterBody`] and [`Wire::HangUp`] always use their own
/// connections, so their requests are not sent again.
///
/// Over https, a request is sent again only if it had not begun to go out, because it is not known whether its
/// connection was a kept one.
///
/// https needs the feature `tls`. Without it, every request to an https URL fails with [`Failure::Tls`].
#[derive(Clone, Debug, Default)]
pub struct Http {
    pool: Arc<Pool>,
    secure: Arc<Clients>,
}

impl Transport for Http {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move { self.exchange(request, &mut false).await })
    }

    fn transmit<'a>(&'a self, request: &'a Request) -> Transmitting<'a> {
        Box::pin(async move {
            let mut reconnected = false;
            let outcome = self.exchange(request, &mut reconnected).await;
            Transmission { outcome, reconnected }
        })
    }
}

impl Http {
    /// Creates a transport without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a transport that accepts these certificates over https.
    #[cfg(feature = "tls")]
    pub fn trusting(trust: Trust) -> Self {
        Self { secure: Arc::new(Clients::trusting(trust)), ..Self::default() }
    }

    /// Sends a request, and follows redirects. Sets `reconnected` if the request has to be sent twice.
    async fn exchange(&self, request: &Request, reconnected: &mut bool) -> Outcome {
        let watch = Stopwatch::start();
        let Request { redirects, mut wire, timeouts, .. } = *request;
        let mut hop = first(request);
        let mut followed = 0;
        loop {
            let left = timeouts.total.saturating_sub(watch.elapsed());
            let connect = timeouts.connect.filter(|connect| *connect < timeouts.total);
            let way = match wire {
                _ if hop.body.is_empty() => Wire::Clean,
                Wire::ExpectContinue | Wire::ResetAfterBody | Wire::HangUp if hop.secure() => Wire::Clean,
                wire => wire,
            };
            if way == Wire::ResetAfterBody {
                // Boxed, like the other rare cases, because a future is as large as its largest branch.
                return Box::pin(wire::reset_after_body(&hop, connect, left)).await.into();
            }
            let mut begun = None;
            let ending = async {
                let mut answer = self.head(&hop, way, connect, left, reconnected).await?;
                let status = answer.head.status;
                if way == Wire::ExpectContinue && status == StatusCode::EXPECTATION_FAILED {
                    return Ok(End::ExpectationFailed);
                }
                if let Some(to) = target(status, &answer.head.headers, &hop.url).filter(|_| redirects > 0) {
                    return Ok(End::Redirect(status, to));
                }
                begun = Some(status.as_u16());
                let read = answer.read().await?;
                answer.leave(&self.pool, hop.origin());
                Ok(End::Answer(read))
            };
            let end = timeout(left, ending).await;
            match end {
                Ok(Ok(End::Answer(answer))) => return Outcome::Answered(answer),
                Ok(Ok(End::ExpectationFailed)) => wire = Wire::Clean,
                Ok(Ok(End::Redirect(..))) if followed == redirects => return Failure::TooManyRedirects.into(),
                Ok(Ok(End::Redirect(status, to))) => {
                    followed += 1;
                    hop = hop.redirected(status, to);
                }
                Ok(Err(failure)) => return Outcome::Failed(failure),
                Err(_) => return begun.map_or(Failure::TimedOut, |status| Failure::BodyTimedOut { status }).into(),
            }
        }
    }

    /// Sends one request, and waits until the head of the response has arrived.
    async fn head(
        &self,
        hop: &Hop,
        way: Wire,
        connect: Option<Duration>,
        left: Duration,
        reconnected: &mut bool,
    ) -> Result<IncomingResponse, Failure> {
        match way {
            Wire::ExpectContinue => return Box::pin(wire::expect_continue(hop, connect, CONTINUE)).await,
            Wire::HangUp => return Err(Box::pin(wire::hang_up(hop, connect)).await),
            _ => {}
        }
        let body = || ChunkedBody::over(way, hop.body.clone(), left);
        if hop.secure() {
            return Box::pin(self.secure.ask(hop, body(), connect)).await.map(IncomingResponse::secure);
        }
        if let Some(mut line) = self.pool.take(hop.origin()) {
            match line.ask(wire::request(hop, body())?).await {
                Ok(answer) => return Ok(IncomingResponse::plain(line, answer)),
                // The received data is not HTTP. This is the outcome even if the data arrived before the request.
                Err(failure @ Failure::NotHttp(_)) => return Err(failure),
                Err(_) if line.is_unanswered() => *reconnected = true,
                Err(failure) => return Err(failure),
            }
        }
        let mut line = Box::pin(wire::line(hop, connect)).await?;
        let answer = line.ask(wire::request(hop, body())?).await?;
        Ok(IncomingResponse::plain(line, answer))
    }
}

/// Result of one request in a chain of redirects.
enum End {
    Answer(Answer),
    Redirect(StatusCode, Url),
    ExpectationFailed,
}

/// Returns the first request of a chain of redirects, with the headers that every request has.
pub(super) fn first(request: &Request) -> Hop {
    let mut headers = request.headers.clone();
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(framing);
    }
    let agent = concat!("paragon-testkit/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [(CONTENT_TYPE, "application/json"), (USER_AGENT, agent), (ACCEPT, "*/*")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let body = Bytes::from_owner(request.body.clone());
    Hop { method: Method::POST, url: request.url.clone(), headers, body }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::{KEPT, READ};
    use super::super::receiver::Receiver;
    use super::*;

    const OK: &str = "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok";

    async fn send(request: &Request) -> Outcome {
        Http::new().send(request).await
    }

    fn answered(outcome: Outcome) -> Answer {
        let Outcome::Answered(answer) = outcome else { panic!("not answered: {outcome}") };
        answer
    }

    /// What the receiver does with the connection after it has written its response.
    #[derive(Clone, Copy, PartialEq)]
    enum Then {
        Hold,
        /// Like `Hold`, but the sender has a short timeout.
        Stall,
        Close,
        Reset,
    }

    /// Returns the outcome if the receiver reads the request and writes `answer`.
    async fn outcome_of(answer: impl AsRef<[u8]>, then: Then) -> Outcome {
        let receiver = Receiver::bind().await;
        let mut request = receiver.request(b"{}");
        if then == Then::Stall {
            request.timeouts.total = Duration::from_secs(1);
        }
        let (outcome, _held) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            peer.request().await;
            peer.write(answer).await;
            match then {
                Then::Hold | Then::Stall => Some(peer),
                Then::Close => None,
                Then::Reset => {
                    peer.reset();
                    None
                }
            }
        });
        outcome
    }

    #[tokio::test]
    async fn a_timeout_tells_whether_the_head_had_arrived() {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        let (nothing, head, body, no_end) = tokio::join!(
            outcome_of("", Then::Stall),
            outcome_of("HTTP/1.1 200 O", Then::Stall),
            outcome_of(half, Then::Stall),
            outcome_of("HTTP/1.1 503 X\r\n\r\nno end", Then::Stall),
        );
        assert_eq!(nothing, Outcome::Failed(Failure::TimedOut));
        assert_eq!(head, Outcome::Failed(Failure::TimedOut));
        assert_eq!(body, Outcome::Failed(Failure::BodyTimedOut { status: 200 }));
        assert_eq!(no_end, Outcome::Failed(Failure::BodyTimedOut { status: 503 }));
    }

    #[tokio::test]
    async fn every_failure_has_its_class() {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        let endless_head = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1_000_000));
        let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1_000));
        let too_long = Failure::NotHttp("the head is too long".into());
        for (answer, then, expected) in [
            ("", Then::Close, Failure::Closed),
            ("", Then::Reset, Failure::Reset),
            ("HTTP/1.1 200 O", Then::Close, Failure::Closed),
            ("HTTP/1.1 100 Continue\r\n\r\n", Then::Close, Failure::Closed),
            (half, Then::Close, Failure::Closed),
            ("HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", Then::Close, Failure::Closed),
            (&many_headers, Then::Hold, too_long),
        ] {
            assert_eq!(outcome_of(answer, then).await, Outcome::Failed(expected), "{answer:.80}");
        }
        let garbage = ["not http\r\n\r\n", "SSH-2.0-X\r\n", "HTTP/1.1 abc\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x50"];
        let chunks = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n";
        for answer in garbage.into_iter().chain([chunks, &endless_head]) {
            let outcome = outcome_of(answer, Then::Hold).await;
            assert!(matches!(&outcome, Outcome::Failed(Failure::NotHttp(_))), "{answer:.80}: {outcome}");
        }
    }

    #[tokio::test]
    async fn bytes_before_the_request_are_not_http() {
        for _ in 0..20 {
            let receiver = Receiver::bind().await;
            let request = receiver.request(b"{}");
            let (outcome, _peer) = tokio::join!(send(&request), async {
                let mut peer = receiver.accept().await;
                peer.write("220 mail.example ESMTP\r\n").await;
                peer
            });
            assert!(matches!(&outcome, Outcome::Failed(Failure::NotHttp(_))), "{outcome}");
        }
    }

    #[tokio::test]
    async fn every_form_of_response_is_read() {
        let zipped = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00";
        for (answer, then, status, body) in [
            (OK.as_bytes(), Then::Hold, 200, "ok"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", Then::Hold, 204, ""),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::Hold, 200, "ok"),
            (b"HTTP/1.0 200 OK\r\n\r\nto the end", Then::Close, 200, "to the end"),
            (b"HTTP/1.1 500 X\r\nconnection: close\r\n\r\nto the end", Then::Close, 500, "to the end"),
            (b"HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Then::Hold, 200, "ok"),
            (zipped, Then::Hold, 200, "\u{1f}\u{fffd}\u{8}\0"),
            (b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n", Then::Hold, 999, ""),
            (b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n", Then::Hold, 304, ""),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nlink: y\r\n\r\nHTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n",
                Then::Hold,
                202,
                "",
            ),
        ] {
            let answer = answered(outcome_of(answer, then).await);
            assert_eq!((answer.status, &*answer.body, answer.too_long), (status, body, false));
        }
        let answer =
            answered(outcome_of("HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", Then::Hold).await);
        assert_eq!(answer.headers["retry-after"], "7");
    }

    #[tokio::test]
    async fn only_the_beginning_of_a_long_response_is_kept() {
        for (length, too_long) in [(READ, false), (READ + 1, true), (10_000_000_000, true)] {
            let body = "é".repeat(length.min(READ + 2) / 2 + 1);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let answer = answered(outcome_of(answer, Then::Hold).await);
            assert_eq!((answer.body.len(), answer.too_long), (KEPT, too_long));
        }
    }

    #[tokio::test]
    async fn an_endless_response_is_cut_off() {
        for (head, again, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "more ", None),
            ("HTTP/1.1 200 OK\r\n", "x: y\r\n", Some(Failure::NotHttp("the head is too long".into()))),
            ("", "HTTP/1.1 100 Continue\r\n\r\n", Some(Failure::TimedOut)),
        ] {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(b"{}");
            if expected == Some(Failure::TimedOut) {
                request.timeouts.total = Duration::from_millis(500);
            }
            let flood = async {
                let mut peer = receiver.accept().await;
                peer.request().await;
                peer.write(head).await;
                while tokio::io::AsyncWriteExt::write_all(&mut peer.stream, again.as_bytes()).await.is_ok() {}
                std::future::pending::<()>().await;
            };
            let outcome = tokio::select! {
                outcome = send(&request) => outcome,
                () = flood => unreachable!("it never ends"),
            };
            match expected {
                Some(failure) => assert_eq!(outcome, Outcome::Failed(failure)),
                None => assert!(answered(outcome).too_long),
            }
        }
    }

    #[tokio::test]
    async fn a_connect_timeout_is_distinguished_from_other_timeouts() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts connections. When the queue of the listener is full, the system does not respond any more.
        let mut waiting = Vec::new();
        let short = Duration::from_millis(500);
        while let Ok(connected) = timeout(short, tokio::net::TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
        }
        for wire in [Wire::Clean, Wire::HangUp] {
            let mut request = Request::new(format!("http://{address}/").parse().unwrap(), *b"{}");
            request.wire = wire;
            request.timeouts = super::super::Timeouts { connect: Some(short), total: Duration::from_secs(20) };
            assert_eq!(send(&request).await, Outcome::Failed(Failure::ConnectTimedOut));
            request.timeouts.total = short;
            assert_eq!(send(&request).await, Outcome::Failed(Failure::TimedOut));
        }
    }

    #[tokio::test]
    async fn a_connection_is_used_again_whatever_the_status_was() {
        let receiver = Receiver::bind().await;
        let request = receiver.request(b"{}");
        let http = Http::new();
        let ((), _peer) = tokio::join!(
            async {
                for status in [500, 404, 200, 202, 204] {
                    assert_eq!(answered(http.send(&request).await).status, status);
                }
            },
            async {
                let mut peer = receiver.accept().await;
                let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nsorry\r\n0";
                for (status, rest) in [
                    (500, "content-length: 5\r\n\r\nsorry"),
                    (404, "content-length: 0\r\n\r\n"),
                    (200, &format!("{chunked}\r\n\r\n")),
                    (202, &format!("{chunked}\r\nx: y\r\n\r\n")),
                    (204, "\r\n"),
                ] {
                    peer.request().await;
                    peer.write(format!("HTTP/1.1 {status} X\r\n{rest}")).await;
                }
                peer
            }
        );
    }

    #[tokio::test]
    async fn an_idle_connection_may_be_closed_by_the_receiver() {
        let receiver = Receiver::bind().await;
        let request = receiver.request(b"{}");
        let http = Http::new();
        for _ in 0..50 {
            let (outcome, peer) = tokio::join!(http.send(&request), async {
                let mut peer = receiver.accept().await;
                peer.request().await;
                peer.write(OK).await;
                peer
            });
            assert_eq!(answered(outcome).body, "ok");
            drop(peer);
        }
    }

    #[tokio::test]
    async fn a_response_may_come_before_the_request_is_read() {
        for wire in [Wire::Clean, Wire::Chunked, Wire::Dribbled, Wire::ExpectContinue] {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(&vec![b' '; 20_000_000]);
            request.wire = wire;
            let (outcome, _peer) = tokio::join!(send(&request), async {
                let mut peer = receiver.accept().await;
                peer.head().await;
                peer.write("HTTP/1.1 413 X\r\ncontent-length: 2\r\n\r\nno").await;
                peer
            });
            let answer = answered(outcome);
            assert_eq!((answer.status, &*answer.body), (413, "no"), "{wire:?}");
        }
    }

    #[tokio::test]
    async fn the_request_on_the_wire_is_the_expected_one() {
        let receiver = Receiver::bind().await;
        let mut request = receiver.request(b"{}");
        request.url.set_username("ada").unwrap();
        request.url.set_password(Some("b c")).unwrap();
        for (name, value) in [("x-signature", "abc"), ("content-type", "text/plain"), ("content-length", "99")] {
            request.headers.insert(name, HeaderValue::from_static(value));
        }
        let (outcome, _peer) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            let (head, body) = peer.request().await;
            assert_eq!(body, b"{}");
            let mut lines: Vec<_> = head.trim_end().lines().collect();
            lines.sort_unstable();
            let agent = concat!("user-agent: paragon-testkit/", env!("CARGO_PKG_VERSION"));
            let host = format!("host: {}", receiver.listener.local_addr().unwrap());
            assert_eq!(
                lines,
                [
                    "POST / HTTP/1.1",
                    "accept: */*",
                    "authorization: Basic YWRhOmIgYw==",
                    "content-length: 2",
                    "content-type: text/plain",
                    &host,
                    agent,
                    "x-signature: abc",
                ]
            );
            peer.write(OK).await;
            peer
        });
        answered(outcome);
    }

    #[tokio::test]
    async fn requests_without_a_body_are_the_same_on_every_wire() {
        for wire in [Wire::Chunked, Wire::Dribbled, Wire::ExpectContinue, Wire::ResetAfterBody, Wire::HangUp] {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(b"");
            request.wire = wire;
            let (outcome, _peer) = tokio::join!(send(&request), async {
                let mut peer = receiver.accept().await;
                let (head, _) = peer.request().await;
                assert!(!head.contains("expect") && !head.contains("chunked"), "{wire:?}: {head}");
                assert!(head.contains("\r\ncontent-length: 0\r\n"), "{wire:?}: {head}");
                peer.write(OK).await;
                peer
            });
            assert_eq!(answered(outcome).status, 200, "{wire:?}");
        }
    }

    /// Answers each request in turn, each on its own connection. Returns the requests.
    async fn in_turn(receiver: &Receiver, answers: &[String]) -> Vec<(String, Vec<u8>)> {
        let mut got = Vec::new();
        for answer in answers {
            let mut peer = receiver.accept().await;
            got.push(peer.request().await);
            peer.write(answer).await;
        }
        got
    }

    fn ok() -> String {
        "HTTP/1.1 200 X\r\nconnection: close\r\n\r\nok".to_owned()
    }

    fn redirect(status: u16, location: &str) -> String {
        format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\nconnection: close\r\n\r\nhi")
    }

    #[tokio::test]
    async fn a_redirect_is_followed_if_asked() {
        for (status, method, kept) in
            [(301, "GET", false), (302, "GET", false), (303, "GET", false), (307, "POST", true), (308, "POST", true)]
        {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(b"{}");
            request.headers.insert("x-signature", HeaderValue::from_static("abc"));
            request.redirects = 2;
            // Two redirects reach the limit, but do not exceed it.
            let answers = [redirect(status, "/a"), redirect(307, "b?c"), ok()];
            let (outcome, got) = tokio::join!(send(&request), in_turn(&receiver, &answers));
            assert_eq!(answered(outcome).body, "ok");
            let (head, body) = &got[2];
            assert!(head.starts_with(&format!("{method} /b?c HTTP/1.1\r\n")), "{head}");
            assert!(head.contains("x-signature: abc"), "{head}");
            assert_eq!((head.contains("content-type"), body.is_empty()), (kept, !kept), "{head}");

            request.redirects = 1;
            let answers = &answers[..2];
            let (outcome, _) = tokio::join!(send(&request), in_turn(&receiver, answers));
            assert_eq!(outcome, Outcome::Failed(Failure::TooManyRedirects));
        }
    }

    #[tokio::test]
    async fn a_redirect_without_a_valid_target_is_the_response() {
        let receiver = Receiver::bind().await;
        let mut request = receiver.request(b"{}");
        let none = "HTTP/1.1 307 X\r\nconnection: close\r\n\r\nhi".to_owned();
        for answer in
            [none, redirect(307, ""), redirect(307, "http://["), redirect(302, "ftp://a/"), redirect(300, "/b")]
        {
            let answer = [answer];
            request.redirects = 5;
            let (outcome, _) = tokio::join!(send(&request), in_turn(&receiver, &answer));
            assert_eq!(answered(outcome).body, "hi");
        }
        request.redirects = 0;
        let answer = [redirect(307, "/a")];
        let (outcome, _) = tokio::join!(send(&request), in_turn(&receiver, &answer));
        assert_eq!(answered(outcome).status, 307);
    }

    #[tokio::test]
    async fn a_redirect_to_another_host_drops_the_credentials() {
        let (from, to) = (Receiver::bind().await, Receiver::bind().await);
        let mut request = from.request(b"{}");
        request.redirects = 1;
        request.headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        request.headers.insert("x-signature", HeaderValue::from_static("abc"));
        let mut key = HeaderValue::from_static("def");
        key.set_sensitive(true);
        request.headers.insert("x-api-key", key);
        let away = [redirect(308, to.url().as_str())];
        let there = [ok()];
        let (outcome, got, moved) = tokio::join!(send(&request), in_turn(&from, &away), in_turn(&to, &there));
        answered(outcome);
        assert!(got[0].0.contains("authorization") && got[0].0.contains("x-api-key: def"));
        let (head, body) = &moved[0];
        assert!(head.contains("x-signature: abc"), "{head}");
        assert!(!head.contains("authorization") && !head.contains("x-api-key"), "{head}");
        assert_eq!(body, b"{}");
    }

    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn https_is_refused_without_the_feature_tls() {
        let outcome = send(&Request::new("https://127.0.0.1:9/".parse().unwrap(), *b"{}")).await;
        assert_eq!(outcome.to_string(), "TLS failed (built without the feature `tls`)");
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn a_receiver_without_tls_is_reported() {
        for wire in [Wire::Clean, Wire::ResetAfterBody] {
            for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
                let receiver = Receiver::bind().await;
                let mut request = receiver.request(b"{}");
                request.url.set_scheme("https").unwrap();
                request.wire = wire;
                let (outcome, ()) = tokio::join!(send(&request), async {
                    let mut peer = receiver.accept().await;
                    peer.bytes(1).await;
                    peer.write(answer).await;
                    // Ends the connection in order, even if some bytes have not been read.
                    tokio::io::AsyncWriteExt::shutdown(&mut peer.stream).await.unwrap();
                    drop(peer.end().await);
                });
                assert!(matches!(&outcome, Outcome::Failed(Failure::Tls(_))), "{outcome}");
            }
        }
    }
}
