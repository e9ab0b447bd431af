//! Configurations as tests write them: what matters to the test stands in it, the rest is filled in.

use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Fills in what a test leaves out: a listener `web`, addresses on free ports, `admin`, `plugin_dir`, one worker.
///
/// # Panics
/// When a part is no object that has to be one.
#[must_use]
pub fn filled(mut config: Value) -> Value {
    let free = || Value::from(Upstream::nobody().to_string());
    let root = config.as_object_mut().expect("a configuration is an object");
    root.entry("workers").or_insert_with(|| 1.into());
    root.entry("plugin_dir").or_insert_with(|| "plugins".into());
    root.entry("admin")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .expect("admin is an object")
        .entry("listen")
        .or_insert_with(free);
    let listeners = root
        .entry("listeners")
        .or_insert_with(|| json!({ "web": {} }))
        .as_object_mut()
        .expect("listeners are an object");
    for listener in listeners.values_mut() {
        listener
            .as_object_mut()
            .expect("a listener is an object")
            .entry("listen")
            .or_insert_with(free);
    }
    config
}

/// Every module that a configuration names, in plugins and in inline plugins.
pub(crate) fn modules_of(config: &Value) -> BTreeSet<String> {
    match config {
        Value::Object(fields) => {
            let named = fields.get("module").and_then(Value::as_str).map(String::from);
            fields.values().flat_map(modules_of).chain(named).collect()
        }
        Value::Array(items) => items.iter().flat_map(modules_of).collect(),
        _ => BTreeSet::new(),
    }
}

pub(crate) fn address_in(value: &Value) -> SocketAddr {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no address: {value}"))
}
