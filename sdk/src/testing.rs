//! Native tests of plugins: a gateway in memory that sends requests through one plugin's hooks.
//!
//! ```
//! use lockgate_sdk::prelude::*;
//! use lockgate_sdk::testing::Gateway;
//!
//! struct Closed;
//!
//! #[plugin]
//! impl Plugin for Closed {
//!     fn new(_: NoConfig) -> Result<Self, ConfigError> {
//!         Ok(Closed)
//!     }
//!
//!     fn on_request(&self, _: &mut Request, _: &mut ()) -> Reply {
//!         reply(503).text("closed")
//!     }
//! }
//!
//! # fn main() -> Result<(), String> {
//! let gateway = Gateway::<Closed>::configured("{}")?;
//! let exchange = gateway.get("/orders").send();
//! assert_eq!(exchange.status(), Some(503));
//! assert_eq!(exchange.reply_body().as_deref(), Some("closed"));
//! # Ok(())
//! # }
//! ```
//!
//! One thread has one gateway, and it handles one request at a time: what an exchange shows is what its thread's last
//! request left. Timing, limits and other plugins are not imitated.

use std::collections::BTreeMap;

use crate::guest::Guest;
use crate::memory::{self, Memory};
use crate::plugin::Plugin;
use crate::wire::{Action, Buffer, LogLevel, Map, Status};

const ROOT: u32 = 1;

/// A gateway with one configured plugin.
pub struct Gateway<P: Plugin> {
    guest: Guest<P>,
}

impl<P: Plugin> Gateway<P> {
    /// Configures the plugin in a fresh host.
    ///
    /// # Errors
    /// What the plugin has logged when it refuses the configuration.
    pub fn configured(config: &str) -> Result<Gateway<P>, String> {
        memory::with(|memory| {
            *memory = Memory::default();
            memory
                .buffers
                .insert(Buffer::Configuration as u32, config.as_bytes().to_vec());
        });
        let gateway = Gateway { guest: Guest::new() };
        gateway.guest.create(ROOT, 0);
        if gateway.guest.configure(ROOT, config.len()) {
            Ok(gateway)
        } else {
            Err(log().join("\n"))
        }
    }

    /// Configures the plugin anew, as a reload does in hosts that keep the module.
    ///
    /// # Errors
    /// What has been logged so far, when the plugin refuses the configuration.
    pub fn reconfigured(&self, config: &str) -> Result<(), String> {
        memory::with(|memory| {
            memory
                .buffers
                .insert(Buffer::Configuration as u32, config.as_bytes().to_vec())
        });
        if self.guest.configure(ROOT, config.len()) {
            Ok(())
        } else {
            Err(log().join("\n"))
        }
    }

    /// Begins a `GET`.
    pub fn get(&self, path: &str) -> Sending<'_, P> {
        self.request("GET", path)
    }

    /// Begins a request, from the client 192.0.2.1 to `http://example.com`.
    pub fn request(&self, method: &str, path: &str) -> Sending<'_, P> {
        let sending = Sending {
            gateway: self,
            headers: Vec::new(),
            properties: BTreeMap::new(),
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

    /// Runs the plugin's tick.
    pub fn tick(&self) {
        self.guest.tick(ROOT);
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

/// What has been logged so far, as `LEVEL message`.
pub fn log() -> Vec<String> {
    memory::with(|memory| {
        let name = |level: &LogLevel| format!("{level:?}").to_uppercase();
        memory
            .log
            .iter()
            .map(|(level, message)| format!("{} {message}", name(level)))
            .collect()
    })
}

/// The value of a metric.
pub fn metric(name: &str) -> Option<u64> {
    memory::with(|memory| {
        memory
            .metrics
            .iter()
            .find(|(_, known, _)| known == name)
            .map(|(_, _, value)| *value)
    })
}

/// A request under construction.
pub struct Sending<'g, P: Plugin> {
    gateway: &'g Gateway<P>,
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
}

impl<'g, P: Plugin> Sending<'g, P> {
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

    /// Sends the request's headers through the plugin, without a body.
    pub fn send(self) -> Exchange<'g, P> {
        let id = memory::with(|memory| {
            memory.maps = BTreeMap::from([(Map::RequestHeaders as u32, self.headers)]);
            memory.properties = self.properties;
            memory.sent = None;
            memory.called.clear();
            memory.resumed = [false; 2];
            memory.nanoseconds += 1_000_000;
            u32::try_from(memory.nanoseconds / 1_000_000)
                .unwrap_or(u32::MAX)
                .saturating_add(ROOT)
        });
        self.gateway.guest.create(id, ROOT);
        let paused = self.gateway.guest.request_headers(id, 1) == Action::Pause as u32;
        Exchange {
            gateway: self.gateway,
            id,
            paused,
        }
    }
}

