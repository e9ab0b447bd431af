//! [`OverlayWriter`]: writes the overlay on a thread of its own. Changes that come while it writes are one further write.

use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::watch;

use crate::file::OverlayFile;
use crate::overlay::Overlay;

/// The pause after a write that failed.
const RETRY: Duration = Duration::from_secs(10);

/// Why a change is not on disk. It is in force all the same, and its write is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotWritten(pub String);

/// The thread that writes the overlay. It ends with this handle, after a last write of what has changed.
#[derive(Debug)]
pub struct OverlayWriter {
    wake: Option<SyncSender<()>>,
    written: watch::Receiver<Written>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The last write.
#[derive(Clone, Debug, Default)]
struct Written {
    /// The version that it was to write.
    version: u64,
    failure: Option<NotWritten>,
}

impl OverlayWriter {
    /// Starts the thread. `latest` gives the overlay and its version, which grows with each change, from 1; none when the overlay has ended.
    ///
    /// # Errors
    /// The thread cannot start.
    pub fn start(file: OverlayFile, latest: impl Fn() -> Option<(u64, Overlay)> + Send + 'static) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        let (result, written) = watch::channel(Written::default());
        let thread = thread::Builder::new()
            .name("overlay".to_owned())
            .spawn(move || write_on_change(&file, &woken, &result, &latest))?;
        Ok(Self {
            wake: Some(wake),
            written,
            thread: Some(thread),
        })
    }

    /// Writes what has changed, soon.
    pub fn wake(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                // One that is waiting already comes after this change.
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => tracing::error!("the overlay's thread has ended"),
            }
        }
    }

    /// Why the last write failed.
    pub fn failure(&self) -> Option<NotWritten> {
        self.written.borrow().failure.clone()
    }

    /// Waits until a version is on disk. The future does not borrow the writer.
    ///
    /// # Errors
    /// Why its write failed.
    pub fn persisted(&self, version: u64) -> impl Future<Output = Result<(), NotWritten>> + Send + use<> {
        let mut written = self.written.clone();
        async move {
            let reached = written.wait_for(|written| written.version >= version).await;
            match reached.as_deref() {
                Ok(Written {
                    failure: Some(failure), ..
                }) => Err(failure.clone()),
                Ok(_) => Ok(()),
                Err(_) => Err(NotWritten("the gateway is shutting down".to_owned())),
            }
        }
    }
}

impl Drop for OverlayWriter {
    fn drop(&mut self) {
        self.wake = None;
        // The thread itself may hold the last reference to what this is part of.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the overlay's thread has panicked");
        }
    }
}

fn write_on_change(
    file: &OverlayFile,
    woken: &mpsc::Receiver<()>,
    result: &watch::Sender<Written>,
    latest: &dyn Fn() -> Option<(u64, Overlay)>,
) {
    let mut last = Written::default();
    loop {
        let is_ending = match woken.recv_timeout(RETRY) {
            Ok(()) => false,
            Err(RecvTimeoutError::Timeout) if last.failure.is_none() => continue,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let Some((version, overlay)) = latest() else { return };
        if version != last.version || last.failure.is_some() {
            let failure = file.save(&overlay).err().map(|error| NotWritten(error.to_string()));
            let path = file.path().display();
            match (&failure, &last.failure) {
                (Some(failure), None) => {
                    tracing::error!(%path, error = %failure, "the overlay cannot be written: changes by the admin API are in force, but lost at a restart");
                }
                (None, Some(_)) => tracing::info!(%path, "the overlay is written again"),
                _ => {}
            }
            last = Written { version, failure };
            result.send_replace(last.clone());
        }
        if is_ending {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::overlay::BreakerOverride;

    struct Source(Mutex<Overlay>, AtomicU64);

    impl Source {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::default(), AtomicU64::new(0)))
        }

        fn change(&self, upstream: &str) -> u64 {
            self.0
                .lock()
                .unwrap()
                .set_breaker(upstream, Some(BreakerOverride::Open));
            self.1.fetch_add(1, Ordering::SeqCst) + 1
        }

        fn writer(self: &Arc<Self>, file: &OverlayFile) -> OverlayWriter {
            let source = self.clone();
            let latest = move || Some((source.1.load(Ordering::SeqCst), source.0.lock().unwrap().clone()));
            OverlayWriter::start(file.clone(), latest).unwrap()
        }
    }

    #[tokio::test]
    async fn a_change_is_on_disk_when_the_wait_for_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = OverlayFile::new(folder.path().join("overlay.json"));
        let source = Source::new();
        let writer = source.writer(&file);
        for upstream in 0..50 {
            let version = source.change(&upstream.to_string());
            writer.wake();
            writer.persisted(version).await.unwrap();
            assert_eq!(file.load().upstreams.len(), upstream + 1);
        }
    }

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_is_written_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = OverlayFile::new(folder.path().join("overlay.json"));
        let source = Source::new();
        let writer = source.writer(&file);
        source.change("orders");
        drop(writer);
        assert_eq!(file.load().upstreams.len(), 1);
    }

    #[tokio::test]
    async fn a_failed_write_is_told_and_the_next_one_writes_everything() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("state");
        std::fs::write(&blocked, "a file in place of the folder").unwrap();
        let file = OverlayFile::new(blocked.join("overlay.json"));
        let source = Source::new();
        let writer = source.writer(&file);
        let version = source.change("orders");
        writer.wake();
        assert!(writer.persisted(version).await.is_err());
        std::fs::remove_file(&blocked).unwrap();
        let version = source.change("users");
        writer.wake();
        writer.persisted(version).await.unwrap();
        assert_eq!(file.load().upstreams.len(), 2);
    }
}
