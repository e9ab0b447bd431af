//! The watch over the inputs of a plugin's build: it reports the kinds of saved files, once no more are saved.
//!
//! Files that cargo writes are ignored, else each build would begin the next one.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::inputs::BuildInputs;

/// Quiet time after the last event: an editor that formats on save writes twice.
const QUIET: Duration = Duration::from_millis(80);

/// Kind of a saved file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Saved {
    /// An input of the build.
    Source,
    /// The cases file.
    Cases,
    /// The configuration.
    Config,
}

/// Watches the plugin in `folder` for the life of the process. `on_save` is called after each save.
pub(super) fn watch(folder: &Path, config: &Path, on_save: impl Fn(BTreeSet<Saved>) + Send + 'static) -> Result<()> {
    let (sender, events) = mpsc::channel();
    let watcher =
        notify::recommended_watcher(move |event| drop(sender.send(event))).context("files cannot be watched")?;
    let mut watch = Watch {
        watcher,
        own: folder.to_owned(),
        inputs: BuildInputs::of(folder, BuildInputs::default()),
        config: config.to_owned(),
    };
    watch.begin()?;
    thread::spawn(move || watch.run(&events, on_save));
    Ok(())
}

struct Watch {
    watcher: RecommendedWatcher,
    /// The plugin's own folder.
    own: PathBuf,
    inputs: BuildInputs,
    config: PathBuf,
}

impl Watch {
    fn begin(&mut self) -> Result<()> {
        let own = self.own.clone();
        self.watch_folder(&own)?;
        if let Some(elsewhere) = self.config.parent().map(Path::to_owned).filter(|parent| *parent != own) {
            self.watch_alone(&elsewhere)?;
        }
        self.watch_inputs();
        Ok(())
    }

    /// Watches the other inputs. cargo reports missing ones.
    fn watch_inputs(&mut self) {
        let BuildInputs { folders, manifests } = self.inputs.clone();
        let is_covered = |path: &Path| {
            let mut around = folders
                .iter()
                .filter(|folder| *folder != path && path.starts_with(folder));
            around.any(|folder| !is_ignored(path, folder))
        };
        for folder in folders.iter().filter(|folder| !is_covered(folder)) {
            let _ = self.watch_folder(folder);
        }
        let above = manifests.iter().filter_map(|manifest| manifest.parent());
        for above in above.filter(|above| !is_covered(above)) {
            let _ = self.watch_alone(above);
        }
    }

    /// Watches a folder, and recursively the folders in it, except target folders.
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
        if path.is_dir() && !is_ignored(path, folder) {
            // The folder may have been removed meanwhile.
            let _ = self.watcher.watch(path, RecursiveMode::Recursive);
        }
    }

    fn run(mut self, events: &Receiver<notify::Result<Event>>, on_save: impl Fn(BTreeSet<Saved>)) {
        let mut saved = BTreeSet::new();
        let mut manifest_changed = false;
        loop {
            let next = if saved.is_empty() {
                events.recv().map_err(RecvTimeoutError::from)
            } else {
                events.recv_timeout(QUIET)
            };
            match next {
                Ok(Ok(event)) => {
                    let kinds = self.note(&event);
                    manifest_changed |=
                        kinds.contains(&Saved::Source) && event.paths.iter().any(|path| is_manifest(path));
                    saved.extend(kinds);
                }
                Ok(Err(error)) => tracing::warn!(%error, "file watcher failed"),
                Err(RecvTimeoutError::Timeout) => {
                    if std::mem::take(&mut manifest_changed) {
                        // Before the build begins, so that no save during it is missed.
                        self.inputs = BuildInputs::of(&self.own, std::mem::take(&mut self.inputs));
                        self.watch_inputs();
                    }
                    on_save(std::mem::take(&mut saved));
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
                    .filter(|parent| self.inputs.folders.iter().any(|folder| folder == parent))
                {
                    self.watch_within(path, folder);
                }
            }
        }
        let kinds = event.paths.iter();
        kinds.filter_map(|path| self.kind(path)).collect()
    }

    /// Kind of a file. None: it is not an input.
    fn kind(&self, path: &Path) -> Option<Saved> {
        if path == self.config {
            return Some(Saved::Config);
        }
        if self.inputs.manifests.contains(path) {
            return Some(Saved::Source);
        }
        let mut folders = self.inputs.folders.iter();
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

/// Whether an event can mean changed contents. Reads, times and permissions do not.
fn changes(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => matches!(access, AccessKind::Close(AccessMode::Write)),
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Kind of a file of the crate in `folder`. None: it is not an input.
fn kind(path: &Path, folder: &Path) -> Option<Saved> {
    let name = path.file_name()?.to_str()?;
    if !path.starts_with(folder) || is_ignored(path, folder) || name == "Cargo.lock" {
        return None;
    }
    // Temporary files of editors.
    let is_temporary = name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".tmp") || name == "4913";
    match name {
        _ if is_temporary => None,
        "cases.json" => Some(Saved::Cases),
        _ if name.ends_with(".md") || name == "gateway.json" || name == "lockgate.schema.json" => None,
        _ => Some(Saved::Source),
    }
}

/// Whether a path is in a target folder or hidden.
fn is_ignored(path: &Path, folder: &Path) -> bool {
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
    fn the_kind_of_a_file_follows_from_its_name_and_place() {
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
