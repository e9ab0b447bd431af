//! Listeners and the admin listener: addresses of their own, certificates that can be read, and for bytes that are passed on
//! an upstream and a chain that exist.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;

use lockgate_http::settings::ListenerLimits;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Value};
use lockgate_tls::settings::{CertificateFiles, ClientAuthority, TlsSettings};
use lockgate_units::Size;

use super::chains::Chains;
use super::plugins::Plugins;
use super::upstreams::Upstreams;
use super::{addresses, entry};
use crate::model::{Admin, Forwarding, Listener, Protocol};
use crate::raw;
use crate::settings::DEFAULT_TCP_IDLE_TIMEOUT;
use crate::substitute::Surroundings;

/// What a listener may refer to.
pub(super) struct Targets<'a, 'b> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) chains: &'a Chains,
    pub(super) plugins: &'a mut Plugins<'b>,
}

/// Whether some listener takes requests, as far as can be seen; else there is nothing to be routed.
pub(super) fn serve_http(root: &Node) -> bool {
    let listeners = root.members().iter().filter(|member| member.name == "listeners");
    let mut all = listeners.flat_map(|member| member.node.members()).peekable();
    let none = all.peek().is_none();
    let is_http = |node: &Node| node.member("protocol").and_then(Node::text) != Some("tcp");
    none || all.any(|listener| is_http(&listener.node))
}

/// The admin listener, and the others in the order of the file.
pub(super) fn read(
    root: &Node,
    surroundings: &Surroundings<'_>,
    targets: &mut Targets<'_, '_>,
    problems: &mut Problems,
) -> (Option<Admin>, Vec<Listener>) {
    let mut taken = Taken::default();
    let top = Pointer::root();
    let admin = entry::part::<raw::Admin>(root, &top, "admin", problems);
    let admin = admin.and_then(|admin| read_admin(admin, &top.key("admin"), &mut taken, problems));
    let mut listeners = Vec::new();
    for (name, node, here) in entry::section(root, "listeners", problems) {
        let Some(raw) = entry::read::<raw::Listener>(node, &here, problems) else {
            continue;
        };
        let protocol = match raw.protocol {
            raw::Protocol::Http => {
                refuse(node, &here, &["upstream", "chain"], only_tcp, problems);
                Some(Protocol::Http)
            }
            raw::Protocol::Tcp => tcp(name, node, &raw, &here, targets, problems).map(Protocol::Tcp),
        };
        let asks_nobody = |tls: &&Node| tls.member("client_ca").is_none_or(|ca| ca.value == Value::Null);
        if let Some(tls) = node.member("tls").filter(asks_nobody) {
            refuse(tls, &here.key("tls"), &["client_certificates"], only_with_ca, problems);
        }
        let read = listener(name, raw, &here, surroundings, &mut taken, problems);
        listeners.extend(
            read.zip(protocol)
                .map(|(read, protocol)| speaking(read, protocol, node)),
        );
    }
    (admin, listeners)
}

/// Which sockets are spoken for, and by whom.
#[derive(Default)]
struct Taken(Vec<(SocketAddr, Pointer)>);

impl Taken {
    fn take(&mut self, text: &str, here: &Pointer, problems: &mut Problems) -> Option<SocketAddr> {
        let address = problems.keep(addresses::listen(text, here))?;
        if let Some((_, owner)) = self.0.iter().find(|(other, _)| addresses::collide(*other, address)) {
            problems.push(
                Problem::unfit(here.clone(), "an address that no other listener uses")
                    .hint(format!("it overlaps with {owner}")),
            );
        }
        self.0.push((address, here.clone()));
        Some(address)
    }
}

