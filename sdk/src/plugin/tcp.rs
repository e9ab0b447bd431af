//! [`TcpPlugin`]: the trait of plugins for TCP connections (in Envoy: the network Wasm filter).

use crate::config::Config;
use crate::error::ConfigError;

/// A plugin for TCP connections. As for [`Plugin`](crate::Plugin), the implementation has the attribute
/// [`#[plugin]`](macro@crate::plugin), and a hook may omit any of its parameters:
///
/// | hook | parameters after `&self` | called |
/// |---|---|---|
/// | `on_connect` | `state: &mut State` | when a client has connected |
/// | `on_downstream_data` | `chunk: &mut Chunk, state: &mut State` | with bytes from the client |
/// | `on_upstream_data` | `chunk: &mut Chunk, state: &mut State` | with bytes from the upstream |
/// | `on_downstream_close` | `peer: Peer, state: &mut State` | when the client's side is closed |
/// | `on_upstream_close` | `peer: Peer, state: &mut State` | when the upstream's side is closed |
/// | `on_tick`, `on_queue` | as for `Plugin` | |
///
/// `on_connect` and the data hooks return a [`Flow`](crate::Flow). `Pause` holds the bytes until more have arrived. A
/// [`Reply`](crate::Reply) or an error closes the connection.
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

    /// The state of one connection.
    type State: Default + 'static;

    /// Creates the plugin from its configuration.
    ///
    /// # Errors
    /// If the configuration is invalid. The host then continues with the previous one.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;
}

/// The side that has closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The host does not know.
    Unknown,
    /// The gateway.
    Local,
    /// The client or the upstream.
    Remote,
}

impl Peer {
    /// The side with this number in the ABI.
    #[doc(hidden)]
    pub fn from_host(peer: u32) -> Peer {
        match peer {
            1 => Peer::Local,
            2 => Peer::Remote,
            _ => Peer::Unknown,
        }
    }
}
