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
use lockgate_exchange::{ConnectionInfo, TlsInfo};
use lockgate_foreign::store_settings;
use lockgate_http::inbound::RequestIds;
use lockgate_store::Store;
use lockgate_telemetry::close_reason::CloseReason;
use lockgate_telemetry::metrics::Registry;
use lockgate_upstream::Client;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::callouts::host::WorkerHost;
use crate::context::rng::Rng;
use crate::context::snapshot::Snapshot;
use crate::context::{SharedState, WorkerContext, WorkerResources};
use crate::downstream::connection::DownstreamConnection;
use crate::{http, tcp, worker};

pub use crate::http::HttpVersion;
pub use lockgate_client::{Address, Connect, Connecting, Duplex, Stream};

/// What an embedded worker has of the world.
#[derive(Clone)]
pub struct Environment {
    /// Connections of forwarded requests.
    pub upstreams: Rc<dyn Connect>,
    /// Connections of callouts.
    pub callouts: Rc<dyn Connect>,
    /// The time of day at the start.
    pub time: SystemTime,
    /// The seed of everything that would be random.
    pub seed: u64,
}

/// Who connects, and how.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// What a TLS handshake would have learnt; none in the clear.
    pub tls: Option<TlsInfo>,
    /// What the client speaks.
    pub version: HttpVersion,
}

/// A worker that serves one snapshot.
pub struct EmbeddedWorker {
    worker: Rc<WorkerContext>,
    registry: Registry,
    tasks: [AbortHandle; 2],
}

impl EmbeddedWorker {
    /// Starts `count` workers, each with VMs of its own, on one empty store and with one set of metrics. Must be called within a local
    /// runtime, whose clock is the workers'.
    pub fn start(snapshot: &Arc<Snapshot>, environment: &Environment, count: usize) -> Vec<Self> {
        snapshot.publish_upstreams();
        let registry = Registry::new();
        let store = Store::since(store_settings(&snapshot.model.cache, &snapshot.model.kv), clock::now());
        let shared = SharedState::new(store, None, Default::default(), Default::default());
        let workers = (0..count as u64).map(|index| {
            let environment = Environment {
                seed: environment.seed.wrapping_add(index),
                ..environment.clone()
            };
            Self::start_one(snapshot, environment, registry.clone(), shared.clone())
        });
        workers.collect()
    }

    fn start_one(snapshot: &Arc<Snapshot>, environment: Environment, registry: Registry, shared: SharedState) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&environment.seed.to_le_bytes());
        // The generator behind request ids must not start with nothing but zeros.
        seed[31] = 1;
        let setting = WorkerResources {
            client: Client::with_connector(environment.upstreams, environment.seed),
            callouts: Client::with_connector(environment.callouts, environment.seed),
            wall_clock: WallClock::from(environment.time),
            random: Rng::Seeded(Cell::new(environment.seed)),
            request_ids: RequestIds::seeded(seed),
        };
        let (queue_sender, mut notified) = mpsc::unbounded_channel();
        let worker = WorkerContext::new(registry.worker(), shared, queue_sender, setting);
        let host = WorkerHost::new(&worker);
        let notifying = host.clone();
        let ringing = tokio::task::spawn_local(async move {
            while let Some(notification) = notified.recv().await {
                notifying.deliver(notification);
            }
        });
        let sweeping = tokio::task::spawn_local(worker::sweep(worker.clone()));
        let view = host.view(snapshot.clone(), None, &worker.metrics);
        worker.adopt(Rc::new(view));
        Self {
            worker,
            registry,
            tasks: [ringing.abort_handle(), sweeping.abort_handle()],
        }
    }

    /// Serves a client's connection to the listener called `listener`, to its end. Nothing is served if there is no such listener.
    pub async fn serve(&self, listener: &str, stream: DuplexStream, client: ClientInfo) {
        if let Some((downstream, info)) = self.accept(listener, &client) {
            http::serve_stream(downstream, info, stream, client.version).await;
        }
    }

    /// Carries a client's connection to the TCP listener called `listener`, to its end, and says what the access log calls that end; none
    /// if there is no such listener.
    pub async fn serve_tcp(
        &self,
        listener: &str,
        stream: Pin<Box<dyn Duplex>>,
        client: ClientInfo,
    ) -> Option<&'static str> {
        let (downstream, info) = self.accept(listener, &client)?;
        let view = self.worker.view();
        let ending = tcp::serve_stream(&downstream, &view, info, stream).await;
        ending.map(CloseReason::as_str)
    }

    fn accept(&self, listener: &str, client: &ClientInfo) -> Option<(DownstreamConnection, ConnectionInfo)> {
        let listener = self.worker.view().listener(listener)?.clone();
        let downstream = DownstreamConnection::new(&self.worker, &listener);
        let info = downstream.info(client.peer, listener.settings.listen, client.tls.clone());
        Some((downstream, info))
    }

    /// What plugins keep in the store, which all workers share.
    pub fn store(&self) -> &Store {
        &self.worker.shared.store
    }

    /// The metrics of all workers in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.registry.render()
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
