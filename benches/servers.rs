//! Measures the servers of the Sync API, beside the libraries that they are built on, in the same run: pages of 20
//! records per second on both servers, a page at the end of ten million records, the memory of those records, the time
//! to start a fake, and the memory over a million requests.
//!
//! Clients and servers share the machine, so the absolute figures depend on the machine; the ratios compare our code
//! with the libraries. The two take turns, round by round.

#![allow(missing_docs, reason = "a program")]

mod measure;

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use paragon_testkit::FakeParagon;
use paragon_testkit::clock::Stopwatch;
use paragon_testkit::contract::{File, Pipeline};
use paragon_testkit::fake::Server;
use paragon_testkit::fake::Synthetic;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use measure::{ROUNDS, resident, rounds};

const CONNECTIONS: usize = 32;
/// Limited, because wiremock keeps 9 KB of each request; each round has a new server.
const REQUESTS_EACH: usize = 600;
const STARTS: u32 = 5;
const SOAK: usize = 1_000_000;
const JSON: &str = "application/json; charset=utf-8";

/// A request, and the body of its response.
#[derive(Clone)]
struct Page {
    request: String,
    body: Bytes,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let page = Fake::small(Server::Hyper).await.page;
    let [hyper, on_hyper, wiremock, on_wiremock] = rounds(async |which| match which {
        0 => bare_hyper(&page).await,
        1 => Fake::small(Server::Hyper).await.rate().await,
        2 => bare_wiremock(&page).await,
        _ => Fake::small(Server::Wiremock).await.rate().await,
    })
    .await;
    println!("pages of 20 records ({} bytes) per second, median of {ROUNDS} rounds", page.body.len());
    println!("  bare hyper, fixed body    {hyper:>9.0}");
    println!("  the fake on hyper         {on_hyper:>9.0}   {:.2} of bare hyper", on_hyper / hyper);
    println!("  wiremock, fixed body      {wiremock:>9.0}");
    println!("  the fake on wiremock      {on_wiremock:>9.0}   {:.2} of the fixed mock", on_wiremock / wiremock);

    let idle = resident();
    let small = Fake::synthetic(1_000, false).await;
    let large = Fake::synthetic(10_000_000, true).await;
    let grown = resident().zip(idle).map(|(now, idle)| now.saturating_sub(idle));
    let [start, end] = rounds(async |which| if which == 0 { small.rate().await } else { large.rate().await }).await;
    println!("pages of 20 computed records per second, median of {ROUNDS} rounds");
    println!("  the start of 1,000        {start:>9.0}");
    println!("  the end of 10,000,000     {end:>9.0}   a page takes {:.2} of the time", start / end);
    if let Some(grown) = grown {
        println!("memory of both fakes above idle: {} MiB", grown / 1_024);
    }

    let [ours, theirs] = rounds(async |which| {
        let watch = Stopwatch::start();
        for _ in 0..STARTS {
            if which == 0 {
                drop(FakeParagon::start().await);
            } else {
                let server = MockServer::builder().start().await;
                // Dropping the server would wait for ever in a task that has used up its budget, so the task yields
                // first.
                tokio::task::yield_now().await;
                drop(server);
            }
        }
        f64::from(STARTS) / watch.elapsed().as_secs_f64()
    })
    .await;
    println!("starts per second, median of {ROUNDS} rounds");
    println!("  MockServer::builder()     {theirs:>9.0}");
    println!("  FakeParagon::start()      {ours:>9.0}   takes {:.2} of the time", theirs / ours);

    soak().await;
}

/// Prints the memory of a fake with a bounded log, such as the one of `serve`, while the fake responds to a million
/// requests.
async fn soak() {
    let builder = FakeParagon::builder().server(Server::Hyper).timeline_limit(10_000);
    let fake = Fake::of_20(builder.start().await.unwrap()).await;
    let (mut served, mut first) = (0, None);
    while served < SOAK {
        fake.rate().await;
        served += CONNECTIONS * REQUESTS_EACH;
        if served >= SOAK / 10 {
            first = first.or_else(resident);
        }
    }
    if let (Some(first), Some(last)) = (first, resident()) {
        let grown = last.saturating_sub(first);
        println!("soak: {served} requests, memory after the first tenth {first} KiB, grown since by {grown} KiB");
    }
}

/// A fake, and one of its pages.
struct Fake {
    paragon: FakeParagon,
    page: Page,
}

impl Fake {
    /// Starts a fake with twenty files.
    async fn small(server: Server) -> Self {
        Self::of_20(FakeParagon::builder().server(server).start().await.unwrap()).await
    }