/// A request that has passed the plugin's request hook, and what became of it.
pub struct Exchange<'g, P: Plugin> {
    gateway: &'g Gateway<P>,
    id: u32,
    paused: bool,
}

impl<P: Plugin> Exchange<'_, P> {
    /// Whether the request waits in the plugin or was answered by it.
    pub fn is_paused(&self) -> bool {
        self.paused && !memory::with(|memory| memory.resumed[0])
    }

    /// The status of the plugin's own answer.
    pub fn status(&self) -> Option<u16> {
        memory::with(|memory| memory.sent.as_ref().and_then(|sent| u16::try_from(sent.status).ok()))
    }

    /// A header of the plugin's own answer.
    pub fn reply_header(&self, name: &str) -> Option<String> {
        memory::with(|memory| {
            let headers = &memory.sent.as_ref()?.headers;
            headers
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        })
    }

    /// The body of the plugin's own answer.
    pub fn reply_body(&self) -> Option<String> {
        memory::with(|memory| {
            memory
                .sent
                .as_ref()
                .map(|sent| String::from_utf8_lossy(&sent.body).into_owned())
        })
    }

    /// The word for the access log of the plugin's own answer.
    pub fn reply_details(&self) -> Option<String> {
        memory::with(|memory| memory.sent.as_ref().map(|sent| sent.details.clone()))
    }

    /// A header of the request as the upstream gets it; several values are joined by `, `.
    pub fn forwarded(&self, name: &str) -> Option<String> {
        values(Map::RequestHeaders, name)
    }

    /// A property as the next plugin finds it.
    pub fn property(&self, path: &str) -> Option<String> {
        memory::with(|memory| {
            memory
                .properties
                .get(path)
                .map(|value| String::from_utf8_lossy(value).into_owned())
        })
    }

    /// The upstreams that were called out to.
    pub fn callouts(&self) -> Vec<String> {
        memory::with(|memory| {
            let path = |headers: &[(String, String)]| {
                headers
                    .iter()
                    .find(|(name, _)| name == ":path")
                    .map(|(_, path)| path.clone())
                    .unwrap_or_default()
            };
            memory
                .called
                .iter()
                .map(|call| [call.upstream.as_str(), &path(&call.headers)].concat())
                .collect()
        })
    }

    /// Answers the `index`th callout; a `status` of `None` is a failure.
    pub fn answer_callout(&self, index: usize, status: Option<u16>, body: &str) {
        let id = memory::with(|memory| {
            let headers = status.map(|status| (":status".to_owned(), status.to_string().into_bytes()));
            memory
                .maps
                .insert(Map::CallHeaders as u32, headers.into_iter().collect());
            memory.buffers.insert(Buffer::CallBody as u32, body.as_bytes().to_vec());
            memory.called.get(index).map_or(0, |call| call.id)
        });
        self.gateway
            .guest
            .call_answered(id, usize::from(status.is_some()), body.len());
    }

    /// Sends a response's headers through the plugin.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) -> Answered {
        memory::with(|memory| {
            let status = (":status".to_owned(), status.to_string().into_bytes());
            let headers = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
            memory.maps.insert(
                Map::ResponseHeaders as u32,
                std::iter::once(status).chain(headers).collect(),
            );
        });
        let paused = self.gateway.guest.response_headers(self.id, 0) == Action::Pause as u32;
        Answered { paused }
    }
}

impl<P: Plugin> Drop for Exchange<'_, P> {
    fn drop(&mut self) {
        self.gateway.guest.log(self.id);
        self.gateway.guest.delete(self.id);
    }
}

/// A response that has passed the plugin's response hook.
pub struct Answered {
    paused: bool,
}

impl Answered {
    /// Whether the response waits in the plugin or was replaced by it.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// A header of the response as the client gets it; several values are joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        values(Map::ResponseHeaders, name)
    }
}

fn values(map: Map, name: &str) -> Option<String> {
    memory::with(|memory| {
        let map = memory.maps.get(&(map as u32))?;
        let values: Vec<_> = map
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value)
            .collect();
        let text = values
            .iter()
            .map(|value| String::from_utf8_lossy(value))
            .collect::<Vec<_>>()
            .join(", ");
        (!values.is_empty()).then_some(text)
    })
}
