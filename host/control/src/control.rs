//! The control thread's loop: watches files, takes commands, reloads, drains.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_exchange::clock;
use lockgate_gateway::Snapshot;
use lockgate_gateway::worker::{Command as WorkerCommand, Worker};
use lockgate_telemetry::metrics::{Registry, ReloadResult};

use crate::activate::activate;
use crate::error::RunError;
use crate::handle::{Command, Commands, Handle};
use crate::load::{LoadedSnapshot, Loader};
use crate::log_lines;
use crate::status::SnapshotStatus;
use crate::watch::Watch;

/// The control thread's state.
pub(crate) struct Control {
    config: PathBuf,
    /// Absent while a reload compiles on a thread of its own.
    loader: Option<Loader>,
    current: Option<Arc<Snapshot>>,
    workers: Vec<Worker>,
    registry: Registry,
    handle: Handle,
    watch: Option<Watch>,
}

impl Control {
    /// Control over `workers`, which have no snapshot yet.
    pub(crate) fn new(
        config: PathBuf,
        loader: Loader,
        workers: Vec<Worker>,
        registry: Registry,
        handle: Handle,
    ) -> Self {
        let watch = Watch::new()
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched; reload with SIGHUP"))
            .ok();
        Self {
            config,
            loader: Some(loader),
            current: None,
            workers,
            registry,
            handle,
            watch,
        }
    }

    /// Activates the first snapshot.
    pub(crate) async fn start(&mut self, first: LoadedSnapshot) -> Result<(), RunError> {
        self.activate(first).await?;
        self.publish_status(None);
        self.handle.set_ready(true);
        Ok(())
    }

    /// Reloads on changes and on command until the command to shut down; then drains.
    pub(crate) async fn run(mut self, mut commands: Commands) {
        loop {
            if self.update_watch()
                && self
                    .loader
                    .as_ref()
                    .is_some_and(|loader| loader.refused_files().is_empty())
            {
                // A watch that is new may have missed a change. The log has the result.
                let _ = self.reload().await;
                self.update_watch();
            }
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => drop(self.reload().await),
                command = commands.next() => match command {
                    Some(Command::Reload { reply }) => {
                        let result = self.reload().await;
                        // The caller may have stopped waiting.
                        let _ = reply.send(result);
                    }
                    Some(Command::ShutDown) | None => break,
                },
            }
        }
        self.drain().await;
    }

    /// Makes the next snapshot and activates it. Returns the revision that is live then, or why the configuration was refused; nothing has
    /// changed in that case.
    async fn reload(&mut self) -> Result<u64, String> {
        let began = clock::now();
        let (Some(mut loader), Some(current)) = (self.loader.take(), self.current.clone()) else {
            return Err("the gateway is not running".to_owned());
        };
        let config = self.config.clone();
        let revision = current.revision;
        let loading = tokio::task::spawn_blocking(move || {
            let refused = loader.modules().refused_count();
            let next = loader.reload(&config, &current);
            let refused = loader.modules().refused_count() - refused;
            (loader, next, refused)
        });
        let (loader, next, refused_modules) = match loading.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.loader = Some(loader);
        if refused_modules > 0 {
            // A module is refused alone: the rest of the reload takes effect.
            self.registry.record_reload(ReloadResult::Failure);
        }
        let result = match next {
            Ok(Some(next)) => self.activate(next).await.map_err(|error| error.to_string()),
            Ok(None) => {
                // Unused modules may have changed.
                self.publish_status(None);
                return Ok(revision);
            }
            Err(report) => Err(report.to_string()),
        };
        match &result {
            Ok(revision) => {
                let took = clock::now().saturating_duration_since(began);
                tracing::info!(revision, took_ms = took.as_millis() as u64, "{}", log_lines::RELOADED);
                self.registry.record_reload(ReloadResult::Success);
            }
            Err(reason) => {
                tracing::error!("reload refused, the previous configuration stays in use:\n{reason}");
                self.registry.record_reload(ReloadResult::Failure);
            }
        }
        self.publish_status(result.as_ref().err().cloned());
        result
    }

    /// Makes a loaded snapshot the live one. Returns its revision.
    async fn activate(&mut self, loaded: LoadedSnapshot) -> Result<u64, RunError> {
        let LoadedSnapshot { snapshot, remarks } = loaded;
        for remark in remarks {
            tracing::warn!("{remark}");
        }
        activate(&self.workers, self.current.as_deref(), &snapshot).await?;
        let revision = snapshot.revision;
        self.current = Some(snapshot);
        Ok(revision)
    }

    /// Publishes the status of the live snapshot, and why the last reload was refused.
    fn publish_status(&self, last_reload_error: Option<String>) {
        if let (Some(snapshot), Some(loader)) = (&self.current, &self.loader) {
            let workers = self.workers.iter().map(|worker| worker.commands.clone()).collect();
            self.handle.publish(SnapshotStatus::new(
                snapshot,
                loader.modules(),
                workers,
                last_reload_error,
                self.registry.clone(),
            ));
        }
    }

    /// Watches the files of the live configuration, and those of a refused one. True if a folder is watched that was not before: it may
    /// have changed since it was read.
    fn update_watch(&mut self) -> bool {
        let (Some(watch), Some(snapshot), Some(loader)) = (&mut self.watch, &self.current, &self.loader) else {
            return false;
        };
        let (model, refused) = (&snapshot.model, loader.refused_files());
        let included = snapshot.included_files.iter().map(|file| &*file.path);
        let files = std::iter::once(self.config.as_path())
            .chain(included)
            .chain(model.tls_files())
            .chain(refused.files.iter().map(PathBuf::as_path));
        let modules = [&model.plugin_dir, &refused.plugin_dir].into_iter().flatten();
        watch.set(files, modules.map(|folder| -> &Path { folder }))
    }

    /// Lets every worker finish its requests within the drain timeout.
    async fn drain(self) {
        let limit = self
            .current
            .as_ref()
            .map_or_else(Default::default, |snapshot| snapshot.model.drain_timeout.0);
        tracing::info!(
            limit_ms = limit.as_millis() as u64,
            "draining: no new connections, requests in progress finish"
        );
        self.handle.set_ready(false);
        for worker in &self.workers {
            // A worker that has ended has nothing to drain.
            let _ = worker.commands.send(WorkerCommand::Drain(limit));
        }
        for worker in &self.workers {
            worker.commands.closed().await;
        }
        for worker in self.workers {
            if worker.thread.join().is_err() {
                tracing::error!("worker panicked; its requests were lost");
            }
        }
    }
}
