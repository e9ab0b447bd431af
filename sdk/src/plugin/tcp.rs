//! [`TcpPlugin`]: plugins for the bytes of TCP connections (in Envoy: the network Wasm filter).

use crate::config::Config;
use crate::error::ConfigError;

/// A plugin for TCP connections, under [`#[plugin]`](macro@crate::plugin), as [`Plugin`](crate::Plugin) for requests.
/// Its hooks, and what they may take:
///
/// | hook | takes, behind `&self` | is called |
/// |---|---|---|
/// | `on_connect` | `state: &mut State` | when a client has connected |
/// | `on_downstream_data` | `chunk: &mut Chunk, state: &mut State` | with bytes from the client |
/// | `on_upstream_data` | `chunk: &mut Chunk, state: &mut State` | with bytes from the upstream |
/// | `on_downstream_close` | `peer: Peer, state: &mut State` | when the client's side is closed |
/// | `on_upstream_close` | `peer: Peer, state: &mut State` | when the upstream's side is closed |
/// | `on_tick`, `on_queue` | as there | |
///
/// `on_connect` and the data hooks return a [`Flow`](crate::Flow): `Pause` keeps the bytes until more have come. A
/// connection has no answers: a [`Reply`](crate::Reply), as an error, closes it.
///
/// ```
/// # use lockgate_sdk::{Chunk, TcpPlugin, prelude::*};
/// struct Upper;
///
/// #[plugin]
/// impl TcpPlugin for Upper {
///     fn new(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(Upper)
///     }
///
///     fn on_downstream_data(&self, chunk: &mut Chunk) -> Result<()> {
///         let bytes = chunk.bytes()?.to_ascii_uppercase();
///         chunk.replace(&bytes)
///     }
/// }
/// # fn main() {}
/// ```
pub trait TcpPlugin: Sized + 'static {
    /// The configuration, read from JSON; see [`config`](crate::config).
    type Config: Config + 'static;

    /// What is kept for one connection.
    type State: Default + 'static;

    /// Makes the plugin of its configuration.
    ///
    /// # Errors
    /// A configuration that cannot work is refused here.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;
}

/// Who has closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The host does not say.
    Unknown,
    /// The gateway itself.
    Local,
    /// The client or the upstream.
    Remote,
}

impl Peer {
    /// By its number in the ABI.
    #[doc(hidden)]
    pub fn from_host(peer: u32) -> Peer {
        match peer {
            1 => Peer::Local,
            2 => Peer::Remote,
            _ => Peer::Unknown,
        }
    }
}
