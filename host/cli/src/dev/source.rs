//! Watches what a plugin is made of: tells what kind of file was saved, once it is quiet.
//!
//! What cargo itself writes there is not looked at, else each build would begin the next one.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::parts::Parts;

/// Quiet time after the last event: an editor that formats on save writes twice.
const QUIET: Duration = Duration::from_millis(80);

/// What was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Saved {
    /// Something that the module is made of.
    Source,
    /// Its cases.
    Cases,
    /// The configuration.
    Config,
}

/// Watches the plugin in `folder` until the process ends, and tells each time that something was saved.
pub(super) fn watch(folder: &Path, config: &Path, tell: impl Fn(BTreeSet<Saved>) + Send + 'static) -> Result<()> {
    let (sender, events) = mpsc::channel();
    let watcher =
        notify::recommended_watcher(move |event| drop(sender.send(event))).context("files cannot be watched")?;
    let mut watch = Watch {
        watcher,
        own: folder.to_owned(),
        parts: Parts::of(folder, Parts::default()),
        config: config.to_owned(),
    };
    watch.begin()?;
    thread::spawn(move || watch.run(&events, tell));
    Ok(())
}

struct Watch {
    watcher: RecommendedWatcher,
    /// The plugin's own folder.
    own: PathBuf,
    parts: Parts,
    config: PathBuf,
}

impl Watch {
    fn begin(&mut self) -> Result<()> {
        let own = self.own.clone();
        self.watch_folder(&own)?;
        if let Some(elsewhere) = self.config.parent().map(Path::to_owned).filter(|parent| *parent != own) {
            self.watch_alone(&elsewhere)?;
        }
        self.watch_parts();
        Ok(())
    }

    /// Each part besides the plugin's own folder. One that is not there can be told by cargo alone.
    fn watch_parts(&mut self) {
        let Parts { folders, manifests } = self.parts.clone();
        let is_covered = |path: &Path| {
            let mut around = folders
                .iter()
                .filter(|folder| *folder != path && path.starts_with(folder));
            around.any(|folder| !is_passed_over(path, folder))
        };
        for folder in folders.iter().filter(|folder| !is_covered(folder)) {
            let _ = self.watch_folder(folder);
        }
        let above = manifests.iter().filter_map(|manifest| manifest.parent());
        for above in above.filter(|above| !is_covered(above)) {
            let _ = self.watch_alone(above);
        }
    }

    /// The folder itself and, whole, each folder in it but those that are built into.
    fn watch_folder(&mut self, folder: &Path) -> Result<()> {
        self.watch_alone(folder)?;
        let entries = folder.read_dir().with_context(|| unwatched(folder))?;
        for entry in entries.flatten() {
            self.watch_within(&entry.path(), folder);
        }
        Ok(())
    }

    fn watch_alone(&mut self, folder: &Path) -> Result<()> {
        self.watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(|| unwatched(folder))
    }

    fn watch_within(&mut self, path: &Path, folder: &Path) {
        if path.is_dir() && !is_passed_over(path, folder) {
            // A folder that is gone meanwhile has nothing to tell.
            let _ = self.watcher.watch(path, RecursiveMode::Recursive);
        }
    }

    fn run(mut self, events: &Receiver<notify::Result<Event>>, tell: impl Fn(BTreeSet<Saved>)) {
        let mut saved = BTreeSet::new();
        let mut is_made_otherwise = false;
        loop {
            let next = if saved.is_empty() {
                events.recv().map_err(RecvTimeoutError::from)
            } else {
                events.recv_timeout(QUIET)
            };
            match next {
                Ok(Ok(event)) => {
                    let kinds = self.note(&event);
                    is_made_otherwise |=
                        kinds.contains(&Saved::Source) && event.paths.iter().any(|path| is_manifest(path));
                    saved.extend(kinds);
                }
                Ok(Err(error)) => tracing::warn!(%error, "file watcher failed"),
                Err(RecvTimeoutError::Timeout) => {
                    if std::mem::take(&mut is_made_otherwise) {
                        // Before the build begins: what is saved while it runs is not missed.
                        self.parts = Parts::of(&self.own, std::mem::take(&mut self.parts));
                        self.watch_parts();
                    }
                    tell(std::mem::take(&mut saved));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn note(&mut self, event: &Event) -> BTreeSet<Saved> {
        if !changes(&event.kind) {
            return BTreeSet::new();
        }
        if matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_))
        ) {
            for path in &event.paths {
                if let Some(folder) = path
                    .parent()
                    .filter(|parent| self.parts.folders.iter().any(|part| part == parent))
                {
                    self.watch_within(path, folder);
                }
            }
        }
        let kinds = event.paths.iter();
        kinds.filter_map(|path| self.kind(path)).collect()
    }

    /// What a file is to the plugin; none for what it is not made of.
    fn kind(&self, path: &Path) -> Option<Saved> {
        if path == self.config {
            return Some(Saved::Config);
        }
        if self.parts.manifests.contains(path) {
            return Some(Saved::Source);
        }
        let mut folders = self.parts.folders.iter();
        let kinds = folders.find_map(|folder| kind(path, folder));
        kinds.filter(|kind| *kind == Saved::Source || path.starts_with(&self.own))
    }
}

fn unwatched(folder: &Path) -> String {
    format!("{} cannot be watched", folder.display())
}

fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "Cargo.toml")
}

/// Whether an event may mean other contents. Reading does not, nor do times and permissions.
fn changes(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => matches!(access, AccessKind::Close(AccessMode::Write)),
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// What a file is to the crate in `folder`; none for what it is not made of.
fn kind(path: &Path, folder: &Path) -> Option<Saved> {
    let name = path.file_name()?.to_str()?;
    if !path.starts_with(folder) || is_passed_over(path, folder) || name == "Cargo.lock" {
        return None;
    }
    // What editors leave beside a file while they write it.
    let is_fleeting = name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".tmp") || name == "4913";
    match name {
        _ if is_fleeting => None,
        "cases.json" => Some(Saved::Cases),
        _ if name.ends_with(".md") || name == "gateway.json" || name == "lockgate.schema.json" => None,
        _ => Some(Saved::Source),
    }
}

/// What is built, and what is hidden.
fn is_passed_over(path: &Path, folder: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(folder) else {
        return false;
    };
    inside.components().any(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            name.starts_with('.') || name == "target" || name == "node_modules"
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_what_it_is_to_the_plugin() {
        let kind = |path: &str| kind(Path::new(path), Path::new("/p"));
        for source in ["/p/src/lib.rs", "/p/Cargo.toml", "/p/src/words.txt", "/p/build.rs"] {
            assert_eq!(kind(source), Some(Saved::Source), "{source}");
        }
        assert_eq!(kind("/p/cases.json"), Some(Saved::Cases));
        for other in [
            "/p/target/x.rs",
            "/p/.git/HEAD",
            "/p/Cargo.lock",
            "/p/README.md",
            "/p/gateway.json",
            "/p/src/.lib.rs.swp",
            "/p/src/lib.rs~",
            "/p/src/4913",
            "/q/lib.rs",
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
