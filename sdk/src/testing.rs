//! Native tests of plugins: a gateway in memory that sends requests through one plugin's hooks.
//!
//! ```
//! use lockgate_sdk::prelude::*;
//! use lockgate_sdk::testing::{Gateway, answer};
//! use lockgate_sdk::Upstream;
//!
//! struct Greet { users: Upstream }
//!
//! #[plugin]
//! impl Plugin for Greet {
//!     fn new(_: NoConfig) -> Result<Self, ConfigError> {
//!         Ok(Greet { users: Upstream::new("users") })
//!     }
//!
//!     async fn on_request(&self, request: &mut Request) -> Result<Flow> {
//!         let user = self.users.get("/me").await?;
//!         request.set_header("x-user", user.text()?)?;
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! # fn main() -> Result<(), String> {
//! let gateway = Gateway::<Greet>::configured("{}")?.upstream("users", |_| answer(200).text("ada"));
//! let exchange = gateway.get("/orders").send();
//! assert_eq!(exchange.forwarded("x-user").as_deref(), Some("ada"));
//! # Ok(())
//! # }
//! ```
//!
//! One thread has one gateway at a time. Its clock stands still until [`Gateway::advance`]; its chance repeats itself.
//! Limits and other plugins are not imitated.

mod callouts;
mod connection;
mod exchange;
mod script;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::guest::{Guest, Hooks, Side};
use crate::memory::{self, Kept, Memory};
use crate::wire::{Action, Buffer, LogLevel, Map, Status};
use crate::{callout, grpc, task, timer};

pub use connection::Connection;
pub use exchange::{Answered, Exchange};
pub use script::{Asked, Script, answer, grpc_answer, grpc_failure, no_answer};

/// Every status that a host can answer a call with in place of `OK`, for [`fail`]; the last one stands for those that are not
/// known.
pub const STATUSES: [Status; 10] = [
    Status::NotFound,
    Status::BadArgument,
    Status::SerializationFailure,
    Status::ParseFailure,
    Status::InvalidMemoryAccess,
    Status::Empty,
    Status::CasMismatch,
    Status::InternalFailure,
    Status::Unimplemented,
    Status::Other(77),
];

const ROOT: u32 = 1;

/// A gateway with one configured plugin.
pub struct Gateway<P: Hooks> {
    guest: Guest<P>,
    upstreams: RefCell<BTreeMap<String, Upstream>>,
    /// Answers that wait for their time, with the callout's id.
    due: RefCell<Vec<(u64, u32, Script)>>,
}

type Upstream = Box<dyn FnMut(&Asked) -> Script>;

impl<P: Hooks> Gateway<P> {
    /// Configures the plugin in a fresh host.
    ///
    /// # Errors
    /// What the plugin has logged when it refuses the configuration.
    pub fn configured(config: &str) -> Result<Gateway<P>, String> {
        let gateway = Gateway::fresh(config);
        let accepted = gateway.guest.configure(ROOT, config.len());
        gateway.accepted(accepted)
    }

    fn fresh(config: &str) -> Gateway<P> {
        callout::reset();
        grpc::reset();
        task::reset();
        timer::reset();
        memory::with(|memory| {
            *memory = Memory::default();
            memory.configuration = config.as_bytes().to_vec();
            memory.nanoseconds = 1_000_000_000;
            memory.contexts.insert(ROOT, Kept::default());
            memory.effective = ROOT;
        });
        let gateway = Gateway {
            guest: Guest::new(),
            upstreams: RefCell::default(),
            due: RefCell::default(),
        };
        gateway.guest.create(ROOT, 0);
        gateway
    }

    fn accepted(self, accepted: bool) -> Result<Gateway<P>, String> {
        self.settle();
        if accepted { Ok(self) } else { Err(log().join("\n")) }
    }

    /// Configures the plugin anew, as a reload does in hosts that keep the module.
    ///
    /// # Errors
    /// What has been logged so far, when the plugin refuses the configuration.
    pub fn reconfigured(&self, config: &str) -> Result<(), String> {
        memory::with(|memory| {
            memory.configuration = config.as_bytes().to_vec();
            memory.effective = ROOT;
        });
        let accepted = self.guest.configure(ROOT, config.len());
        self.settle();
        if accepted { Ok(()) } else { Err(log().join("\n")) }
    }

    /// Says what an upstream answers to callouts. Those to an upstream without a script wait for
    /// [`Exchange::answer_callout`].
    pub fn upstream(self, name: &str, script: impl FnMut(&Asked) -> Script + 'static) -> Self {
        self.upstreams.borrow_mut().insert(name.to_owned(), Box::new(script));
        self
    }