    async fn of_20(paragon: FakeParagon) -> Self {
        let drive = paragon.user("ada").connect("googledrive");
        for number in 0..20 {
            drive.create(File::named(format!("{number}.pdf")));
        }
        Self::ready(paragon, "").await
    }

    async fn synthetic(count: u64, at_end: bool) -> Self {
        let paragon = FakeParagon::builder().server(Server::Hyper).start().await.unwrap();
        let drive = paragon.user("ada").connect("googledrive");
        drive.fill(Pipeline::Files, Synthetic::new(count, 1));
        let cursor = if at_end {
            // Uses the cursor that a client has after it has pulled all earlier pages.
            let sync = drive.enable("files").unwrap();
            paragon.settle().await;
            let cursor = sync.cursor_before_end(20).unwrap();
            sync.delete();
            format!("&cursor={cursor}")
        } else {
            String::new()
        };
        Self::ready(paragon, &cursor).await
    }

    async fn ready(paragon: FakeParagon, cursor: &str) -> Self {
        let user = paragon.user("ada");
        let sync = user.connect("googledrive").enable("files").unwrap();
        paragon.settle().await;
        let path = format!("/api/syncs/{}/records?pageSize=20{cursor}", sync.id());
        let token = paragon.project().token(user.id());
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
        let url = format!("{}{path}", paragon.api_url());
        let body = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap().bytes().await.unwrap();
        let records = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["data"].as_array().unwrap().len();
        assert_eq!(records, 20);
        Self { paragon, page: Page { request, body } }
    }

    async fn rate(&self) -> f64 {
        let address = self.paragon.api_url().strip_prefix("http://").unwrap().parse().unwrap();
        pages_per_second(address, &self.page).await
    }
}

async fn bare_wiremock(page: &Page) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
    let template = ResponseTemplate::new(200).set_body_raw(page.body.clone(), JSON);
    Mock::given(any()).respond_with(template).mount(&server).await;
    pages_per_second(*server.address(), page).await
}

/// Measures hyper with as little code as possible.
async fn bare_hyper(page: &Page) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let body = page.body.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let accept = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let body = body.clone();
                    let service = hyper::service::service_fn(move |_: Request<Incoming>| {
                        let response = Response::builder().header("content-type", JSON);
                        let once = Once(Some(body.clone()));
                        std::future::ready(Ok::<_, Infallible>(response.body(once).unwrap()))
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
                }
            };
            tokio::select! { _ = stopped => {} () = accept => {} }
        });
    });
    let rate = pages_per_second(address, page).await;
    drop(stop);
    thread.join().unwrap();
    rate
}

/// A body that is sent in one piece.
struct Once(Option<Bytes>);

impl hyper::body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

async fn pages_per_second(address: SocketAddr, page: &Page) -> f64 {
    let page = page.clone();
    tokio::task::spawn_blocking(move || pull(address, &page).unwrap()).await.unwrap()
}

/// Pulls over all connections from one thread that never sleeps. Waking a core costs as much as a page, and more in a
/// virtual machine. A slower server would pay this cost more often.
#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn pull(address: SocketAddr, page: &Page) -> io::Result<f64> {
    let mut connections = (0..CONNECTIONS).map(|_| Connection::open(address)).collect::<io::Result<Vec<_>>>()?;
    let mut answer = vec![0; 4_096 + page.body.len()];
    let watch = Stopwatch::start();
    for connection in &mut connections {
        connection.stream.write_all(page.request.as_bytes())?;
    }
    let mut length = None;
    while connections.iter().any(|connection| connection.answers < REQUESTS_EACH) {
        for Connection { stream, got, answers } in &mut connections {
            match stream.read(&mut answer[*got..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => *got += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            // All responses are as long as the first one.
            let head = || answer[..*got].windows(4).position(|end| end == b"\r\n\r\n");
            length = length.or_else(|| Some(head()? + 4 + page.body.len()));
            assert!(length.is_none_or(|length| *got <= length), "{got} bytes of {length:?}");
            if Some(*got) == length {
                (*got, *answers) = (0, *answers + 1);
                if *answers < REQUESTS_EACH {
                    stream.write_all(page.request.as_bytes())?;
                }
            }
        }
    }
    Ok((CONNECTIONS * REQUESTS_EACH) as f64 / watch.elapsed().as_secs_f64())
}

struct Connection {
    stream: TcpStream,
    got: usize,
    answers: usize,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, got: 0, answers: 0 })
    }
}
