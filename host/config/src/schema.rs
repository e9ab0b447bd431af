//! The JSON Schema of gateway.json, made from the types that read it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

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
