//! Plugins, named and inline: names, digests, references to upstreams, configuration as text.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::HeaderName;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};
use lockgate_sandbox::settings::{Capabilities, Limits, NodeSettings, PluginSettings};
use lockgate_units::Size;

use super::entry;
use super::signatures::Signatures;
use super::upstreams::Upstreams;
use crate::model::{PluginIndex, PluginModel};
use crate::raw;

/// All plugins so far.
pub(super) struct Plugins<'a> {
    signatures: &'a Signatures,
    upstreams: &'a Upstreams,
    node: Arc<NodeSettings>,
    /// Named ones first. Complete only if there is no mistake.
    pub(super) models: Vec<PluginModel>,
    /// The keys of `plugins`. No index: the plugin could not be read.
    named: Vec<(String, Option<PluginIndex>)>,
    /// The names of inline plugins, each with the pointer of the first of that name.
    inline: HashMap<String, String>,
}

impl<'a> Plugins<'a> {
    /// Reads the section `plugins`.
    pub(super) fn named(
        root: &Node,
        upstreams: &'a Upstreams,
        signatures: &'a Signatures,
        mistakes: &mut Mistakes,
    ) -> Plugins<'a> {
        let mut plugins = Plugins {
            upstreams,
            node: Arc::new(entry::part(root, &Pointer::root(), "node", mistakes).unwrap_or_default()),
            signatures,
            models: Vec::new(),
            named: Vec::new(),
            inline: HashMap::new(),
        };
        for (name, node, here) in entry::section(root, "plugins", mistakes) {
            let index = plugins.add(node, &here, mistakes, |_| name.to_owned());
            plugins.named.push((name.to_owned(), index));
        }
        plugins
    }

    /// Reads the inline plugin at `here`, in the chain of `owner`. `modules` counts the inline plugins of that chain by module.
    pub(super) fn inline(
        &mut self,
        node: &Node,
        here: &Pointer,
        owner: &str,
        modules: &mut HashMap<String, usize>,
        mistakes: &mut Mistakes,
    ) -> Option<PluginIndex> {
        // Not its index: a plugin keeps its name, and with it its VMs, when another one is inserted above.
        let plugin = self.add(node, here, mistakes, |module| {
            let count = modules.entry(module.to_owned()).or_default();
            *count += 1;
            format!("{owner}/{}:{module}", *count - 1)
        })?;
        let name = self.models[plugin.0].name.clone();
        if let Some(other) = self.inline.insert(name, here.to_string()) {
            let mistake = Mistake::new(
                here.clone(),
                format!("this inline plugin would have the same name as {other}"),
            );
            let mistake = mistake.expected("a unique name");
            mistakes.push(mistake.hint("inline plugins are named after their route: rename the route"));
        }
        Some(plugin)
    }

    /// The plugin called `name`, which is written at `here`. No index: that plugin could not be read.
    pub(super) fn find(&self, name: &str, here: &Pointer) -> Result<Option<PluginIndex>, Mistake> {
        match self.named.iter().find(|(known, _)| known == name) {
            Some((_, index)) => Ok(*index),
            None => Err(Mistake::unknown_name(
                here.clone(),
                "a plugin",
                name,
                self.named.iter().map(|(known, _)| &**known),
            )),
        }
    }

    /// Whether there is a named plugin called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.iter().any(|(known, _)| known == name)
    }

    fn add(
        &mut self,
        node: &Node,
        here: &Pointer,
        mistakes: &mut Mistakes,
        name: impl FnOnce(&str) -> String,
    ) -> Option<PluginIndex> {
        let raw: raw::Plugin = entry::read(node, here, mistakes)?;
        if let Some(module) = &raw.module {
            mistakes.ok_or_record(check_module(module, &here.key("module")));
        }
        check_env(&raw.env, &here.key("env"), mistakes);
        check_limits(&raw.limits, &here.key("limits"), mistakes);
        self.check_capabilities(&raw.capabilities, &here.key("capabilities"), mistakes);
        let sha256 = raw
            .sha256
            .and_then(|digest| mistakes.ok_or_record(digest_of(&digest, &here.key("sha256"))));
        let signers = self
            .signatures
            .of(raw.signed_by.as_deref(), &here.key("signed_by"), mistakes);
        let module = raw.module?;
        let name = name(&module);
        self.models.push(PluginModel {
            module,
            sha256,
            signers,
            settings: PluginSettings {
                config: configuration(node.member("config")),
                root_id: raw.root_id,
                vm_id: raw.vm_id.unwrap_or_else(|| name.clone()),
                vm_config: configuration(node.member("vm_config")),
                env: raw.env.into_iter().collect(),
                limits: raw.limits,
                on_error: raw.on_error,
                isolation: raw.isolation,
                capabilities: raw.capabilities,
                node: self.node.clone(),
            },
            pointer: here.to_string(),
            name,
        });
        Some(PluginIndex(self.models.len() - 1))
    }

    fn check_capabilities(&self, capabilities: &Capabilities, here: &Pointer, mistakes: &mut Mistakes) {
        for (index, name) in capabilities.upstreams.iter().flatten().enumerate() {
            mistakes.ok_or_record(self.upstreams.check_name(name, &here.key("upstreams").index(index)));
        }
        for (index, name) in capabilities.host_calls.iter().flatten().enumerate() {
            if let Err(nearest) = Capabilities::check_host_call(name) {
                let mistake = Mistake::invalid(here.key("host_calls").index(index), "the name of a host call");
                mistakes.push(match nearest {
                    Some(nearest) => mistake.hint(format!("did you mean \"{nearest}\"?")),
                    None => mistake,
                });
            }
        }
        for (key, list) in [
            ("headers", &capabilities.headers),
            ("write_headers", &capabilities.write_headers),
        ] {
            check_headers(list.as_deref().unwrap_or_default(), &here.key(key), mistakes);
        }
        for (key, list) in [
            ("write_properties", &capabilities.write_properties),
            ("foreign_functions", &capabilities.foreign_functions),
        ] {
            for (index, name) in list.iter().flatten().enumerate() {
                let bare = name.strip_suffix('*').unwrap_or(name);
                if name.is_empty() || bare.contains('*') || bare.contains(char::is_whitespace) {
                    let here = here.key(key).index(index);
                    mistakes.push(Mistake::invalid(here, "a dotted name, or a prefix followed by \"*\""));
                }
            }
        }
    }
}

