//! The JSON Schema of `gateway.json` as a page for people: a table for each object, in the order in which they are met.

use std::collections::VecDeque;
use std::fmt::Write;

use serde_json::{Map, Value};

const HEAD: &str = "\
# gateway.json, setting by setting

Generated from `lockgate schema` by `make docs`; a test compares both.

- Unknown keys are errors. `lockgate check` reports every mistake with its line.
- `lockgate schema --config gateway.json > lockgate.schema.json` gives editors the same, with the settings of your plugins.
- `${env:NAME}` and `${file:PATH}` in a string are replaced when the file is loaded. A literal `${` is written `$${`.
- Relative paths are relative to the file's folder.
- A *duration* has a unit: `\"250ms\"`, `\"5s\"`, `\"3m\"`, also `us`, `h`, `d`. So has a *size*: `\"64KiB\"`, `\"1MiB\"`, `\"10MB\"`.
";

/// What is told first, where it is written in full; then the rest, by name.
const FIRST: [&str; 5] = ["plugins", "listeners", "upstreams", "chains", "routes"];

/// The whole page.
pub(crate) fn of(schema: &Value) -> String {
    let page = Page {
        definitions: schema["$defs"].as_object().expect("the schema has definitions"),
    };
    let mut out = HEAD.to_owned();
    let mut told = Vec::new();
    let mut waiting = VecDeque::from([(String::from("gateway.json"), schema)]);
    while let Some((place, object)) = waiting.pop_front() {
        if told.contains(&(object as *const Value)) {
            continue;
        }
        told.push(object);
        page.table(&mut out, &place, object);
        // What an object holds is told right behind it.
        let inner = page.inner(if place == "gateway.json" { "" } else { &place }, object);
        for found in inner.into_iter().rev() {
            waiting.push_front(found);
        }
    }
    out
}

struct Page<'s> {
    definitions: &'s Map<String, Value>,
}

impl<'s> Page<'s> {
    fn table(&self, out: &mut String, place: &str, object: &'s Value) {
        let _ = write!(out, "\n## `{place}`\n\n");
        if place != "gateway.json" {
            let _ = write!(out, "{}\n\n", description(object));
        }
        out.push_str("| setting | takes | default | |\n|---|---|---|---|\n");
        let required = object["required"].as_array();
        for (name, setting) in object["properties"].as_object().into_iter().flatten() {
            let is_required = required.is_some_and(|names| names.iter().any(|known| known == name));
            let default = if is_required {
                String::from("*required*")
            } else {
                self.default(setting)
            };
            if let Some(word) = setting["const"].as_str() {
                let _ = writeln!(out, "| `{name}` | `\"{word}\"` | {default} | |");
                continue;
            }
            let told = description(setting) + &self.meanings(setting);
            let _ = writeln!(out, "| `{name}` | {} | {default} | {told} |", self.kind(setting));
        }
    }

    /// The objects in an object, with their places.
    fn inner(&self, place: &str, object: &'s Value) -> Vec<(String, &'s Value)> {
        let mut found = Vec::new();
        let mut settings: Vec<_> = object["properties"].as_object().into_iter().flatten().collect();
        if place.is_empty() {
            let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            settings.sort_by_key(|(name, _)| rank(name));
        }
        for (name, setting) in settings {
            let place = if place.is_empty() {
                name.clone()
            } else {
                format!("{place}.{name}")
            };
            self.objects(place, setting, &mut found);
        }
        found
    }

