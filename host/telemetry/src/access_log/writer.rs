//! The writer's thread: takes the waiting lines, at most 20 times a second, and writes them in one piece.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::line_writer::{LineWriter, LostLines, count};
use crate::settings::AccessLogPath;

/// Time for which lines are collected before they are written.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// State shared by workers and writer.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Waiting lines, each with its line end.
    pub(super) shards: Vec<Mutex<Vec<u8>>>,
    /// The writer has been notified of new lines.
    notified: AtomicBool,
    reopen: AtomicBool,
    end: AtomicBool,
    /// The writer has ended: everything is written, or counted as lost.
    ended: (Mutex<bool>, Condvar),
}

impl Inbox {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            notified: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            end: AtomicBool::new(false),
            ended: Default::default(),
        }
    }

    /// Notifies the writer of new lines, unless it is notified already.
    pub(super) fn notify(&self, writer: &Thread) {
        // First a read: it leaves the cache line shared, and nearly always the writer is notified.
        if !self.notified.load(Ordering::SeqCst) && !self.notified.swap(true, Ordering::SeqCst) {
            writer.unpark();
        }
    }

    pub(super) fn request_reopen(&self, writer: &Thread) {
        self.reopen.store(true, Ordering::SeqCst);
        writer.unpark();
    }

    pub(super) fn request_end(&self, writer: &Thread) {
        self.end.store(true, Ordering::SeqCst);
        writer.unpark();
    }

    /// Waits until the writer has ended, at most for `limit`. False if it has not.
    pub(super) fn wait_for_end(&self, limit: Duration) -> bool {
        let (ended, changed) = &self.ended;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(ended, limit, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Takes what waits, and returns the number of lines.
    pub(super) fn discard(&self) -> u64 {
        let take = |shard: &Mutex<Vec<u8>>| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
        self.shards.iter().map(|shard| count(&take(shard))).sum()
    }

    fn is_ending(&self) -> bool {
        self.end.load(Ordering::SeqCst)
    }

    fn wait(&self) {
        while !self.notified.load(Ordering::SeqCst) && !self.reopen.load(Ordering::SeqCst) && !self.is_ending() {
            std::thread::park();
        }
        if !self.is_ending() {
            // A request to end cuts this short.
            std::thread::park_timeout(FLUSH_INTERVAL);
        }
    }
}

/// Writes until the end is requested and nothing waits. Lines that cannot be written are counted in `lost`.
pub(super) fn run(inbox: &Inbox, sink: Sink, lost: &AtomicU64) {
    /// Says so however the writer ends.
    struct End<'a>(&'a Inbox);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            let (ended, changed) = &self.0.ended;
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
            changed.notify_all();
        }
    }
    let _end = End(inbox);
    write_until_end(inbox, sink, lost);
}

fn write_until_end(inbox: &Inbox, mut sink: Sink, lost: &AtomicU64) {
    let mut failing = false;
    let mut writer = LineWriter::default();
    let mut lines = Vec::new();
    loop {
        inbox.wait();
        // Read before the shards: a line appended later notifies again, or was appended before the end was requested.
        let ending = inbox.is_ending();
        inbox.notified.store(false, Ordering::SeqCst);
        if inbox.reopen.swap(false, Ordering::SeqCst) && sink.reopen() {
            lost.fetch_add(writer.discard_torn(), Ordering::Relaxed);
        }
        for shard in &inbox.shards {
            lines.clear();
            std::mem::swap(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner), &mut lines);
            if lines.is_empty() {
                continue;
            }
            match sink.write(&mut writer, &lines) {
                Ok(()) => failing = false,
                Err(LostLines { count, error }) => {
                    lost.fetch_add(count, Ordering::Relaxed);
                    if !failing {
                        tracing::error!(%error, "access log cannot be written, its lines are lost until it can; lockgate_access_log_dropped_total counts them");
                    }
                    failing = true;
                }
            }
        }
        if ending {
            return;
        }
    }
}

/// The destination of lines.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    Stderr,
    File { path: PathBuf, file: File },
}

impl Sink {
    pub(super) fn open(path: &AccessLogPath) -> io::Result<Self> {
        Ok(match path {
            AccessLogPath::Stdout => Self::Stdout,
            AccessLogPath::Stderr => Self::Stderr,
            AccessLogPath::File(path) => Self::File {
                path: path.clone(),
                file: open(path)?,
            },
        })
    }

    /// True if another file is written from now on. If the file cannot be reopened, the old one stays in use.
    fn reopen(&mut self) -> bool {
        let Self::File { path, file } = self else {
            return false;
        };
        match open(path) {
            Ok(opened) => {
                *file = opened;
                true
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "access log cannot be reopened; lines still go to the old file, the next SIGUSR1 or SIGHUP tries again");
                false
            }
        }
    }

    fn write(&mut self, writer: &mut LineWriter, lines: &[u8]) -> Result<(), LostLines> {
        match self {
            // The lock keeps lines whole among those of others. Only threads that write logs take it.
            Self::Stdout => writer.write(&mut io::stdout().lock(), lines),
            Self::Stderr => writer.write(&mut io::stderr().lock(), lines),
            Self::File { file, .. } => writer.write(file, lines),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