fn check_headers(names: &[String], here: &Pointer, mistakes: &mut Mistakes) {
    for (index, name) in names.iter().enumerate() {
        let bare = name.strip_suffix('*').unwrap_or(name);
        let bare = bare.strip_prefix(':').unwrap_or(bare);
        let fits = HeaderName::from_bytes(bare.as_bytes()).is_ok() || (bare.is_empty() && name.ends_with('*'));
        if !fits || bare.bytes().any(|b| b.is_ascii_uppercase()) {
            let here = here.index(index);
            let mistake = Mistake::invalid(here, "a header name in lower case, or a prefix followed by \"*\"");
            mistakes.push(match fits {
                true => mistake.hint(format!("write \"{}\"", name.to_ascii_lowercase())),
                false => mistake,
            });
        }
    }
}

/// The configuration as a plugin gets it: the text of a string, another value as JSON text. Absent or null: empty.
fn configuration(node: Option<&Node>) -> Vec<u8> {
    match node.map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => Vec::new(),
        Some((_, Value::String(text))) => text.value.clone().into_bytes(),
        Some((node, _)) => node.to_json().into_bytes(),
    }
}

/// Checks the stem of a file name: it must not lead out of the folder, and must not be hidden.
fn check_module(module: &str, here: &Pointer) -> Result<(), Mistake> {
    let mistake = || {
        Mistake::invalid(
            here.clone(),
            "the name of a module: a file name in \"plugin_dir\" without \".wasm\"",
        )
    };
    if let Some(stem) = module.strip_suffix(".wasm") {
        let stem = stem.rsplit('/').next().unwrap_or(stem);
        return Err(mistake().hint(format!("write \"{stem}\"")));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !module.bytes().all(fits) || module.starts_with('.') || module.len() > 128 {
        return Err(mistake().hint("1 to 128 letters, digits, \"-\", \"_\" and \".\", no \".\" first"));
    }
    Ok(())
}

fn check_env(env: &BTreeMap<String, String>, here: &Pointer, mistakes: &mut Mistakes) {
    for (name, value) in env {
        let here = here.key(name);
        if name.is_empty() || name.contains(['=', '\0']) {
            mistakes.push(Mistake::new(here, "found an invalid environment variable name").at_key());
        } else if value.contains('\0') {
            mistakes.push(Mistake::new(here, "the value contains a NUL byte").expected("a text without one"));
        }
    }
}

fn check_limits(limits: &Limits, here: &Pointer, mistakes: &mut Mistakes) {
    entry::positive(limits.deadline, &here.key("deadline"), mistakes);
    entry::positive(limits.request_deadline, &here.key("request_deadline"), mistakes);
    entry::positive(limits.tick, &here.key("tick"), mistakes);
    entry::positive(limits.start_deadline, &here.key("start_deadline"), mistakes);
    // From one page of WebAssembly memory to all that 32-bit addresses reach.
    entry::between(
        limits.memory,
        Size::kib(64),
        Size::mib(4096),
        &here.key("memory"),
        mistakes,
    );
    if let Some(soft) = limits.soft_memory {
        entry::between(soft, Size::kib(64), limits.memory, &here.key("soft_memory"), mistakes);
    }
}

fn digest_of(text: &str, here: &Pointer) -> Result<String, Mistake> {
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err(Mistake::invalid(here.clone(), "a SHA-256 digest of 64 hex digits")
                .hint("sha256sum NAME.wasm prints it"))
        }
    }
}
