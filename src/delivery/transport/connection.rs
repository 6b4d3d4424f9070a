use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::body::{ChunkedBody, piece};
use super::classify::classify;
use super::outcome::Failure;

/// Connection. The task that waits for data also drives the connection, so that no second task has to be woken.
pub(super) struct Connection {
    sender: SendRequest<ChunkedBody>,
    /// Driver of the connection; `None` after the connection has ended.
    driver: Option<http1::Connection<TokioIo<Watched>, ChunkedBody>>,
    /// Second handle of the socket, which can be checked while nobody drives the connection.
    socket: std::net::TcpStream,
    /// Whether a byte has arrived since the last request.
    heard: Arc<AtomicBool>,
}

impl Connection {
    pub(super) async fn over(stream: TcpStream) -> Result<Box<Self>, Failure> {
        let twice = stream.into_std().and_then(|socket| Ok((socket.try_clone()?, TcpStream::from_std(socket)?)));
        let (socket, stream) = twice.map_err(|error| classify(&error, false))?;
        let heard = Arc::<AtomicBool>::default();
        let stream = TokioIo::new(Watched { stream, heard: heard.clone() });
        let (sender, driver) = http1::handshake(stream).await.map_err(|error| classify(&error, false))?;
        Ok(Box::new(Self { sender, driver: Some(driver), socket, heard }))
    }

    /// Sends a request, and waits for the head of the response.
    pub(super) async fn ask(&mut self, request: Request<ChunkedBody>) -> Result<Response<Incoming>, Failure> {
        self.heard.store(false, Ordering::Relaxed);
        let answer = self.sender.send_request(request);
        self.drive(answer).await.map_err(|error| classify(&error, false))
    }

    /// Returns whether no byte has arrived since the last request was handed over.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.heard.load(Ordering::Relaxed)
    }

    /// Returns the next piece of a response body, and `None` at its end.
    pub(super) async fn piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
        self.drive(piece(body)).await.map_err(|error| classify(&error, false))
    }

    /// Returns whether the connection can take another request, after a response was read to its end.
    pub(super) fn is_free(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Returns whether the other side has neither closed the connection nor sent unexpected data.
    pub(super) fn is_quiet(&self) -> bool {
        self.socket.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            // The result is ignored here, because `wanted` reports how the connection has ended.
            if self.driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
                self.driver = None;
            }
            wanted.as_mut().poll(cx)
        })
        .await
    }
}

/// Socket that records whether a byte was read from it.
struct Watched {
    stream: TcpStream,
    heard: Arc<AtomicBool>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
