//! Which content of a module file a plugin runs: the latest, or the last good one while the latest is missing, invalid, or not allowed by the
//! plugin's pin and signers.

use lockgate_config::model::PluginModel;
use lockgate_sandbox::Module;

use crate::compilation::CompiledModule;
use crate::files::Modules;

/// The reason when there is no file of the module's name.
pub const NO_FILE: &str = "the file does not exist";

/// Selects the module of a plugin. If that is not the latest content, the reason is logged and recorded at the file.
///
/// # Errors
/// Why there is no module.
pub fn select(modules: &mut Modules, model: &PluginModel) -> Result<Module, String> {
    let file = modules.get(&model.module).ok_or(NO_FILE)?;
    let refused = match &file.latest {
        None => None,
        Some(latest) => match accepts(model, latest) {
            Ok(()) => return Ok(latest.module.clone()),
            Err(reason) => Some(reason),
        },
    };
    let last_good = file.last_good.as_ref().filter(|module| accepts(model, module).is_ok());
    let Some(last_good) = last_good.map(|compiled| compiled.module.clone()) else {
        let reason = refused.or_else(|| file.error.clone());
        return Err(reason.unwrap_or_else(|| NO_FILE.to_owned()));
    };
    let new_reason = refused.filter(|reason| file.error.as_ref() != Some(reason));
    if let Some(reason) = new_reason {
        tracing::error!(plugin = %model.name, module = %model.module, "new module refused, the previous one stays in use: {reason}");
        modules.refuse(&model.module, reason);
    }
    Ok(last_good)
}

fn accepts(model: &PluginModel, compiled: &CompiledModule) -> Result<(), String> {
    let sha256 = compiled.module.sha256();
    if model.sha256.as_deref().is_some_and(|pinned| pinned != sha256) {
        return Err(format!(
            "its SHA-256 is {sha256}, which differs from the pinned \"sha256\""
        ));
    }
    let signers = model.signers.as_deref();
    signers.map_or(Ok(()), |signers| compiled.signature.check(signers))
}
