//! Native tests of plugins: a gateway in memory that sends requests through the hooks of one plugin.
//!
//! ```
//! use lockgate_sdk::prelude::*;
//! use lockgate_sdk::testing::{Gateway, response};
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
//! let gateway = Gateway::<Greet>::configured("{}")?.upstream("users", |_| response(200).text("ada"));
//! let exchange = gateway.get("/orders").send();
//! assert_eq!(exchange.forwarded("x-user").as_deref(), Some("ada"));
//! # Ok(())
//! # }
//! ```
//!
//! A thread has one gateway at a time. Its clock stands still until [`Gateway::advance`], and its random numbers are
//! the same in each run. Limits and other plugins are not simulated.

mod bodies;
mod callouts;
mod connection;
mod exchange;
mod request;
mod response;
mod schedule;
mod stream_reply;
mod streams;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::abi::{LogLevel, Status};
use crate::callout;
use crate::callout::grpc;
use crate::futures::timer;
use crate::guest::task;
use crate::guest::{Guest, Hooks};
use crate::host::memory::{self, ContextState, Memory};
use crate::services::kv;

pub use connection::Connection;
pub use exchange::{Exchange, FilteredResponse};
pub use request::RequestBuilder;
pub use response::{CalloutRequest, ScriptedResponse, grpc_error, grpc_response, no_response, response};
pub use stream_reply::{StreamEvent, StreamReply, stream_reply};

use schedule::Scheduled;
use streams::StreamScript;

/// All statuses with which a host call can fail, for [`fail`]. The last one represents the unknown ones.
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
    streams: RefCell<BTreeMap<String, StreamScript>>,
    /// The scheduled responses: the time in nanoseconds, the callout's id, and the response.
    scheduled: RefCell<Vec<(u64, u32, Scheduled)>>,
}

type Upstream = Box<dyn FnMut(&CalloutRequest) -> ScriptedResponse>;

