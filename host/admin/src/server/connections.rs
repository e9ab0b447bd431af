//! The open connections of the admin API, bounded: when there are too many, the one that has been of no use for the longest time makes room.
//! So clients that send nothing, or read nothing, cannot shut out others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

/// Maximum connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// All open connections. A clone is the same list.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    open: Vec<Entry>,
    next: u64,
}

struct Entry {
    number: u64,
    /// When its last request began, or when it was accepted.
    last_used: Instant,
    /// A handler is working on its request.
    busy: bool,
    /// The connection is closed when this is dropped.
    _close: oneshot::Sender<()>,
}

/// One open connection; forgotten when dropped.
pub(super) struct OpenConnection {
    list: Connections,
    number: u64,
}

/// A request is being handled; the connection is of use until this is dropped.
pub(super) struct Handling<'a>(&'a OpenConnection);

impl Connections {
    /// Adds a connection, in place of another one if there are too many. The receiver tells it to close.
    pub(super) fn open(&self) -> (OpenConnection, oneshot::Receiver<()>) {
        let (close, closed) = oneshot::channel();
        let mut list = self.lock();
        if list.open.len() >= MAX_CONNECTIONS {
            let oldest = list.open.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, entry)| (entry.busy, entry.last_used));
            if let Some((index, _)) = oldest {
                list.open.swap_remove(index);
            }
        }
        let number = list.next;
        list.next += 1;
        list.open.push(Entry {
            number,
            last_used: Instant::now(),
            busy: false,
            _close: close,
        });
        let list = self.clone();
        (OpenConnection { list, number }, closed)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnection {
    /// A request begins.
    pub(super) fn handle(&self) -> Handling<'_> {
        self.update(|entry| {
            entry.last_used = Instant::now();
            entry.busy = true;
        });
        Handling(self)
    }

    fn update(&self, change: impl FnOnce(&mut Entry)) {
        let mut list = self.list.lock();
        if let Some(entry) = list.open.iter_mut().find(|entry| entry.number == self.number) {
            change(entry);
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.list.lock().open.retain(|entry| entry.number != self.number);
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.update(|entry| entry.busy = false);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    #[test]
    fn the_connection_that_was_unused_for_the_longest_time_makes_room() {
        let connections = Connections::default();
        let mut open = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            open.push(connections.open());
        }
        let working = open[0].0.handle();
        drop(open[1].0.handle());
        let _new = connections.open();
        drop(working);
        let mut closed = Vec::new();
        for (index, (_, receiver)) in open.iter_mut().enumerate() {
            if receiver.try_recv() == Err(TryRecvError::Closed) {
                closed.push(index);
            }
        }
        assert_eq!(closed, [2], "the first works, the second was used since");
    }
}
