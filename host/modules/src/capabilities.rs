//! Mistakes and remarks on a plugin's `capabilities`: functions that do not exist, and capabilities that its module declares and is not
//! granted.

use lockgate_config::model::PluginModel;
use lockgate_json::{Diagnostic, Document};
use lockgate_sandbox::Module;

/// Remarks on the capabilities that a module declares in its manifest and its plugin is not granted.
pub fn not_granted(model: &PluginModel, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let (Some(manifest), Ok(granted)) = (module.manifest(), serde_json::to_value(&model.settings.capabilities)) else {
        return Vec::new();
    };
    let remark = |lacking: String| {
        let pointer = format!("{}/capabilities", model.pointer);
        let text = format!(
            "module \"{}\" asks for {lacking}, which \"capabilities\" does not grant",
            model.module
        );
        document.diagnostic(&pointer, text, None, None)
    };
    manifest.lacking(&granted).into_iter().map(remark).collect()
}

/// Mistakes in the `foreign_functions` of the plugin at `pointer`: names that this gateway does not have.
pub fn unknown_functions(pointer: &str, document: &Document) -> Vec<Diagnostic> {
    let pointer = format!("{pointer}/capabilities/foreign_functions");
    // The check of the types reports a value that is not a list of names.
    let allowed = document
        .json(&pointer)
        .and_then(|list| serde_json::from_str(&list).ok());
    let allowed: Vec<String> = allowed.unwrap_or_default();
    let is_known = |allowed: &str| match allowed.strip_suffix('*') {
        Some(beginning) => lockgate_foreign::names().any(|name| name.starts_with(beginning)),
        None => lockgate_foreign::names().any(|name| name == allowed),
    };
    let unknown = allowed.iter().enumerate().filter(|(_, allowed)| !is_known(allowed));
    let diagnostics = unknown.map(|(index, name)| {
        let near = lockgate_json::nearest(name, lockgate_foreign::names());
        document.diagnostic(
            &format!("{pointer}/{index}"),
            format!("\"{name}\" is not a foreign function of this gateway"),
            Some(lockgate_foreign::names().collect::<Vec<_>>().join(", ")),
            near.map(|near| format!("did you mean \"{near}\"?")),
        )
    });
    diagnostics.collect()
}
