//! Tells when files that a snapshot was made of may have changed, once they are quiet and nobody is writing them.
//!
//! Folders are watched, not files: editors and orchestrators replace files and swap links. An event says only "look
//! again"; what really changed is seen by whoever looks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
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

/// More links on the way to a file are not followed, which a circle of them would be for ever.
const MAX_LINKS: usize = 8;

/// Watches folders.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<Event>,
    /// What is watched under each name; none where there is no such folder.
    folders: BTreeMap<PathBuf, Option<Identity>>,
    /// Files that matter by name, in folders that matter for them alone.
    names: BTreeSet<PathBuf>,
    /// Files that are being written, and when they last were.
    writing: HashMap<PathBuf, Instant>,
}

/// What tells a folder from another that has its name later: device and inode.
type Identity = (u64, u64);

/// Where something may change.
#[derive(Default)]
struct Places {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<PathBuf>,
}

impl Places {
    /// A folder, whatever changes in it, and itself.
    fn folder(&mut self, folder: &Path) {
        self.folders.insert(folder.to_owned());
        self.file(folder, 0);
    }

    /// A file, and every link on the way to it: one that is made to lead elsewhere changes the file. `depth` is the number of links that
    /// were followed so far.
    fn file(&mut self, path: &Path, depth: usize) {
        let Some(name) = path.file_name() else { return };
        self.folders.insert(parent(path).to_owned());
        self.names.insert(name.into());
        if !parent(path).exists() {
            // It will be seen where it comes to be.
            self.file(parent(path), depth);
        }
        for on_the_way in path.ancestors().filter(|_| depth < MAX_LINKS) {
            let Ok(target) = on_the_way.read_link() else { continue };
            if on_the_way != path {
                self.file(on_the_way, MAX_LINKS);
            }
            self.file(&parent(on_the_way).join(target), depth + 1);
        }
    }
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn identity(folder: &Path) -> Option<Identity> {
    let found = folder.metadata().ok()?;
    Some((found.dev(), found.ino()))
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> notify::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            // The receiver is gone when the process is ending.
            Ok(event) => drop(sender.send(event)),
            Err(error) => tracing::warn!(%error, "file watcher failed"),
        })?;
        Ok(Self {
            watcher,
            events,
            folders: BTreeMap::new(),
            names: BTreeSet::new(),
            writing: HashMap::new(),
        })
    }

    /// From now on watches `files`, and the modules in the folders `modules`, and nothing else. True if a folder is watched that was not
    /// before, be it that another one has its name now.
    pub(crate) fn set<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a Path>,
        modules: impl IntoIterator<Item = &'a Path>,
    ) -> bool {
        let mut wanted = Places::default();
        modules.into_iter().for_each(|folder| wanted.folder(folder));
        files.into_iter().for_each(|file| wanted.file(file, 0));
        self.names = wanted.names;
        self.folders.retain(|folder, _| {
            let stays = wanted.folders.contains(folder);
            if !stays {
                // It may be gone from the disk as well.
                let _ = self.watcher.unwatch(folder);
            }
            stays
        });
        let mut is_new = false;
        for folder in wanted.folders {
            let identity = identity(&folder);
            if self.folders.get(&folder).is_some_and(|known| *known == identity) {
                continue;
            }
            let _ = self.watcher.unwatch(&folder);
            if identity.is_some() {
                match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                    Ok(()) => is_new = true,
                    Err(error) => {
                        tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched; changes in it need a SIGHUP");
                    }
                }
            }
            self.folders.insert(folder, identity);
        }
        is_new
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
        watch.set([], [folder.path()]);
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
        watch.set([], [folder.path()]);
        let mut file = fs::File::create(folder.path().join("a.wasm")).expect("create");
        file.write_all(b"half").expect("write");
        assert!(!within(Duration::from_millis(700), &mut watch).await);
        file.write_all(b"whole").expect("write");
        drop(file);
        // The first call was given up while it waited; the close is an event of its own.
        assert!(within(Duration::from_secs(1), &mut watch).await);
    }

    #[tokio::test]
    async fn a_folder_or_a_link_on_the_way_that_is_replaced_is_watched_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(place(version)).expect("a folder");
            fs::write(place(version).join("gateway.json"), version).expect("write");
        }
        let link = |target: &str| {
            std::os::unix::fs::symlink(target, place("next")).expect("link");
            fs::rename(place("next"), place("current")).expect("rename");
        };
        link("v1");
        let config = place("current/gateway.json");
        let mut watch = Watch::new().expect("inotify");
        assert!(watch.set([&*config], []));
        assert!(!watch.set([&*config], []), "nothing is new");
        link("v2");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        assert!(watch.set([&*config], []), "another folder has the name");
        fs::write(place("v2/gateway.json"), b"v3").expect("write");
        assert!(within(Duration::from_secs(2), &mut watch).await);

        fs::remove_dir_all(place("v2")).expect("remove");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        watch.set([&*config], []);
        fs::create_dir(place("v2")).expect("a folder");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        assert!(watch.set([&*config], []), "it is there again");
        fs::write(&config, b"v4").expect("write");
        assert!(within(Duration::from_secs(2), &mut watch).await);

        let deep = place("a/b/c/token");
        watch.set([&*deep], []);
        fs::create_dir(place("a")).expect("a folder");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        assert!(watch.set([&*deep], []), "it is nearer now");
        fs::create_dir_all(place("a/b/c")).expect("a folder");
        assert!(within(Duration::from_secs(2), &mut watch).await);
        assert!(watch.set([&*deep], []), "all of it is there");
        fs::write(&deep, b"secret").expect("write");
        assert!(within(Duration::from_secs(2), &mut watch).await);
    }
}
