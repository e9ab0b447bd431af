//! [`H2Pool`]: one worker's HTTP/2 connections by target. Each carries many requests at once; a target gets another one when all are
//! full.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http_body::Body;
use rustc_hash::FxHashMap;

use super::connection::{H2Connection, H2Stream};
use crate::connect::{Connect, connect};
use crate::error::{BodyFailure, ConnectError};
use crate::pool_settings::PoolSettings;
use crate::target::Target;

/// Open connections by target.
pub(crate) struct H2Pool<B> {
    open: RefCell<FxHashMap<Target, Vec<H2Connection<B>>>>,
    gates: RefCell<FxHashMap<Target, Rc<ConnectGate>>>,
}

/// Lets one request at a time connect to a target. Those that wait meanwhile share its connection, or its failure.
#[derive(Default)]
struct ConnectGate {
    turn: tokio::sync::Mutex<()>,
    failures: Cell<u64>,
}

impl<B> H2Pool<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// No connections yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            gates: RefCell::default(),
        })
    }

    /// A stream on a connection to `target`, on a new connection if all others are full.
    pub(super) async fn acquire(
        self: &Rc<Self>,
        connector: Option<&dyn Connect>,
        target: &Target,
        settings: &PoolSettings,
    ) -> Result<H2Stream<B>, ConnectError> {
        if let Some(stream) = self.reserve(target, settings.max_streams) {
            return Ok(stream);
        }
        let gate = Rc::clone(self.gates.borrow_mut().entry(target.clone()).or_default());
        let failures = gate.failures.get();
        let _turn = gate.turn.lock().await;
        if let Some(stream) = self.reserve(target, settings.max_streams) {
            return Ok(stream);
        }
        if gate.failures.get() != failures {
            // Whoever waited while another request failed to connect does not try again: a hundred would wait a hundred times as
            // long.
            return Err(ConnectError::Io(io::Error::other(
                "connecting has just failed for another request",
            )));
        }
        let opened = self.open(connector, target, settings).await;
        if opened.is_err() {
            gate.failures.set(failures.wrapping_add(1));
        }
        opened
    }

    /// A stream on an open connection that is not full.
    fn reserve(&self, target: &Target, max_streams: usize) -> Option<H2Stream<B>> {
        let mut open = self.open.borrow_mut();
        let connections = open.get_mut(target)?;
        connections.retain(|connection| !connection.is_closed());
        let connection = connections
            .iter()
            .find(|connection| connection.streams() < max_streams)?;
        Some(connection.reserve(true))
    }

    async fn open(
        self: &Rc<Self>,
        connector: Option<&dyn Connect>,
        target: &Target,
        settings: &PoolSettings,
    ) -> Result<H2Stream<B>, ConnectError> {
        let connected = connect(connector, target, settings.connect_timeout).await?;
        let (pool, key) = (Rc::downgrade(self), target.clone());
        let prune = move || {
            if let Some(pool) = pool.upgrade() {
                pool.prune(&key);
            }
        };
        let connection = H2Connection::start(connected, settings.keep_alive.idle_timeout, prune)
            .await
            .map_err(|error| ConnectError::Io(io::Error::other(error)))?;
        let stream = connection.reserve(false);
        self.open
            .borrow_mut()
            .entry(target.clone())
            .or_default()
            .push(connection);
        Ok(stream)
    }

    /// Forgets connections that have ended.
    fn prune(&self, target: &Target) {
        let mut open = self.open.borrow_mut();
        if let Some(connections) = open.get_mut(target) {
            connections.retain(|connection| !connection.is_closed());
            if connections.is_empty() {
                open.remove(target);
                self.gates.borrow_mut().retain(|_, gate| Rc::strong_count(gate) > 1);
            }
        }
    }
}
