//! The data path without threads, sockets and a clock of its own, for trying plugins out.
//!
//! An [`EmbeddedWorker`] has the same connections, pipeline, chain, sandbox and store as a worker of a running gateway. Its
//! [`Environment`] is the caller's: client connections are any streams of bytes, upstreams are reached through [`Connect`], random bytes
//! follow from a seed, and time is that of the runtime that it lives in, which the caller may have paused.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use lockgate_exchange::clock::{self, WallClock};
use lockgate_exchange::{ConnectionInfo, Scheme, TlsInfo};
use lockgate_http::inbound::RequestIds;
use lockgate_sandbox::Host;
use lockgate_store::{Store, StoreSettings};
use lockgate_telemetry::ending::Ending;
use lockgate_telemetry::metrics::Registry;
use lockgate_upstream::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::callouts::host::World;
use crate::context::rng::Chance;
use crate::context::snapshot::Snapshot;
use crate::context::view::{ListenerView, View};
use crate::context::{Setting, Shared, Station};
use crate::{http, tcp, worker};

pub use crate::http::Protocol;
pub use lockgate_client::{Address, Connect, Connecting, Duplex, Stream};

/// What a rehearsal has of the world.
pub struct Environment {
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
pub struct ClientInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// What a TLS handshake would have told; none in the clear.
    pub tls: Option<TlsInfo>,
    /// What the client speaks.
    pub protocol: Protocol,
}

/// One worker that serves a scene.
pub struct EmbeddedWorker {
    station: Rc<Station>,
    registry: Registry,
    tasks: [AbortHandle; 2],
}

impl EmbeddedWorker {
    /// Begins: plugins start in VMs of their own, on an empty store. Must be called within a local runtime, whose clock is the
    /// rehearsal's.
    pub fn start(snapshot: &Arc<Snapshot>, environment: Environment) -> Self {
        let registry = Registry::new();
        let store = Store::since(StoreSettings::from(&snapshot.model.cache), clock::now());
        let shared = Shared::new(store, None, Default::default());
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&environment.seed.to_le_bytes());
        // The generator behind request ids must not start with nothing but zeros.
        seed[31] = 1;
        let setting = Setting {
            client: Client::by(environment.upstreams, environment.seed),
            callouts: Client::by(environment.callouts, environment.seed),
            wall_clock: WallClock::from(environment.time),
            random: Chance::Seeded(Cell::new(environment.seed)),
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
        let view = View::new(snapshot.clone(), None, &outside, &station.metrics);
        station.adopt(Rc::new(view));
        Self {
            station,
            registry,
            tasks: [ringing.abort_handle(), sweeping.abort_handle()],
        }
    }

    /// Serves a client's connection to the listener called `listener`, to its end. Nothing is served if there is no such listener.
    pub async fn serve<S>(&self, listener: &str, stream: S, caller: ClientInfo)
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
        http::serve_stream(&self.station, listener, connection, scheme, stream, caller.protocol).await;
    }

    /// Carries a client's connection to the TCP listener called `listener`, to its end, and answers what the access log would call
    /// that end; none if there is no such listener.
    pub async fn carry(
        &self,
        listener: &str,
        stream: Pin<Box<dyn Duplex>>,
        caller: ClientInfo,
    ) -> Option<&'static str> {
        let (listener, connection) = self.arrival(listener, &caller)?;
        let view = self.station.view();
        let ending = tcp::serve_stream(&self.station, &view, &listener, connection, stream).await;
        ending.map(Ending::as_str)
    }

    fn arrival(&self, listener: &str, caller: &ClientInfo) -> Option<(Rc<ListenerView>, ConnectionInfo)> {
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

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
