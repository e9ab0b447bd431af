//! The maximum length of a chain: an exchange numbers the plugins that it passes.

use lockgate_config::model::{Listener, ListenerProtocol, Model, Route};
use lockgate_exchange::Positions;
use lockgate_json::{Diagnostic, Document};

/// Routes whose chain is too long.
pub(super) fn long_route_chains<'a>(model: &'a Model, document: &'a Document) -> impl Iterator<Item = Diagnostic> + 'a {
    let length = |route: &Route| model.global_chain.len() + route.chain.len();
    model
        .routes
        .iter()
        .enumerate()
        .filter(move |(_, route)| length(route) > Positions::MAX)
        .map(move |(index, route)| {
            document.diagnostic(
                &format!("/routes/{}", index),
                format!(
                    "its requests pass {} plugins, the global chain's included",
                    length(route)
                ),
                Some(format!("at most {}", Positions::MAX)),
                None,
            )
        })
}

/// TCP listeners whose chain is too long.
pub(super) fn long_tcp_chains<'a>(model: &'a Model, document: &'a Document) -> impl Iterator<Item = Diagnostic> + 'a {
    let long = |listener: &'a Listener| match &listener.protocol {
        ListenerProtocol::Tcp(forwarding) if forwarding.chain.len() > Positions::MAX => Some((listener, forwarding)),
        _ => None,
    };
    model.listeners.iter().filter_map(long).map(|(listener, forwarding)| {
        document.diagnostic(
            &format!("/listeners/{}/chain", listener.name),
            format!("its connections pass {} plugins", forwarding.chain.len()),
            Some(format!("at most {}", Positions::MAX)),
            None,
        )
    })
}
