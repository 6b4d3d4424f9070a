use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::task::JoinHandle;

use super::connection::Connection;
use crate::clock::Stopwatch;

/// Time after which an idle connection is not used again. It is shorter than the time after which any server closes an
/// idle connection.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// Idle connections that wait for their next request.
#[derive(Default)]
pub(super) struct Pool(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Idle connections by origin, with the latest one last.
    kept: BTreeMap<String, Vec<Kept>>,
    /// Task that closes the connections that are not used again.
    sweeper: Option<JoinHandle<()>>,
}

struct Kept {
    line: Box<Connection>,
    since: Stopwatch,
    /// Runtime of the connection. In another runtime nothing would report that data has arrived.
    runtime: runtime::Id,
}

impl Pool {
    /// Returns an idle connection to this origin that is still usable.
    pub(super) fn take(&self, to: &str) -> Option<Box<Connection>> {
        loop {
            let Kept { line, since, runtime } = self.inside().kept.get_mut(to)?.pop()?;
            if since.elapsed() < IDLE && runtime == Handle::current().id() && line.is_quiet() {
                return Some(line);
            }
        }
    }

    /// Keeps a connection for the next request to this origin.
    pub(super) fn put(self: &Arc<Self>, to: &str, line: Box<Connection>) {
        let kept = Kept { line, since: Stopwatch::start(), runtime: Handle::current().id() };
        let mut inside = self.inside();
        match inside.kept.get_mut(to) {
            Some(lines) => lines.push(kept),
            None => drop(inside.kept.insert(to.to_owned(), vec![kept])),
        }
        // The sweeper ends with its runtime at the latest.
        if inside.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            inside.sweeper = Some(tokio::spawn(sweep(Arc::downgrade(self))));
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that were idle for too long, until no connection is kept.
#[expect(clippy::disallowed_methods, reason = "connections are idle for real")]
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut inside = pool.inside();
        inside.kept.retain(|_, lines| {
            lines.retain(|kept| kept.since.elapsed() < IDLE);
            !lines.is_empty()
        });
        if inside.kept.is_empty() {
            inside.sweeper = None;
            return;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::receiver::{Peer, Receiver};
    use super::super::{Http, Request, Transport};

    const OK: &str = "HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn an_unused_connection_is_closed() {
        let receiver = Receiver::bind().await;
        let (http, request) = (Http::new(), receiver.request(b"{}"));
        let (outcome, end) = tokio::join!(http.send(&request), async {
            let mut peer = receiver.accept().await;
            peer.request().await;
            peer.write(OK).await;
            peer.end().await
        });
        assert_eq!((outcome.to_string().as_str(), &end.unwrap()[..]), ("200", &b""[..]));
    }

    /// Sends a request over a new connection, which is then kept.
    async fn connected(http: &Http, receiver: &Receiver) -> Peer {
        let request = receiver.request(b"{}");
        let (outcome, peer) = tokio::join!(http.send(&request), async {
            let mut peer = receiver.accept().await;
            peer.request().await;
            peer.write(OK).await;
            peer
        });
        assert_eq!(outcome.to_string(), "200");
        peer
    }

    #[tokio::test]
    async fn each_kept_connection_is_used_for_its_own_receiver() {
        let (here, there, http) = (Receiver::bind().await, Receiver::bind().await, Http::new());
        let peers = [connected(&http, &here).await, connected(&http, &there).await];
        // Each kept connection is used again.
        for (receiver, mut peer) in [&here, &there].into_iter().zip(peers) {
            let request = receiver.request(b"again");
            let (outcome, ()) = tokio::join!(http.send(&request), async {
                assert_eq!(peer.request().await.1, b"again");
                peer.write(OK).await;
            });
            assert_eq!(outcome.to_string(), "200");
        }
    }

    #[tokio::test]
    async fn a_connection_with_unexpected_bytes_is_not_used_again() {
        let (receiver, http) = (Receiver::bind().await, Http::new());
        let mut peers = Vec::new();
        for _ in 0..3 {
            let mut peer = connected(&http, &receiver).await;
            peer.write("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n").await;
            peers.push(peer);
        }
    }

    #[test]
    fn a_connection_stays_in_its_runtime() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let receiver = std::thread::spawn(move || {
            let answer = |_| {
                let (mut peer, mut read) = (listener.accept().unwrap().0, Vec::new());
                while !read.ends_with(b"{}") {
                    let mut byte = [0];
                    peer.read_exact(&mut byte).unwrap();
                    read.extend(byte);
                }
                peer.write_all(OK.as_bytes()).unwrap();
                peer
            };
            [1, 2].map(answer)
        });
        let (http, request) = (Http::new(), Request::new(url, *b"{}"));
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            assert_eq!(runtime.block_on(http.send(&request)).to_string(), "200");
        }
        receiver.join().unwrap();
    }
}
