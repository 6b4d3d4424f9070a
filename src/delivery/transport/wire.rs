use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use url::{Host, Position, Url};

use super::body::ChunkedBody;
use super::classify::classify;
use super::connection::Connection;
use super::incoming::IncomingResponse;
use super::names::resolve;
use super::outcome::Failure;
use super::redirect::Hop;
use crate::clock::Stopwatch;

/// Sends a request with `expect: 100-continue`. The body follows after a 100, or when `patience` is over.
pub(super) async fn expect_continue(
    hop: &Hop,
    connect_within: Option<Duration>,
    patience: Duration,
) -> Result<IncomingResponse, Failure> {
    let mut line = line(hop, connect_within).await?;
    let continued = Arc::new(Notify::new());
    let told = continued.clone();
    let wait = Box::pin(async move { drop(timeout(patience, told.notified()).await) });
    let mut request = request(hop, ChunkedBody::after(hop.body.clone(), wait))?;
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    hyper::ext::on_informational(&mut request, move |answer| {
        if answer.status() == http::StatusCode::CONTINUE {
            continued.notify_one();
        }
    });
    let answer = line.ask(request).await?;
    Ok(IncomingResponse::plain(line, answer))
}

/// Opens a new connection.
pub(super) async fn line(hop: &Hop, connect_within: Option<Duration>) -> Result<Box<Connection>, Failure> {
    Connection::over(connect(&hop.url, connect_within).await?).await
}

/// Builds the request that is sent over a connection.
pub(super) fn request(hop: &Hop, body: ChunkedBody) -> Result<Request<ChunkedBody>, Failure> {
    let mut request = Request::new(body);
    *request.method_mut() = hop.method.clone();
    let path = hop.url[Position::BeforePath..Position::AfterQuery].parse();
    *request.uri_mut() =
        path.map_err(|_| Failure::Broken("the path or query of the URL is not valid in a request".to_owned()))?;
    *request.headers_mut() = hop.headers.clone();
    for (name, value) in own(&hop.url)? {
        request.headers_mut().entry(name).or_insert(value);
    }
    if hop.method == http::Method::POST && hop.body.is_empty() {
        // hyper omits this header, and servers may demand it with a 411 (RFC 9110, 8.6).
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(request)
}

/// Sends the whole request, waits until a response begins, and resets the connection instead of reading the response.
pub(super) async fn reset_after_body(hop: &Hop, connect_within: Option<Duration>, left: Duration) -> Failure {
    let watch = Stopwatch::start();
    let stream = match timeout(left, send(hop, connect_within)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => return failure,
        Err(_) => return Failure::TimedOut,
    };
    // A receiver that begins to respond has done its work. If it takes too long, the connection is reset as well.
    drop(timeout(left.saturating_sub(watch.elapsed()), stream.readable()).await);
    // With a linger time of zero, closing the socket resets the connection. A system that cannot do this closes it
    // normally.
    let _ = stream.set_zero_linger();
    Failure::Reset
}

/// Sends the whole request, and closes the connection without waiting for a response.
pub(super) async fn hang_up(hop: &Hop, connect_within: Option<Duration>) -> Failure {
    match send(hop, connect_within).await.map(TcpStream::into_std) {
        Ok(Ok(stream)) => {
            // Shut down before the socket is dropped: dropping a socket with an unread response alone resets the
            // connection.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            Failure::Closed
        }
        Ok(Err(error)) => classify(&error, false),
        Err(failure) => failure,
    }
}

async fn send(hop: &Hop, connect_within: Option<Duration>) -> Result<TcpStream, Failure> {
    let stream = connect(&hop.url, connect_within).await?;
    write(&stream, &whole(hop)?).await?;
    Ok(stream)
}

async fn connect(url: &Url, within: Option<Duration>) -> Result<TcpStream, Failure> {
    let connecting = async {
        let port = url.port_or_known_default().unwrap_or(80);
        let connected = match url.host() {
            Some(Host::Domain(name)) => match resolve(name, port).await {
                Ok(addresses) => TcpStream::connect(&*addresses).await,
                Err(error) => return Err(classify(&error, false)),
            },
            Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
            Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
            None => return Err(Failure::Broken("the URL has no host".to_owned())),
        };
        connected.map_err(|error| classify(&error, false))
    };
    let stream = match within {
        Some(within) => timeout(within, connecting).await.map_err(|_| Failure::ConnectTimedOut)??,
        None => connecting.await?,
    };
    // Without this option the request can be sent as well.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let written = match stream.writable().await {
            Ok(()) => stream.try_write(bytes),
            Err(error) => Err(error),
        };
        match written {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(classify(&error, false)),
        }
    }
    Ok(())
}

/// Returns the bytes of the request as they are sent over the connection.
fn whole(hop: &Hop) -> Result<Vec<u8>, Failure> {
    let mut bytes =
        format!("{} {} HTTP/1.1\r\n", hop.method, &hop.url[Position::BeforePath..Position::AfterQuery]).into_bytes();
    let own = own(&hop.url)?.chain([(CONTENT_LENGTH, HeaderValue::from(hop.body.len()))]);
    let own: HeaderMap = own.filter(|(name, _)| !hop.headers.contains_key(name)).collect();
    for (name, value) in own.iter().chain(&hop.headers) {
        let name: &HeaderName = name;
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&hop.body);
    Ok(bytes)
}

