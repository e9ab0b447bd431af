//! Which state of a module's file a plugin runs: what the file holds, or what served before while the file is gone, bad, or not what
//! the plugin's pin and signers allow.

use lockgate_config::model::PluginModel;
use lockgate_sandbox::Module;

use crate::files::{Candidate, Modules};

/// Why there is no module where there is no file of its name.
pub const ABSENT: &str = "the file does not exist";

/// The module that a plugin should run. If that is not what the file holds, the reason is told and kept.
///
/// # Errors
/// There is none, and why.
pub fn choose(modules: &mut Modules, model: &PluginModel) -> Result<Module, String> {
    let file = modules.get(&model.module).ok_or(ABSENT)?;
    let refused = match &file.newest {
        None => None,
        Some(newest) => match accepts(model, newest) {
            Ok(()) => return Ok(newest.module.clone()),
            Err(reason) => Some(reason),
        },
    };
    let proven = file.proven.as_ref().filter(|proven| accepts(model, proven).is_ok());
    let Some(proven) = proven.map(|proven| proven.module.clone()) else {
        let reason = refused.or_else(|| file.error.clone());
        return Err(reason.unwrap_or_else(|| ABSENT.to_owned()));
    };
    let untold = refused.filter(|reason| file.error.as_ref() != Some(reason));
    if let Some(reason) = untold {
        tracing::error!(plugin = %model.name, module = %model.module, "new module refused, the previous one stays in use: {reason}");
        modules.reject(&model.module, reason);
    }
    Ok(proven)
}

fn accepts(model: &PluginModel, candidate: &Candidate) -> Result<(), String> {
    let sha256 = candidate.module.sha256();
    if model.sha256.as_deref().is_some_and(|pinned| pinned != sha256) {
        return Err(format!(
            "its SHA-256 is {sha256}, which differs from the pinned \"sha256\""
        ));
    }
    let signers = model.signers.as_deref();
    signers.map_or(Ok(()), |signers| candidate.signed.check(signers))
}
