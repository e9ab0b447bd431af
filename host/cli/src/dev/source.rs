//! Watches a plugin's folder: tells what kind of file was saved, once it is quiet.
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

/// Watches until the process ends, and tells each time that something was saved.
pub(super) fn watch(folder: &Path, config: &Path, tell: impl Fn(BTreeSet<Saved>) + Send + 'static) -> Result<()> {
    let (sender, events) = mpsc::channel();
    let watcher =
        notify::recommended_watcher(move |event| drop(sender.send(event))).context("files cannot be watched")?;
    let mut watch = Watch {
        watcher,
        folder: folder.to_owned(),
        config: config.to_owned(),
    };
    watch.begin()?;
    thread::spawn(move || watch.run(&events, tell));
    Ok(())
}

struct Watch {
    watcher: RecommendedWatcher,
    folder: PathBuf,
    config: PathBuf,
}

impl Watch {
    /// The folder itself and, whole, each folder in it but those that are built into.
    fn begin(&mut self) -> Result<()> {
        let failed = |path: &Path| format!("{} cannot be watched", path.display());
        self.watcher
            .watch(&self.folder, RecursiveMode::NonRecursive)
            .with_context(|| failed(&self.folder))?;
        if let Some(elsewhere) = self.config.parent().filter(|parent| *parent != self.folder) {
            self.watcher
                .watch(elsewhere, RecursiveMode::NonRecursive)
                .with_context(|| failed(elsewhere))?;
        }
        for entry in self.folder.read_dir().with_context(|| failed(&self.folder))?.flatten() {
            self.watch_within(&entry.path());
        }
        Ok(())
    }

    fn watch_within(&mut self, path: &Path) {
        if path.is_dir() && !is_passed_over(path, &self.folder) {
            // A folder that is gone meanwhile has nothing to tell.
            let _ = self.watcher.watch(path, RecursiveMode::Recursive);
        }
    }

    fn run(mut self, events: &Receiver<notify::Result<Event>>, tell: impl Fn(BTreeSet<Saved>)) {
        let mut saved = BTreeSet::new();
        loop {
            let next = if saved.is_empty() {
                events.recv().map_err(RecvTimeoutError::from)
            } else {
                events.recv_timeout(QUIET)
            };
            match next {
                Ok(Ok(event)) => saved.extend(self.note(&event)),
                Ok(Err(error)) => tracing::warn!(%error, "watching files"),
                Err(RecvTimeoutError::Timeout) => tell(std::mem::take(&mut saved)),
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
            let inside: Vec<_> = event
                .paths
                .iter()
                .filter(|path| path.parent() == Some(&self.folder))
                .collect();
            inside.into_iter().for_each(|path| self.watch_within(path));
        }
        let kinds = event.paths.iter();
        kinds
            .filter_map(|path| kind(path, &self.folder, &self.config))
            .collect()
    }
}

/// Whether an event may mean other contents. Reading does not, nor do times and permissions.
fn changes(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => matches!(access, AccessKind::Close(AccessMode::Write)),
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// What a file is to the plugin; none for what it is not made of.
fn kind(path: &Path, folder: &Path, config: &Path) -> Option<Saved> {
    if path == config {
        return Some(Saved::Config);
    }
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
        let kind = |path: &str| kind(Path::new(path), Path::new("/p"), Path::new("/p/gateway.json"));
        for source in ["/p/src/lib.rs", "/p/Cargo.toml", "/p/src/words.txt", "/p/build.rs"] {
            assert_eq!(kind(source), Some(Saved::Source), "{source}");
        }
        assert_eq!(kind("/p/cases.json"), Some(Saved::Cases));
        assert_eq!(kind("/p/gateway.json"), Some(Saved::Config));
        for other in [
            "/p/target/x.rs",
            "/p/.git/HEAD",
            "/p/Cargo.lock",
            "/p/README.md",
            "/p/src/.lib.rs.swp",
            "/p/src/lib.rs~",
            "/p/src/4913",
            "/q/lib.rs",
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