impl<P: Hooks> Gateway<P> {
    /// A new gateway whose plugin has this configuration.
    ///
    /// # Errors
    /// The log lines, if the plugin refuses the configuration.
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
        kv::reset();
        memory::with(|memory| {
            *memory = Memory::default();
            memory.configuration = config.as_bytes().to_vec();
            memory.nanoseconds = 1_000_000_000;
            memory.contexts.insert(ROOT, ContextState::default());
            memory.effective = ROOT;
        });
        let gateway = Gateway {
            guest: Guest::new(),
            upstreams: RefCell::default(),
            streams: RefCell::default(),
            scheduled: RefCell::default(),
        };
        gateway.guest.create(ROOT, 0);
        gateway
    }

    fn accepted(self, accepted: bool) -> Result<Gateway<P>, String> {
        self.settle();
        if accepted { Ok(self) } else { Err(log().join("\n")) }
    }

    /// Configures the plugin again, as a reload does in hosts that keep the VM.
    ///
    /// # Errors
    /// All log lines so far, if the plugin refuses the configuration.
    pub fn reconfigure(&self, config: &str) -> Result<(), String> {
        memory::with(|memory| {
            memory.configuration = config.as_bytes().to_vec();
            memory.effective = ROOT;
        });
        let accepted = self.guest.configure(ROOT, config.len());
        self.settle();
        if accepted { Ok(()) } else { Err(log().join("\n")) }
    }

    /// Defines how an upstream responds to callouts. Callouts to other upstreams wait for
    /// [`Exchange::respond_to_callout`].
    pub fn upstream(self, name: &str, script: impl FnMut(&CalloutRequest) -> ScriptedResponse + 'static) -> Self {
        self.upstreams.borrow_mut().insert(name.to_owned(), Box::new(script));
        self
    }

    /// A `GET` request.
    pub fn get(&self, path: &str) -> RequestBuilder<'_, P> {
        self.request("GET", path)
    }

    /// A `POST` request with a body.
    pub fn post(&self, path: &str, body: &str) -> RequestBuilder<'_, P> {
        self.request("POST", path).body(body)
    }

    /// A request from the client 192.0.2.1 to `http://example.com`.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder<'_, P> {
        RequestBuilder::new(self, method, path)
    }

    /// Advances the clock by one tick period, and runs the tick.
    pub fn tick(&self) {
        memory::with(|memory| memory.nanoseconds += u64::from(memory.tick) * 1_000_000);
        self.enter(ROOT);
        self.guest.tick(ROOT);
        self.settle();
    }

    /// Advances the clock. Ticks, timers, responses and timeouts happen when they are due.
    pub fn advance(&self, duration: Duration) {
        let until = memory::with(|memory| memory.nanoseconds) + u64::try_from(duration.as_nanos()).unwrap_or(0);
        loop {
            let (tick, now) = memory::with(|memory| {
                let tick = (memory.tick != 0).then_some(memory.next_tick);
                (tick, memory.nanoseconds)
            });
            let response = self.scheduled.borrow().iter().map(|(due, _, _)| *due).min();
            let next = tick.into_iter().chain(response).min().filter(|next| *next <= until);
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

    /// Delivers everything that is due: responses to callouts, resumed messages, bodies, queue messages.
    fn settle(&self) {
        loop {
            let has_progressed = self.deliver_responses()
                || self.deliver_stream_actions()
                || self.forward_resumed()
                || self.deliver_body()
                || self.deliver_queue_messages()
                || self.deliver_changes();
            if !has_progressed {
                return;
            }
        }
    }

    /// Ends the plugin, as a reload does and the end of the gateway: calls `on_done`. Returns whether the plugin is done.
    /// If not, it is after [`Gateway::advance`] or a response, and [`Gateway::is_done`] says so.
    pub fn end(&self) -> bool {
        self.enter(ROOT);
        let done = !P::ENDS || self.guest.done(ROOT) != 0;
        memory::with(|memory| memory.is_done = done);
        self.settle();
        self.is_done()
    }

    /// Whether the plugin is done, after [`Gateway::end`].
    pub fn is_done(&self) -> bool {
        memory::with(|memory| memory.is_done)
    }

    /// Notifies the plugin of changed values of `lockgate.kv`.
    fn deliver_changes(&self) -> bool {
        let completed = memory::with(|memory| std::mem::take(&mut memory.kv.completed));
        for watch in &completed {
            self.enter(ROOT);
            self.guest.on_foreign_function(ROOT, *watch);
        }
        !completed.is_empty()
    }

    /// Calls `on_queue` for a queue with a message. Returns whether the hook has removed one.
    fn deliver_queue_messages(&self) -> bool {
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

/// Defines a foreign function of the host, like `lockgate.counter`.
pub fn define_foreign_function(name: &str, function: impl FnMut(&[u8]) -> Result<Vec<u8>, Status> + 'static) {
    memory::with(|memory| memory.foreign.insert(name.to_owned(), Box::new(function)));
}

/// Limits the number of values that `lockgate.kv` takes: a new one above it is [`Error::Full`](crate::Error::Full).
pub fn limit_kv(entries: usize) {
    memory::with(|memory| memory.kv.capacity = Some(entries));
}

/// Makes `lockgate.kv` absent, as it is in other hosts than Lockgate.
pub fn remove_kv() {
    memory::with(|memory| memory.kv.is_absent = true);
}

/// Makes a host call, by its name in the ABI, fail with this status from now on.
pub fn fail(call: &'static str, status: Status) {
    memory::with(|memory| memory.faults.insert(call, status));
}

/// Makes all host calls succeed again, after [`fail`].
pub fn clear_failures() {
    memory::with(|memory| memory.faults.clear());
}

/// All log lines so far, as `LEVEL message`.
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

/// The value of a metric; `None` if it is not defined.
pub fn metric(name: &str) -> Option<u64> {
    memory::with(|memory| {
        let found = memory.metrics.iter().find(|(_, known, _)| known == name);
        found.map(|(_, _, value)| *value)
    })
}
