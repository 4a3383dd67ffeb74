//! Bodies that come slowly, never end, or break off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

/// One byte in each `pause`.
pub(super) fn trickle(bytes: Bytes, pause: Duration) -> Body {
    Body::new(Trickle {
        bytes,
        pause,
        next: Box::pin(tokio::time::sleep(pause)),
    })
}

/// The bytes, then white space without end.
pub(super) fn endless(bytes: Bytes) -> Body {
    Body::new(Endless { head: Some(bytes) })
}

/// Half of the bytes, then an error that closes the connection.
pub(super) fn truncated(bytes: &Bytes) -> Body {
    let length = u64::try_from(bytes.len()).expect("a length");
    let half = bytes.slice(..bytes.len() / 2);
    Body::new(Truncated {
        half: Some(half),
        flushed: false,
        length,
    })
}

struct Trickle {
    bytes: Bytes,
    pause: Duration,
    next: Pin<Box<Sleep>>,
}

impl HttpBody for Trickle {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.next.as_mut().poll(context));
        self.next = Box::pin(tokio::time::sleep(self.pause));
        let byte = self.bytes.split_to(1);
        Poll::Ready(Some(Ok(Frame::data(byte))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).expect("a length"))
    }
}

struct Endless {
    head: Option<Bytes>,
}

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let space = Bytes::from_static(&[b' '; 4096]);
        let bytes = self.head.take().unwrap_or(space);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

struct Truncated {
    half: Option<Bytes>,
    flushed: bool,
    length: u64,
}

impl HttpBody for Truncated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // What was written goes out while the body is not ready; an error would discard it.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
