//! The control thread's loop: watches files, takes commands, starts reloads, drains.
//!
//! Nothing in it waits for long: whatever blocks or takes its time runs beside it. A reload is in `reload`, the end in `drain`; modules that
//! no plugin uses are compiled one by one, and delay no reload.

mod drain;
mod reload;
mod retry;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_discovery::Discovery;
use lockgate_gateway::Snapshot;
use lockgate_gateway::worker::Worker;
use lockgate_modules::compilation::Compiled;
use lockgate_resolver::Resolver;
use lockgate_telemetry::metrics::{LiveNames, Registry, ReloadResult};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use self::reload::joined;
use self::reload::{Finished, Outcome, Reload, Running};
use self::retry::Retry;
use crate::discovery;
use crate::error::RunError;
use crate::handle::{Command, Commands, Handle};
use crate::host_names::host_names;
use crate::load::{Attempt, LoadedSnapshot, Loader};
use crate::log_lines;
use crate::status::SnapshotStatus;
use crate::watch::Watch;

/// Where the result of a reload goes: the live revision, or why the configuration was refused.
type Reply = oneshot::Sender<Result<u64, String>>;

/// The control thread's state.
pub(crate) struct Control {
    config: PathBuf,
    /// Absent while a reload has it.
    loader: Option<Loader>,
    current: Option<Arc<Snapshot>>,
    workers: Vec<Worker>,
    resolver: Resolver,
    discovery: Discovery,
    registry: Registry,
    handle: Handle,
    watch: Option<Watch>,
    running: Option<Running>,
    /// The reload that follows the running one.
    wanted: Option<Wanted>,
    retry: Retry,
    /// Why the last reload was refused.
    last_refusal: Option<String>,
    /// The compilation of a module that no plugin uses.
    rest: Option<JoinHandle<Compiled>>,
    /// Modules that were compiled while a reload had the loader.
    compiled: Vec<Compiled>,
}

/// A reload that is to be started.
#[derive(Default)]
struct Wanted {
    replies: Vec<Reply>,
    cause: Cause,
}

/// Why a reload is wanted; the stronger reason counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The last one was refused for a reason that may have passed.
    #[default]
    Retry,
    /// A watch is new, and may have missed a change.
    NewWatch,
    /// Files have changed.
    Change,
    /// Somebody has asked for it. Half-written files are read, too.
    Command,
}

/// What the loop waits for.
enum Event {
    Command(Option<Command>),
    FilesChanged,
    RetryDue,
    Reloaded(Box<Finished>),
    Compiled(Compiled),
}

/// What finds endpoints beside the configuration.
pub(crate) struct EndpointSources {
    /// The addresses of host names.
    pub(crate) resolver: Resolver,
    /// The lists of registries.
    pub(crate) discovery: Discovery,
}

impl Control {
    /// Control over `workers`, which have no snapshot yet; [`Control::run`] makes `first` the live one.
    pub(crate) fn new(
        config: PathBuf,
        loader: Loader,
        first: LoadedSnapshot,
        workers: Vec<Worker>,
        EndpointSources { resolver, discovery }: EndpointSources,
        registry: Registry,
        handle: Handle,
    ) -> Self {
        let watch = Watch::new()
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched; reload with SIGHUP"))
            .ok();
        let upstreams = handle.upstreams().clone();
        let commands = workers.iter().map(|worker| worker.commands.clone()).collect();
        Self {
            config,
            loader: None,
            current: None,
            workers,
            resolver,
            discovery,
            registry,
            handle,
            watch,
            running: Some(Running::activation(loader, first, commands, upstreams)),
            wanted: None,
            retry: Retry::default(),
            last_refusal: None,
            rest: None,
            compiled: Vec::new(),
        }
    }

    /// Activates the first snapshot, then reloads on changes and on command until the command to shut down; then drains.
    ///
    /// # Errors
    /// The first snapshot cannot be activated.
    pub(crate) async fn run(mut self, mut commands: Commands) -> Result<(), RunError> {
        loop {
            self.start_wanted();
            self.compile_rest();
            match self.next_event(&mut commands).await {
                Event::Command(Some(Command::Reload { reply })) => self.want(Cause::Command, Some(reply)),
                Event::Command(Some(Command::ShutDown) | None) => break,
                Event::FilesChanged => self.want(Cause::Change, None),
                Event::RetryDue => {
                    self.retry.clear();
                    self.want(Cause::Retry, None);
                }
                Event::Reloaded(finished) => self.finish(*finished)?,
                Event::Compiled(compiled) => {
                    self.rest = None;
                    self.compiled.push(compiled);
                    self.adopt_compiled();
                }
            }
        }
        self.drain(commands).await;
        Ok(())
    }

    /// Commands come first: the one to shut down waits for nothing.
    async fn next_event(&mut self, commands: &mut Commands) -> Event {
        let changed = async {
            match &mut self.watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.next() => Event::Command(command),
            finished = reload::finished(&mut self.running) => Event::Reloaded(Box::new(finished)),
            () = changed => Event::FilesChanged,
            () = self.retry.due() => Event::RetryDue,
            compiled = joined(&mut self.rest) => Event::Compiled(compiled),
        }
    }

    /// A reload is started as soon as none is running; wishes until then are one.
    fn want(&mut self, cause: Cause, reply: Option<Reply>) {
        let wanted = self.wanted.get_or_insert_default();
        wanted.cause = wanted.cause.max(cause);
        wanted.replies.extend(reply);
    }

