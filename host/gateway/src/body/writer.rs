//! A body that is written while it is being sent, as a plugin's side of a gRPC stream is. Bounded: a write beyond what the
//! upstream has read fails.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;

use crate::body::error::BodyError;

/// Maximum bytes that wait to be sent.
const MAX: usize = 4 * 1024 * 1024;

/// There is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Both ends of the body, on one thread.
#[derive(Clone, Default)]
pub(crate) struct BodyWriter(Rc<WriterState>);

#[derive(Default)]
struct WriterState {
    waiting: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    is_over: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl BodyWriter {
    /// Adds pieces at the end.
    ///
    /// # Errors
    /// [`Full`]; then nothing was added.
    pub(crate) fn write<const N: usize>(&self, pieces: [Bytes; N]) -> Result<(), Full> {
        let bytes = pieces.iter().fold(self.0.bytes.get(), |sum, piece| sum + piece.len());
        if bytes > MAX {
            return Err(Full);
        }
        self.0.bytes.set(bytes);
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        self.0.waiting.borrow_mut().extend(pieces);
        self.wake();
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.0.is_over.set(true);
        self.wake();
    }

    /// The next bytes, once they are written.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.0.waiting.borrow_mut().pop_front() {
            self.0.bytes.set(self.0.bytes.get() - data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.0.is_over.get() {
            return Poll::Ready(None);
        }
        *self.0.reader.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Everything that will ever come has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.0.is_over.get() && self.0.waiting.borrow().is_empty()
    }

    fn wake(&self) {
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_order_and_a_flood_ends_at_the_bound() {
        let writer = BodyWriter::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(writer.poll_next(&mut cx).is_pending());
        for text in ["one", "two"] {
            assert_eq!(writer.write([Bytes::from_static(text.as_bytes())]), Ok(()));
        }
        assert_eq!(writer.write([vec![0; MAX].into()]), Err(Full));
        writer.end();
        assert!(!writer.is_read());
        for text in ["one", "two"] {
            let Poll::Ready(Some(Ok(frame))) = writer.poll_next(&mut cx) else {
                panic!("there is more")
            };
            assert_eq!(frame.into_data().expect("data"), text);
        }
        assert!(writer.is_read() && matches!(writer.poll_next(&mut cx), Poll::Ready(None)));
    }
}
