//! A body in memory, for the tests through all layers.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// A body that arrives piece by piece, and shows whether it was dropped.
pub(crate) struct FakeBody {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    /// How much is still to come, if the head of the answer says that.
    left: Option<u64>,
    pub(crate) dropped: Arc<AtomicBool>,
}

pub(crate) type Pieces = mpsc::UnboundedSender<Bytes>;

impl FakeBody {
    pub(crate) fn open() -> (Pieces, Self) {
        let (sender, pieces) = mpsc::unbounded_channel();
        let dropped = Arc::default();
        let left = None;
        (
            sender,
            Self {
                pieces,
                left,
                dropped,
            },
        )
    }

    /// The same, of which the head of the answer says how long it is.
    pub(crate) fn open_of_length(length: u64) -> (Pieces, Self) {
        let (sender, mut body) = Self::open();
        body.left = Some(length);
        (sender, body)
    }

    pub(crate) fn of(pieces: &[&str]) -> Self {
        let (sender, body) = Self::open();
        for piece in pieces {
            sender.send(Bytes::copy_from_slice(piece.as_bytes())).unwrap();
        }
        body
    }
}

impl Body for FakeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        if let (Some(left), Some(piece)) = (&mut self.left, &piece) {
            *left -= piece.len() as u64;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Known with the last piece if there cannot be another, as with a length that was announced.
    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || self.pieces.is_closed() && self.pieces.is_empty()
    }
}

impl Drop for FakeBody {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}
