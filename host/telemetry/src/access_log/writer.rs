//! The writer's thread: takes what waits, a few times a second at most, and writes it in one piece.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::settings::AccessLogPath;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// What workers and writer share.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Lines that wait, each with its end.
    pub(super) shards: Vec<Mutex<Vec<u8>>>,
    /// The writer knows that there is something to do.
    told: AtomicBool,
    reopen: AtomicBool,
    end: AtomicBool,
}

impl Inbox {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            told: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            end: AtomicBool::new(false),
        }
    }

    /// Wakes the writer unless it knows already.
    pub(super) fn tell(&self, writer: &Thread) {
        // First a read: it leaves the cache line shared, and nearly always the writer knows.
        if !self.told.load(Ordering::SeqCst) && !self.told.swap(true, Ordering::SeqCst) {
            writer.unpark();
        }
    }

    pub(super) fn ask_reopen(&self, writer: &Thread) {
        self.reopen.store(true, Ordering::SeqCst);
        writer.unpark();
    }

    pub(super) fn ask_end(&self, writer: &Thread) {
        self.end.store(true, Ordering::SeqCst);
        writer.unpark();
    }

    fn is_ending(&self) -> bool {
        self.end.load(Ordering::SeqCst)
    }

    fn wait(&self) {
        while !self.told.load(Ordering::SeqCst) && !self.reopen.load(Ordering::SeqCst) && !self.is_ending() {
            std::thread::park();
        }
        if !self.is_ending() {
            // An end that is asked for meanwhile cuts this short.
            std::thread::park_timeout(GATHER);
        }
    }
}

/// Writes until the end is asked for and nothing waits. Lines that cannot be written are counted in `lost`.
pub(super) fn run(inbox: &Inbox, mut sink: Sink, lost: &AtomicU64) {
    let mut failing = false;
    let mut lines = Vec::new();
    loop {
        inbox.wait();
        // Read before the shards are: what is appended after that tells again, or was appended before the end was asked for.
        let ending = inbox.is_ending();
        inbox.told.store(false, Ordering::SeqCst);
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
                        tracing::error!(%error, "access log cannot be written; lines are lost");
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

/// Where lines end up.
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

    /// When the file cannot be opened anew, the old one is kept.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => tracing::error!(%error, path = %path.display(), "access log cannot be reopened"),
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
