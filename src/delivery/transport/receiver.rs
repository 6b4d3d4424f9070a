//! Receiver in which the test decides about every byte.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::Request;

/// Time after which a test that waits has failed.
const LONG: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

pub(super) struct Receiver {
    pub(super) listener: TcpListener,
}

impl Receiver {
    pub(super) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}/", self.listener.local_addr().unwrap()).parse().unwrap()
    }

    /// Returns a request with a timeout that is long enough on a busy machine.
    pub(super) fn request(&self, body: &[u8]) -> Request {
        let mut request = Request::new(self.url(), body);
        request.timeouts.total = LONG;
        request
    }

    pub(super) async fn accept(&self) -> Peer {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream, read: Vec::new() }
    }
}

/// Connection of a sender.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    async fn more(&mut self) {
        let read = soon("a byte", self.stream.read_buf(&mut self.read)).await.unwrap();
        assert!(read > 0, "the sender closed after {:?}", String::from_utf8_lossy(&self.read));
    }

    pub(super) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            self.more().await;
        }
    }

    pub(super) async fn head_and_what_came_with_it(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        (head, std::mem::take(&mut self.read))
    }

    pub(super) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await;
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// Reads the head and the body of a request. Without a `content-length` there is no body.
    pub(super) async fn request(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.bytes(length.map_or(0, |length| length.parse().unwrap())).await;
        (head, body)
    }

    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Resets the connection.
    pub(super) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Returns the bytes that arrive until the sender closes the connection, or the error with which the connection
    /// ends.
    pub(super) async fn end(mut self) -> io::Result<Vec<u8>> {
        soon("the end", self.stream.read_to_end(&mut self.read)).await?;
        Ok(self.read)
    }
}
