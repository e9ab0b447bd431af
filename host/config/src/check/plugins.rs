//! Plugins, named and inline: shapes of names and digests, references to upstreams, configuration as text.

use std::collections::{BTreeMap, HashMap};

use http::HeaderName;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Value};
use lockgate_sandbox::settings::{Capabilities, Limits};
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
    /// Named ones first. Only complete if no problem was found.
    pub(super) models: Vec<PluginModel>,
    /// The keys of `plugins`; none for one that could not be read.
    named: Vec<(String, Option<PluginIndex>)>,
    /// The names of inline plugins, with the pointer of the first that is called so.
    inline: HashMap<String, String>,
}

impl<'a> Plugins<'a> {
    /// Reads the section `plugins`.
    pub(super) fn named(
        root: &Node,
        upstreams: &'a Upstreams,
        signatures: &'a Signatures,
        problems: &mut Problems,
    ) -> Plugins<'a> {
        let mut plugins = Plugins {
            upstreams,
            signatures,
            models: Vec::new(),
            named: Vec::new(),
            inline: HashMap::new(),
        };
        for (name, node, here) in entry::section(root, "plugins", problems) {
            let index = plugins.add(node, &here, problems, |_| name.to_owned());
            plugins.named.push((name.to_owned(), index));
        }
        plugins
    }

    /// A plugin that stands only at `here`, the item `index` of the chain that `owner` names.
    pub(super) fn inline(
        &mut self,
        node: &Node,
        here: &Pointer,
        owner: &str,
        index: usize,
        problems: &mut Problems,
    ) -> Option<PluginIndex> {
        let plugin = self.add(node, here, problems, |module| format!("{owner}/{index}:{module}"))?;
        let name = self.models[plugin.0].name.clone();
        if let Some(other) = self.inline.insert(name, here.to_string()) {
            let told = Problem::told(
                here.clone(),
                format!("this inline plugin would have the same name as {other}"),
            );
            let told = told.expected("a unique name");
            problems.push(told.hint("inline plugins are named after their route: rename the route"));
        }
        Some(plugin)
    }

    /// The plugin that `name`, written at `here`, means; none if that one could not be read.
    pub(super) fn find(&self, name: &str, here: &Pointer) -> Result<Option<PluginIndex>, Problem> {
        match self.named.iter().find(|(known, _)| known == name) {
            Some((_, index)) => Ok(*index),
            None => Err(Problem::unknown_name(
                here.clone(),
                "a plugin",
                name,
                self.named.iter().map(|(known, _)| &**known),
            )),
        }
    }

    /// Whether a named plugin is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.iter().any(|(known, _)| known == name)
    }

    fn add(
        &mut self,
        node: &Node,
        here: &Pointer,
        problems: &mut Problems,
        name: impl FnOnce(&str) -> String,
    ) -> Option<PluginIndex> {
        let raw: raw::Plugin = entry::read(node, here, problems)?;
        if let Some(module) = &raw.module {
            problems.keep(check_module(module, &here.key("module")));
        }
        check_env(&raw.env, &here.key("env"), problems);
        check_limits(&raw.limits, &here.key("limits"), problems);
        self.check_capabilities(&raw.capabilities, &here.key("capabilities"), problems);
        let sha256 = raw
            .sha256
            .and_then(|digest| problems.keep(digest_of(&digest, &here.key("sha256"))));
        let signers = self
            .signatures
            .of(raw.signed_by.as_deref(), &here.key("signed_by"), problems);
        let module = raw.module?;
        self.models.push(PluginModel {
            name: name(&module),
            module,
            config: configuration(node.member("config")),
            root_id: raw.root_id,
            vm_id: raw.vm_id,
            vm_config: configuration(node.member("vm_config")),
            env: raw.env.into_iter().collect(),
            sha256,
            signers,
            on_error: raw.on_error,
            isolation: raw.isolation,
            limits: raw.limits,
            capabilities: raw.capabilities,
            pointer: here.to_string(),
        });
        Some(PluginIndex(self.models.len() - 1))
    }

    fn check_capabilities(&self, capabilities: &Capabilities, here: &Pointer, problems: &mut Problems) {
        for (index, name) in capabilities.upstreams.iter().flatten().enumerate() {
            problems.keep(self.upstreams.find(name, &here.key("upstreams").index(index)));
        }
        for (index, name) in capabilities.host_calls.iter().flatten().enumerate() {
            if let Err(nearest) = Capabilities::check_host_call(name) {
                let unfit = Problem::unfit(here.key("host_calls").index(index), "the name of a host call");
                problems.push(match nearest {
                    Some(nearest) => unfit.hint(format!("did you mean \"{nearest}\"?")),
                    None => unfit,
                });
            }
        }
        for (key, list) in [
            ("headers", &capabilities.headers),
            ("write_headers", &capabilities.write_headers),
        ] {
            check_headers(list.as_deref().unwrap_or_default(), &here.key(key), problems);
        }
        for (key, list) in [
            ("write_properties", &capabilities.write_properties),
            ("foreign_functions", &capabilities.foreign_functions),
        ] {
            for (index, name) in list.iter().flatten().enumerate() {
                let bare = name.strip_suffix('*').unwrap_or(name);
                if name.is_empty() || bare.contains('*') || bare.contains(char::is_whitespace) {
                    let here = here.key(key).index(index);
                    problems.push(Problem::unfit(here, "a dotted name, or a prefix followed by \"*\""));
                }
            }
        }
    }
}

