//! [`Hooks`]: the hooks of a plugin as functions with the host's arguments, which exports and native tests can call for
//! every plugin. [`#[plugin]`](macro@crate::plugin) implements it.

use super::Guest;
use crate::abi::Action;
use crate::error::ConfigError;
use crate::plugin::Plugin;

/// The hooks of a plugin. Not for plugin authors. The default of each hook continues.
pub trait Hooks: Plugin {
    /// Whether a hook is `async`. If none is, the module does not contain the executor.
    const WAITS: bool;
    /// Whether the plugin has no state of a stream between its callbacks: no hook waits, and there is no `State`.
    const STATELESS: bool;
    /// Whether it is a plugin for TCP connections.
    const TCP: bool;
    /// Whether it has `on_done`.
    const ENDS: bool;
    /// The names of the hooks that are implemented.
    const NAMES: &'static [&'static str];

    /// Reads the configuration, of this size in bytes.
    fn config(size: usize) -> Result<Self::Config, ConfigError>;

    /// `on_request`.
    fn request_headers(_: &Guest<Self>, _: u32, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_request_body`.
    fn request_chunk(_: &Guest<Self>, _: u32, _: usize, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_request_trailers`.
    fn request_trailers(_: &Guest<Self>, _: u32) -> u32 {
        Action::Continue as u32
    }
    /// `on_response`.
    fn response_headers(_: &Guest<Self>, _: u32, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_response_body`.
    fn response_chunk(_: &Guest<Self>, _: u32, _: usize, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_response_trailers`.
    fn response_trailers(_: &Guest<Self>, _: u32) -> u32 {
        Action::Continue as u32
    }
    /// `on_log`.
    fn log(_: &Guest<Self>, _: u32) {}
    /// `on_tick`.
    fn tick(_: &Guest<Self>, _: u32) {}
    /// `on_done`.
    fn done(_: &Guest<Self>, _: u32) {}
    /// `on_queue`.
    fn queue(_: &Guest<Self>, _: u32, _: u32) {}
    /// `on_connect`.
    fn connected(_: &Guest<Self>, _: u32) -> u32 {
        Action::Continue as u32
    }
    /// `on_downstream_data`.
    fn downstream_data(_: &Guest<Self>, _: u32, _: usize, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_upstream_data`.
    fn upstream_data(_: &Guest<Self>, _: u32, _: usize, _: bool) -> u32 {
        Action::Continue as u32
    }
    /// `on_downstream_close`.
    fn downstream_closed(_: &Guest<Self>, _: u32, _: u32) {}
    /// `on_upstream_close`.
    fn upstream_closed(_: &Guest<Self>, _: u32, _: u32) {}
}
