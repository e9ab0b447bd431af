//! The start of what the control side does with upstreams: the overlay on disk, the health checks, what is observed of endpoints.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use lockgate_config::model::Model;
use lockgate_discovery::Discovery;
use lockgate_exchange::clock;
use lockgate_health::{Checker, ProbeCounter, ProbeFailure};
use lockgate_overlay::{OverlayFile, OverlayWriter};
use lockgate_resolver::Resolver;
use lockgate_telemetry::metrics::Registry;

use super::{Keeper, Shared, Upstreams, lock};
use crate::state_folder::state_folder;

/// Counts probes by upstream and result.
struct Counter(Registry);

impl ProbeCounter for Counter {
    fn count(&self, upstream: &str, outcome: Result<(), &ProbeFailure>) {
        let result = outcome.map_or_else(ProbeFailure::kind, |()| "pass");
        self.0.record_health_check(upstream, result);
    }
}

impl Upstreams {
    /// Starts the threads, with the overlay that an earlier process has left. `config` is the configuration file, `model` what it says. Blocks:
    /// reads a file.
    ///
    /// # Errors
    /// A thread cannot start.
    pub(crate) fn start(config: &Path, model: &Model, registry: &Registry) -> io::Result<Self> {
        let upstreams = Self::default();
        upstreams.keep_in(OverlayFile::new(overlay_path(config, model)))?;
        let shared = Arc::downgrade(&upstreams.0);
        registry.set_endpoint_source(move || {
            let shared = shared.upgrade();
            shared.map(|shared| Self(shared).states()).unwrap_or_default()
        });
        Ok(upstreams)
    }

    /// Starts the health checks, and reports how discovery is doing. To be called before the first snapshot is live.
    ///
    /// # Errors
    /// The thread cannot start.
    pub(crate) fn observe(&self, resolver: &Resolver, discovery: &Discovery, registry: &Registry) -> io::Result<()> {
        let checker = Checker::start(Counter(registry.clone()), Some(Arc::new(resolver.clone())))?;
        // Nobody sets them twice.
        let _ = self.0.checker.set(checker);
        let _ = self.0.discovery.set(discovery.clone());
        Ok(())
    }

    /// Takes over the overlay that is kept in this file, and keeps it there from now on.
    fn keep_in(&self, file: OverlayFile) -> io::Result<()> {
        self.state().restore(file.load(), clock::now());
        let shared: Weak<Shared> = Arc::downgrade(&self.0);
        let latest = move || shared.upgrade().map(|shared| lock(&shared).overlay_now());
        let writer = OverlayWriter::start(file.clone(), latest)?;
        // Nobody sets it twice.
        let _ = self.0.keeper.set(Keeper { file, writer });
        Ok(())
    }
}

/// `NAME.overlay.json` in the folder of what outlives the process, where `NAME.json` is the configuration.
fn overlay_path(config: &Path, model: &Model) -> PathBuf {
    let mut name = config.file_stem().unwrap_or_default().to_owned();
    name.push(".overlay.json");
    state_folder(config, model.state_dir.as_deref()).join(name)
}
