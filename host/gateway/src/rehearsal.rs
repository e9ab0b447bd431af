//! The data path without threads, sockets and a clock of its own, for trying plugins out.
//!
//! A [`Rehearsal`] is one worker: the same connections, pipeline, chain, sandbox and store as in a running gateway. What lies around
//! it is the caller's: client connections are any streams of bytes, upstreams are reached through [`Connect`], random bytes
//! follow from a seed, and time is that of the runtime that it lives in, which the caller may have paused. A [`Stage`] keeps what
//! is costly between rehearsals: compiled modules and linked plugins.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use lockgate_exchange::clock::{self, WallClock};
use lockgate_exchange::{ConnectionInfo, Scheme, TlsInfo};
use lockgate_http::inbound::RequestIds;
use lockgate_json::{Document, Report};
use lockgate_sandbox::{EngineError, Host};
use lockgate_store::Store;
use lockgate_telemetry::ending::Ending;
use lockgate_telemetry::metrics::Registry;
use lockgate_upstream::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::chance::Chance;
use crate::load::Loader;
use crate::outside::World;
use crate::snapshot::Snapshot;
use crate::station::{Setting, Shared, Station};
use crate::view::{ListenerView, View};
use crate::{connection, run, tcp, worker};

pub use crate::connection::Protocol;
pub use lockgate_upstream::{Address, Connect, Connecting, Duplex, Stream};

/// Compiles modules and links plugins for many rehearsals.
pub struct Stage {
    loader: Loader,
    last: Option<Arc<Snapshot>>,
}

/// A configuration that is ready to be rehearsed.
#[derive(Clone)]
pub struct Scene {
    snapshot: Arc<Snapshot>,
    document: Document,
}

/// What a rehearsal has of the world.
pub struct Props {
    /// The way of forwarded requests to upstreams.
    pub upstreams: Rc<dyn Connect>,
    /// The way of requests that plugins make.
    pub callouts: Rc<dyn Connect>,
    /// The time of day at the start.
    pub time: SystemTime,
    /// Decides everything that would be random.
    pub seed: u64,
}

/// Who connects, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client's address.
    pub peer: SocketAddr,
    /// What a TLS handshake would have told; none in the clear.
    pub tls: Option<TlsInfo>,
    /// What the client speaks.
    pub protocol: Protocol,
}

impl Stage {
    /// A stage on which nothing stands yet.
    ///
    /// # Errors
    /// The WebAssembly engine cannot be set up.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            loader: Loader::new(run::engine()?),
            last: None,
        })
    }

    /// The module called `name` is the file at `path`. Blocks while it is compiled; what is wrong with it is told by
    /// [`Stage::set`], where a plugin uses it.
    pub fn module(&mut self, name: &str, path: &Path) {
        self.loader.modules_mut().add(name, path);
    }

    /// Makes a scene of a gateway.json whose text would stand at `path`. Each plugin takes its configuration in a VM aside.
    ///
    /// # Errors
    /// Everything that is wrong with it, at its place in the text.
    pub fn set(&mut self, path: &Path, text: String) -> Result<Scene, Report> {
        let loaded = lockgate_config::load_text(path, text, &|name| std::env::var_os(name))?;
        let document = loaded.document.clone();
        let snapshot = self.loader.rehearse(loaded, self.last.as_deref())?;
        self.last = Some(snapshot.clone());
        Ok(Scene { snapshot, document })
    }
}

impl Scene {
    /// The configuration that it was made of.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The `vm_id` of the plugin called `plugin`, by which its shared data are kept.
    pub fn vm_id(&self, plugin: &str) -> Option<&str> {
        let mut plugins = self.snapshot.model.plugins.iter();
        plugins
            .find(|known| known.name == plugin)
            .map(|known| known.vm_id.as_str())
    }
}

/// One worker that serves a scene.
pub struct Rehearsal {
    station: Rc<Station>,
    registry: Registry,
    tasks: [AbortHandle; 2],
}

impl Rehearsal {
    /// Begins: plugins start in VMs of their own, on an empty store. Must be called within a local runtime, whose clock is the
    /// rehearsal's.
    pub fn begin(scene: &Scene, props: Props) -> Self {
        let registry = Registry::new();
        let store = Store::since(run::store_settings(&scene.snapshot.model), clock::now());
        let shared = Shared {
            store: Arc::new(store),
            access_log: Arc::new(ArcSwapOption::empty()),
            trace: Default::default(),
            crowd: Default::default(),
            bells: Default::default(),
            connections: Arc::new(AtomicU64::new(1)),
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&props.seed.to_le_bytes());
        // The generator behind request ids must not start with nothing but zeros.
        seed[31] = 1;
        let setting = Setting {
            client: Client::by(props.upstreams, props.seed),
            callouts: Client::by(props.callouts, props.seed),
            wall_clock: WallClock::from(props.time),
            random: Chance::Seeded(Cell::new(props.seed)),
            request_ids: RequestIds::seeded(seed),
        };
        let (bell, mut rung) = mpsc::unbounded_channel();
        let station = Station::new(registry.worker(), shared, bell, setting);
        let world = World::new(&station);
        let outside: Rc<dyn Host> = world.clone();
        let ringing = tokio::task::spawn_local(async move {
            while let Some(queue) = rung.recv().await {
                world.ring(queue);
            }
        });
        let sweeping = tokio::task::spawn_local(worker::sweep(station.clone()));
        let view = View::new(scene.snapshot.clone(), None, &outside, &station.metrics);
        station.adopt(Rc::new(view));
        Self {
            station,
            registry,
            tasks: [ringing.abort_handle(), sweeping.abort_handle()],
        }
    }

    /// Serves a client's connection to the listener called `listener`, to its end. Nothing is served if there is no such listener.
    pub async fn serve<S>(&self, listener: &str, stream: S, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Some((listener, connection)) = self.arrival(listener, &caller) else {
            return;
        };
        let scheme = if connection.tls.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        connection::rehearse(&self.station, listener, connection, scheme, stream, caller.protocol).await;
    }

    /// Carries a client's connection to the TCP listener called `listener`, to its end, and answers what the access log would call
    /// that end; none if there is no such listener.
    pub async fn carry(&self, listener: &str, stream: Pin<Box<dyn Duplex>>, caller: Caller) -> Option<&'static str> {
        let (listener, connection) = self.arrival(listener, &caller)?;
        let view = self.station.view();
        let ending = tcp::rehearse(&self.station, &view, &listener, connection, stream).await;
        ending.map(Ending::as_str)
    }

    fn arrival(&self, listener: &str, caller: &Caller) -> Option<(Rc<ListenerView>, ConnectionInfo)> {
        let view = self.station.view();
        let listener = view.listener(listener)?.clone();
        let connection = ConnectionInfo {
            id: self.station.connection_id(),
            listener: listener.settings.name.clone(),
            peer: caller.peer,
            local: listener.settings.listen,
            tls: caller.tls.clone(),
            properties: Default::default(),
        };
        Some((listener, connection))
    }

    /// What plugins keep in the store.
    pub fn store(&self) -> &Store {
        &self.station.shared.store
    }

    /// All metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.registry.render()
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
