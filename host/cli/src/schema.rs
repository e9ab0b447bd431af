//! `lockgate schema`: the JSON Schemas of our files, for editors.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::arguments::{SchemaOf, SchemaOptions};
use crate::outcome::Outcome;
use crate::output::print;

/// Prints a schema, which is made from the types that read the file and, where a plugin folder is known, from what the
/// modules in it say about their configurations.
pub(crate) fn schema(options: &SchemaOptions) -> Result<Outcome> {
    let schema = match (options.of, folder(options)?) {
        (SchemaOf::Cases, _) => lockgate_cases::schema(),
        (SchemaOf::Gateway, None) => lockgate_config::schema(),
        (SchemaOf::Gateway, Some(folder)) => {
            let modules = lockgate_modules::schemas(&folder)
                .with_context(|| format!("{} is not a readable folder", folder.display()))?;
            lockgate_config::schema_with(&modules)
        }
    };
    print(serde_json::to_string_pretty(&schema)?)?;
    Ok(Outcome::Right)
}

/// The plugin folder that is meant. A configuration that is being written may well be wrong elsewhere.
fn folder(options: &SchemaOptions) -> Result<Option<PathBuf>> {
    let Some(config) = &options.config else {
        return Ok(options.plugin_dir.clone());
    };
    let found = match lockgate_config::load(config) {
        Ok(loaded) => loaded.model.plugin_dir,
        Err(error) => match error.partial {
            Some(partial) => partial.plugin_dir,
            None => bail!("{}", error.report),
        },
    };
    Ok(found)
}