fn read_admin(raw: raw::Admin, here: &Pointer, taken: &mut Taken, problems: &mut Problems) -> Option<Admin> {
    let listen = taken.take(&raw.listen?, &here.key("listen"), problems);
    if raw.token.as_ref().is_some_and(|token| token.trim().is_empty()) {
        problems.push(
            Problem::told(here.key("token"), "the token is empty")
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
    surroundings: &Surroundings<'_>,
    taken: &mut Taken,
    problems: &mut Problems,
) -> Option<Listener> {
    let listen = raw
        .listen
        .and_then(|listen| taken.take(&listen, &here.key("listen"), problems));
    let tls = raw
        .tls
        .map(|tls| read_tls(tls, &here.key("tls"), surroundings, problems));
    let mut trusted_proxies = Vec::new();
    for (index, text) in raw.trusted_proxies.iter().enumerate() {
        let here = here.key("trusted_proxies").index(index);
        trusted_proxies.extend(problems.keep(addresses::network(text, &here)));
    }
    check_limits(&raw.limits, &here.key("limits"), problems);
    Some(Listener {
        name: name.into(),
        listen: listen?,
        protocol: Protocol::Http,
        tls,
        trusted_proxies,
        escaped_slashes: raw.escaped_slashes,
        limits: raw.limits,
    })
}

/// The listener as its protocol makes it.
fn speaking(mut listener: Listener, protocol: Protocol, node: &Node) -> Listener {
    let says_idle = node
        .member("limits")
        .is_some_and(|limits| limits.member("idle_timeout").is_some());
    if matches!(protocol, Protocol::Tcp(_)) && !says_idle {
        listener.limits.idle_timeout = DEFAULT_TCP_IDLE_TIMEOUT;
    }
    listener.protocol = protocol;
    listener
}

/// What only a listener for bytes has, and what such a listener must not have.
fn tcp(
    name: &str,
    node: &Node,
    raw: &raw::Listener,
    here: &Pointer,
    targets: &mut Targets<'_, '_>,
    problems: &mut Problems,
) -> Option<Forwarding> {
    refuse(node, here, &["trusted_proxies", "escaped_slashes"], only_http, problems);
    if let Some(limits) = node.member("limits") {
        let only_requests = ["header_bytes", "headers", "header_timeout", "body"];
        refuse(limits, &here.key("limits"), &only_requests, only_http, problems);
    }
    let chain = node.member("chain").filter(|chain| chain.value != Value::Null);
    let owner = format!("listeners.{name}");
    let chain = chain.map(|chain| {
        targets
            .chains
            .resolve(chain, &here.key("chain"), &owner, targets.plugins, problems)
    });
    let Some(upstream) = &raw.upstream else {
        if !problems.within(&here.key("upstream")) {
            problems.push(
                Problem::told(here.clone(), "the key \"upstream\" is missing")
                    .expected("the name of the upstream to connect to")
                    .around(),
            );
        }
        return None;
    };
    let upstream = problems.keep(targets.upstreams.find(upstream, &here.key("upstream")))?;
    Some(Forwarding {
        upstream,
        chain: chain.unwrap_or_default(),
    })
}

/// Tells keys that mean nothing with this listener's protocol.
fn refuse(node: &Node, here: &Pointer, keys: &[&str], why: fn(&str) -> (String, String), problems: &mut Problems) {
    for key in keys {
        if node.members().iter().any(|member| member.name == *key) {
            let (told, hint) = why(key);
            problems.push(Problem::told(here.key(key), told).hint(hint).at_name());
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

fn check_limits(limits: &ListenerLimits, here: &Pointer, problems: &mut Problems) {
    entry::positive(limits.header_timeout, &here.key("header_timeout"), problems);
    entry::positive(limits.idle_timeout, &here.key("idle_timeout"), problems);
    entry::between(
        limits.header_bytes,
        Size::kib(1),
        Size::mib(16),
        &here.key("header_bytes"),
        problems,
    );
}

fn read_tls(raw: raw::Tls, here: &Pointer, surroundings: &Surroundings<'_>, problems: &mut Problems) -> TlsSettings {
    let mut file = |path: Option<String>, here: Pointer| pem(&path?, here, surroundings, problems);
    let ca = file(raw.client_ca, here.key("client_ca"));
    let here = here.key("certificates");
    let mut certificates = Vec::new();
    for (index, raw) in raw.certificates.unwrap_or_default().into_iter().enumerate() {
        let here = here.index(index);
        let (cert, key) = (file(raw.cert, here.key("cert")), file(raw.key, here.key("key")));
        certificates.extend(cert.zip(key).map(|(cert, key)| CertificateFiles { cert, key }));
    }
    let wanted = raw.client_certificates;
    let clients = ca.map(|ca| ClientAuthority {
        ca,
        certificates: wanted,
    });
    TlsSettings { certificates, clients }
}

/// A file that is there and can be opened; what is in it is read when it is used.
fn pem(path: &str, here: Pointer, surroundings: &Surroundings<'_>, problems: &mut Problems) -> Option<PathBuf> {
    let path = surroundings.path(path);
    let opened = File::open(&path).and_then(|file| file.metadata());
    let reason = match opened {
        Ok(found) if found.is_file() => return Some(path),
        Ok(_) => "not a file".to_owned(),
        Err(error) => error.to_string(),
    };
    let told = Problem::unfit(here, format!("a readable PEM file: {reason}"));
    problems.push(told.hint("relative paths start at the folder of the configuration file"));
    None
}