    /// Begins a `GET`.
    pub fn get(&self, path: &str) -> Sending<'_, P> {
        self.request("GET", path)
    }

    /// Begins a `POST` with a body.
    pub fn post(&self, path: &str, body: &str) -> Sending<'_, P> {
        self.request("POST", path).body(body)
    }

    /// Begins a request, from the client 192.0.2.1 to `http://example.com`.
    pub fn request(&self, method: &str, path: &str) -> Sending<'_, P> {
        let sending = Sending {
            gateway: self,
            headers: Vec::new(),
            properties: BTreeMap::new(),
            chunks: Vec::new(),
        };
        let head = [
            (":method", method),
            (":path", path),
            (":authority", "example.com"),
            (":scheme", "http"),
        ];
        head.iter()
            .fold(sending, |sending, (name, value)| sending.header(name, value))
            .client("192.0.2.1")
    }

    /// Lets one period of the plugin's ticks pass at once, and runs the tick.
    pub fn tick(&self) {
        memory::with(|memory| memory.nanoseconds += u64::from(memory.tick) * 1_000_000);
        self.enter(ROOT);
        self.guest.tick(ROOT);
        self.settle();
    }

    /// Lets time pass: ticks, timers, answers and timeouts come when they are due.
    pub fn advance(&self, duration: Duration) {
        let until = memory::with(|memory| memory.nanoseconds) + u64::try_from(duration.as_nanos()).unwrap_or(0);
        loop {
            let (tick, now) = memory::with(|memory| {
                let tick = (memory.tick != 0).then_some(memory.next_tick);
                (tick, memory.nanoseconds)
            });
            let answer = self.due.borrow().iter().map(|(due, _, _)| *due).min();
            let next = tick.into_iter().chain(answer).min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            memory::with(|memory| {
                memory.nanoseconds = next.max(now);
                if Some(next) == tick {
                    memory.next_tick = next + u64::from(memory.tick) * 1_000_000;
                }
            });
            if Some(next) == tick {
                self.enter(ROOT);
                self.guest.tick(ROOT);
            }
            self.settle();
        }
        memory::with(|memory| memory.nanoseconds = until);
        self.settle();
    }

    fn enter(&self, context: u32) {
        memory::with(|memory| memory.effective = context);
    }

    /// Brings everything as far as it goes: answers to callouts, what plugins have let go, bodies.
    fn settle(&self) {
        loop {
            let went_on = self.answer_next() || self.let_go() || self.body_next() || self.queue_next();
            if !went_on {
                return;
            }
        }
    }

    /// What a plugin has let go goes on.
    fn let_go(&self) -> bool {
        memory::with(|memory| {
            let mut went_on = false;
            for kept in memory.contexts.values_mut() {
                for (way, kind) in kept.ways.iter_mut().zip([Buffer::RequestBody, Buffer::ResponseBody]) {
                    if !std::mem::take(&mut way.resumed) {
                        continue;
                    }
                    (way.holds_head, way.holds_body, went_on) = (false, false, true);
                    way.passed.append(kept.buffers.entry(kind as u32).or_default());
                }
            }
            went_on
        })
    }

    /// Shows the next piece of a body to the plugin.
    fn body_next(&self) -> bool {
        let next = memory::with(|memory| {
            let busy: Vec<u32> = memory
                .called
                .iter()
                .filter(|call| !call.answered)
                .map(|call| call.context)
                .collect();
            for (id, kept) in &mut memory.contexts {
                // A plugin that waits for a callout gets the body after it; and elsewhere than in Lockgate, no body
                // comes while the head is held.
                let keeps = kept.properties.contains_key("lockgate.client.address") && !busy.contains(id);
                for (side, kind) in [
                    (Side::Request, Buffer::RequestBody),
                    (Side::Response, Buffer::ResponseBody),
                ] {
                    let way = &mut kept.ways[side as usize];
                    let stopped = kept.gone || kept.sent.is_some() || way.ended || way.holds_head && !keeps;
                    if stopped || way.coming.is_empty() {
                        continue;
                    }
                    let piece = way.coming.pop_front().unwrap_or_default();
                    way.ended = way.coming.is_empty();
                    let buffer = kept.buffers.entry(kind as u32).or_default();
                    buffer.extend_from_slice(&piece);
                    let (size, ended) = (buffer.len(), way.ended);
                    memory.effective = *id;
                    return Some((*id, side, kind, size, ended));
                }
            }
            None
        });
        let Some((id, side, kind, size, ended)) = next else {
            return false;
        };
        let action = match side {
            Side::Response => self.guest.response_body(id, size, ended),
            _ => self.guest.request_body(id, size, ended),
        };
        memory::with(|memory| {
            let Some(kept) = memory.contexts.get_mut(&id) else {
                return;
            };
            let way = &mut kept.ways[side as usize];
            if action == Action::Pause as u32 {
                way.holds_body = true;
                return;
            }
            if way.holds_body {
                (way.holds_head, way.holds_body) = (false, false);
            }
            way.passed.append(kept.buffers.entry(kind as u32).or_default());
        });
        true
    }

    /// Tells the plugin of messages in its queues, once for each.
    fn queue_next(&self) -> bool {
        if !P::NAMES.contains(&"on_queue") {
            return false;
        }
        let ready = memory::with(|memory| memory.queues.iter().position(|(_, queue)| !queue.is_empty()));
        let Some(ready) = ready else { return false };
        let before = memory::with(|memory| memory.queues[ready].1.len());
        self.enter(ROOT);
        P::queue(&self.guest, ROOT, ready as u32);
        memory::with(|memory| memory.queues[ready].1.len() < before)
    }
}