    fn start_wanted(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some(wanted) = self.wanted.take() else { return };
        let (Some(loader), Some(current)) = (self.loader.take(), self.current.clone()) else {
            return;
        };
        let half_written = match &self.watch {
            Some(watch) if wanted.cause < Cause::Command => watch.half_written(),
            _ => Default::default(),
        };
        let reload = Reload {
            config: self.config.clone(),
            loader,
            current,
            discovery: self.discovery.clone(),
            attempt: Attempt {
                half_written,
                is_retry: wanted.cause == Cause::Retry,
            },
            workers: self.workers.iter().map(|worker| worker.commands.clone()).collect(),
            upstreams: self.handle.upstreams().clone(),
        };
        self.running = Some(Running::reload(reload, wanted));
    }

    /// Records and publishes the result of a reload.
    fn finish(&mut self, finished: Finished) -> Result<(), RunError> {
        let Finished {
            loader,
            outcome,
            refused_alone,
            took,
        } = finished;
        let Wanted { replies, cause } = self.running.take().map(|running| running.wanted).unwrap_or_default();
        self.loader = Some(loader);
        let result = match (outcome, self.current.as_ref().map(|current| current.revision)) {
            (Outcome::Live(snapshot), before) => {
                let revision = snapshot.revision;
                self.registry.set_live(live_names(&snapshot));
                self.registry.set_upstreams(&snapshot.upstreams);
                self.resolver.set(&snapshot.model.resolver);
                self.resolver.pin(host_names(&snapshot.model));
                self.current = Some(snapshot);
                if before.is_some() {
                    tracing::info!(revision, took_ms = took.as_millis() as u64, "{}", log_lines::RELOADED);
                    self.registry.record_reload(ReloadResult::Success);
                } else {
                    self.handle.set_ready(true);
                    tracing::info!(workers = self.workers.len(), "{}", log_lines::READY);
                }
                Ok(revision)
            }
            (Outcome::Unchanged, before) => Ok(before.unwrap_or_default()),
            (Outcome::Refused(refusal), Some(_)) => Err(refusal.to_string()),
            (Outcome::Refused(refusal), None) => return Err(refusal),
        };
        let refusal = result.as_ref().err().cloned();
        // A retry that is refused for the same reason is no news.
        let is_news = refusal.is_some() && !(cause == Cause::Retry && refusal == self.last_refusal);
        if let Some(reason) = refusal.as_ref().filter(|_| is_news) {
            tracing::error!("reload refused, the previous configuration stays in use:\n{reason}");
        }
        // One reload is one failure, however many parts of it are refused.
        if is_news || refused_alone {
            self.registry.record_reload(ReloadResult::Failure);
        }
        self.last_refusal = refusal;
        self.settle_discovery();
        self.adopt_compiled();
        self.publish_status();
        let refuses = self.last_refusal.is_some() || self.loader.as_ref().is_some_and(Loader::refuses_alone);
        self.retry.schedule(refuses, cause == Cause::Retry, took);
        for reply in replies {
            // The caller may have stopped waiting.
            let _ = reply.send(result.clone());
        }
        if self.update_watch() && cause != Cause::NewWatch && self.last_refusal.is_none() {
            // It may have missed a change.
            self.want(Cause::NewWatch, None);
        }
        Ok(())
    }

    /// Runs the sources of the live configuration, whatever the reload that was tried wanted.
    fn settle_discovery(&self) {
        if let (Some(snapshot), Some(loader)) = (&self.current, &self.loader) {
            discovery::set_live(&self.discovery, loader.groups(), &snapshot.model);
        }
    }

    /// Starts the compilation of the next module that no plugin uses.
    fn compile_rest(&mut self) {
        if self.rest.is_some() || self.running.is_some() {
            return;
        }
        let next = self.loader.as_mut().and_then(|loader| loader.modules_mut().next_rest());
        self.rest = next.map(|next| tokio::task::spawn_blocking(|| next.run()));
    }

    /// Adds compiled modules, unless a reload has the loader.
    fn adopt_compiled(&mut self) {
        let Some(loader) = &mut self.loader else { return };
        if self.compiled.is_empty() {
            return;
        }
        let refused = loader.refused_alone();
        self.compiled
            .drain(..)
            .for_each(|compiled| loader.modules_mut().adopt(compiled));
        if loader.refused_alone() > refused {
            self.registry.record_reload(ReloadResult::Failure);
        }
        self.publish_status();
    }

    /// Publishes the status of the live snapshot, and why the last reload was refused.
    fn publish_status(&self) {
        if let (Some(snapshot), Some(loader)) = (&self.current, &self.loader) {
            let workers = self.workers.iter().map(|worker| worker.commands.clone()).collect();
            self.handle.publish(SnapshotStatus::new(
                snapshot,
                loader.modules(),
                workers,
                self.last_refusal.clone(),
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
}

/// The names that metrics are counted by.
fn live_names(snapshot: &Snapshot) -> LiveNames {
    let model = &snapshot.model;
    LiveNames {
        listeners: model.listeners.iter().map(|listener| listener.name.clone()).collect(),
        routes: model.routes.iter().map(|route| route.name.clone()).collect(),
        upstreams: model.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        plugins: snapshot
            .plugins
            .iter()
            .map(|loaded| loaded.plugin.name().clone())
            .collect(),
    }
}
