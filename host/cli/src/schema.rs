//! `lockgate schema`: JSON Schemas for editors.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::arguments::{SchemaOf, SchemaOptions};
use crate::command_status::CommandStatus;
use crate::output::print;

/// Prints the schema of a file. With a plugin folder, it includes the configuration schemas in the modules' manifests.
pub(crate) fn schema(options: &SchemaOptions) -> Result<CommandStatus> {
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
    Ok(CommandStatus::Success)
}

/// The plugin folder of the options or of the configuration, which may contain mistakes elsewhere.
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
