//! Mistakes in a plugin's configuration: by the schema in the module's manifest, before anything runs, and by the module's own error when it
//! refuses. Each has its place in the file.

use lockgate_config::FORMATS;
use lockgate_config::model::PluginModel;
use lockgate_json::{Diagnostic, Document};
use lockgate_sandbox::Module;
use serde_json::{Map, Value};

/// The SDK's log line when a plugin refuses its configuration, up to the JSON pointer of the place.
const SDK_REFUSAL: &str = "the configuration is refused: at /";

/// The format of a schema for the name of an upstream.
const UPSTREAM_FORMAT: &str = "lockgate-upstream";

/// Checks the configuration of the plugin at `pointer` by its module's schema, with the names of upstreams in it. Without a usable schema there are no mistakes here; the module
/// checks it when it is configured.
pub fn check_schema(pointer: &str, name: &str, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let Some(schema) = module.manifest().and_then(|manifest| manifest.config_schema.as_ref()) else {
        return Vec::new();
    };
    let named = with_upstreams(schema, document);
    document
        .validate_config(pointer, named.as_ref().unwrap_or(schema), FORMATS)
        .unwrap_or_else(|error| {
            tracing::warn!(module = %name, "configuration schema ignored: {error}");
            Vec::new()
        })
}

/// Whether a module's configuration may name upstreams, so that it is checked again when these change.
pub fn names_upstreams(module: &Module) -> bool {
    let schema = module.manifest().and_then(|manifest| manifest.config_schema.as_ref());
    schema.is_some_and(has_upstream)
}

/// The schema with the names of the document's upstreams in place of their format. None: the schema has no such format.
fn with_upstreams(schema: &Value, document: &Document) -> Option<Value> {
    if !has_upstream(schema) {
        return None;
    }
    let upstreams = document.json("/upstreams");
    let upstreams: Map<String, Value> = upstreams.and_then(|text| serde_json::from_str(&text).ok())?;
    let aliases = upstreams
        .values()
        .filter_map(|upstream| upstream.get("aliases")?.as_array());
    let aliases: Vec<Value> = aliases.flatten().cloned().collect();
    let names: Vec<Value> = upstreams
        .into_iter()
        .map(|(name, _)| Value::String(name))
        .chain(aliases)
        .collect();
    let mut schema = schema.clone();
    name_upstreams(&mut schema, &names);
    Some(schema)
}

fn has_upstream(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("format").and_then(Value::as_str) == Some(UPSTREAM_FORMAT) || members.values().any(has_upstream)
        }
        Value::Array(items) => items.iter().any(has_upstream),
        _ => false,
    }
}

fn name_upstreams(schema: &mut Value, names: &[Value]) {
    match schema {
        Value::Object(members) => {
            if members.get("format").and_then(Value::as_str) == Some(UPSTREAM_FORMAT) {
                members.remove("format");
                members.insert("enum".to_owned(), Value::Array(names.to_vec()));
            }
            members.values_mut().for_each(|member| name_upstreams(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_upstreams(item, names)),
        _ => {}
    }
}

/// The diagnostic of a plugin that does not start: at the place in its configuration that it names, else at the plugin.
pub fn start_failure(model: &PluginModel, document: &Document, reason: &str) -> Diagnostic {
    let Some((place, message)) = sdk_refusal(reason) else {
        let text = format!("module \"{}\": {reason}", model.module);
        return document.diagnostic(&model.pointer, text, None, None);
    };
    let pointer = format!("{}/config/{place}", model.pointer);
    if document.is_secret(&pointer) {
        // The message may repeat the value.
        let text = format!("module \"{}\" refuses this value", model.module);
        let hint = "the value comes from the environment or a file; neither it nor the reason is shown";
        return document.diagnostic(&pointer, text, None, Some(hint.to_owned()));
    }
    let text = format!("module \"{}\" refuses this value: {message}", model.module);
    document.diagnostic(&pointer, text, None, None)
}

/// The parts of an SDK refusal: the pointer without its first slash, and the message.
fn sdk_refusal(reason: &str) -> Option<(&str, &str)> {
    let (_, rest) = reason.split_once(SDK_REFUSAL)?;
    rest.split_once(": ")
}

#[cfg(test)]
mod tests {
    use lockgate_json::mistake::Mistakes;
    use serde_json::json;

    use super::*;

    fn document(text: &str) -> Document {
        let root = lockgate_json::reader::read(text, &mut Mistakes::default()).expect("JSON");
        Document::new(std::path::Path::new("gateway.json"), text.to_owned(), Some(root))
    }

    #[test]
    fn the_name_of_an_upstream_is_one_of_the_files() {
        let upstream = json!({ "type": "string", "format": "lockgate-upstream" });
        let schema = json!({ "properties": { "one": upstream, "all": { "items": { "anyOf": [upstream, { "type": "null" }] } } } });
        let check = |config: &str| {
            let text = format!(
                r#"{{ "upstreams": {{ "v1": {{}}, "v2": {{ "aliases": ["outbound|80||v2"] }} }}, "p": {{ "config": {config} }} }}"#
            );
            let document = document(&text);
            let schema = with_upstreams(&schema, &document).expect("it names upstreams");
            let found = document.validate_config("/p", &schema, FORMATS).expect("little work");
            found.into_iter().map(|mistake| mistake.pointer).collect::<Vec<_>>()
        };
        assert_eq!(check(r#"{ "one": "v1", "all": ["v2", null] }"#), [""; 0]);
        assert_eq!(check(r#"{ "one": "outbound|80||v2" }"#), [""; 0]);
        assert_eq!(check(r#"{ "one": "v3" }"#), ["/p/config/one"]);
        assert_eq!(check(r#"{ "all": ["v2", "v3"] }"#), ["/p/config/all/1"]);
        assert!(with_upstreams(&json!({ "type": "string", "format": "ipv4" }), &document("{}")).is_none());
    }

    #[test]
    fn a_refusal_is_taken_apart_into_place_and_reason() {
        let said = "proxy_on_configure answered false; it logged: the configuration is refused: ";
        let reason = format!("{said}at /rules/0/cost: 3 is not: that");
        assert_eq!(sdk_refusal(&reason), Some(("rules/0/cost", "3 is not: that")));
        assert_eq!(
            sdk_refusal("proxy_on_configure answered false; the plugin logged nothing"),
            None
        );
        assert_eq!(sdk_refusal(&format!("{said}there is nothing to check")), None);
    }
}
