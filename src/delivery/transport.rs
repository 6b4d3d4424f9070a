use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use url::Url;

/// Of a long answer only so much is read and kept.
const ANSWER_LIMIT: usize = 2_048;

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// Its status; redirects are not followed.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// It did not.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing listens there.
    Refused,
    /// Neither head nor body of an answer came in time.
    TimedOut,
    /// The connection broke, or what came was not HTTP.
    Broken(String),
    /// Not sent: the fake plays an outage.
    Unreachable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, .. } => write!(f, "{status}"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Broken(why) => write!(f, "connection broken ({why})"),
            Self::Unreachable => f.write_str("unreachable (simulated)"),
        }
    }
}

/// A request that is under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Makes the requests. A test may put its own in place of the network.
pub trait Transport: Send + Sync {
    /// POSTs a JSON body. Never fails: what goes wrong is an [`Outcome`].
    fn post<'a>(&'a self, url: &'a Url, body: &'a [u8]) -> Sending<'a>;
}

/// The network: HTTP/1.1, no proxy, no redirects, a real time-out over connecting, head and body.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// `timeout` passes in real time, and should be short: the policy's own is booked in virtual time.
    ///
    /// # Panics
    ///
    /// When the system has no means to make a client at all.
    pub fn new(timeout: Duration) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .http1_only()
            .user_agent(concat!("paragon-testkit/", env!("CARGO_PKG_VERSION")))
            .build()
            .unwrap_or_else(|error| panic!("cannot make an HTTP client: {error}"));
        Self { client }
    }
}

impl Transport for Http {
    fn post<'a>(&'a self, url: &'a Url, body: &'a [u8]) -> Sending<'a> {
        Box::pin(async move {
            let request = self.client.post(url.clone()).header("content-type", "application/json").body(body.to_vec());
            match request.send().await {
                Ok(answer) => read(answer).await,
                Err(error) => Outcome::Failed(classify(&error)),
            }
        })
    }
}

async fn read(mut answer: reqwest::Response) -> Outcome {
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while body.len() < ANSWER_LIMIT {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Outcome::Failed(classify(&error)),
        }
    }
    body.truncate(ANSWER_LIMIT);
    Outcome::Answered { status, body: String::from_utf8_lossy(&body).into_owned() }
}

fn classify(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::TimedOut;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return Failure::Refused;
        }
    }
    Failure::Broken(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Posts to a server that reads one request and writes `answer`, then holds the connection or drops it.
    async fn post_to(answer: &'static [u8], hold: bool) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(socket.read(&mut buffer).await.unwrap() > 0);
            socket.write_all(answer).await.unwrap();
            if hold {
                std::future::pending::<()>().await;
            }
            drop(socket);
            std::future::pending::<()>().await;
        };
        let transport: &dyn Transport = &Http::new(Duration::from_millis(300));
        tokio::select! {
            outcome = transport.post(&url, b"{}") => outcome,
            () = serve => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn every_way_to_fail_has_its_class() {
        let redirect = post_to(b"HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nhi", true).await;
        assert_eq!(redirect, Outcome::Answered { status: 307, body: "hi".into() });
        assert_eq!(post_to(b"", true).await, Outcome::Failed(Failure::TimedOut));
        assert_eq!(
            post_to(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", true).await,
            Outcome::Failed(Failure::TimedOut)
        );
        assert!(matches!(post_to(b"", false).await, Outcome::Failed(Failure::Broken(_))));
        assert!(matches!(post_to(b"not http\r\n\r\n", false).await, Outcome::Failed(Failure::Broken(_))));
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("http://{free}/").parse().unwrap();
        assert_eq!(Http::new(Duration::from_secs(5)).post(&url, b"{}").await, Outcome::Failed(Failure::Refused));
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 10_000]].concat().leak();
        let Outcome::Answered { status: 200, body } = post_to(answer, true).await else { panic!("not answered") };
        assert_eq!(body.len(), ANSWER_LIMIT);
    }
}
