//! The access log: one JSON object a line for every request and every TCP connection that ended, written by a thread of its own.
//!
//! A worker only appends to a buffer in memory; its one system call wakes the writer when there was nothing to write.
//! Buffers are bounded: when the disk or the reader is too slow, lines are dropped and counted, and no request waits. Queries are not
//! logged, as they may contain keys.

mod line;
mod writer;

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use writer::{Inbox, Sink};

use crate::settings::AccessLogSettings;

pub use line::{ConnectionRecord, Line, PluginTimes, Record};

/// Maximum bytes that wait for the writer, per shard; about 10,000 lines.
const MAX_WAITING: usize = 4 << 20;
/// Number of buffers, so that workers do not wait for each other. A thread appends to one of them.
const SHARDS: usize = 16;

/// Maximum time for the last lines at the end: a disk or a reader that stalls does not keep the process.
const END_LIMIT: Duration = Duration::from_millis(500);

/// An open access log. Shared by all workers; when the last owner drops it, the accepted lines are written, for half a second at most.
#[derive(Debug)]
pub struct AccessLog {
    inbox: Arc<Inbox>,
    dropped: Arc<AtomicU64>,
    max_waiting: usize,
    writer: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the log; `dropped` counts the lines that are lost.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or the thread cannot be started.
    pub fn open(settings: &AccessLogSettings, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        Self::start(Sink::open(&settings.path)?, dropped, MAX_WAITING)
    }

    fn start(sink: Sink, dropped: Arc<AtomicU64>, max_waiting: usize) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(SHARDS));
        let (shared, lost) = (inbox.clone(), dropped.clone());
        let run = move || writer::run(&shared, sink, &lost);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(run)?;
        Ok(Self {
            inbox,
            dropped,
            max_waiting,
            writer: Some(writer),
        })
    }

    /// Accepts a line, or drops it when too much is waiting. Never blocks on the disk.
    pub fn write(&self, record: &impl Line) {
        let mut waiting = self.inbox.shards[shard()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.max_waiting {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        line::append(record, &mut waiting);
        drop(waiting);
        if let Some(writer) = &self.writer {
            self.inbox.notify(writer.thread());
        }
    }

    /// Reopens the file before the next write, after a log rotation. Streams of the process are left alone.
    pub fn reopen(&self) {
        if let Some(writer) = &self.writer {
            self.inbox.request_reopen(writer.thread());
        }
    }
}

impl Drop for AccessLog {
    /// Waits until every accepted line is written, at most for [`END_LIMIT`].
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        self.inbox.request_end(writer.thread());
        if self.inbox.wait_for_end(END_LIMIT) {
            if writer.join().is_err() {
                tracing::error!("access log writer panicked");
            }
            return;
        }
        // The writer is left behind in its system call, with the lines that it has taken.
        let lines = self.inbox.discard();
        self.dropped.fetch_add(lines, Ordering::Relaxed);
        tracing::error!(
            lines,
            "access log could not be written in time; its last lines are lost"
        );
    }
}

/// The shard that this thread writes to.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.with(|mine| {
        mine.get().unwrap_or_else(|| {
            let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            mine.set(Some(shard));
            shard
        })
    })
}

#[cfg(test)]
mod tests;
