use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::request::Wire;
use crate::clock::Stopwatch;

/// A body comes in at most so many pieces.
const PIECES: usize = 64;

/// Between two pieces. The timer knows nothing shorter than a millisecond.
const PAUSE: Duration = Duration::from_millis(1);

/// All pauses together take no longer.
const PAUSES: Duration = Duration::from_millis(200);

/// Something to wait for.
pub(super) type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// A body that comes in pieces, or late.
pub(super) struct Pieces {
    rest: Bytes,
    size: usize,
    /// Whether the receiver is told how long it is.
    declared: bool,
    /// Before the next piece.
    wait: Option<Wait>,
    /// How long it has been coming, and how long it may pause.
    pauses: Option<(Stopwatch, Duration)>,
}

impl Pieces {
    /// All at once.
    pub(super) fn whole(body: Bytes) -> Self {
        let size = body.len().max(1);
        Self { rest: body, size, declared: true, wait: None, pauses: None }
    }

    /// Without its length. A few chunks, so that they must be put together.
    pub(super) fn chunked(body: Bytes) -> Self {
        let size = body.len().div_ceil(3).max(1);
        Self { rest: body, size, declared: false, wait: None, pauses: None }
    }

    /// With pauses, in well under `time`.
    pub(super) fn dribbled(body: Bytes, time: Duration) -> Self {
        let size = body.len().div_ceil(PIECES).max(1);
        let pauses = Some((Stopwatch::start(), PAUSES.min(time / 4)));
        Self { rest: body, size, declared: true, wait: None, pauses }
    }

    /// As a wire has it that brings the whole body; `time` is what the request has.
    pub(super) fn over(wire: Wire, body: Bytes, time: Duration) -> Self {
        match wire {
            Wire::Chunked => Self::chunked(body),
            Wire::Dribbled => Self::dribbled(body, time),
            Wire::Clean | Wire::ExpectContinue | Wire::ResetAfterBody | Wire::HangUp => Self::whole(body),
        }
    }

    /// In one piece, after something else.
    pub(super) fn after(body: Bytes, wait: Wait) -> Self {
        Self { wait: Some(wait), ..Self::whole(body) }
    }
}

impl Body for Pieces {
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

/// What comes next of a body, until nothing comes. What follows a body is not looked at.
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

    async fn pieces(mut body: Pieces) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(piece) = piece(&mut body).await.unwrap() {
            lengths.push(piece.len());
        }
        lengths
    }

    #[tokio::test]
    async fn a_long_body_comes_in_no_more_pieces_than_a_short_one() {
        let long = Duration::from_secs(3_600);
        assert_eq!(pieces(Pieces::dribbled(Bytes::from_static(b"abc"), long)).await, [1, 1, 1]);
        assert_eq!(pieces(Pieces::dribbled(vec![0; 64_000].into(), long)).await, [1_000; PIECES]);
        assert_eq!(pieces(Pieces::dribbled(vec![0; 65].into(), Duration::ZERO)).await.len(), 33);
        assert_eq!(pieces(Pieces::chunked(vec![0; 10].into())).await, [4, 4, 2]);
        assert_eq!(pieces(Pieces::chunked(Bytes::new())).await, [0; 0]);
    }

    #[tokio::test]
    async fn pauses_take_a_part_of_the_time_and_no_more() {
        let most = |time: u64| Pieces::dribbled(Bytes::new(), Duration::from_millis(time)).pauses.unwrap().1;
        assert_eq!((most(400), most(3_600_000)), (Duration::from_millis(100), PAUSES));
        for (time, waits) in [(Duration::ZERO, false), (Duration::from_secs(3_600), true)] {
            let mut body = Pieces::dribbled(Bytes::from_static(b"abc"), time);
            piece(&mut body).await.unwrap();
            assert_eq!(body.wait.is_some(), waits);
        }
    }
}
