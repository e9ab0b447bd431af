//! The control thread: makes snapshots, hands them to the workers, listens to signals, ends the process in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use lockgate_config::model::Listener;
use lockgate_gateway::worker::{Command, NewSocket, Worker};
use lockgate_gateway::{Snapshot, listener};
use lockgate_json::Report;
use lockgate_telemetry::metrics::{Registry, ReloadResult};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::handle::Handle;
use crate::load::{Loader, Outcome};
use crate::status;
use crate::watch::Watch;

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration, or something that it names, is wrong.
    #[error("{0}")]
    Config(Report),
    /// A listener's address cannot be had.
    #[error("listener \"{listener}\" cannot listen on {address}: {reason}{}", way_out(.reason))]
    Listen {
        /// Its name.
        listener: String,
        /// Where it wanted to listen.
        address: std::net::SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The system refused something else that the gateway needs.
    #[error("{what}: {reason}")]
    System {
        /// What it was needed for.
        what: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The WebAssembly engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] lockgate_sandbox::EngineError),
}

impl RunError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |reason| Self::System {
            what: what.into(),
            reason,
        }
    }
}

/// What to do about an address that cannot be had.
fn way_out(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => "\n  help: another process uses this port; `ss -ltnp` shows which one",
        std::io::ErrorKind::AddrNotAvailable => "\n  help: no interface has this address; 0.0.0.0 means all of them",
        std::io::ErrorKind::PermissionDenied => "\n  help: ports below 1024 need root or CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

/// The control thread's state.
pub(crate) struct Control {
    config: PathBuf,
    loader: Option<Loader>,
    current: Option<Arc<Snapshot>>,
    workers: Vec<Worker>,
    registry: Registry,
    handle: Handle,
    watch: Option<Watch>,
}

/// Signals that mean something to the gateway.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them over from the system.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl Control {
    /// Control over `workers`, which serve nothing yet.
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

    /// Takes the first snapshot live.
    pub(crate) async fn start(&mut self, outcome: Outcome) -> Result<(), RunError> {
        self.adopt(outcome).await?;
        self.publish(None);
        self.handle.set_ready(true);
        Ok(())
    }

    /// Reloads on change and on SIGHUP until it is told to end; then drains.
    pub(crate) async fn run(mut self, mut signals: Signals) {
        loop {
            if self.rewatch() && self.loader.as_ref().is_some_and(|loader| loader.awaited().is_nothing()) {
                self.reload().await;
                self.rewatch();
            }
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => self.reload().await,
                _ = signals.hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    self.handle.reopen_logs();
                    self.reload().await;
                }
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
            }
        }
        self.drain().await;
    }

    /// Makes the next snapshot and takes it live, or tells why not and changes nothing.
    async fn reload(&mut self) {
        let began = Instant::now();
        let (Some(mut loader), Some(current)) = (self.loader.take(), self.current.clone()) else {
            return;
        };
        let config = self.config.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let refusals = loader.modules().refusals();
            let outcome = loader.reload(&config, &current);
            let refused = loader.modules().refusals() - refusals;
            (loader, outcome, refused)
        });
        let (loader, outcome, refused) = match loaded.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.loader = Some(loader);
        if refused > 0 {
            // Held back alone: what else there is to reload is reloaded.
            self.registry.record_reload(ReloadResult::Failure);
        }
        let outcome = match outcome {
            Ok(Some(outcome)) => self.adopt(outcome).await.map_err(|error| error.to_string()),
            // A module that is not used may have come or gone, or be wrong.
            Ok(None) => return self.publish(None),
            Err(report) => Err(report.to_string()),
        };
        match &outcome {
            Ok(()) => {
                let revision = self.current.as_ref().map_or(0, |snapshot| snapshot.revision);
                tracing::info!(revision, took_ms = began.elapsed().as_millis() as u64, "reloaded");
                self.registry.record_reload(ReloadResult::Success);
            }
            Err(reason) => {
                tracing::error!("reload refused, the previous configuration stays in use:\n{reason}");
                self.registry.record_reload(ReloadResult::Failure);
            }
        }
        self.publish(outcome.err());
    }

    /// Binds what is new, hands the snapshot to every worker and waits until all have it.
    async fn adopt(&mut self, outcome: Outcome) -> Result<(), RunError> {
        let Outcome { snapshot, remarks } = outcome;
        for remark in remarks {
            tracing::warn!("{remark}");
        }
        let before = self.current.as_deref();
        let address = |name: &str, snapshot: Option<&Snapshot>| {
            snapshot
                .and_then(|s| s.model.listeners.iter().find(|l| &*l.name == name))
                .map(|l| l.listen)
        };
        let fresh: Vec<&Listener> = snapshot
            .model
            .listeners
            .iter()
            .filter(|l| address(&l.name, before) != Some(l.listen))
            .collect();
        let closed: Vec<Arc<str>> = before
            .iter()
            .flat_map(|before| &before.model.listeners)
            .filter(|l| address(&l.name, Some(&snapshot)) != Some(l.listen))
            .map(|l| l.name.clone())
            .collect();
        let mut sockets: Vec<Vec<NewSocket>> = self.workers.iter().map(|_| Vec::new()).collect();
        let is_ours = |port: u16| {
            let mut listeners = before.iter().flat_map(|before| &before.model.listeners);
            port == 0 || listeners.any(|known| known.listen.port() == port)
        };
        for listener in fresh {
            bind(listener, is_ours(listener.listen.port()), &mut sockets)?;
        }
        warn_of_fixed(before, &snapshot);
        let mut waiting = Vec::with_capacity(self.workers.len());
        for (worker, sockets) in self.workers.iter().zip(sockets) {
            let (done, adopted) = oneshot::channel();
            let command = Command::Adopt {
                snapshot: snapshot.clone(),
                sockets,
                closed: closed.clone(),
                done,
            };
            if worker.commands.send(command).is_ok() {
                waiting.push(adopted);
            }
        }
        for adopted in waiting {
            // A worker that has died answers nothing; its thread told why.
            let _ = adopted.await;
        }
        self.current = Some(snapshot);
        Ok(())
    }

    /// Shows what is live, and what was refused, on the admin side.
    fn publish(&self, refused: Option<String>) {
        if let (Some(snapshot), Some(loader)) = (&self.current, &self.loader) {
            let workers = self.workers.iter().map(|worker| worker.commands.clone()).collect();
            self.handle.publish(status::Roster::new(
                snapshot,
                loader.modules(),
                workers,
                refused,
                self.registry.clone(),
            ));
        }
    }

    /// Watches what the live configuration is made of, and what one that was refused would be. True if something is watched that was
    /// not before: it may have changed since it was read.
    fn rewatch(&mut self) -> bool {
        let (Some(watch), Some(snapshot), Some(loader)) = (&mut self.watch, &self.current, &self.loader) else {
            return false;
        };
        let (model, awaited) = (&snapshot.model, loader.awaited());
        let included = snapshot.included_files.iter().map(|file| &*file.path);
        let files = std::iter::once(self.config.as_path())
            .chain(included)
            .chain(model.tls_files())
            .chain(awaited.files.iter().map(PathBuf::as_path));
        let modules = [&model.plugin_dir, &awaited.modules].into_iter().flatten();
        watch.set(files, modules.map(PathBuf::as_path))
    }

    /// Lets every worker finish what is open, within the configured time.
    async fn drain(self) {
        let limit = self
            .current
            .as_ref()
            .map_or_else(Default::default, |snapshot| snapshot.model.drain_timeout.0);
        tracing::info!(limit_ms = limit.as_millis() as u64, "draining");
        self.handle.set_ready(false);
        for worker in &self.workers {
            // One that has ended has nothing to drain.
            let _ = worker.commands.send(Command::Drain(limit));
        }
        for worker in &self.workers {
            worker.commands.closed().await;
        }
        for worker in self.workers {
            if worker.thread.join().is_err() {
                tracing::error!("worker panicked");
            }
        }
    }
}

