//! The process's log on its way to stderr: lines wait in memory for a thread that writes them.
//!
//! Whoever logs never waits for the reader of stderr, whatever thread it is on. When too much waits, lines are dropped and counted; once
//! lines are written again, a line says how many are missing.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::line_writer::{LineWriter, count};

/// Maximum bytes that wait for the writer; about 10,000 lines.
const MAX_WAITING: usize = 2 << 20;

/// Lines of this process's log that were dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Number of lines of the process's log that were dropped so far.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The writer of the log. A clone is the same one.
#[derive(Debug, Clone)]
pub struct ProcessLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Lines have come, or all are written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    /// The thread is writing lines that it took.
    writing: bool,
}

impl ProcessLog {
    /// Starts the thread that writes to stderr.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::start_with(io::stderr(), &DROPPED)
    }

    fn start_with(out: impl Write + Send + 'static, dropped: &'static AtomicU64) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(out, dropped))?;
        Ok(Self(shared))
    }

    /// A writer for one event: each call of `write` takes whole lines. Never blocks, never fails.
    pub fn event(&self) -> EventWriter<'_> {
        EventWriter(&self.0)
    }

    /// Waits until all lines are written, at most for `limit`. False if some still wait.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut queue = self.0.lock();
        while queue.writing || !queue.waiting.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (queue, _) = self
                .0
                .changed
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lines: &[u8], dropped: &AtomicU64) {
        let mut queue = self.lock();
        if !queue.waiting.is_empty() && queue.waiting.len() + lines.len() > MAX_WAITING {
            drop(queue);
            dropped.fetch_add(count(lines), Ordering::Relaxed);
            return;
        }
        queue.waiting.extend_from_slice(lines);
        drop(queue);
        self.changed.notify_all();
    }

    /// Writes for as long as the process lives.
    fn run(&self, mut out: impl Write, dropped: &AtomicU64) {
        let mut writer = LineWriter::default();
        let mut lines = Vec::new();
        let mut reported = 0;
        loop {
            lines.clear();
            let mut queue = self.lock();
            while queue.waiting.is_empty() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut queue.waiting, &mut lines);
            queue.writing = true;
            drop(queue);
            match writer.write(&mut out, &lines) {
                Ok(()) => {
                    let total = dropped.load(Ordering::Relaxed);
                    if total > reported {
                        // It waits like every other line.
                        tracing::warn!(
                            lines = total - reported,
                            "log lines were dropped here: stderr was not read, or could not be written"
                        );
                        reported = total;
                    }
                }
                Err(lost) => drop(dropped.fetch_add(lost.count, Ordering::Relaxed)),
            }
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }
}

impl<'a> MakeWriter<'a> for ProcessLog {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        self.event()
    }
}

/// Takes the lines of one event.
#[derive(Debug)]
pub struct EventWriter<'a>(&'a Shared);

impl Write for EventWriter<'_> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.push(lines, &DROPPED);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pipe whose reader stalls: a write waits for its permission.
    struct Stalled {
        permissions: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The test's end lets all go.
            let _ = self.permissions.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_stalled_reader_and_what_is_dropped_is_counted() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        let (permit, permissions) = mpsc::channel();
        let (written, output) = mpsc::channel();
        let log = ProcessLog::start_with(Stalled { permissions, written }, &LOST).unwrap();
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        let began = Instant::now();
        let lines = 3 * MAX_WAITING / line.len();
        (0..lines).for_each(|_| log.0.push(&line, &LOST));
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "somebody waited for the reader"
        );
        assert!(!log.flush(Duration::from_millis(20)), "nothing can have been written");
        assert!(LOST.load(Ordering::Relaxed) >= 1);

        (0..lines).for_each(|_| permit.send(()).unwrap());
        assert!(log.flush(Duration::from_secs(10)));
        let arrived: u64 = output.try_iter().map(|bytes| count(&bytes)).sum();
        assert_eq!(arrived + LOST.load(Ordering::Relaxed), lines as u64);
    }
}
