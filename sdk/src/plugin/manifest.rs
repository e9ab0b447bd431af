//! What a plugin says about itself: the JSON in its module's custom section `lockgate.manifest`.
//!
//! `#[plugin]` writes it, all at compile time: no hook runs for it, and no byte of it lies in the guest's memory. A host that
//! does not know the section skips it, as WebAssembly wants it.

use crate::config::{Schema, Text};

/// A plugin whose manifest is known.
pub trait Described {
    /// The manifest.
    const MANIFEST: Manifest;
}

/// What a plugin says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Manifest {
    /// Cargo's package name, unless `#[plugin(name = "…")]` says another.
    pub name: &'static str,
    /// Cargo's, unless `#[plugin(version = "…")]` says another.
    pub version: &'static str,
    /// Cargo's, unless `#[plugin(description = "…")]` says another.
    pub description: &'static str,
    /// The hooks that are written, by their names in Rust.
    pub hooks: &'static [&'static str],
    /// Whether the module keeps nothing of a stream between its callbacks, so that a host may leave out
    /// `proxy_on_context_create` and `proxy_on_delete` of streams.
    pub stateless: bool,
    /// The schema of the configuration.
    pub config: Schema,
    /// What `#[plugin(capabilities(…))]` asks for, as JSON: what the plugin setting `capabilities` must grant.
    pub capabilities: &'static str,
}

impl Manifest {
    /// How many bytes its JSON has.
    pub const fn length(&self) -> usize {
        let mut text = Text::<0>::new();
        self.write(&mut text);
        text.length()
    }

    /// Its JSON, `N` being its [`length`](Self::length).
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
