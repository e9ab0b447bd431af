//! The JSON Schema of gateway.json, made from the types that read it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::raw;

/// The JSON Schema (draft 2020-12) of gateway.json, with descriptions for editors.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    settings
        .into_generator()
        .into_root_schema_for::<raw::Gateway>()
        .to_value()
}
