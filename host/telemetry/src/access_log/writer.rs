//! The writer's thread: takes the waiting lines, at most 20 times a second, and writes them in one piece.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

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
}

impl Inbox {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            notified: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            end: AtomicBool::new(false),
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
pub(super) fn run(inbox: &Inbox, mut sink: Sink, lost: &AtomicU64) {
    let mut failing = false;
    let mut lines = Vec::new();
    loop {
        inbox.wait();
        // Read before the shards: a line appended later notifies again, or was appended before the end was requested.
        let ending = inbox.is_ending();
        inbox.notified.store(false, Ordering::SeqCst);
        if inbox.reopen.swap(false, Ordering::SeqCst) {
            sink.reopen();
        }
        for shard in &inbox.shards {
            lines.clear();
            std::mem::swap(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner), &mut lines);
            match sink.write(&lines) {
                Ok(()) if lines.is_empty() => {}
                Ok(()) => failing = false,
                Err(error) => {
                    lost.fetch_add(
                        lines.iter().filter(|byte| **byte == b'\n').count() as u64,
                        Ordering::Relaxed,
                    );
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

    /// If the file cannot be reopened, the old one stays in use.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "access log cannot be reopened; lines still go to the old file, the next SIGHUP tries again")
                }
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(lines),
            Self::File { file, .. } => file.write_all(lines),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
