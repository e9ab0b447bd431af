//! [`Manifest`]: the description of a plugin, as JSON in its module's custom section `lockgate.manifest`.
//!
//! `#[plugin]` writes it at compile time. No hook runs for it, and it takes no memory of the guest. Hosts that do not
//! know the section ignore it, as WebAssembly defines for custom sections.

use crate::config::{Schema, Text};

/// A plugin with a manifest; `#[plugin]` implements it.
pub trait Described {
    /// The manifest.
    const MANIFEST: Manifest;
}

/// The description of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Manifest {
    /// The name: from `#[plugin(name = "…")]`, by default Cargo's package name.
    pub name: &'static str,
    /// The version: from `#[plugin(version = "…")]`, by default Cargo's.
    pub version: &'static str,
    /// The description: from `#[plugin(description = "…")]`, by default Cargo's.
    pub description: &'static str,
    /// The names of the hooks that are implemented.
    pub hooks: &'static [&'static str],
    /// Whether the module has no state of a stream between its callbacks, so that a host may skip
    /// `proxy_on_context_create` and `proxy_on_delete` for streams.
    pub stateless: bool,
    /// The schema of the configuration.
    pub config: Schema,
    /// The capabilities that the plugin needs, as JSON: from `#[plugin(capabilities(…))]`. The plugin setting
    /// `capabilities` must grant them.
    pub capabilities: &'static str,
}

impl Manifest {
    /// The size of its JSON in bytes.
    pub const fn length(&self) -> usize {
        let mut text = Text::<0>::new();
        self.write(&mut text);
        text.length()
    }

    /// Its JSON; `N` must be its [`length`](Self::length).
    pub const fn text<const N: usize>(&self) -> [u8; N] {
        let mut text = Text::<N>::new();
        self.write(&mut text);
        text.bytes()
    }

    const fn write<const N: usize>(&self, out: &mut Text<N>) {
        out.push("{\"name\":");
        out.quoted(self.name);
        out.push(",\"version\":");
        out.quoted(self.version);
        out.push(",\"description\":");
        out.quoted(self.description);
        out.push(",\"hooks\":[");
        let mut index = 0;
        while index < self.hooks.len() {
            out.comma();
            out.quoted(self.hooks[index]);
            index += 1;
        }
        out.push("],\"stateless\":");
        out.push(if self.stateless { "true" } else { "false" });
        out.push(",\"config_schema\":");
        self.config.write(out);
        out.push(",\"capabilities\":");
        out.push(self.capabilities);
        out.push("}");
    }
}
