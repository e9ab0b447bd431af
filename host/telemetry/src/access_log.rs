//! The access log: one JSON object a line for every request and every TCP connection that ended, written by a thread of its own.
//!
//! A worker only appends to a buffer in memory; it makes no system call, but to wake the writer when there was nothing to write.
//! Buffers are bounded: when the disk does not keep up, lines are dropped and counted, and no request waits. Queries are not
//! logged, as they may carry keys.

mod line;
mod writer;

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use writer::{Inbox, Sink};

use crate::settings::AccessLogSettings;

pub use line::{ConnectionRecord, Line, PluginTimes, Record};

/// Bytes that wait for the writer, for each of the shards below; about 10,000 lines.
const MOST_WAITING: usize = 4 << 20;
/// Buffers, so that workers do not wait for each other. A thread writes to one of them.
const SHARDS: usize = 16;

/// An open access log. Shared by all workers; ends when the last owner drops it, and then every line that was taken is written.
#[derive(Debug)]
pub struct AccessLog {
    inbox: Arc<Inbox>,
    dropped: Arc<AtomicU64>,
    most_waiting: usize,
    writer: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the log; `dropped` counts the lines that are lost.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or the thread not be started.
    pub fn open(settings: &AccessLogSettings, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        Self::start(Sink::open(&settings.path)?, dropped, MOST_WAITING)
    }

    fn start(sink: Sink, dropped: Arc<AtomicU64>, most_waiting: usize) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(SHARDS));
        let (held, lost) = (inbox.clone(), dropped.clone());
        let run = move || writer::run(&held, sink, &lost);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(run)?;
        Ok(Self {
            inbox,
            dropped,
            most_waiting,
            writer: Some(writer),
        })
    }

    /// Takes a line, or drops it when too much is waiting. Never blocks on the disk.
    pub fn write(&self, record: &impl Line) {
        let mut waiting = self.inbox.shards[shard()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.most_waiting {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        line::append(record, &mut waiting);
        drop(waiting);
        if let Some(writer) = &self.writer {
            self.inbox.tell(writer.thread());
        }
    }

    /// Has the writer open its file anew before it writes on, as log rotation needs. Streams of the process stay as they are.
    pub fn reopen(&self) {
        if let Some(writer) = &self.writer {
            self.inbox.ask_reopen(writer.thread());
        }
    }
}

impl Drop for AccessLog {
    /// Waits until every line that was taken is written.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.inbox.ask_end(writer.thread());
            if writer.join().is_err() {
                tracing::error!("access log writer panicked");
            }
        }
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
