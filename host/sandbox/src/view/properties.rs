//! The properties that the host knows. `get_property` looks here first, then at the properties that plugins have set.
//!
//! Names follow Envoy's attributes, so that plugins for Envoy find them; `lockgate.*` are Lockgate's own. Plain functions of an
//! exchange, without guest memory.

mod connection;
mod message;
mod node;

use lockgate_abi::{PropertyPath, PropertyValue};
use lockgate_exchange::{Exchange, Properties};
use smallvec::SmallVec;

use crate::plugin::Plugin;
use crate::view::headers::HeaderFilter;

/// A value for the guest. Most are short.
pub(crate) type Bytes = SmallVec<[u8; 64]>;

/// The parts of a path, whichever separator the guest used.
type Parts<'a> = SmallVec<[&'a str; 4]>;

/// Reads a property. `exchange` is that of the stream in effect, if there is one. What `filter` hides of header maps is hidden
/// here too, in whole maps, sizes, and what is derived from a header.
pub(crate) fn read(
    plugin: &Plugin,
    exchange: Option<&Exchange>,
    path: PropertyPath<'_>,
    filter: &HeaderFilter,
) -> Option<Bytes> {
    let mut parts: Parts<'_> = path.parts().collect();
    if parts.len() == 1 && parts[0].contains('.') {
        parts = parts[0].split('.').collect();
    }
    // A plugin may have chosen the upstream. This is the only property whose set value takes precedence.
    if parts[..] == ["lockgate", "upstream"]
        && let Some(set) = exchange.and_then(|exchange| exchange.properties.find(path))
    {
        return Some(Bytes::from_slice(set));
    }
    let known = builtin(plugin, exchange, &parts, filter);
    known.or_else(|| set_by_plugins(exchange?, path))
}

fn set_by_plugins(exchange: &Exchange, path: PropertyPath<'_>) -> Option<Bytes> {
    let of = |properties: &Properties| properties.find(path).map(|set| Bytes::from_slice(set));
    of(&exchange.properties).or_else(|| of(&exchange.info.connection.properties.borrow()))
}

/// Whether a property cannot be set.
pub(crate) fn is_read_only(dotted: &str) -> bool {
    matches!(dotted, "lockgate.client.address" | "lockgate.route")
}

fn builtin(plugin: &Plugin, exchange: Option<&Exchange>, parts: &[&str], filter: &HeaderFilter) -> Option<Bytes> {
    let (first, rest) = parts.split_first()?;
    match (*first, rest) {
        ("request" | "response", rest) => message::of(exchange?, filter, first, rest),
        ("source" | "destination" | "connection" | "upstream" | "lockgate", rest) => {
            connection::of(exchange?, first, rest)
        }
        ("connection_id", []) => connection::of(exchange?, "connection", &["id"]),
        ("xds", rest) => general(plugin, exchange, rest),
        (_, _) => general(plugin, exchange, parts),
    }
}

/// The properties that Envoy has at the top and under `xds`. Messages without content are empty, as on the wire.
fn general(plugin: &Plugin, exchange: Option<&Exchange>, parts: &[&str]) -> Option<Bytes> {
    let settings = plugin.settings();
    match parts {
        ["plugin_name"] => Some(text(plugin.name())),
        ["plugin_root_id"] => Some(text(&settings.root_id)),
        ["plugin_vm_id"] => Some(text(&settings.vm_id)),
        ["cluster_name"] => exchange?.info.upstream.as_deref().map(text),
        ["route_name"] => exchange?.info.route.as_deref().map(text),
        ["listener_direction"] => Some(int(1)),
        ["node", rest @ ..] => node::node(&settings.node, rest),
        // Routes, upstreams and listeners have no metadata.
        [
            "metadata" | "cluster_metadata" | "route_metadata" | "listener_metadata" | "upstream_host_metadata",
            rest @ ..,
        ] => metadata(rest),
        _ => None,
    }
}

/// A `Metadata` message without entries.
fn metadata(parts: &[&str]) -> Option<Bytes> {
    match parts {
        [] => Some(text("")),
        ["filter_metadata" | "typed_filter_metadata"] => Some(pairs(std::iter::empty())),
        _ => None,
    }
}

fn text(text: &str) -> Bytes {
    Bytes::from_slice(text.as_bytes())
}

fn int(value: i64) -> Bytes {
    Bytes::from_slice(&PropertyValue::Int(value).to_bytes())
}

/// A map: pairs of names and values. An empty one has a count of 0.
fn pairs<'p>(entries: impl Iterator<Item = (&'p [u8], &'p [u8])> + Clone) -> Bytes {
    /// A count of 0.
    const EMPTY: [u8; 4] = [0; 4];
    if entries.clone().next().is_none() {
        return Bytes::from_slice(&EMPTY);
    }
    let mut bytes = vec![0; lockgate_abi::encoded_len(entries.clone())];
    // The buffer has exactly the announced size, so encoding always succeeds.
    let _ = lockgate_abi::encode_pairs(entries, &mut bytes);
    Bytes::from_vec(bytes)
}
