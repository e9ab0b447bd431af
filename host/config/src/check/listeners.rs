//! Listeners and the admin listener: addresses of their own, certificates that can be read.

use std::fs::File;
use std::net::SocketAddr;

use lockgate_units::Size;

use super::{addresses, entry};
use crate::model::{Admin, CertificateFiles, Listener, TlsSettings};
use crate::pointer::Pointer;
use crate::problem::{Problem, Problems};
use crate::raw;
use crate::settings::ListenerLimits;
use crate::substitute::Surroundings;
use crate::tree::Node;

/// The admin listener, and the others in the order of the file.
pub(super) fn read(
    root: &Node,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> (Option<Admin>, Vec<Listener>) {
    let mut taken = Taken::default();
    let top = Pointer::root();
    let admin = entry::part::<raw::Admin>(root, &top, "admin", problems);
    let admin = admin.and_then(|admin| read_admin(admin, &top.key("admin"), &mut taken, problems));
    let mut listeners = Vec::new();
    for (name, node, here) in entry::section(root, "listeners", problems) {
        if let Some(raw) = entry::read(node, &here, problems) {
            listeners.extend(listener(name, raw, &here, surroundings, &mut taken, problems));
        }
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
                Problem::unfit(here.clone(), "an address of its own")
                    .hint(format!("{owner} takes it already, wholly or in part")),
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
                .hint("without the key \"token\", the API answers on loopback only"),
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
    match raw.protocol {
        raw::Protocol::Tcp => problems.push(
            Problem::told(
                here.key("protocol"),
                "\"tcp\" is part of the format, but this version does not offer it yet",
            )
            .expected("\"http\"")
            .hint(format!(
                "take the listener \"{name}\" out and let another proxy pass these bytes on for now"
            )),
        ),
        raw::Protocol::Http => {
            let strays = [("upstream", raw.upstream.is_some()), ("chain", raw.chain.is_some())];
            for (key, _) in strays.iter().filter(|(_, is_there)| *is_there) {
                problems.push(
                    Problem::told(
                        here.key(key),
                        format!("\"{key}\" on a listener is only for protocol \"tcp\""),
                    )
                    .hint(format!("with HTTP, routes say the {key}"))
                    .at_name(),
                );
            }
        }
    }
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
        tls,
        trusted_proxies,
        escaped_slashes: raw.escaped_slashes,
        limits: raw.limits,
    })
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
    let here = here.key("certificates");
    let mut certificates = Vec::new();
    for (index, raw) in raw.certificates.unwrap_or_default().into_iter().enumerate() {
        let here = here.index(index);
        let mut file = |path: Option<String>, key: &str| {
            let path = surroundings.path(&path?);
            let opened = File::open(&path).and_then(|file| file.metadata());
            let reason = match opened {
                Ok(found) if found.is_file() => return Some(path),
                Ok(_) => "not a file".to_owned(),
                Err(error) => error.to_string(),
            };
            let told = Problem::unfit(here.key(key), format!("a PEM file that can be read: {reason}"));
            problems.push(told.hint("relative paths start at the folder of the configuration file"));
            None
        };
        let (cert, key) = (file(raw.cert, "cert"), file(raw.key, "key"));
        certificates.extend(cert.zip(key).map(|(cert, key)| CertificateFiles { cert, key }));
    }
    TlsSettings { certificates }
}
