//! The bytes of one direction on their way through the plugins. Knows no sockets: the relay pushes, and what has passed
//! lies in `out`.
//!
//! A plugin that pauses keeps what it has seen, up to its `limits.body`, and sees all of it again with what follows.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use lockgate_exchange::{BodyBuffer, Direction, Positions};
use lockgate_http::problem::Problem;
use lockgate_sandbox::{Action, PeerType, Phase};
use lockgate_telemetry::close_reason::CloseReason;

use crate::chain::{Chain, FilterState, Stop};
use crate::relay::{Outlet, RelayFilter};

/// Positions of the plugins that have been called for the upstream's close.
pub(super) type CloseNotified = Rc<Cell<Positions>>;

/// One direction.
pub(super) struct Flow {
    chain: Rc<Chain>,
    direction: Direction,
    /// The plugins that see these bytes, in order.
    filters: Vec<FlowFilter>,
    close_notified: CloseNotified,
    /// What has passed all of them.
    out: Outlet,
}

#[derive(Clone, Copy)]
struct FlowFilter {
    position: usize,
    paused: bool,
    /// The end has reached this plugin.
    ended: bool,
}

impl Flow {
    /// The direction through the chain's plugins, all of which have accepted the connection.
    pub(super) fn new(chain: &Rc<Chain>, direction: Direction, close_notified: &CloseNotified) -> Self {
        let sees = |position: &FilterState| {
            let hooks = position.hooks();
            match direction {
                Direction::Request => hooks.downstream_data,
                Direction::Response => hooks.upstream_data || hooks.upstream_close,
            }
        };
        let all = chain
            .filters()
            .iter()
            .enumerate()
            .filter(|(_, position)| sees(position));
        let mut filters: Vec<_> = all
            .map(|(position, _)| FlowFilter {
                position,
                paused: false,
                ended: false,
            })
            .collect();
        if direction == Direction::Response {
            filters.reverse();
        }
        Self {
            chain: chain.clone(),
            direction,
            filters,
            close_notified: close_notified.clone(),
            out: Outlet::default(),
        }
    }

    /// Moves on what plugins have released since the last call; true if there was anything.
    fn release(&mut self) -> Result<bool, Stop> {
        let mut moved = false;
        for at in (0..self.filters.len()).rev() {
            let FlowFilter {
                position,
                paused,
                ended,
            } = self.filters[at];
            // The plugin has yet to see bytes, so `on_error` applies to its loss, whether it paused or not.
            let lost = self.chain.lost(position, self.phase())?;
            if paused && (lost || self.chain.resumed(position, self.direction)) {
                self.filters[at].paused = false;
                let held = self.take(position);
                self.pass(at + 1, held, ended)?;
                moved = true;
            }
        }
        Ok(moved)
    }

    fn pass(&mut self, from: usize, mut data: BodyBuffer, end: bool) -> Result<(), Stop> {
        self.chain.start_clock();
        for at in from..self.filters.len() {
            if data.is_empty() && !end {
                continue;
            }
            match self.show(at, data, end)? {
                Some(passed) => data = passed,
                None => return Ok(()),
            }
        }
        self.out.pieces.extend(data.take());
        self.out.ended |= end;
        Ok(())
    }

    /// Calls one plugin with what has come to it; none if it keeps that.
    fn show(&mut self, at: usize, data: BodyBuffer, end: bool) -> Result<Option<BodyBuffer>, Stop> {
        let position = self.filters[at].position;
        if self.chain.lost(position, self.phase())? {
            return Ok(Some(data));
        }
        let held = {
            let mut exchange = self.chain.exchange.borrow_mut();
            let buffers = exchange.tcp.as_mut().and_then(|all| all.get_mut(position));
            buffers.map(|buffers| buffers.of_mut(self.direction).append(data))
        };
        debug_assert!(
            held.is_some(),
            "a TCP exchange has buffers for every place in the chain"
        );
        self.filters[at].ended |= end;
        let action = self.chain.call(position, self.direction, self.phase(), |stream| {
            stream.data(self.direction, end)
        })?;
        if end && self.direction == Direction::Response {
            self.notify_end(position)?;
        }
        self.filters[at].paused = action == Action::Pause;
        if action == Action::Continue {
            return Ok(Some(self.take(position)));
        }
        let held = self.held(position);
        if held as u64 > self.chain.filters()[position].body_limit() {
            return Err(Stop::Problem(match self.direction {
                Direction::Request => Problem::BodyTooLarge,
                Direction::Response => Problem::ResponseTooLarge,
            }));
        }
        let memory = self.chain.reserve(position, held)?;
        if memory.is_none() {
            self.filters[at].paused = false;
            return Ok(Some(self.take(position)));
        }
        if let Some(buffers) = self
            .chain
            .exchange
            .borrow_mut()
            .tcp
            .as_mut()
            .and_then(|all| all.get_mut(position))
        {
            buffers.count(self.direction, memory);
        }
        Ok(None)
    }

    /// The callback that sees these bytes.
    fn phase(&self) -> Phase {
        match self.direction {
            Direction::Request => Phase::DownstreamData,
            Direction::Response => Phase::UpstreamData,
        }
    }

    /// Calls the plugin for the upstream's close, once it has seen all bytes.
    fn notify_end(&self, position: usize) -> Result<(), Stop> {
        let mut notified = self.close_notified.get();
        notified.set(position);
        self.close_notified.set(notified);
        self.chain
            .call(position, Direction::Response, Phase::UpstreamClose, |stream| {
                stream.closed(Direction::Response, PeerType::Remote)
            })
            .map(drop)
    }

    fn held(&self, position: usize) -> usize {
        let exchange = self.chain.exchange.borrow();
        let buffers = exchange.tcp.as_ref().and_then(|all| all.get(position));
        buffers.map_or(0, |buffers| buffers.of(self.direction).len())
    }

    fn take(&self, position: usize) -> BodyBuffer {
        let mut exchange = self.chain.exchange.borrow_mut();
        let buffers = exchange.tcp.as_mut().and_then(|all| all.get_mut(position));
        buffers
            .map(|buffers| {
                buffers.count(self.direction, None);
                std::mem::take(buffers.of_mut(self.direction))
            })
            .unwrap_or_default()
    }
}

impl RelayFilter for Flow {
    fn is_bare(&self) -> bool {
        self.filters.is_empty()
    }

    fn push(&mut self, data: Bytes, end: bool) -> Result<(), CloseReason> {
        Ok(self.pass(0, BodyBuffer::from(data), end)?)
    }

    fn resume(&mut self) -> Result<bool, CloseReason> {
        Ok(self.release()?)
    }

    /// True while a plugin that holds bytes has a callout open.
    fn waits(&self) -> bool {
        self.filters
            .iter()
            .any(|filter| filter.paused && self.chain.has_open_callout(filter.position))
    }

    fn outlet(&mut self) -> &mut Outlet {
        &mut self.out
    }
}
