use std::io;
use std::net::TcpListener;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, StatusCode};
use hyper::body::Bytes;
use wiremock::matchers::any;
use wiremock::{Match, Mock, MockServer, Respond, ResponseTemplate};

use super::admin;
use super::driver::Driver;
use super::hyper::{Answering, HyperServer};
use super::received::Received;
use super::response::{ApiResponse, Body, LONGEST_BODY, Wire};

/// The HTTP server that serves the API of a fake. Both servers give the same responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Server {
    /// wiremock. [`FakeParagon::mount`](super::FakeParagon::mount) adds your own mocks to this server. It answers one
    /// request after the other, and keeps about 9 KB for each request as long as the server lives. It cannot break off
    /// inside a response: a fault that does this resets the connection before the response instead.
    #[default]
    Wiremock,
    /// hyper alone. This server is about twice as fast, keeps nothing of the requests, and can stream. Use it for fakes
    /// that run for a long time. It takes no mocks.
    Hyper,
}

/// A running server. Dropping it stops the server.
pub(super) enum Running {
    Wiremock(Mocks),
    Hyper(HyperServer),
}

/// A wiremock server that can be dropped anywhere. When wiremock's server is dropped, it blocks on a lock of tokio's.
/// In a task that has used up its budget it would block forever, because only the task itself could go on. A thread has
/// no budget, so the server is dropped on one.
pub(super) struct Mocks(Option<MockServer>);

impl Deref for Mocks {
    type Target = MockServer;
    fn deref(&self) -> &MockServer {
        self.0.as_ref().unwrap_or_else(|| unreachable!("it is taken by the drop alone"))
    }
}

