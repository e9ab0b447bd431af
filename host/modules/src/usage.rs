//! What a plugin is used for, and whether its module can do anything there.
//!
//! A plugin whose callbacks are never called lets everything pass, unseen, and an operator who put it there to keep somebody out
//! would not know. So that is an error, told when the configuration is checked and again whenever the module's file changes. A
//! module that has callbacks for neither (one that only logs, or ticks) does its work in every chain. Modules built with the
//! `proxy-wasm` crate export every callback there is, and pass.

use lockgate_config::model::{ListenerProtocol, Model, PluginIndex};
use lockgate_sandbox::{Hooks, Module};

/// The chains that a plugin stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    requests: bool,
    connections: bool,
}

impl Uses {
    /// Where the plugin at `index` stands.
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

    /// Whether the module has something to do wherever it stands.
    ///
    /// # Errors
    /// Where it has not, for people.
    pub fn suit(self, module: &Module) -> Result<(), String> {
        self.suit_hooks(module.hooks())
    }

    fn suit_hooks(self, hooks: Hooks) -> Result<(), String> {
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
        let requests = Uses {
            requests: true,
            connections: false,
        };
        let connections = Uses {
            requests: false,
            connections: true,
        };
        assert!(requests.suit_hooks(tcp).is_err() && connections.suit_hooks(http).is_err());
        assert!(requests.suit_hooks(http).is_ok() && connections.suit_hooks(tcp).is_ok());
        for hooks in [both, logger] {
            assert!(requests.suit_hooks(hooks).is_ok() && connections.suit_hooks(hooks).is_ok());
        }
    }
}