    fn objects(&self, place: String, schema: &'s Value, found: &mut Vec<(String, &'s Value)>) {
        let schema = self.resolved(schema);
        // What has a title is told by it, also where it holds values of its own kind.
        if schema["title"].is_string() {
            return;
        }
        for choice in choices(schema) {
            self.objects(place.clone(), choice, found);
        }
        for (word, choice) in variants(schema) {
            found.push((format!("{place} ({word})"), choice));
        }
        if schema["properties"].is_object() {
            found.push((place.clone(), schema));
        }
        if schema["additionalProperties"].is_object() {
            self.objects(place.clone() + ".NAME", &schema["additionalProperties"], found);
        }
        if schema["items"].is_object() {
            self.objects(place + "[]", &schema["items"], found);
        }
    }

    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map_or(schema, |name| &self.definitions[name])
    }

    /// What a setting takes, in a few words.
    fn kind(&self, schema: &'s Value) -> String {
        let schema = self.resolved(schema);
        if let Some(title) = schema["title"].as_str() {
            // "a duration with its unit, like …": the page's head explains the word.
            return title.split_whitespace().nth(1).unwrap_or(title).to_owned();
        }
        let words = consts(schema).map(|(word, _)| format!("`{word}`"));
        let words: Vec<_> = words.chain(choices(schema).map(|choice| self.kind(choice))).collect();
        if !words.is_empty() {
            return words.join(" or ");
        }
        if variants(schema).next().is_some() {
            return "object".into();
        }
        let kinds = &schema["type"];
        let is = |kind: &str| kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind));
        if is("integer") {
            return match (&schema["minimum"], &schema["maximum"]) {
                (Value::Null, Value::Null) => "whole number".into(),
                (least, Value::Null) => format!("whole number from {least}"),
                (least, most) => format!("{least} to {most}"),
            };
        }
        if is("array") {
            return format!("list of {}", self.kind(&schema["items"]));
        }
        if schema["additionalProperties"].is_object() {
            return format!("NAME: {}", self.kind(&schema["additionalProperties"]));
        }
        for (kind, word) in [
            ("object", "object"),
            ("boolean", "`true` or `false`"),
            ("string", "string"),
        ] {
            if is(kind) {
                return word.into();
            }
        }
        "any JSON".into()
    }

    /// The only choice of a setting that may be absent, else the setting.
    fn chosen(&self, schema: &'s Value) -> &'s Value {
        let mut all = choices(schema);
        match (all.next(), all.next()) {
            (Some(only), None) => self.resolved(only),
            _ => schema,
        }
    }

    fn default(&self, schema: &Value) -> String {
        match &schema["default"] {
            Value::Null | Value::Object(_) => String::new(),
            Value::Array(list) if list.is_empty() => String::new(),
            Value::String(text) => format!("`\"{text}\"`"),
            other => format!("`{other}`"),
        }
    }

    /// What each word of an enumeration means, or what is true of all values of such a kind.
    fn meanings(&self, schema: &'s Value) -> String {
        let mut told = String::new();
        let kind = self.resolved(schema);
        let by_type = variants(self.chosen(kind)).map(|(word, choice)| (word, description(choice)));
        for (word, meaning) in consts(kind).chain(by_type) {
            let _ = write!(told, " `{word}`: {meaning}");
        }
        let is_plain = kind["title"].is_null() && kind["properties"].is_null() && told.is_empty();
        // Some say it all: "The Host that the upstream sees: …".
        let own = description(schema).replace('`', "");
        let general = description(kind);
        if is_plain && schema["$ref"].is_string() {
            let rest = general.strip_prefix(own.trim_end_matches('.')).unwrap_or(&general);
            let _ = write!(told, " {}", rest.trim_start_matches([':', '.', ' ']));
        }
        told
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    let all = schema["anyOf"].as_array().into_iter().flatten();
    all.filter(|choice| choice["type"] != "null")
}

fn consts(schema: &Value) -> impl Iterator<Item = (&str, String)> {
    let all = schema["oneOf"].as_array().into_iter().flatten();
    all.filter_map(|word| Some((word["const"].as_str()?, description(word))))
}

/// The objects of which one is meant, each with the value of its `type`.
fn variants(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = schema["oneOf"].as_array().into_iter().flatten();
    all.filter_map(|choice| Some((choice["properties"]["type"]["const"].as_str()?, choice)))
}
