use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::request::Wire;
use crate::clock::Stopwatch;

/// Largest number of pieces of a dribbled body.
const PIECES: usize = 64;

/// Pause between two pieces. A millisecond is the shortest pause that the timer can make.
const PAUSE: Duration = Duration::from_millis(1);

/// Longest total time of all pauses of a body.
const PAUSES: Duration = Duration::from_millis(200);

/// Future to wait for before the next piece.
pub(super) type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Body that is sent in pieces, or late.
pub(super) struct ChunkedBody {
    rest: Bytes,
    size: usize,
    /// Whether the receiver is told the length of the body.
    declared: bool,
    /// Wait before the next piece.
    wait: Option<Wait>,
    /// Time since the body was created, and the time after which there are no more pauses.
    pauses: Option<(Stopwatch, Duration)>,
}

impl ChunkedBody {
    /// Creates a body that is sent in one piece.
    pub(super) fn whole(body: Bytes) -> Self {
        let size = body.len().max(1);
        Self { rest: body, size, declared: true, wait: None, pauses: None }
    }

    /// Creates a body without a declared length, in a few chunks, so that the receiver must join them.
    pub(super) fn chunked(body: Bytes) -> Self {
        let size = body.len().div_ceil(3).max(1);
        Self { rest: body, size, declared: false, wait: None, pauses: None }
    }

    /// Creates a body with pauses between its pieces, which together take well under `time`.
    pub(super) fn dribbled(body: Bytes, time: Duration) -> Self {
        let size = body.len().div_ceil(PIECES).max(1);
        let pauses = Some((Stopwatch::start(), PAUSES.min(time / 4)));
        Self { rest: body, size, declared: true, wait: None, pauses }
    }

    /// Creates the body that `wire` sends. `time` is the time that the request has.
    pub(super) fn over(wire: Wire, body: Bytes, time: Duration) -> Self {
        match wire {
            Wire::Chunked => Self::chunked(body),
            Wire::Dribbled => Self::dribbled(body, time),
            Wire::Clean | Wire::ExpectContinue | Wire::ResetAfterBody | Wire::HangUp => Self::whole(body),
        }
    }

    /// Creates a body that is sent in one piece after `wait`.
    pub(super) fn after(body: Bytes, wait: Wait) -> Self {
        Self { wait: Some(wait), ..Self::whole(body) }
    }
}

impl Body for ChunkedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        let size = self.size.min(self.rest.len());
        let piece = self.rest.split_to(size);
        self.wait = match &self.pauses {
            Some((since, most)) if since.elapsed() < *most => Some(Box::pin(pause())),
            _ => None,
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.declared { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}

/// Returns the next piece of a body, and `None` at its end. Ignores trailers.
pub(super) async fn piece<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, B::Error> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        if let Ok(piece) = frame?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

#[expect(clippy::disallowed_methods, reason = "a receiver that is kept waiting waits for real")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pieces(mut body: ChunkedBody) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(piece) = piece(&mut body).await.unwrap() {
            lengths.push(piece.len());
        }
        lengths
    }

    #[tokio::test]
    async fn a_long_body_has_no_more_pieces_than_a_short_one() {
        let long = Duration::from_secs(3_600);
        assert_eq!(pieces(ChunkedBody::dribbled(Bytes::from_static(b"abc"), long)).await, [1, 1, 1]);
        assert_eq!(pieces(ChunkedBody::dribbled(vec![0; 64_000].into(), long)).await, [1_000; PIECES]);
        assert_eq!(pieces(ChunkedBody::dribbled(vec![0; 65].into(), Duration::ZERO)).await.len(), 33);
        assert_eq!(pieces(ChunkedBody::chunked(vec![0; 10].into())).await, [4, 4, 2]);
        assert_eq!(pieces(ChunkedBody::chunked(Bytes::new())).await, [0; 0]);
    }

    #[tokio::test]
    async fn pauses_take_only_a_part_of_the_timeout() {
        let most = |time: u64| ChunkedBody::dribbled(Bytes::new(), Duration::from_millis(time)).pauses.unwrap().1;
        assert_eq!((most(400), most(3_600_000)), (Duration::from_millis(100), PAUSES));
        for (time, waits) in [(Duration::ZERO, false), (Duration::from_secs(3_600), true)] {
            let mut body = ChunkedBody::dribbled(Bytes::from_static(b"abc"), time);
            piece(&mut body).await.unwrap();
            assert_eq!(body.wait.is_some(), waits);
        }
    }
}