/// Binds a socket for every worker, all on the address that the first one got. Unless the port is ours already, it must be nobody's:
/// the kernel would let two gateways share it, and half of the requests would be answered by the other one.
fn bind(listener: &Listener, is_ours: bool, sockets: &mut [Vec<NewSocket>]) -> Result<(), RunError> {
    let refused = |reason| RunError::Listen {
        listener: listener.name.to_string(),
        address: listener.listen,
        reason,
    };
    if !is_ours {
        listener::claim(listener.listen).map_err(refused)?;
    }
    let mut address = listener.listen;
    for sockets in sockets {
        let socket = listener::bind(address).map_err(refused)?;
        if address.port() == 0 {
            address = socket.local_addr().map_err(refused)?;
        }
        sockets.push(NewSocket {
            listener: listener.name.clone(),
            socket,
        });
    }
    tracing::info!(listener = &*listener.name, %address, tls = listener.tls.is_some(), "listening");
    Ok(())
}

/// Some knobs take effect only at the next start; whoever changes them should know.
fn warn_of_fixed(before: Option<&Snapshot>, next: &Snapshot) {
    let Some(before) = before else { return };
    if before.model.workers != next.model.workers {
        tracing::warn!("change of change of change of \"workers\" takes effect at the next start");
    }
    let admin = |snapshot: &Snapshot| {
        snapshot
            .model
            .admin
            .as_ref()
            .map(|admin| (admin.listen, admin.token.clone()))
    };
    if admin(before) != admin(next) {
        tracing::warn!("change of change of change of \"admin\" takes effect at the next start");
    }
    if before.model.access_log != next.model.access_log {
        tracing::warn!("change of change of change of \"access_log\" takes effect at the next start");
    }
    if before.model.cache != next.model.cache {
        tracing::warn!("change of change of change of \"cache\" takes effect at the next start");
    }
}
