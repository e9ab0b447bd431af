//! Remarks on a module that will not do what its author wants, and on upstreams that a plugin's configuration names and nobody knows. Nothing
//! here refuses a plugin.

use lockgate_config::model::PluginModel;
use lockgate_json::{Diagnostic, Document, nearest};
use lockgate_sandbox::Module;
use serde_json::{Map, Value};

/// The format of a string that names an upstream, in a schema.
const UPSTREAM: &str = "lockgate-upstream";
/// Levels of a schema and its value that are looked at.
const MAX_DEPTH: usize = 32;
/// Pairs of a schema and a value that are looked at. A schema is a stranger's, and may refer to itself.
const MAX_STEPS: usize = 20_000;
/// What a runtime imports whether its program uses it or not: Go's. Its other imports say nothing about the program.
const OF_RUNTIMES: &str = "wasi_snapshot_preview1.sched_yield";

/// Functions that every module may import and that cannot do what they promise, each with what to do instead.
const USELESS: [(&str, &str, &str); 4] = [
    (
        "poll_oneoff",
        "waiting (`thread::sleep`)",
        "nothing can wait inside a callback: with the SDK, `sleep(d).await`",
    ),
    (
        "path_open",
        "opening files",
        "there are no files: settings come from the plugin's \"config\", \"vm_config\" and \"env\"",
    ),
    (
        "sock_accept",
        "sockets",
        "there are no sockets: a callout goes to an upstream",
    ),
    (
        "sock_send",
        "sockets",
        "there are no sockets: a callout goes to an upstream",
    ),
];

/// Callbacks of a module that is called without a stream.
const WITHOUT_STREAM: [&str; 2] = ["proxy_on_tick", "proxy_on_queue_ready"];

/// Remarks on a plugin's module: without callbacks, or with imports that are of no use.
pub fn module(model: &PluginModel, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let here = format!("{}/module", model.pointer);
    let mut remarks = Vec::new();
    let hooks = module.hooks();
    let exports = module.exports();
    let is_called = hooks.speaks_http()
        || hooks.speaks_tcp()
        || hooks.finish
        || exports.iter().any(|name| WITHOUT_STREAM.contains(&&**name));
    if !is_called {
        let text = format!(
            "module \"{}\" has no hook: the gateway never calls it for a request",
            model.module
        );
        let hint = "a plugin exports callbacks such as proxy_on_request_headers; in the SDK, hooks are in `#[plugin] impl Plugin for …`";
        remarks.push(document.diagnostic(&here, text, None, Some(hint.to_owned())));
    }
    let imports = module.imports();
    if imports.iter().any(|name| name == OF_RUNTIMES) {
        return remarks;
    }
    for (function, what, instead) in USELESS {
        let is_it = |import: &String| import.starts_with("wasi_") && import.rsplit('.').next() == Some(function);
        if imports.iter().any(is_it) {
            let text = format!(
                "module \"{}\" imports {function}, but {what} is impossible here",
                model.module
            );
            remarks.push(document.diagnostic(&here, text, None, Some(instead.to_owned())));
        }
    }
    remarks
}

/// Remarks on the upstreams that a plugin's configuration names, where its schema says that it does, and that do not exist.
pub fn upstreams(model: &PluginModel, module: &Module, document: &Document, known: &[&str]) -> Vec<Diagnostic> {
    let pointer = format!("{}/config", model.pointer);
    let schema = module.manifest().and_then(|manifest| manifest.config_schema.as_ref());
    let config = document
        .json(&pointer)
        .and_then(|json| serde_json::from_str::<Value>(&json).ok());
    let (Some(schema), Some(config)) = (schema, config) else {
        return Vec::new();
    };
    let mut walk = Walk {
        root: schema,
        steps: MAX_STEPS,
        found: Vec::new(),
    };
    walk.at(schema, &config, pointer, MAX_DEPTH);
    walk.found.sort();
    walk.found.dedup();
    let unknown = walk.found.into_iter().filter(|(_, name)| !known.contains(&&**name));
    let remarks = unknown.map(|(pointer, name)| {
        let near = nearest(&name, known.iter().copied());
        document.diagnostic(
            &pointer,
            format!(
                "no upstream is called \"{name}\": module \"{}\" cannot call it",
                model.module
            ),
            Some(known.join(", ")).filter(|known| !known.is_empty()),
            near.map(|near| format!("did you mean \"{near}\"?")),
        )
    });
    remarks.collect()
}

/// A schema and a value, side by side.
struct Walk<'a> {
    root: &'a Value,
    /// How many are left.
    steps: usize,
    /// Pointers and names.
    found: Vec<(String, String)>,
}

impl<'a> Walk<'a> {
    fn at(&mut self, schema: &'a Value, value: &Value, here: String, depth: usize) {
        let (Some(schema), Some(depth), Some(steps)) =
            (schema.as_object(), depth.checked_sub(1), self.steps.checked_sub(1))
        else {
            return;
        };
        self.steps = steps;
        if let (Some(UPSTREAM), Value::String(name)) = (schema.get("format").and_then(Value::as_str), value) {
            self.found.push((here.clone(), name.clone()));
        }
        if let Some(target) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| self.target(path))
        {
            self.at(target, value, here.clone(), depth);
        }
        for group in ["allOf", "anyOf", "oneOf"] {
            for branch in schema.get(group).and_then(Value::as_array).into_iter().flatten() {
                // Of several forms, only the one that the value has: a name that is text in another form is none.
                if group == "allOf" || fits(branch, value) {
                    self.at(branch, value, here.clone(), depth);
                }
            }
        }
        match value {
            Value::Object(members) => self.members(schema, members, &here, depth),
            Value::Array(items) => {
                let first = schema.get("prefixItems").and_then(Value::as_array);
                for (index, item) in items.iter().enumerate() {
                    let of_place = first.and_then(|first| first.get(index)).or_else(|| schema.get("items"));
                    if let Some(of_item) = of_place {
                        self.at(of_item, item, format!("{here}/{index}"), depth);
                    }
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, schema: &'a Map<String, Value>, members: &Map<String, Value>, here: &str, depth: usize) {
        let named = schema.get("properties").and_then(Value::as_object);
        for (name, member) in members {
            let of_member = named
                .and_then(|named| named.get(name))
                .or_else(|| schema.get("additionalProperties"));
            if let Some(of_member) = of_member {
                let name = name.replace('~', "~0").replace('/', "~1");
                self.at(of_member, member, format!("{here}/{name}"), depth);
            }
        }
    }

    fn target(&self, path: &str) -> Option<&'a Value> {
        self.root.pointer(path.strip_prefix('#')?)
    }
}

/// Whether a value may have the form of a schema, by its type, its required members and constants alone.
fn fits(schema: &Value, value: &Value) -> bool {
    let is_type = |name: &str| match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(_) => matches!(name, "number" | "integer"),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    };
    let of_type = match &schema["type"] {
        Value::String(name) => is_type(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is_type),
        _ => true,
    };
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let of_constant = |name: &String, of_member: &Value| match of_member.get("const") {
        Some(constant) => value.get(name).is_none_or(|value| value == constant),
        None => true,
    };
    let named = schema["properties"].as_object();
    of_type
        && required.into_iter().all(|name| value.get(name).is_some())
        && named
            .into_iter()
            .flatten()
            .all(|(name, of_member)| of_constant(name, of_member))
        && schema.get("const").is_none_or(|constant| constant == value)
}
