//! What the streams of a connection have handed to the library and the socket has not taken.
//!
//! The library bounds this by stream: a client that opens every window and reads nothing would make it hold the bound of a stream
//! times the number of streams. Here all streams share one bound. A stream hands over only what its window lets pass, so that one whose
//! client opens no window takes nothing of it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use rustc_hash::FxHashMap;

/// Bytes that may wait to be written on one connection.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// The accounts of the streams.
#[derive(Default)]
pub(super) struct Backlog {
    total: Cell<usize>,
    streams: RefCell<FxHashMap<u32, Account>>,
    /// Streams that wait for room.
    waiting: RefCell<Vec<Waker>>,
    is_shut: Cell<bool>,
}

#[derive(Default)]
struct Account {
    bytes: usize,
    /// Who waits for the last of them.
    waker: Option<Waker>,
}

impl Backlog {
    /// The room that is left, at least one byte. None: the connection has ended.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.is_shut.get() {
            return Poll::Ready(None);
        }
        match MAX_BYTES.saturating_sub(self.total.get()) {
            0 => {
                let mut waiting = self.waiting.borrow_mut();
                if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
            room => Poll::Ready(Some(room)),
        }
    }

    /// The connection has ended: nobody waits any more.
    pub(super) fn shut(&self) {
        self.is_shut.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
        let accounts = self.streams.take().into_values();
        accounts.filter_map(|account| account.waker).for_each(Waker::wake);
    }

    /// A stream hands over data.
    pub(super) fn add(&self, stream: u32, bytes: usize) {
        self.total.set(self.total.get() + bytes);
        if !self.is_shut.get() {
            self.streams.borrow_mut().entry(stream).or_default().bytes += bytes;
        }
    }

    /// The socket has taken data of a stream.
    pub(super) fn written(&self, stream: u32, bytes: usize) {
        let mut streams = self.streams.borrow_mut();
        let Some(account) = streams.get_mut(&stream) else {
            return;
        };
        let bytes = bytes.min(account.bytes);
        account.bytes -= bytes;
        if account.bytes == 0
            && let Some(waker) = account.waker.take()
        {
            waker.wake();
        }
        drop(streams);
        self.free(bytes);
    }

    /// Ready when the socket has taken all of a stream's data.
    pub(super) fn poll_written(&self, stream: u32, cx: &mut Context<'_>) -> Poll<()> {
        match self.streams.borrow_mut().get_mut(&stream) {
            Some(account) if account.bytes > 0 => {
                account.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// A stream has ended. The library throws away what was left of it.
    pub(super) fn close(&self, stream: u32) {
        let account = self.streams.borrow_mut().remove(&stream);
        if let Some(account) = account {
            self.free(account.bytes);
        }
    }

    fn free(&self, bytes: usize) {
        let before = self.total.get();
        self.total.set(before.saturating_sub(bytes));
        if before >= MAX_BYTES && self.total.get() < MAX_BYTES {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_one_bound_and_one_that_ends_gives_its_part_back() {
        let backlog = Backlog::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(backlog.poll_room(&mut cx), Poll::Ready(Some(MAX_BYTES)));
        backlog.add(1, MAX_BYTES - 10);
        assert_eq!(backlog.poll_room(&mut cx), Poll::Ready(Some(10)));
        backlog.add(3, 10);
        assert!(backlog.poll_room(&mut cx).is_pending() && backlog.poll_written(3, &mut cx).is_pending());
        backlog.written(3, 10);
        assert!(backlog.poll_written(3, &mut cx).is_ready() && backlog.poll_written(1, &mut cx).is_pending());
        assert_eq!(backlog.poll_room(&mut cx), Poll::Ready(Some(10)));
        backlog.close(1);
        backlog.close(3);
        assert_eq!(backlog.poll_room(&mut cx), Poll::Ready(Some(MAX_BYTES)));
        backlog.written(1, 5);
        assert_eq!(
            backlog.poll_room(&mut cx),
            Poll::Ready(Some(MAX_BYTES)),
            "an ended stream has no account"
        );
    }
}
