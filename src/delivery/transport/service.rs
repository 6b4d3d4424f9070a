use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::timeout;
use tower_service::Service;

use super::body::{ChunkedBody, piece};
use super::http::first;
use super::incoming::Kept;
use super::outcome::{Answer, Failure, Outcome};
use super::request::{Request, Wire};
use super::{Sending, Transport, wire};

/// Receiver in the test's own process, without a socket: a [`tower_service::Service`], such as a router of axum. The
/// service gets all requests, whatever the URL of the webhook is. The path of a request is the path of this URL.
///
/// Bodies arrive as over the network, in chunks or dribbled if the [`Wire`] says so. Redirects are not followed. With
/// [`Wire::ResetAfterBody`] and [`Wire::HangUp`], which break a connection, the service runs to its end, and the sender
/// sees a failure. A panic in the service counts as a closed connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Json, Router, routing::post};
/// use paragon_testkit::FakeParagon;
/// use paragon_testkit::delivery::InProcess;
///
/// let app = Router::new().route("/webhook", post(|Json(event): Json<serde_json::Value>| async move { event["event"].to_string() }));
/// let paragon = FakeParagon::start().await;
/// paragon.set_transport(InProcess::new(app));
/// paragon.set_webhook("http://app/webhook".parse()?).await;
/// paragon.user("ada").connect("googledrive").enable("files")?;
/// paragon.settle().await;
/// assert!(paragon.timeline().to_string().ends_with("webhook   sync_complete -> 200\n"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct InProcess<S>(S);

impl<S> InProcess<S> {
    /// Creates a receiver from this service, which is cloned for each request.
    pub fn new(service: S) -> Self {
        Self(service)
    }
}

/// Body of a request to a service.
pub struct RequestBody(ChunkedBody);

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<S, B> Transport for InProcess<S>
where
    S: Service<http::Request<RequestBody>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Display,
{
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        let service = self.0.clone();
        Box::pin(async move {
            let hop = first(request);
            let body = ChunkedBody::over(request.wire, hop.body.clone(), request.timeouts.total);
            let asked = match wire::request(&hop, body) {
                Ok(asked) => asked.map(RequestBody),
                Err(failure) => return failure.into(),
            };
            // The service runs in its own task, so that a panic ends only that task.
            let mut task = tokio::spawn(answer(service, asked));
            let outcome = match timeout(request.timeouts.total, &mut task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Failure::Closed.into(),
                Err(_) => {
                    task.abort();
                    Failure::TimedOut.into()
                }
            };
            match (request.wire, outcome) {
                (Wire::ResetAfterBody, Outcome::Answered(_)) => Failure::Reset.into(),
                (Wire::HangUp, Outcome::Answered(_)) => Failure::Closed.into(),
                (_, outcome) => outcome,
            }
        })
    }
}

async fn answer<S, B>(mut service: S, request: http::Request<RequestBody>) -> Outcome
where
    S: Service<http::Request<RequestBody>, Response = http::Response<B>>,
    S::Error: fmt::Display,
    B: Body<Data = Bytes>,
    B::Error: fmt::Display,
{
    let answered = async {
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(broken)?;
        let response = service.call(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let mut body = Box::pin(body);
        let mut kept = Kept::default();
        while let Some(piece) = piece(&mut body).await.map_err(broken)? {
            if kept.is_too_long_with(&piece) {
                break;
            }
        }
        Ok(Outcome::Answered(Answer { headers: head.headers, ..kept.answer(head.status.as_u16()) }))
    };
    answered.await.unwrap_or_else(|failure: Failure| failure.into())
}

fn broken(error: impl fmt::Display) -> Failure {
    Failure::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::to_bytes;
    use axum::http::Request as Asked;

    use super::*;

    #[tokio::test]
    async fn a_service_gets_the_body_as_from_a_connection_and_its_headers_are_kept() {
        async fn told(asked: Asked<axum::body::Body>) -> ([(&'static str, &'static str); 1], String) {
            let (declared, ended) = (asked.body().size_hint().exact(), asked.body().is_end_stream());
            let body = to_bytes(asked.into_body(), usize::MAX).await.unwrap();
            ([("x-seen", "yes")], format!("{declared:?} {ended} {}", body.len()))
        }
        let service = InProcess::new(Router::new().fallback(told));
        for (wire, body, seen) in [
            (Wire::Clean, &b"abc"[..], "Some(3) false 3"),
            (Wire::Clean, b"", "Some(0) true 0"),
            (Wire::Chunked, b"abc", "None false 3"),
        ] {
            let mut request = Request::new("http://app/".parse().unwrap(), body);
            request.wire = wire;
            let Outcome::Answered(answer) = service.send(&request).await else { panic!("not answered") };
            assert_eq!((answer.status, answer.body.as_str()), (200, seen), "{wire:?}");
            assert_eq!(answer.headers["x-seen"], "yes");
        }
    }
}
