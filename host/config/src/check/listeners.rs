//! Listeners and the admin listener: distinct addresses, readable certificates and, for TCP, upstream and chain.

use std::net::SocketAddr;

use lockgate_http::{ListenerLimits, TrailerNames, inbound};
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};
use lockgate_tls::{CertificateFiles, ClientAuthority, ServerTlsSettings};
use lockgate_units::Size;

use super::chains::Chains;
use super::pem::pem;
use super::plugins::Plugins;
use super::upstreams::Upstreams;
use super::{addresses, entry};
use crate::model::{Admin, Forwarding, Listener, ListenerProtocol};
use crate::raw;
use crate::settings::DEFAULT_TCP_IDLE_TIMEOUT;
use crate::substitute::LoadContext;

/// The parts of the configuration that a listener may refer to.
pub(super) struct References<'a, 'b> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) chains: &'a Chains,
    pub(super) plugins: &'a mut Plugins<'b>,
}

/// Whether a listener is for HTTP. Without one, routes are not required.
pub(super) fn serve_http(root: &Node) -> bool {
    let listeners = root.members().iter().filter(|member| member.name == "listeners");
    let mut all = listeners.flat_map(|member| member.node.members()).peekable();
    let none = all.peek().is_none();
    let is_http = |node: &Node| node.member("protocol").and_then(Node::text) != Some("tcp");
    none || all.any(|listener| is_http(&listener.node))
}

/// Names of the listeners for HTTP.
pub(super) fn http_names(root: &Node) -> Vec<&str> {
    let listeners = root.members().iter().filter(|member| member.name == "listeners");
    let is_http = |node: &Node| node.member("protocol").and_then(Node::text) != Some("tcp");
    let all = listeners.flat_map(|member| member.node.members());
    all.filter(|listener| is_http(&listener.node))
        .map(|listener| listener.name.as_str())
        .collect()
}

/// Reads the admin listener, and the others in the order of the file.
pub(super) fn read(
    root: &Node,
    context: &LoadContext<'_>,
    references: &mut References<'_, '_>,
    mistakes: &mut Mistakes,
) -> (Option<Admin>, Vec<Listener>) {
    let mut used = UsedAddresses::default();
    let top = Pointer::root();
    let admin = entry::part::<raw::Admin>(root, &top, "admin", mistakes);
    let admin = admin.and_then(|admin| read_admin(admin, &top.key("admin"), &mut used, mistakes));
    let mut listeners = Vec::new();
    for (name, node, here) in entry::section(root, "listeners", mistakes) {
        let Some(raw) = entry::read::<raw::Listener>(node, &here, mistakes) else {
            continue;
        };
        let protocol = match raw.protocol {
            raw::ListenerProtocol::Http => {
                refuse(node, &here, &["upstream", "chain"], only_tcp, mistakes);
                Some(ListenerProtocol::Http)
            }
            raw::ListenerProtocol::Tcp => tcp(name, node, &raw, &here, references, mistakes).map(ListenerProtocol::Tcp),
        };
        let is_without_ca = |tls: &&Node| tls.member("client_ca").is_none_or(|ca| ca.value == Value::Null);
        if let Some(tls) = node.member("tls").filter(is_without_ca) {
            refuse(tls, &here.key("tls"), &["client_certificates"], only_with_ca, mistakes);
        }
        let read = listener(name, raw, &here, context, &mut used, mistakes);
        listeners.extend(
            read.zip(protocol)
                .map(|(read, protocol)| with_protocol(read, protocol, node)),
        );
    }
    (admin, listeners)
}

/// The addresses of listeners so far, each with its pointer.
#[derive(Default)]
struct UsedAddresses(Vec<(SocketAddr, Pointer)>);

impl UsedAddresses {
    fn add(&mut self, text: &str, here: &Pointer, mistakes: &mut Mistakes) -> Option<SocketAddr> {
        let address = mistakes.ok_or_record(addresses::listen(text, here))?;
        if let Some((_, owner)) = self.0.iter().find(|(other, _)| addresses::collide(*other, address)) {
            mistakes.push(
                Mistake::invalid(here.clone(), "an address that no other listener uses")
                    .hint(format!("it overlaps with {owner}")),
            );
        }
        self.0.push((address, here.clone()));
        Some(address)
    }
}

fn read_admin(raw: raw::Admin, here: &Pointer, used: &mut UsedAddresses, mistakes: &mut Mistakes) -> Option<Admin> {
    let listen = used.add(&raw.listen?, &here.key("listen"), mistakes);
    if raw.token.as_ref().is_some_and(|token| token.trim().is_empty()) {
        mistakes.push(
            Mistake::new(here.key("token"), "the token is empty")
                .expected("a secret")
                .hint("without \"token\", the admin API answers on loopback only"),
        );
    }
    Some(Admin {
        listen: listen?,
        token: raw.token,
    })
}

