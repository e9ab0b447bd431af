//! `lockgate schema`: the JSON Schema of gateway.json, for editors.

use anyhow::Result;

use crate::outcome::Outcome;
use crate::output::print;

/// Prints the schema, which is made from the types that read the file.
pub(crate) fn schema() -> Result<Outcome> {
    print(serde_json::to_string_pretty(&lockgate_config::schema())?)?;
    Ok(Outcome::Right)
}
