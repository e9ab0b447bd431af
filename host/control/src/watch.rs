//! The file watch: reports that files of a snapshot may have changed, once no more changes follow. Each file settles by itself: one that is
//! still being written is left out of the report, and delays no other.
//!
//! Folders are watched, not files: editors and orchestrators replace files and swap links. An event only starts a reload; the reload finds
//! out what has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    /// Settled changes that are not reported yet.
    changes: Option<Changes>,
}

/// Settled changes.
struct Changes {
    /// Their files; those of an event without a path are not known.
    paths: HashSet<PathBuf>,
    first: Instant,
    last: Instant,
}

/// Files that are being written, as the watch saw them last.
#[derive(Clone, Debug, Default)]
pub(crate) struct HalfWritten(HashSet<PathBuf>);

impl HalfWritten {
    /// These files.
    #[cfg(test)]
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(files.into_iter().filter_map(|file| file.canonicalize().ok()).collect())
    }

    /// Whether a file, or the target of a link, is being written.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        !self.0.is_empty() && path.canonicalize().is_ok_and(|path| self.0.contains(&path))
    }
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
            changes: None,
        })
    }

    /// The files that are being written now.
    pub(crate) fn half_written(&self) -> HalfWritten {
        HalfWritten(
            self.half_written
                .keys()
                .filter_map(|path| path.canonicalize().ok())
                .collect(),
        )
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

    /// Waits until files have changed that are no longer being written. Cancel-safe: the next call reports what this one has seen.
    pub(crate) async fn changed(&mut self) {
        loop {
            let wait = self.wait(clock::now());
            if wait == Some(Duration::ZERO) {
                self.settle(clock::now());
                if self
                    .changes
                    .as_ref()
                    .is_some_and(|changes| changes.wait(clock::now()).is_zero())
                {
                    self.changes = None;
                    return;
                }
                continue;
            }
            let event = self.events.recv();
            let event = match wait {
                Some(wait) => tokio::time::timeout(wait, event).await,
                None => Ok(event.await),
            };
            match event {
                Ok(Some(event)) => self.record(&event),
                Ok(None) => std::future::pending().await,
                Err(_) => {}
            }
        }
    }

    /// Time until something is to be done without a further event; none if there is nothing.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let settles = self
            .half_written
            .values()
            .map(|written| (*written + WRITE_TIMEOUT).saturating_duration_since(now));
        let reports = self.changes.iter().map(|changes| changes.wait(now));
        settles.chain(reports).min()
    }

    /// Files that nobody has written to for a while count as complete, though they are open.
    fn settle(&mut self, now: Instant) {
        let complete = |written: &Instant| now.saturating_duration_since(*written) >= WRITE_TIMEOUT;
        let settled: Vec<PathBuf> = self
            .half_written
            .extract_if(|_, written| complete(written))
            .map(|(path, _)| path)
            .collect();
        if !settled.is_empty() {
            self.add_changes(&settled);
        }
    }

    fn add_changes(&mut self, paths: &[PathBuf]) {
        let now = clock::now();
        let changes = self.changes.get_or_insert_with(|| Changes {
            paths: HashSet::new(),
            first: now,
            last: now,
        });
        changes.last = now;
        changes.paths.extend(paths.iter().cloned());
    }

    /// A file is being written: what was seen of it is no settled change any more.
    fn add_half_written(&mut self, paths: &[PathBuf]) {
        self.half_written
            .extend(paths.iter().map(|path| (path.clone(), clock::now())));
        if let Some(changes) = &mut self.changes {
            let before = changes.paths.len();
            changes.paths.retain(|path| !paths.contains(path));
            if changes.paths.is_empty() && before > 0 {
                self.changes = None;
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

    /// Records an event.
    fn record(&mut self, event: &Event) {
        if !event.paths.is_empty() && !event.paths.iter().any(|path| self.is_relevant(path)) {
            return;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.half_written.retain(|path, _| !event.paths.contains(path));
                self.add_changes(&event.paths);
            }
            EventKind::Access(_) => {}
            EventKind::Modify(ModifyKind::Data(_)) => self.add_half_written(&event.paths),
            // A new file without content is about to be written. One with content is a link: complete.
            EventKind::Create(CreateKind::File) if event.paths.iter().all(|path| is_empty(path)) => {
                self.add_half_written(&event.paths);
            }
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => {
                self.half_written.retain(|path, _| !event.paths.contains(path));
                self.add_changes(&event.paths);
            }
            _ => self.add_changes(&event.paths),
        }
    }
}

impl Changes {
    /// Time until they are reported, unless more follow.
    fn wait(&self, now: Instant) -> Duration {
        let end = (self.last + DEBOUNCE).min(self.first + MAX_DEBOUNCE);
        end.saturating_duration_since(now)
    }
}

/// Whether a path is a regular file without content, and no link.
fn is_empty(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|found| found.is_file() && found.len() == 0)
}

#[cfg(test)]
mod tests;