/// Gives the host a function of its own, like `lockgate.counter`.
pub fn offer(name: &str, function: impl FnMut(&[u8]) -> Result<Vec<u8>, Status> + 'static) {
    memory::with(|memory| memory.foreign.insert(name.to_owned(), Box::new(function)));
}

/// Has a call, by its name in the ABI, answer with a status from now on.
pub fn fail(call: &'static str, status: Status) {
    memory::with(|memory| memory.faults.insert(call, status));
}

/// Has all calls work again.
pub fn heal() {
    memory::with(|memory| memory.faults.clear());
}

/// What has been logged so far, as `LEVEL message`.
pub fn log() -> Vec<String> {
    memory::with(|memory| {
        let name = |level: &LogLevel| format!("{level:?}").to_uppercase();
        let lines = memory
            .log
            .iter()
            .map(|(level, message)| format!("{} {message}", name(level)));
        lines.collect()
    })
}

/// The value of a metric.
pub fn metric(name: &str) -> Option<u64> {
    memory::with(|memory| {
        let found = memory.metrics.iter().find(|(_, known, _)| known == name);
        found.map(|(_, _, value)| *value)
    })
}

/// A request under construction.
pub struct Sending<'g, P: Hooks> {
    gateway: &'g Gateway<P>,
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
    chunks: Vec<Vec<u8>>,
}

impl<'g, P: Hooks> Sending<'g, P> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Sets a text property; the parts of a standard path are separated by NUL.
    pub fn property(mut self, path: &str, value: &str) -> Self {
        self.properties.insert(path.to_owned(), value.as_bytes().to_vec());
        self
    }

    /// Sets the real client's address.
    pub fn client(self, address: &str) -> Self {
        self.property("lockgate.client.address", address)
    }

    /// As a host that is not Lockgate: nothing of its own is known, and no body comes while the head is held.
    pub fn elsewhere(mut self) -> Self {
        self.properties.retain(|path, _| !path.starts_with("lockgate."));
        self
    }

    /// Adds a piece of body.
    pub fn body(mut self, chunk: &str) -> Self {
        self.chunks.push(chunk.as_bytes().to_vec());
        self
    }

    /// Sends the request through the plugin.
    pub fn send(self) -> Exchange<'g, P> {
        let has_body = !self.chunks.is_empty();
        let id = memory::with(|memory| {
            memory.nanoseconds += 1_000_000;
            let id = memory.contexts.keys().max().map_or(ROOT, |last| *last) + 1;
            let mut kept = Kept {
                maps: BTreeMap::from([(Map::RequestHeaders as u32, self.headers)]),
                properties: self.properties,
                ..Kept::default()
            };
            kept.ways[0].coming = pieces(self.chunks);
            memory.contexts.insert(id, kept);
            memory.effective = id;
            id
        });
        self.gateway.guest.create(id, ROOT);
        let paused = P::request_headers(&self.gateway.guest, id, !has_body) == Action::Pause as u32;
        memory::with(|memory| {
            if let Some(kept) = memory.contexts.get_mut(&id) {
                kept.ways[0].holds_head = paused;
            }
        });
        self.gateway.settle();
        Exchange::new(self.gateway, id)
    }
}

/// The pieces as a host shows them: the end comes apart.
fn pieces(chunks: Vec<Vec<u8>>) -> VecDeque<Vec<u8>> {
    let mut pieces: VecDeque<_> = chunks.into();
    if !pieces.is_empty() {
        pieces.push_back(Vec::new());
    }
    pieces
}
