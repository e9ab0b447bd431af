//! The JSON Schema of gateway.json, made from the types that read it.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::raw;

/// A text with one of these in it has its shape only when the file is loaded.
const SUBSTITUTION: &str = r"\$\{(env|file):";

/// The JSON Schema (draft 2020-12) of gateway.json, with descriptions for editors. It judges the file as it is written:
/// where a pattern is asked for, a substitution will do.
pub fn schema() -> Value {
    let mut schema = strict();
    widen(&mut schema);
    schema
}

/// The same, with what is known of modules: in a plugin whose `module` is one of these names, `config` is as the schema
/// that comes with it says.
pub fn schema_with(modules: &BTreeMap<String, Value>) -> Value {
    let mut schema = strict();
    let mut rules = Vec::new();
    for (name, config) in modules {
        let place = format!("config of {name}");
        let pointer = format!("#/$defs/config%20of%20{name}");
        let mut config = config.clone();
        if let Value::Object(members) = &mut config {
            members.remove("$schema");
            members.remove("$id");
        }
        move_references(&mut config, &pointer);
        schema["$defs"][place] = config;
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

/// Makes the references of a document right for its new place in another.
fn move_references(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(inside) = reference.strip_prefix('#')
            {
                *reference = format!("{place}{inside}");
            }
            members.values_mut().for_each(|inner| move_references(inner, place));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, place)),
        _ => {}
    }
}

/// The schema of a file whose substitutions have been made.
pub(crate) fn strict() -> Value {
    let settings = SchemaSettings::draft2020_12();
    settings
        .into_generator()
        .into_root_schema_for::<raw::Gateway>()
        .to_value()
}

/// Lets every pattern accept a substitution, too.
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