/// Returns the headers that follow from a URL. Headers that the request gives itself take precedence.
fn own(url: &Url) -> Result<impl Iterator<Item = (HeaderName, HeaderValue)>, Failure> {
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
        .map_err(|_| Failure::Broken("the host of the URL is not valid".to_owned()))?;
    let credentials = credentials(url).map(|credentials| (AUTHORIZATION, credentials));
    Ok([(HOST, host)].into_iter().chain(credentials))
}

/// Returns the `authorization` header for the credentials in a URL.
fn credentials(url: &Url) -> Option<HeaderValue> {
    let (user, password) = (url.username(), url.password());
    if user.is_empty() && password.is_none() {
        return None;
    }
    let plain: Vec<u8> =
        percent_decode_str(user).chain([b':']).chain(percent_decode_str(password.unwrap_or_default())).collect();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::receiver::{Peer, Receiver};
    use super::super::{Failure, Http, Outcome, Request, Transport, Wire};
    use super::*;
    use http::Method;

    const BODY: &[u8] = br#"{"event":"sync_complete"}"#;

    const ALL: [Wire; 6] =
        [Wire::Clean, Wire::Chunked, Wire::Dribbled, Wire::ExpectContinue, Wire::ResetAfterBody, Wire::HangUp];

    fn request(receiver: &Receiver, wire: Wire) -> Request {
        let mut request = receiver.request(BODY);
        request.wire = wire;
        request
    }

    async fn send(request: &Request) -> Outcome {
        Http::new().send(request).await
    }

    fn status(outcome: &Outcome) -> u16 {
        let Outcome::Answered(answer) = outcome else { panic!("not answered: {outcome}") };
        answer.status
    }

    #[tokio::test]
    async fn chunks_come_without_a_length() {
        let receiver = Receiver::bind().await;
        let request = request(&receiver, Wire::Chunked);
        let (outcome, _peer) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            let head = peer.head().await;
            assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
            assert!(!head.contains("content-length"), "{head}");
            let chunked = "9\r\n{\"event\":\r\n9\r\n\"sync_com\r\n7\r\nplete\"}\r\n0\r\n\r\n";
            assert_eq!(peer.bytes(chunked.len()).await, chunked.as_bytes());
            peer.write("HTTP/1.1 204 X\r\n\r\n").await;
            peer
        });
        assert_eq!(status(&outcome), 204);
    }

    #[tokio::test]
    async fn a_dribbled_body_comes_in_many_pieces_and_in_time() {
        let receiver = Receiver::bind().await;
        let request = request(&receiver, Wire::Dribbled);
        let (outcome, _peer) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            let (_, first) = peer.head_and_what_came_with_it().await;
            assert!(first.len() < BODY.len(), "{first:?}");
            let rest = peer.bytes(BODY.len() - first.len()).await;
            assert_eq!([first, rest].concat(), BODY);
            peer.write("HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").await;
            peer
        });
        assert_eq!(status(&outcome), 200);
    }

    fn hop(receiver: &Receiver) -> Hop {
        let headers = HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static("*/*"))]);
        let mut url = receiver.url();
        url.set_path("/a b");
        url.set_query(Some("c=d"));
        url.set_fragment(Some("e"));
        Hop { method: Method::POST, url, headers, body: BODY.into() }
    }

    #[tokio::test]
    async fn an_expectation_is_met_before_the_body_comes() {
        for before in ["", "HTTP/1.1 102 X\r\n\r\n"] {
            let receiver = Receiver::bind().await;
            let hop = hop(&receiver);
            let never = Duration::from_secs(3_600);
            let (response, _peer) = tokio::join!(expect_continue(&hop, None, never), async {
                let mut peer = receiver.accept().await;
                let (head, early) = peer.head_and_what_came_with_it().await;
                let port = receiver.url().port().unwrap();
                assert_eq!(
                    head,
                    format!(
                        "POST /a%20b?c=d HTTP/1.1\r\naccept: */*\r\nhost: 127.0.0.1:{port}\r\n\
                         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
                        BODY.len()
                    )
                );
                assert!(early.is_empty());
                peer.write(format!("{before}HTTP/1.1 100 Continue\r\n\r\n")).await;
                assert_eq!(peer.bytes(BODY.len()).await, BODY);
                peer.write("HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").await;
                peer
            });
            assert_eq!(response.unwrap().read().await.unwrap().body, "ok");
        }
    }

    #[test]
    fn credentials_of_the_url_become_a_header() {
        let of = |url: &str| credentials(&url.parse().unwrap()).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(of("http://a/"), None);
        assert_eq!(of("http://ada@a/").as_deref(), Some("Basic YWRhOg=="));
        assert_eq!(of("http://:b%20c@a/").as_deref(), Some("Basic OmIgYw=="));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_within_the_request_body_is_reported() {
        for wire in [Wire::ResetAfterBody, Wire::HangUp] {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(&vec![b' '; 32 * 1024 * 1024]);
            request.wire = wire;
            let (outcome, ()) = tokio::join!(send(&request), async {
                let mut peer = receiver.accept().await;
                peer.head().await;
                peer.reset();
            });
            let broken = [Failure::Reset, Failure::Closed].map(Outcome::Failed);
            assert!(broken.contains(&outcome), "{wire:?}: {outcome}");
        }
    }

    #[tokio::test]
    async fn a_receiver_that_sends_no_100_gets_the_body_too() {
        let receiver = Receiver::bind().await;
        let request = request(&receiver, Wire::ExpectContinue);
        let (outcome, _peer) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            assert!(peer.head().await.contains("expect: 100-continue"));
            assert_eq!(peer.bytes(BODY.len()).await, BODY);
            peer.write("HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").await;
            peer
        });
        let Outcome::Answered(answer) = outcome else { panic!("not answered: {outcome}") };
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
    }

    #[tokio::test]
    async fn a_final_response_may_come_instead_of_a_100() {
        let receiver = Receiver::bind().await;
        let request = request(&receiver, Wire::ExpectContinue);
        let (outcome, ()) = tokio::join!(send(&request), async {
            let mut peer = receiver.accept().await;
            peer.head().await;
            peer.write("HTTP/1.1 401 X\r\nconnection: close\r\n\r\nno").await;
        });
        assert_eq!(status(&outcome), 401);
    }

    #[tokio::test]
    async fn a_refused_expectation_is_dropped() {
        let receiver = Receiver::bind().await;
        let request = request(&receiver, Wire::ExpectContinue);
        let (outcome, _peers) = tokio::join!(send(&request), async {
            let mut first = receiver.accept().await;
            assert!(first.head().await.contains("expect"));
            first.write("HTTP/1.1 417 X\r\ncontent-length: 0\r\n\r\n").await;
            let mut second = receiver.accept().await;
            let (head, body) = second.request().await;
            assert!(!head.contains("expect"));
            assert_eq!(body, BODY);
            second.write("HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").await;
            (first, second)
        });
        assert_eq!(status(&outcome), 200);
    }

    #[tokio::test]
    async fn a_reset_comes_after_the_request_and_before_the_response_is_read() {
        for answer in ["", "HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n"] {
            let receiver = Receiver::bind().await;
            let mut request = request(&receiver, Wire::ResetAfterBody);
            request.timeouts.total = Duration::from_secs(if answer.is_empty() { 1 } else { 30 });
            let (outcome, end) = tokio::join!(send(&request), async {
                let mut peer = receiver.accept().await;
                assert_eq!(peer.request().await.1, BODY);
                peer.write(answer).await;
                peer.end().await
            });
            assert_eq!(outcome, Outcome::Failed(Failure::Reset));
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn a_hang_up_closes_the_connection_in_an_orderly_way() {
        let receiver = Receiver::bind().await;
        let mut request = request(&receiver, Wire::HangUp);
        request.headers.insert("x-a", HeaderValue::from_static("b"));
        let (outcome, ()) = tokio::join!(send(&request), async {
            let mut peer: Peer = receiver.accept().await;
            let (head, body) = peer.request().await;
            let port = receiver.url().port().unwrap();
            let agent = concat!("paragon-testkit/", env!("CARGO_PKG_VERSION"));
            for line in [
                "POST / HTTP/1.1",
                &format!("host: 127.0.0.1:{port}"),
                "content-length: 25",
                "content-type: application/json",
                &format!("user-agent: {agent}"),
                "accept: */*",
                "x-a: b",
            ] {
                assert!(head.lines().any(|found| found == line), "{line} in {head}");
            }
            assert_eq!(body, BODY);
            assert_eq!(peer.end().await.unwrap(), b"");
        });
        assert_eq!(outcome, Outcome::Failed(Failure::Closed));
    }

    #[tokio::test]
    async fn a_receiver_that_does_not_read_runs_into_the_timeout() {
        for wire in ALL {
            let receiver = Receiver::bind().await;
            let mut request = receiver.request(&vec![b' '; 20_000_000]);
            request.wire = wire;
            request.timeouts.total = Duration::from_millis(300);
            let (outcome, _peer) = tokio::join!(send(&request), receiver.accept());
            assert_eq!(outcome, Outcome::Failed(Failure::TimedOut), "{wire:?}");
        }
    }

    #[tokio::test]
    async fn refused_connections_and_unknown_hosts_are_reported_with_every_wire() {
        let free = Receiver::bind().await.url();
        for wire in ALL {
            let mut request = Request::new(free.clone(), BODY);
            request.wire = wire;
            request.timeouts.total = Duration::from_secs(30);
            assert_eq!(send(&request).await, Outcome::Failed(Failure::Refused), "{wire:?}");
            request.url = "http://no-such-host.invalid/".parse().unwrap();
            let nowhere = Failure::Dns("no-such-host.invalid".to_owned());
            assert_eq!(send(&request).await, Outcome::Failed(nowhere), "{wire:?}");
        }
    }
}
