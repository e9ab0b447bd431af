//! The chains that use a plugin, and whether its module has callbacks for them.
//!
//! A plugin whose callbacks are never called lets everything pass, and an operator who relies on it would not notice. That is an error,
//! reported when the configuration is checked and whenever the module changes. A module with callbacks for neither requests nor
//! connections (one that only logs, or ticks) works in every chain. Modules built with the `proxy-wasm` crate export every callback, and
//! pass.

use lockgate_config::model::{ListenerProtocol, Model, PluginIndex};
use lockgate_sandbox::{Hooks, Module};

/// The kinds of chains that use a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    requests: bool,
    connections: bool,
}

impl Usage {
    /// The usage of the plugin at `index`.
    pub fn of(model: &Model, index: PluginIndex) -> Self {
        let in_listener = |protocol: &ListenerProtocol| match protocol {
            ListenerProtocol::Http => false,
            ListenerProtocol::Tcp(forwarding) => forwarding.chain.contains(&index),
        };
        let in_routes = model.routes.iter().any(|route| route.chain.contains(&index));
        Self {
            requests: in_routes || model.global_chain.contains(&index),
            connections: model.listeners.iter().any(|listener| in_listener(&listener.protocol)),
        }
    }

    /// Checks that the module has callbacks for every kind of chain that uses it.
    ///
    /// # Errors
    /// The kind of chain that it has no callbacks for, in words.
    pub fn check(self, module: &Module) -> Result<(), String> {
        self.check_hooks(module.hooks())
    }

    fn check_hooks(self, hooks: Hooks) -> Result<(), String> {
        if self.connections && hooks.speaks_http() && !hooks.speaks_tcp() {
            return Err(
                "it is in the chain of a TCP listener and has callbacks for HTTP requests only: it would let \
                        every connection pass unchecked"
                    .to_owned(),
            );
        }
        if self.requests && hooks.speaks_tcp() && !hooks.speaks_http() {
            return Err(
                "it is in a chain for HTTP requests and has callbacks for TCP connections only: it would let \
                        every request pass unchecked"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_would_see_nothing_is_refused_and_one_that_sees_both_or_needs_neither_is_not() {
        let http = Hooks {
            request_headers: true,
            ..Hooks::default()
        };
        let tcp = Hooks {
            downstream_data: true,
            ..Hooks::default()
        };
        let both = Hooks {
            new_connection: true,
            ..http
        };
        let logger = Hooks {
            finish: true,
            delete: true,
            ..Hooks::default()
        };
        let requests = Usage {
            requests: true,
            connections: false,
        };
        let connections = Usage {
            requests: false,
            connections: true,
        };
        assert!(requests.check_hooks(tcp).is_err() && connections.check_hooks(http).is_err());
        assert!(requests.check_hooks(http).is_ok() && connections.check_hooks(tcp).is_ok());
        for hooks in [both, logger] {
            assert!(requests.check_hooks(hooks).is_ok() && connections.check_hooks(hooks).is_ok());
        }
    }
}
