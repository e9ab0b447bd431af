//! The file watch: reports that files of a snapshot may have changed, once no more changes follow and no file is half-written.
//!
//! Folders are watched, not files: editors and orchestrators replace files and swap links. An event only starts a reload; the reload finds
//! out what has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Time without events after which a change is reported.
const DEBOUNCE: Duration = Duration::from_millis(25);

/// Maximum time that further events delay the report.
const MAX_DEBOUNCE: Duration = Duration::from_millis(600);

/// Time after the last write for which a file that is not closed counts as half-written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum links followed on the path to a file; a circle of links ends there.
const MAX_LINKS: usize = 8;

/// Watches the folders of files and modules.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<Event>,
    /// The folder watched under each name; none where no folder has the name.
    folders: BTreeMap<PathBuf, Option<Identity>>,
    /// Names of the files to report.
    names: BTreeSet<PathBuf>,
    /// Half-written files, with the time of the last write.
    half_written: HashMap<PathBuf, Instant>,
}

/// Device and inode of a folder: another folder may have its name later.
type Identity = (u64, u64);

/// Folders to watch, and names to report in them.
#[derive(Default)]
struct Targets {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<PathBuf>,
}

impl Targets {
    /// Adds a folder with all that is in it.
    fn add_folder(&mut self, folder: &Path) {
        self.folders.insert(folder.to_owned());
        self.add_file(folder, 0);
    }

    /// Adds a file, and every link on the path to it: a link with a new target changes the file. `depth` is the number of links followed
    /// so far.
    fn add_file(&mut self, path: &Path, depth: usize) {
        let Some(name) = path.file_name() else { return };
        self.folders.insert(parent(path).to_owned());
        self.names.insert(name.into());
        if !parent(path).exists() {
            // Its creation is an event in the nearest folder that exists.
            self.add_file(parent(path), depth);
        }
        for link in path.ancestors().filter(|_| depth < MAX_LINKS) {
            let Ok(target) = link.read_link() else { continue };
            if link != path {
                self.add_file(link, MAX_LINKS);
            }
            self.add_file(&parent(link).join(target), depth + 1);
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
            Err(error) => tracing::warn!(%error, "file watch failed; changes may need a SIGHUP"),
        })?;
        Ok(Self {
            watcher,
            events,
            folders: BTreeMap::new(),
            names: BTreeSet::new(),
            half_written: HashMap::new(),
        })
    }

    /// Watches `files`, and the modules in the folders `modules`, and nothing else. True if a folder is watched that was not before, even
    /// under the same name.
    pub(crate) fn set<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a Path>,
        modules: impl IntoIterator<Item = &'a Path>,
    ) -> bool {
        let mut wanted = Targets::default();
        modules.into_iter().for_each(|folder| wanted.add_folder(folder));
        files.into_iter().for_each(|file| wanted.add_file(file, 0));
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

    /// Waits until files have changed and are no longer being written. Cancel-safe: a later event follows, or the next call sees what is
    /// half-written.
    pub(crate) async fn changed(&mut self) {
        loop {
            match self.events.recv().await {
                Some(event) if self.record(&event) => break,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
        let since = |time: Instant| clock::now().saturating_duration_since(time);
        let first = clock::now();
        loop {
            let wait = if since(first) >= MAX_DEBOUNCE && self.half_written.is_empty() {
                Duration::ZERO
            } else {
                DEBOUNCE
            };
            match tokio::time::timeout(wait, self.events.recv()).await {
                Ok(Some(event)) => {
                    self.record(&event);
                }
                Ok(None) | Err(_) => {
                    self.half_written.retain(|_, written| since(*written) < WRITE_TIMEOUT);
                    if self.half_written.is_empty() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a path belongs to a snapshot. Names that begin with two dots are links that an orchestrator swaps to change many files at
    /// once.
    fn is_relevant(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        let text = name.to_string_lossy();
        self.names.contains(Path::new(name))
            || text.ends_with(".wasm")
            || text.ends_with(".wasm.sig")
            || text.starts_with("..")
    }

    /// Records an event; true if it reports a change.
    fn record(&mut self, event: &Event) -> bool {
        if !event.paths.is_empty() && !event.paths.iter().any(|path| self.is_relevant(path)) {
            return false;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.half_written.retain(|path, _| !event.paths.contains(path));
                true
            }
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(CreateKind::File) => {
                // A link or a rename creates without a close: the file is complete then.
                if matches!(event.kind, EventKind::Modify(_)) {
                    self.half_written
                        .extend(event.paths.iter().map(|path| (path.clone(), clock::now())));
                }
                true
            }
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => {
                self.half_written.retain(|path, _| !event.paths.contains(path));
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
    async fn a_change_is_reported_after_the_debounce_and_reading_is_none() {
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
    async fn a_folder_or_a_link_on_the_path_that_is_replaced_is_watched_anew() {
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
