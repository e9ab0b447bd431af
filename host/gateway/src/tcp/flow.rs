//! The bytes of one direction on their way through the plugins. Knows no sockets: whoever reads pushes, and what is through
//! lies in `out`.
//!
//! A plugin that pauses keeps what it was shown, up to its `limits.body`, and is shown all of it again with whatever comes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use lockgate_exchange::{BodyBuffer, Direction, Positions};
use lockgate_http::problem::Problem;
use lockgate_sandbox::{Action, PeerType, Phase};

use crate::chain::{Chain, Link, Stop};

/// Plugins that know already that the upstream sends nothing more.
pub(super) type Told = Rc<Cell<Positions>>;

/// One direction.
pub(super) struct Flow {
    chain: Rc<Chain>,
    direction: Direction,
    /// The plugins that see these bytes, in the order in which they do.
    stages: Vec<Stage>,
    told: Told,
    /// What has passed all of them.
    pub(super) out: VecDeque<Bytes>,
    /// The end has, too.
    pub(super) ended: bool,
}

#[derive(Clone, Copy)]
struct Stage {
    link: usize,
    paused: bool,
    /// The end has come as far as this.
    ended: bool,
}

impl Flow {
    /// The way through the chain's plugins, all of which have met the connection.
    pub(super) fn new(chain: &Rc<Chain>, direction: Direction, told: &Told) -> Self {
        let sees = |link: &Link| {
            let hooks = link.hooks();
            match direction {
                Direction::Request => hooks.downstream_data,
                Direction::Response => hooks.upstream_data || hooks.upstream_close,
            }
        };
        let all = chain.links().iter().enumerate().filter(|(_, link)| sees(link));
        let mut stages: Vec<_> = all
            .map(|(link, _)| Stage {
                link,
                paused: false,
                ended: false,
            })
            .collect();
        if direction == Direction::Response {
            stages.reverse();
        }
        Self {
            chain: chain.clone(),
            direction,
            stages,
            told: told.clone(),
            out: VecDeque::new(),
            ended: false,
        }
    }

    /// True when no plugin sees these bytes: they may go from socket to socket.
    pub(super) fn is_bare(&self) -> bool {
        self.stages.is_empty()
    }

    /// Bytes have come in, or the end.
    pub(super) fn push(&mut self, data: Bytes, end: bool) -> Result<(), Stop> {
        self.pass(0, BodyBuffer::from(data), end)
    }

    /// Lets go what plugins let go of since the last look; says whether there was anything.
    pub(super) fn resume(&mut self) -> Result<bool, Stop> {
        let mut moved = false;
        for at in (0..self.stages.len()).rev() {
            let Stage { link, paused, ended } = self.stages[at];
            // Who has yet to see bytes is not over with the plugin, whether it waits in it or not.
            let lost = self.chain.lost(link)?;
            if paused && (lost || self.chain.resumed(link, self.direction)) {
                self.stages[at].paused = false;
                let held = self.take(link);
                self.pass(at + 1, held, ended)?;
                moved = true;
            }
        }
        Ok(moved)
    }

    /// True while a plugin that holds bytes waits for an answer to a request of its own: what follows is left in the socket.
    pub(super) fn waits(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| stage.paused && self.chain.has_open_callout(stage.link))
    }

    fn pass(&mut self, from: usize, mut data: BodyBuffer, end: bool) -> Result<(), Stop> {
        self.chain.start_clock();
        for at in from..self.stages.len() {
            if data.is_empty() && !end {
                continue;
            }
            match self.show(at, data, end)? {
                Some(passed) => data = passed,
                None => return Ok(()),
            }
        }
        self.out.extend(data.take());
        self.ended |= end;
        Ok(())
    }

    /// Shows one plugin what has come to it; none if it keeps that.
    fn show(&mut self, at: usize, data: BodyBuffer, end: bool) -> Result<Option<BodyBuffer>, Stop> {
        let link = self.stages[at].link;
        if self.chain.lost(link)? {
            return Ok(Some(data));
        }
        let held = {
            let mut exchange = self.chain.exchange.borrow_mut();
            let buffers = exchange.tcp.as_mut().and_then(|all| all.get_mut(link));
            buffers.map(|buffers| buffers.of_mut(self.direction).append(data))
        };
        debug_assert!(
            held.is_some(),
            "a TCP exchange has buffers for every place in the chain"
        );
        self.stages[at].ended |= end;
        let phase = match self.direction {
            Direction::Request => Phase::DownstreamData,
            Direction::Response => Phase::UpstreamData,
        };
        let action = self
            .chain
            .call(link, self.direction, phase, |stream| stream.data(self.direction, end))?;
        if end && self.direction == Direction::Response {
            self.tell_end(link)?;
        }
        self.stages[at].paused = action == Action::Pause;
        if action == Action::Continue {
            return Ok(Some(self.take(link)));
        }
        if self.held(link) as u64 > self.chain.links()[link].body_limit() {
            return Err(Stop::Problem(match self.direction {
                Direction::Request => Problem::BodyTooLarge,
                Direction::Response => Problem::ResponseTooLarge,
            }));
        }
        Ok(None)
    }

    /// The upstream sends nothing more, and the plugin has seen all that it sent.
    fn tell_end(&self, link: usize) -> Result<(), Stop> {
        let mut told = self.told.get();
        told.set(link);
        self.told.set(told);
        self.chain
            .call(link, Direction::Response, Phase::UpstreamClose, |stream| {
                stream.closed(Direction::Response, PeerType::Remote)
            })
            .map(drop)
    }

    fn held(&self, link: usize) -> usize {
        let exchange = self.chain.exchange.borrow();
        let buffers = exchange.tcp.as_ref().and_then(|all| all.get(link));
        buffers.map_or(0, |buffers| buffers.of(self.direction).len())
    }

    fn take(&self, link: usize) -> BodyBuffer {
        let mut exchange = self.chain.exchange.borrow_mut();
        let buffers = exchange.tcp.as_mut().and_then(|all| all.get_mut(link));
        buffers
            .map(|buffers| std::mem::take(buffers.of_mut(self.direction)))
            .unwrap_or_default()
    }
}