impl Drop for Mocks {
    fn drop(&mut self) {
        let Some(server) = self.0.take() else { return };
        // The drop panics if an expectation of a user's mock is not met. The panic is passed on to the user's thread.
        if let Err(panic) = std::thread::spawn(move || drop(server)).join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A function that answers one request, without I/O.
pub(super) type Answer = Arc<dyn Fn(&Received<'_>) -> ApiResponse + Send + Sync>;

/// Serves the API of a fake, and its admin API, on the listener.
pub(super) fn with_admin(listener: TcpListener, driver: Arc<Driver>, answer: Answer) -> io::Result<Running> {
    let api_url = format!("http://{}", listener.local_addr()?);
    let handler = move |request: Request<Bytes>| -> Answering {
        if request.uri().path().starts_with(admin::ROOT) {
            return Box::pin(driver.clone().administer(request, api_url.clone()));
        }
        Box::pin(std::future::ready(answer(&(&request).into())))
    };
    Ok(Running::Hyper(HyperServer::start(listener, Arc::new(handler))?))
}

/// Serves the API on the listener.
pub(super) async fn serve(server: Server, listener: TcpListener, answer: Answer) -> io::Result<Running> {
    Ok(match server {
        Server::Wiremock => Running::Wiremock(Mocks(Some(on_wiremock(listener, answer).await))),
        Server::Hyper => {
            let handler = move |request: Request<Bytes>| Box::pin(std::future::ready(answer(&(&request).into()))) as _;
            Running::Hyper(HyperServer::start(listener, Arc::new(handler))?)
        }
    })
}

impl Running {
    /// Returns the base URL of the server, without a slash at the end.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Wiremock(mocks) => mocks.uri(),
            Self::Hyper(server) => format!("http://{}", server.address()),
        }
    }

    /// Returns the server that takes mocks, if there is one.
    pub(super) fn wiremock(&self) -> Option<&MockServer> {
        match self {
            Self::Wiremock(mocks) => Some(mocks),
            Self::Hyper(_) => None,
        }
    }
}

/// Starts a wiremock server that is not pooled. A pooled server keeps its port and its connections, so late calls of
/// one test would reach the next test. Our mocks have the lowest priority, so a user's mocks go first.
///
/// A mock of wiremock's either always answers or always fails, so there are two of ours. The first mock computes the
/// response while wiremock checks whether the mock matches. It matches if it can send this response, which it parks
/// until wiremock asks for it. Any other request falls to the second mock, which fails: this resets the connection.
/// wiremock holds its lock between the check and the response, so no other request can come in between.
async fn on_wiremock(listener: TcpListener, answer: Answer) -> MockServer {
    let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
    let parked = Arc::new(Mutex::new(None));
    let answers = Mock::given(Decides { answer, parked: parked.clone() }).respond_with(Answers(parked));
    answers.with_priority(u8::MAX).mount(&server).await;
    let resets =
        Mock::given(any()).respond_with_err(|_: &wiremock::Request| io::Error::from(io::ErrorKind::ConnectionReset));
    resets.with_priority(u8::MAX).mount(&server).await;
    server
}

type Parked = Arc<Mutex<Option<ApiResponse>>>;

struct Decides {
    answer: Answer,
    parked: Parked,
}

impl Match for Decides {
    fn matches(&self, request: &wiremock::Request) -> bool {
        let too_long = request.body.len() > LONGEST_BODY;
        let reply = if too_long { ApiResponse::too_large() } else { (self.answer)(&request.into()) };
        // In debug builds, hyper, which wiremock uses, requires that a body has the length that its head declares.
        let answers = !matches!(reply.wire, Wire::ResetBefore | Wire::ResetInside);
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = answers.then_some(reply);
        answers
    }
}

struct Answers(Parked);

impl Respond for Answers {
    fn respond(&self, _: &wiremock::Request) -> ResponseTemplate {
        let parked = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reply = match parked.unwrap_or_else(|| unreachable!("what matches has parked its reply")) {
            ApiResponse { body: Body::Open(_), .. } => ApiResponse::refusal(
                StatusCode::NOT_IMPLEMENTED,
                "wiremock does not stream: start the fake with Server::Hyper",
            ),
            reply => reply,
        };
        // wiremock waits for the delay after it has released its lock. Waiting here would hold up all other requests.
        let held = if reply.wire == Wire::NeverAnswers { Wire::HELD } else { reply.delay };
        let template = ResponseTemplate::new(reply.status)
            .append_headers(&reply.headers)
            .set_body_raw(reply.body.joined(), reply.content_type.unwrap_or_default());
        if held.is_zero() { template } else { template.set_delay(held) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::{Client, Response};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::timeout;

    use super::*;

    const BODY: &str = r#"{"data":[1,2,3]}"#;
    const LONG: Duration = Duration::from_secs(10);
    /// How long a client waits for a response that does not come.
    const IMPATIENT: Duration = Duration::from_millis(100);

    /// Returns the response for a path.
    fn reply(path: &str) -> ApiResponse {
        let json = || ApiResponse::json(StatusCode::OK, BODY);
        let lines = || ApiResponse::lines((1..=4).map(|n| n.to_string()));
        match path {
            "/clean" => json().header(http::header::ETAG, http::HeaderValue::from_static("\"1\"")),
            "/lines" => lines(),
            "/soon" => json().delayed(Duration::from_millis(1)),
            "/late" => json().delayed(Duration::from_secs(3_600)),
            "/never" => json().over(Wire::NeverAnswers),
            "/reset-before" => json().over(Wire::ResetBefore),
            "/reset-inside" => json().over(Wire::ResetInside),
            "/reset-inside-lines" => lines().over(Wire::ResetInside),
            "/reset-inside-nothing" => ApiResponse::json(StatusCode::OK, "").over(Wire::ResetInside),
            "/panic" => panic!("on purpose: the server outlives a handler's panic"),
            _ => ApiResponse::refusal(StatusCode::NOT_FOUND, path),
        }
    }

    async fn start(server: Server, answer: impl Fn(&Received<'_>) -> ApiResponse + Send + Sync + 'static) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        serve(server, listener, Arc::new(answer)).await.unwrap()
    }

    async fn start_both() -> [(Server, Running); 2] {
        let answer = |request: &Received<'_>| reply(request.path);
        [(Server::Wiremock, start(Server::Wiremock, answer).await), (Server::Hyper, start(Server::Hyper, answer).await)]
    }

    async fn get(running: &Running, path: &str, patience: Duration) -> reqwest::Result<Response> {
        let client = Client::builder().no_proxy().build().unwrap();
        client.get(format!("{}{path}", running.url())).timeout(patience).send().await
    }

    /// Returns everything that comes over the socket, and how the connection ends.
    async fn raw(running: &Running, request: &str) -> (String, io::Result<()>) {
        let mut stream = TcpStream::connect(running.url().strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let end = timeout(LONG, stream.read_to_end(&mut got)).await.expect("the server closes the connection");
        (String::from_utf8(got).unwrap(), end.map(drop))
    }

    #[tokio::test]
    async fn a_clean_reply_arrives_as_it_is() {
        for (server, running) in start_both().await {
            let answer = get(&running, "/clean", LONG).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
            assert_eq!((&answer.headers()["etag"], answer.content_length()), (&"\"1\"".parse().unwrap(), Some(16)));
            assert_eq!(answer.text().await.unwrap(), BODY);
            let answer = get(&running, "/lines", LONG).await.unwrap();
            assert_eq!(answer.headers().contains_key("transfer-encoding"), server == Server::Hyper);
            assert_eq!(answer.text().await.unwrap(), "1\n2\n3\n4\n");
            let answer = get(&running, "/elsewhere", LONG).await.unwrap();
            assert_eq!(answer.status(), 404);
        }
    }

    #[tokio::test]
    async fn a_delay_holds_up_nobody_else() {
        for (_, running) in start_both().await {
            for path in ["/late", "/never"] {
                let late = get(&running, path, IMPATIENT);
                let (late, soon) = tokio::join!(late, get(&running, "/soon", LONG));
                assert_eq!(soon.unwrap().text().await.unwrap(), BODY);
                assert!(late.unwrap_err().is_timeout());
            }
        }
    }

    #[tokio::test]
    async fn a_reset_before_the_answer_leaves_no_byte() {
        for (server, running) in start_both().await {
            for path in ["/reset-before", "/reset-inside-nothing"] {
                let error = get(&running, path, LONG).await.unwrap_err();
                assert!(!error.is_timeout() && error.status().is_none(), "{error:?}");
                let (got, end) = raw(&running, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
                assert_eq!(got, "");
                if server == Server::Hyper && cfg!(unix) {
                    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                }
            }
            assert_eq!(get(&running, "/clean", LONG).await.unwrap().status(), 200, "others are still served");
        }
    }

    #[tokio::test]
    async fn a_reset_inside_the_answer_leaves_its_head_and_half_of_its_body() {
        let [(_, wiremock), (_, hyper)] = start_both().await;
        assert!(get(&wiremock, "/reset-inside", LONG).await.is_err(), "as documented: before the answer");
        for (path, half) in [("/reset-inside", &BODY[..8]), ("/reset-inside-lines", "1\n2\n")] {
            let mut answer = get(&hyper, path, LONG).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.content_length(), path.ends_with("inside").then_some(16));
            let mut got = Vec::new();
            let error = loop {
                match answer.chunk().await {
                    Ok(piece) => got.extend(piece.expect("the body never ends well")),
                    Err(error) => break error,
                }
            };
            assert!(!error.is_timeout());
            assert_eq!(String::from_utf8(got).unwrap(), half);
        }
        let (got, _) = raw(&hyper, "HEAD /reset-inside HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(got, "", "there is no inside");
    }

    #[tokio::test]
    async fn an_open_body_flows_until_the_client_leaves() {
        let (sender, pieces) = mpsc::channel(1);
        let parked = Mutex::new(Some(pieces));
        let answer = move |_: &Received<'_>| ApiResponse::open("text/plain", parked.lock().unwrap().take().unwrap());
        let running = start(Server::Hyper, answer).await;
        let mut answer = get(&running, "/", LONG).await.unwrap();
        for piece in ["one", "two"] {
            sender.send(Bytes::from(piece)).await.unwrap();
            assert_eq!(answer.chunk().await.unwrap().unwrap(), piece);
        }
        drop(answer);
        timeout(LONG, sender.closed()).await.expect("the server notices that nobody listens");

        let running =
            start(Server::Wiremock, |_: &Received<'_>| ApiResponse::open("text/plain", mpsc::channel(1).1)).await;
        assert_eq!(get(&running, "/", LONG).await.unwrap().status(), 501);
    }

    #[tokio::test]
    async fn an_open_body_can_break_off_after_its_first_piece() {
        let (sender, pieces) = mpsc::channel(2);
        let parked = Mutex::new(Some(pieces));
        let answer = move |_: &Received<'_>| {
            ApiResponse::open("text/plain", parked.lock().unwrap().take().unwrap()).over(Wire::ResetInside)
        };
        let running = start(Server::Hyper, answer).await;
        sender.send("one".into()).await.unwrap();
        sender.send("two".into()).await.unwrap();
        let mut answer = get(&running, "/", LONG).await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
        assert!(!answer.chunk().await.unwrap_err().is_timeout());
    }

    #[tokio::test]
    async fn a_dropped_server_is_gone_even_in_the_middle_of_an_answer() {
        let (arrived, arrival) = oneshot::channel();
        let arrived = Mutex::new(Some(arrived));
        let answer = move |_: &Received<'_>| {
            arrived.lock().unwrap().take().unwrap().send(()).unwrap();
            reply("/never")
        };
        let running = start(Server::Hyper, answer).await;
        let url = running.url();
        let client = Client::builder().no_proxy().build().unwrap();
        let flying = tokio::spawn(client.get(&url).timeout(LONG).send());
        arrival.await.unwrap();
        drop(running);
        assert!(!flying.await.unwrap().unwrap_err().is_timeout());
        TcpListener::bind(url.strip_prefix("http://").unwrap()).expect("the port is free again");
    }

    #[tokio::test]
    async fn a_handler_may_drop_its_own_server() {
        let own: Arc<Mutex<Option<HyperServer>>> = Arc::default();
        let inside = own.clone();
        let handler = move |_| {
            drop(inside.lock().unwrap().take());
            Box::pin(std::future::ready(reply("/clean"))) as _
        };
        let server = HyperServer::start(TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(handler)).unwrap();
        let url = format!("http://{}", server.address());
        *own.lock().unwrap() = Some(server);
        // The last response may or may not arrive, but the request must end.
        let client = Client::builder().no_proxy().build().unwrap();
        assert!(!client.get(url).timeout(LONG).send().await.is_err_and(|error| error.is_timeout()));
    }

    #[tokio::test]
    async fn a_panic_costs_one_connection() {
        for (_, running) in start_both().await {
            assert!(!get(&running, "/panic", LONG).await.unwrap_err().is_timeout());
            assert_eq!(get(&running, "/clean", LONG).await.unwrap().status(), 200);
        }
    }
}