fn listener(
    name: &str,
    raw: raw::Listener,
    here: &Pointer,
    context: &LoadContext<'_>,
    used: &mut UsedAddresses,
    mistakes: &mut Mistakes,
) -> Option<Listener> {
    let listen = raw
        .listen
        .and_then(|listen| used.add(&listen, &here.key("listen"), mistakes));
    let tls = raw.tls.map(|tls| read_tls(tls, &here.key("tls"), context, mistakes));
    let mut trusted_proxies = Vec::new();
    for (index, text) in raw.trusted_proxies.iter().enumerate() {
        let here = here.key("trusted_proxies").index(index);
        trusted_proxies.extend(mistakes.ok_or_record(addresses::network(text, &here)));
    }
    for (index, name) in raw.trailers.iter().enumerate() {
        if inbound::is_no_trailer(name) {
            let expected = "a name like \"x-checksum\" or \"x-*\" that may be a request's trailer";
            mistakes.push(Mistake::invalid(here.key("trailers").index(index), expected).hint(
                "what frames, routes or authenticates a message, or says who the client is, belongs in its headers",
            ));
        }
    }
    check_limits(&raw.limits, &here.key("limits"), mistakes);
    Some(Listener {
        name: name.into(),
        listen: listen?,
        protocol: ListenerProtocol::Http,
        tls,
        trusted_proxies,
        escaped_slashes: raw.escaped_slashes,
        ambiguous_names: raw.ambiguous_names,
        unsafe_characters: raw.unsafe_characters,
        trailers: TrailerNames::new(raw.trailers),
        limits: raw.limits,
    })
}

/// The listener with its protocol, and with the protocol's default limits.
fn with_protocol(mut listener: Listener, protocol: ListenerProtocol, node: &Node) -> Listener {
    let has_idle_timeout = node
        .member("limits")
        .is_some_and(|limits| limits.member("idle_timeout").is_some());
    if matches!(protocol, ListenerProtocol::Tcp(_)) && !has_idle_timeout {
        listener.limits.idle_timeout = DEFAULT_TCP_IDLE_TIMEOUT;
    }
    listener.protocol = protocol;
    listener
}

/// Upstream and chain of a TCP listener. Reports keys that are for HTTP only.
fn tcp(
    name: &str,
    node: &Node,
    raw: &raw::Listener,
    here: &Pointer,
    references: &mut References<'_, '_>,
    mistakes: &mut Mistakes,
) -> Option<Forwarding> {
    refuse(
        node,
        here,
        &[
            "trusted_proxies",
            "escaped_slashes",
            "ambiguous_names",
            "unsafe_characters",
            "trailers",
        ],
        only_http,
        mistakes,
    );
    if let Some(limits) = node.member("limits") {
        let only_requests = [
            "header_bytes",
            "headers",
            "header_timeout",
            "body",
            "body_timeout",
            "write_timeout",
        ];
        refuse(limits, &here.key("limits"), &only_requests, only_http, mistakes);
    }
    let chain = node.member("chain").filter(|chain| chain.value != Value::Null);
    let owner = format!("listeners.{name}");
    let chain = chain.map(|chain| {
        references
            .chains
            .resolve(chain, &here.key("chain"), &owner, references.plugins, mistakes)
    });
    let Some(upstream) = &raw.upstream else {
        if !mistakes.within(&here.key("upstream")) {
            mistakes.push(
                Mistake::missing_key(here.clone(), "upstream").expected("the name of the upstream to connect to"),
            );
        }
        return None;
    };
    let upstream = mistakes.ok_or_record(references.upstreams.find(upstream, &here.key("upstream")))?;
    Some(Forwarding {
        upstream,
        chain: chain.unwrap_or_default(),
    })
}

/// Reports keys that have no meaning here; `why` gives message and hint.
fn refuse(node: &Node, here: &Pointer, keys: &[&str], why: fn(&str) -> (String, String), mistakes: &mut Mistakes) {
    for key in keys {
        if node.members().iter().any(|member| member.name == *key) {
            let (message, hint) = why(key);
            mistakes.push(Mistake::new(here.key(key), message).hint(hint).at_key());
        }
    }
}

fn only_tcp(key: &str) -> (String, String) {
    (
        format!("\"{key}\" is only for listeners with protocol \"tcp\""),
        format!("for HTTP, set \"{key}\" in a route"),
    )
}

fn only_http(key: &str) -> (String, String) {
    (
        format!("\"{key}\" is only for HTTP, and this listener's protocol is \"tcp\""),
        "remove it".to_owned(),
    )
}

fn only_with_ca(key: &str) -> (String, String) {
    (
        format!("\"{key}\" has no effect without \"client_ca\""),
        "\"client_ca\" names the PEM file of the authorities whose certificates are accepted".to_owned(),
    )
}

fn check_limits(limits: &ListenerLimits, here: &Pointer, mistakes: &mut Mistakes) {
    entry::positive(limits.header_timeout, &here.key("header_timeout"), mistakes);
    entry::positive(limits.body_timeout, &here.key("body_timeout"), mistakes);
    entry::positive(limits.write_timeout, &here.key("write_timeout"), mistakes);
    entry::positive(limits.idle_timeout, &here.key("idle_timeout"), mistakes);
    entry::between(
        limits.header_bytes,
        Size::kib(1),
        Size::mib(16),
        &here.key("header_bytes"),
        mistakes,
    );
}

fn read_tls(raw: raw::Tls, here: &Pointer, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> ServerTlsSettings {
    let mut file = |path: Option<String>, here: Pointer| pem(&path?, here, context, mistakes);
    let ca = file(raw.client_ca, here.key("client_ca"));
    let here = here.key("certificates");
    let mut certificates = Vec::new();
    for (index, raw) in raw.certificates.unwrap_or_default().into_iter().enumerate() {
        let here = here.index(index);
        let (cert, key) = (file(raw.cert, here.key("cert")), file(raw.key, here.key("key")));
        certificates.extend(cert.zip(key).map(|(cert, key)| CertificateFiles { cert, key }));
    }
    let requirement = raw.client_certificates;
    let clients = ca.map(|ca| ClientAuthority {
        ca,
        certificates: requirement,
    });
    ServerTlsSettings { certificates, clients }
}
