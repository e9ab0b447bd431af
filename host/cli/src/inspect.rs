//! `lockgate inspect`: the manifest and the properties of a module.

use std::fmt::{self, Display};

use anyhow::Result;
use lockgate_modules::{Inspection, ManifestReport};
use serde_json::Value;

use crate::arguments::InspectOptions;
use crate::command_status::CommandStatus;
use crate::output::print;

/// Prints a module's properties. A module that cannot be loaded is a failure.
pub(crate) fn inspect(options: &InspectOptions) -> Result<CommandStatus> {
    match lockgate_modules::inspect(&options.module) {
        Ok(inspection) if options.json => print(serde_json::to_string_pretty(&inspection)?)?,
        Ok(inspection) => print(Readable(&inspection))?,
        Err(error) => {
            print(error)?;
            return Ok(CommandStatus::Failure);
        }
    }
    Ok(CommandStatus::Success)
}

/// A module's properties as text.
struct Readable<'a>(&'a Inspection);

impl Display for Readable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.0;
        let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
        writeln!(out, "{}", module.file.display())?;
        row(
            out,
            "size",
            format_args!("{} ({} bytes)", kib(module.bytes), module.bytes),
        )?;
        row(out, "sha256", &module.sha256)?;
        row(out, "abi", format_args!("proxy-wasm {}", module.abi))?;
        row(
            out,
            "memory",
            format_args!("{} at the start", kib(module.initial_memory)),
        )?;
        list(out, "callbacks", &module.callbacks)?;
        list(out, "imports", &module.imports)?;
        match (&module.manifest, &module.manifest_error) {
            (Some(manifest), _) => manifest_rows(out, manifest),
            (None, Some(error)) => write!(out, "  {:<13} unusable: {error}", "manifest"),
            (None, None) => write!(out, "  {:<13} none: the module does not describe itself", "manifest"),
        }
    }
}

fn manifest_rows(out: &mut fmt::Formatter<'_>, manifest: &ManifestReport) -> fmt::Result {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    row(out, "name", or_dash(&manifest.name))?;
    row(out, "version", or_dash(&manifest.version))?;
    row(out, "description", or_dash(&manifest.description))?;
    list(out, "hooks", &manifest.hooks)?;
    let needs = manifest
        .capabilities
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    list(out, "needs", &needs.collect::<Vec<_>>())?;
    match &manifest.config_schema {
        None => write!(out, "  {:<13} not described", "config"),
        Some(schema) => settings(out, schema),
    }
}

/// The top-level settings of a configuration, one a line.
fn settings(out: &mut fmt::Formatter<'_>, schema: &Value) -> fmt::Result {
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty())
    else {
        return write!(
            out,
            "  {:<13} no settings of its own; --json shows its schema",
            "config"
        );
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    write!(out, "  config")?;
    for (name, property) in properties {
        let default = match property.get("default") {
            Some(default) => format!(" (default: {default})"),
            None if required.contains(&name.as_str()) => " (required)".to_owned(),
            None => String::new(),
        };
        let description = property["description"].as_str().unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        write!(out, "\n    {name}{default}")?;
        if !first.is_empty() {
            write!(out, "\n        {first}")?;
        }
    }
    Ok(())
}

fn row(out: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "  {name:<13} {value}")
}

/// A list, one item a line; a dash if it is empty.
fn list(out: &mut fmt::Formatter<'_>, name: &str, items: &[String]) -> fmt::Result {
    match items.split_first() {
        None => row(out, name, "-"),
        Some((first, rest)) => {
            row(out, name, first)?;
            rest.iter().try_for_each(|item| row(out, "", item))
        }
    }
}
