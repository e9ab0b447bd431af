//! Tells when files that a snapshot was made of may have changed, once they are quiet and nobody is writing them.
//!
//! Folders are watched, not files: editors and orchestrators replace files and swap links. An event says only "look
//! again"; what really changed is seen by whoever looks.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Quiet time after the last event.
const QUIET: Duration = Duration::from_millis(25);

/// The longest that a stream of events can put off the look.
const PATIENCE: Duration = Duration::from_millis(600);

/// A file that was written to and not closed counts as half-written for this long after the last write.
const WRITING: Duration = Duration::from_secs(2);

/// Watches folders.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<Event>,
    folders: BTreeSet<PathBuf>,
    /// Files that matter by name, in folders that matter for them alone.
    names: BTreeSet<PathBuf>,
    /// Files that are being written, and when they last were.
    writing: HashMap<PathBuf, Instant>,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> notify::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            // The receiver is gone when the process is ending.
            Ok(event) => drop(sender.send(event)),
            Err(error) => tracing::warn!(%error, "watching files"),
        })?;
        Ok(Self {
            watcher,
            events,
            folders: BTreeSet::new(),
            names: BTreeSet::new(),
            writing: HashMap::new(),
        })
    }

    /// From now on watches `files`, and the modules in the folder `modules`, and nothing else.
    pub(crate) fn set<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>, modules: Option<&'a Path>) {
        let mut wanted: BTreeSet<PathBuf> = modules.map(Path::to_owned).into_iter().collect();
        self.names.clear();
        for file in files {
            let parent = file
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            wanted.insert(parent.to_owned());
            self.names.extend(file.file_name().map(PathBuf::from));
        }
        for gone in self.folders.difference(&wanted) {
            // It may be gone from the disk as well.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in wanted.difference(&self.folders) {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "changes here will be seen on SIGHUP only");
            }
        }
        self.folders = wanted;
    }

    /// Waits until something has changed and is quiet. Cancelling loses no event that matters: a later one follows or
    /// the next call sees what is still being written.
    pub(crate) async fn changed(&mut self) {
        loop {
            match self.events.recv().await {
                Some(event) if self.note(&event) => break,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
        let first = Instant::now();
        loop {
            let wait = if first.elapsed() >= PATIENCE && self.writing.is_empty() {
                Duration::ZERO
            } else {
                QUIET
            };
            match tokio::time::timeout(wait, self.events.recv()).await {
                Ok(Some(event)) => {
                    self.note(&event);
                }
                Ok(None) | Err(_) => {
                    self.writing.retain(|_, written| written.elapsed() < WRITING);
                    if self.writing.is_empty() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a path is one that snapshots are made of. Names that begin with two dots are links that an orchestrator swaps
    /// to change many files at once.
    fn matters(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        let text = name.to_string_lossy();
        self.names.contains(Path::new(name))
            || text.ends_with(".wasm")
            || text.ends_with(".wasm.sig")
            || text.starts_with("..")
    }

    /// Takes an event in; true when it means that something has changed.
    fn note(&mut self, event: &Event) -> bool {
        if !event.paths.is_empty() && !event.paths.iter().any(|path| self.matters(path)) {
            return false;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.writing.retain(|path, _| !event.paths.contains(path));
                true
            }
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(CreateKind::File) => {
                // A link or a rename creates without a close; then the file is whole, and older than the event.
                if matches!(event.kind, EventKind::Modify(_)) {
                    self.writing
                        .extend(event.paths.iter().map(|path| (path.clone(), Instant::now())));
                }
                true
            }
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => {
                self.writing.retain(|path, _| !event.paths.contains(path));
                true
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    async fn within(limit: Duration, watch: &mut Watch) -> bool {
        tokio::time::timeout(limit, watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_change_is_told_once_it_is_quiet_and_reading_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watch = Watch::new().expect("inotify");
        watch.set([], Some(folder.path()));
        let file = folder.path().join("a.wasm");
        fs::write(&file, b"1").expect("write");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        fs::read(&file).expect("read");
        assert!(!within(Duration::from_millis(300), &mut watch).await);
        fs::write(folder.path().join("run.log"), b"a line").expect("write");
        assert!(!within(Duration::from_millis(300), &mut watch).await);
        fs::rename(&file, folder.path().join("b.wasm")).expect("rename");
        assert!(within(Duration::from_secs(2), &mut watch).await);
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watch = Watch::new().expect("inotify");
        watch.set([], Some(folder.path()));
        let mut file = fs::File::create(folder.path().join("a.wasm")).expect("create");
        file.write_all(b"half").expect("write");
        assert!(!within(Duration::from_millis(700), &mut watch).await);
        file.write_all(b"whole").expect("write");
        drop(file);
        // The first call was given up while it waited; the close is an event of its own.
        assert!(within(Duration::from_secs(1), &mut watch).await);
    }
}
