//! Upstreams: names, and the settings of host/upstream.

use lockgate_client::TlsSettings;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use lockgate_units::Size;
use lockgate_upstream::{EndpointSettings, UpstreamSettings};

use super::pem::pem;
use super::{discovery, entry, health_check, upstream_policies};
use crate::model::{NamedUpstream, UpstreamIndex};
use crate::substitute::LoadContext;

/// All upstreams. Indices are valid only if there is no mistake.
pub(super) struct Upstreams {
    /// Valid ones, in the order of the file.
    pub(super) models: Vec<NamedUpstream>,
    /// Names of all, invalid ones included: a reference to a faulty upstream is no second mistake.
    pub(super) names: Vec<String>,
    /// Aliases, each with the name of its upstream.
    aliases: Vec<(String, String)>,
}

impl Upstreams {
    /// Notes the aliases of the upstream called `name`. They are written into log lines, so they are visible characters.
    fn add_aliases(&mut self, name: &str, aliases: &[String], here: &Pointer, mistakes: &mut Mistakes) {
        /// Maximum bytes of an alias.
        const MAX_ALIAS: usize = 256;
        for (index, alias) in aliases.iter().enumerate() {
            let here = here.index(index);
            let is_visible = alias.bytes().all(|byte| byte.is_ascii_graphic());
            if alias.is_empty() || alias.len() > MAX_ALIAS || !is_visible {
                mistakes.push(Mistake::invalid(here, "1 to 256 visible ASCII characters"));
            } else if let Some((_, other)) = self.aliases.iter().find(|(known, _)| known == alias) {
                let mistake = Mistake::new(here, format!("\"{alias}\" is an alias of upstream \"{other}\" already"));
                mistakes.push(mistake.expected("a name that no other upstream has"));
            } else {
                self.aliases.push((alias.clone(), name.to_owned()));
            }
        }
    }

    /// Whether plugins can call an upstream by `name`.
    ///
    /// # Errors
    /// They cannot; the mistake is at `here`.
    pub(super) fn check_name(&self, name: &str, here: &Pointer) -> Result<(), Mistake> {
        if self.aliases.iter().any(|(alias, _)| alias == name) {
            return Ok(());
        }
        self.find(name, here).map(drop)
    }

    /// The upstream called `name`, which is written at `here`.
    pub(super) fn find(&self, name: &str, here: &Pointer) -> Result<UpstreamIndex, Mistake> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(UpstreamIndex(index)),
            None => Err(Mistake::unknown_name(
                here.clone(),
                "an upstream",
                name,
                self.names.iter().map(String::as_str),
            )),
        }
    }
}

/// Reads the section `upstreams`.
pub(super) fn read(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Upstreams {
    let mut upstreams = Upstreams {
        models: Vec::new(),
        names: Vec::new(),
        aliases: Vec::new(),
    };
    for (name, node, here) in entry::section(root, "upstreams", mistakes) {
        upstreams.names.push(name.to_owned());
        endpoints(node, &here.key("endpoints"), mistakes);
        if let Some(mut settings) = entry::read::<UpstreamSettings>(node, &here, mistakes) {
            upstream_policies::check(&settings, &here, mistakes);
            entry::positive(settings.idle_timeout, &here.key("idle_timeout"), mistakes);
            let limit = here.key("limits").key("header_bytes");
            entry::between(
                settings.limits.header_bytes,
                Size::kib(1),
                Size::mib(16),
                &limit,
                mistakes,
            );
            if let Some(check) = &settings.health_check {
                health_check::check(check, &here.key("health_check"), mistakes);
            }
            match &mut settings.discovery {
                Some(settings) => discovery::check(settings, &here.key("discovery"), context, mistakes),
                // A faulty one is there, too.
                None if !node
                    .members()
                    .iter()
                    .any(|member| matches!(&*member.name, "endpoints" | "discovery")) =>
                {
                    let mistake = Mistake::missing_key(here.clone(), "endpoints");
                    mistakes.push(
                        mistake.expected("a list of endpoints, or \"discovery\", which says where they come from"),
                    );
                }
                None => {}
            }
            let listed = &settings.endpoints;
            if !listed.is_empty() && listed.iter().all(|endpoint| endpoint.weight.value() == 0) {
                let mistake = Mistake::new(here.key("endpoints"), "every endpoint has weight 0");
                mistakes.push(mistake.expected("at least one weight above 0"));
            }
            if let Some(tls) = &mut settings.tls {
                check_tls(tls, &here.key("tls"), context, mistakes);
            }
            upstreams.add_aliases(name, &settings.aliases, &here.key("aliases"), mistakes);
            upstreams.models.push(NamedUpstream {
                name: name.into(),
                settings,
            });
        }
    }
    upstream_policies::fallbacks(&upstreams, mistakes);
    for (alias, owner) in &upstreams.aliases {
        if upstreams.names.contains(alias) {
            let here = Pointer::root().key("upstreams").key(owner).key("aliases");
            let mistake = Mistake::new(here, format!("\"{alias}\" is the name of an upstream"));
            mistakes.push(mistake.expected("a name that no other upstream has"));
        }
    }
    upstreams
}

/// Makes the paths of files absolute, and checks them and the server name.
fn check_tls(tls: &mut TlsSettings, here: &Pointer, context: &LoadContext<'_>, mistakes: &mut Mistakes) {
    for (name, file) in [("ca", &mut tls.ca), ("cert", &mut tls.cert), ("key", &mut tls.key)] {
        if let Some(path) = file.take() {
            *file = pem(&path.to_string_lossy(), here.key(name), context, mistakes);
            // One that cannot be read is no missing one.
            file.get_or_insert(path);
        }
    }
    for (name, given, other, missing) in [
        ("cert", &tls.cert, "key", &tls.key),
        ("key", &tls.key, "cert", &tls.cert),
    ] {
        if given.is_some() && missing.is_none() {
            let mistake = Mistake::missing_key(here.clone(), other);
            mistakes.push(mistake.expected(format!("the PEM file that belongs to \"{name}\"")));
        }
    }
    if tls.parsed_server_name().is_err() {
        mistakes.push(Mistake::invalid(
            here.key("server_name"),
            "a host name such as \"orders.internal\", or an IP address, without a port",
        ));
    }
}

/// Reports every invalid endpoint. Reading the list as a whole would report only the first.
fn endpoints(upstream: &Node, here: &Pointer, mistakes: &mut Mistakes) {
    // Items of a faulty list, too.
    let list = upstream.members().iter().find(|member| member.name == "endpoints");
    let items = list.map(|member| member.node.items()).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        // `read` reports the mistake; the endpoint itself is read again with the upstream.
        let _endpoint = entry::read::<EndpointSettings>(item, &here.index(index), mistakes);
    }
}
