//! `lockgate schema`: the JSON Schemas of our files, for editors.

use anyhow::Result;

use crate::arguments::{SchemaOf, SchemaOptions};
use crate::outcome::Outcome;
use crate::output::print;

/// Prints the schema, which is made from the types that read the file.
pub(crate) fn schema(options: SchemaOptions) -> Result<Outcome> {
    let schema = match options.of {
        SchemaOf::Gateway => lockgate_config::schema(),
        SchemaOf::Cases => lockgate_fixtures::schema(),
    };
    print(serde_json::to_string_pretty(&schema)?)?;
    Ok(Outcome::Right)
}
