//! The JSON Schema of gateway.json, generated from the types that read it.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::raw;

/// A substitution. A text with one gets its final form only when the file is loaded.
const SUBSTITUTION: &str = r"\$\{(env|file):";

/// The JSON Schema (draft 2020-12) of gateway.json for editors. It is for the file as it is written: a text with a pattern may also be
/// a substitution.
pub fn schema() -> Value {
    let mut schema = strict();
    require_destination(&mut schema);
    widen(&mut schema);
    schema
}

/// The same, with the schemas of modules: `config` of a plugin whose `module` is one of these names has the module's schema.
pub fn schema_with(modules: &BTreeMap<String, Value>) -> Value {
    let mut schema = strict();
    require_destination(&mut schema);
    let mut rules = Vec::new();
    for (name, config) in modules {
        let definition = format!("config of {name}");
        let pointer = format!("#/$defs/config%20of%20{name}");
        let mut config = config.clone();
        if let Value::Object(members) = &mut config {
            members.remove("$schema");
            members.remove("$id");
        }
        move_references(&mut config, &pointer);
        schema["$defs"][definition] = config;
        rules.push(json!({
            "if": { "properties": { "module": { "const": name } }, "required": ["module"] },
            "then": { "properties": { "config": { "$ref": pointer } } },
        }));
    }
    if !rules.is_empty() {
        schema["$defs"]["Plugin"]["allOf"] = Value::Array(rules);
    }
    widen(&mut schema);
    schema
}

/// Moves the references of a schema to `base`, where it now is in another.
fn move_references(schema: &mut Value, base: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(inside) = reference.strip_prefix('#')
            {
                *reference = format!("{base}{inside}");
            }
            members.values_mut().for_each(|inner| move_references(inner, base));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, base)),
        _ => {}
    }
}

/// The schema of a file after substitution.
pub(crate) fn strict() -> Value {
    let settings = SchemaSettings::draft2020_12();
    settings
        .into_generator()
        .into_root_schema_for::<raw::Gateway>()
        .to_value()
}

/// Editors learn that a route has exactly one destination. When a file is loaded, `check` says so in better words.
fn require_destination(schema: &mut Value) {
    let one = |key: &str| json!({ "required": [key] });
    schema["$defs"]["Route"]["oneOf"] = json!(["upstream", "split", "redirect", "respond"].map(one));
}

/// Extends every pattern by a substitution.
fn widen(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(pattern)) = members.get_mut("pattern") {
                *pattern = format!("{pattern}|{SUBSTITUTION}");
            }
            members.values_mut().for_each(widen);
        }
        Value::Array(items) => items.iter_mut().for_each(widen),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