fn check_headers(names: &[String], here: &Pointer, problems: &mut Problems) {
    {
        for (index, name) in names.iter().enumerate() {
            let bare = name.strip_suffix('*').unwrap_or(name);
            let bare = bare.strip_prefix(':').unwrap_or(bare);
            let fits = HeaderName::from_bytes(bare.as_bytes()).is_ok() || (bare.is_empty() && name.ends_with('*'));
            if !fits || bare.bytes().any(|b| b.is_ascii_uppercase()) {
                let here = here.index(index);
                let told = Problem::unfit(here, "a header name in lower case, or a prefix followed by \"*\"");
                problems.push(match fits {
                    true => told.hint(format!("write \"{}\"", name.to_ascii_lowercase())),
                    false => told,
                });
            }
        }
    }
}

/// What a plugin gets for a configuration: a string's own text, anything else as JSON text, nothing for nothing.
fn configuration(node: Option<&Node>) -> Vec<u8> {
    match node.map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => Vec::new(),
        Some((_, Value::String(text))) => text.value.clone().into_bytes(),
        Some((node, _)) => node.to_json().into_bytes(),
    }
}

/// The stem of a file: nothing that could lead out of the folder or hide in it.
fn check_module(module: &str, here: &Pointer) -> Result<(), Problem> {
    let problem = || {
        Problem::unfit(
            here.clone(),
            "the name of a module: a file name in \"plugin_dir\" without \".wasm\"",
        )
    };
    if let Some(stem) = module.strip_suffix(".wasm") {
        let stem = stem.rsplit('/').next().unwrap_or(stem);
        return Err(problem().hint(format!("write \"{stem}\"")));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !module.bytes().all(fits) || module.starts_with('.') || module.len() > 128 {
        return Err(problem().hint("1 to 128 letters, digits, \"-\", \"_\" and \".\", no \".\" first"));
    }
    Ok(())
}

fn check_env(env: &BTreeMap<String, String>, here: &Pointer, problems: &mut Problems) {
    for (name, value) in env {
        let here = here.key(name);
        if name.is_empty() || name.contains(['=', '\0']) {
            problems.push(Problem::told(here, "found an invalid environment variable name").at_name());
        } else if value.contains('\0') {
            problems.push(Problem::told(here, "the value contains a NUL byte").expected("a text without one"));
        }
    }
}

fn check_limits(limits: &Limits, here: &Pointer, problems: &mut Problems) {
    entry::positive(limits.deadline, &here.key("deadline"), problems);
    entry::positive(limits.request_deadline, &here.key("request_deadline"), problems);
    entry::positive(limits.tick, &here.key("tick"), problems);
    entry::positive(limits.start_deadline, &here.key("start_deadline"), problems);
    // A page of WebAssembly memory, and all that 32-bit addresses reach.
    entry::between(
        limits.memory,
        Size::kib(64),
        Size::mib(4096),
        &here.key("memory"),
        problems,
    );
    if let Some(soft) = limits.soft_memory {
        entry::between(soft, Size::kib(64), limits.memory, &here.key("soft_memory"), problems);
    }
}

fn digest_of(text: &str, here: &Pointer) -> Result<String, Problem> {
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err(Problem::unfit(here.clone(), "a SHA-256 digest of 64 hex digits").hint("sha256sum NAME.wasm prints it"))
        }
    }
}
