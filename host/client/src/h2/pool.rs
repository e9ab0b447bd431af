//! [`H2Pool`]: one worker's HTTP/2 connections by target. Each carries many requests at once; a target gets another one when all are
//! full.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::connection::{H2Connection, H2Stream};
use crate::alpn::{Alpn, Offer};
use crate::connect::{Connected, Connector, connect};
use crate::error::ConnectError;
use crate::pool_settings::PoolSettings;
use crate::target::Target;
use crate::tls::TlsFailure;

/// How often a request lets the frames of an idle connection be read before it takes the connection as it is.
const MAX_TURNS: usize = 3;

/// What a request needs of a connection.
#[derive(Clone, Copy)]
pub(super) struct Need {
    /// It has a body.
    pub(super) is_upload: bool,
    /// Its stream is to be the first on its connection.
    pub(super) is_fresh: bool,
    /// The protocols that a new connection offers.
    pub(super) offer: Offer,
}

/// Open connections by target.
pub(crate) struct H2Pool {
    open: RefCell<FxHashMap<Target, Vec<H2Connection>>>,
    gates: RefCell<FxHashMap<Target, Rc<ConnectGate>>>,
}

/// Lets one request at a time connect to a target. Those that wait meanwhile share its connection, or its failure.
#[derive(Default)]
struct ConnectGate {
    turn: tokio::sync::Mutex<()>,
    failures: Cell<u64>,
    /// Why TLS failed, if that is what the last failure was.
    refusal: RefCell<Option<TlsFailure>>,
}

/// What a request gets.
pub(crate) enum Acquired {
    Stream(H2Stream),
    /// A new connection of another protocol.
    Other(Connected),
}

/// What the pool has for a request.
enum Reservation {
    Stream(H2Stream),
    /// A connection on which something has come that nobody waits for: its frames have to be read first.
    Unread,
    None,
}

impl H2Pool {
    /// No connections yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            gates: RefCell::default(),
        })
    }

    /// A stream on a connection to `target`, on a new connection if there is no other with room, or if `need` says so. If the endpoint
    /// chooses another protocol than HTTP/2, the connection is the caller's.
    pub(super) async fn acquire(
        self: &Rc<Self>,
        connector: &Connector,
        target: &Target,
        settings: &PoolSettings,
        need: Need,
    ) -> Result<Acquired, ConnectError> {
        if need.is_fresh {
            return self.open(connector, target, settings, need.offer).await;
        }
        if let Some(stream) = self.reserve(target, need).await {
            return Ok(Acquired::Stream(stream));
        }
        let gate = Rc::clone(self.gates.borrow_mut().entry(target.clone()).or_default());
        let failures = gate.failures.get();
        let turn = gate.turn.lock().await;
        if let Some(stream) = self.reserve(target, need).await {
            return Ok(Acquired::Stream(stream));
        }
        if gate.failures.get() != failures {
            // Whoever waited while another request failed to connect does not try again: a hundred would wait a hundred times as
            // long.
            return Err(match gate.refusal.borrow().clone() {
                Some(refusal) => ConnectError::Tls(refusal),
                None => ConnectError::Io(io::Error::other("connecting has just failed for another request")),
            });
        }
        if need.offer == Offer::Both && target.speaks() == Some(Alpn::Http1) {
            // Whoever waited for a connection to share learns that none can be shared.
            drop(turn);
            return self.open(connector, target, settings, need.offer).await;
        }
        let opened = self.open(connector, target, settings, need.offer).await;
        if let Err(error) = &opened {
            gate.failures.set(failures.wrapping_add(1));
            *gate.refusal.borrow_mut() = match error {
                ConnectError::Tls(refusal) => Some(refusal.clone()),
                _ => None,
            };
        }
        opened
    }

    /// A stream on an open connection with room. What has come on an idle one is read before it is used: it may say that the endpoint
    /// is leaving.
    async fn reserve(&self, target: &Target, need: Need) -> Option<H2Stream> {
        for turn in 0..=MAX_TURNS {
            match self.find(target, need, turn < MAX_TURNS) {
                Reservation::Stream(stream) => return Some(stream),
                Reservation::Unread => tokio::task::yield_now().await,
                Reservation::None => break,
            }
        }
        None
    }

    fn find(&self, target: &Target, need: Need, is_choosy: bool) -> Reservation {
        let mut open = self.open.borrow_mut();
        let Some(connections) = open.get_mut(target) else {
            return Reservation::None;
        };
        connections.retain_mut(|connection| !connection.is_leaving());
        match connections
            .iter()
            .find(|connection| connection.has_room(need.is_upload))
        {
            Some(connection) if is_choosy && connection.has_news() => Reservation::Unread,
            Some(connection) => Reservation::Stream(connection.reserve(true)),
            None => Reservation::None,
        }
    }

    async fn open(
        self: &Rc<Self>,
        connector: &Connector,
        target: &Target,
        settings: &PoolSettings,
        offer: Offer,
    ) -> Result<Acquired, ConnectError> {
        let connected = connect(connector, target, offer, settings.connect_timeout).await?;
        if offer == Offer::Both && connected.alpn != Some(Alpn::Http2) {
            return Ok(Acquired::Other(connected));
        }
        self.adopt(connected, target, settings).await.map(Acquired::Stream)
    }

    /// Speaks HTTP/2 on a fresh connection to `target`, within the time for connecting.
    pub(crate) async fn adopt(
        self: &Rc<Self>,
        connected: Connected,
        target: &Target,
        settings: &PoolSettings,
    ) -> Result<H2Stream, ConnectError> {
        let (pool, key) = (Rc::downgrade(self), target.clone());
        let prune = move || {
            if let Some(pool) = pool.upgrade() {
                pool.prune(&key);
            }
        };
        let start = tokio::time::timeout(
            settings.connect_timeout,
            H2Connection::start(connected, settings, prune),
        );
        let connection = match start.await {
            Ok(started) => started?,
            Err(_) => return Err(ConnectError::Timeout),
        };
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
            connections.retain_mut(|connection| !connection.is_leaving());
            if connections.is_empty() {
                open.remove(target);
                self.gates.borrow_mut().retain(|_, gate| Rc::strong_count(gate) > 1);
            }
        }
    }
}
