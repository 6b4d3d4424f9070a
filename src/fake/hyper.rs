use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::response::{ApiResponse, Body, LONGEST_BODY, Wire};

/// Answers one request. All requests are answered on one thread at the same time, so a handler may await, but must
/// never block for long.
pub(crate) type Handler = Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>;

/// The future that a [`Handler`] returns.
pub(crate) type Answering = Pin<Box<dyn Future<Output = ApiResponse> + Send>>;

/// Pause after accepting a connection has failed, because the system may have no socket left.
const NO_SOCKET: Duration = Duration::from_millis(20);

/// An HTTP/1.1 server on its own thread and its own runtime, so that it answers even a test that blocks its runtime.
/// The server keeps nothing of the requests that it has served. When it is dropped, it stops at once: connections break
/// off, and the port is free again.
#[derive(Debug)]
pub(crate) struct HyperServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HyperServer {
    /// Starts a server for the connections to the listener.
    pub(crate) fn start(listener: TcpListener, handler: Handler) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("paragon api".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(&listener, &handler) => {}
                }
            });
            // Requests that are still being answered are dropped with the runtime.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address on which the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HyperServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A handler may own the last handle to its own server. Then this is the server's thread, and a thread cannot
        // wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // An error says that the thread has panicked. The panic message was already printed.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &tokio::net::TcpListener, handler: &Handler) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, handler.clone()))),
            // Either the client has left in between, or there are too many sockets. The server goes on in both cases.
            Err(_) => pause(NO_SOCKET).await,
        }
    }
}

async fn serve(stream: TcpStream, handler: Handler) {
    // Without `nodelay`, small responses wait for acknowledgements. A socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = TokioIo::new(Socket { stream, reset: reset.clone() });
    let service = service_fn(move |request| answer(request, handler.clone(), reset.clone()));
    // An error says that the client left, did not speak HTTP, or that a fault broke off the response.
    let _ = http1::Builder::new().serve_connection(socket, service).await;
}

/// The error that ends a connection on purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection breaks off on purpose")]
struct BreaksOff;

/// Answers a request. hyper drops the returned future as soon as the client leaves.
async fn answer(
    request: Request<Incoming>,
    handler: Handler,
    reset: Arc<AtomicBool>,
) -> Result<Response<Outgoing>, BreaksOff> {
    let (head, body) = request.into_parts();
    let without_body = head.method == Method::HEAD;
    let reply = match read(body).await {
        Ok(Some(body)) => handler(Request::from_parts(head, body)).await,
        Ok(None) => ApiResponse::too_large(),
        Err(_) => ApiResponse::refusal(StatusCode::BAD_REQUEST, "the body cannot be read"),
    };
    if !reply.delay.is_zero() {
        pause(reply.delay).await;
    }
    let headers = reply.all_headers();
    let body = match reply.wire {
        Wire::Clean => Some(Outgoing::whole(reply.body)),
        Wire::NeverAnswers => {
            pause(Wire::HELD).await;
            None
        }
        Wire::ResetBefore => None,
        Wire::ResetInside if without_body => None,
        Wire::ResetInside => Outgoing::half(reply.body),
    };
    let Some(body) = body else {
        reset.store(true, Ordering::Relaxed);
        return Err(BreaksOff);
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[expect(clippy::disallowed_methods, reason = "a client that is kept waiting waits for real")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Returns the whole body; `None` if the body is too long. Even a body that is too long is read to its end: otherwise
/// the client, which is still sending, sees a broken pipe instead of the refusal.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = Bytes::new();
    let mut pieces = Vec::new();
    let mut length = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(piece) = frame?.into_data() else { continue };
        length += piece.len();
        if length > LONGEST_BODY {
            pieces = Vec::new();
        } else if whole.is_empty() {
            // Most bodies come in one piece. This piece is not copied.
            whole = piece;
        } else {
            if pieces.is_empty() {
                pieces.extend_from_slice(&whole);
            }
            pieces.extend_from_slice(&piece);
        }
    }
    Ok((length <= LONGEST_BODY).then(|| if pieces.is_empty() { whole } else { pieces.into() }))
}

/// A response body that is being sent.
struct Outgoing {
    rest: Rest,
    /// The value of `content-length`. Without it the body is sent chunked.
    declared: Option<u64>,
    end: End,
}

enum Rest {
    Whole(Option<Bytes>),
    Lines(std::vec::IntoIter<Bytes>),
    Open(mpsc::Receiver<Bytes>),
}

enum End {
    Clean,
    /// hyper writes the data that it already has, then the connection breaks off.
    BreaksOff,
    BrokeOff,
}

impl Outgoing {
    fn whole(body: Body) -> Self {
        let (rest, declared) = match body {
            Body::Whole(bytes) => {
                let length = bytes.len() as u64;
                (Rest::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), Some(length))
            }
            Body::Lines(lines) => (Rest::Lines(lines.into_iter()), None),
            Body::Open(pieces) => (Rest::Open(pieces), None),
        };
        Self { rest, declared, end: End::Clean }
    }

    /// Returns the first half of a body, after which the connection breaks off; `None` if the body is empty. For an
    /// open body, the half is its first piece.
    fn half(body: Body) -> Option<Self> {
        let (rest, declared) = match body {
            Body::Open(pieces) => (Rest::Open(pieces), None),
            body => {
                let declared = matches!(body, Body::Whole(_));
                let whole = body.joined();
                if whole.is_empty() {
                    return None;
                }
                let half = whole.slice(..whole.len() / 2);
                (Rest::Whole(Some(half)), declared.then_some(whole.len() as u64))
            }
        };
        Some(Self { rest, declared, end: End::BreaksOff })
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = BreaksOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BreaksOff>>> {
        let next = match &mut self.rest {
            Rest::Whole(bytes) => bytes.take(),
            Rest::Lines(lines) => lines.next(),
            Rest::Open(pieces) => {
                let piece = ready!(pieces.poll_recv(cx));
                if matches!(self.end, End::BreaksOff) {
                    self.rest = Rest::Whole(None);
                }
                piece
            }
        };
        if let Some(bytes) = next {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.end {
            End::Clean => Poll::Ready(None),
            End::BreaksOff => {
                // hyper writes the data that it has before it polls again. After an error it writes nothing more.
                self.end = End::BrokeOff;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::BrokeOff => Poll::Ready(Some(Err(BreaksOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Clean) && matches!(self.rest, Rest::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A connection that can be closed with a reset.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // With zero linger time, closing the socket sends a reset. If the system cannot set it, the socket is
            // closed in the usual way.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
