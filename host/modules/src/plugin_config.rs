//! What a module makes of a plugin's configuration: by the schema in its manifest, before any of it runs, and by its own
//! words when it refuses; both told at their place in the file. And what a module asks for that it is not granted.

use lockgate_config::FORMATS;
use lockgate_config::model::PluginModel;
use lockgate_foreign;
use lockgate_json::{Diagnostic, Document};
use lockgate_sandbox::Module;

/// What the SDK logs when a plugin refuses its configuration, up to the JSON pointer of the place in it.
const REFUSED: &str = "the configuration is refused: at /";

/// What is wrong with the configuration of the plugin at `pointer`, by its module's schema. A module without one, or with one
/// that cannot be used, finds no fault here; it has its say when it is configured.
pub fn by_schema(pointer: &str, name: &str, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let Some(schema) = module.manifest().and_then(|manifest| manifest.config_schema.as_ref()) else {
        return Vec::new();
    };
    document
        .validate_config(pointer, schema, FORMATS)
        .unwrap_or_else(|error| {
            tracing::warn!(module = %name, "configuration schema ignored: {error}");
            Vec::new()
        })
}

/// Why a plugin could not be made, at the place that it names, if it names one.
pub fn by_plugin(model: &PluginModel, document: &Document, reason: &str) -> Diagnostic {
    let Some((place, message)) = refusal(reason) else {
        let told = format!("module \"{}\": {reason}", model.module);
        return document.diagnostic(&model.pointer, told, None, None);
    };
    let pointer = format!("{}/config/{place}", model.pointer);
    if document.is_secret(&pointer) {
        // It may well repeat what it found.
        let told = format!("module \"{}\" refuses this value", model.module);
        let hint = "the value comes from the environment or a file; neither it nor the reason is shown";
        return document.diagnostic(&pointer, told, None, Some(hint.to_owned()));
    }
    let told = format!("module \"{}\" refuses this value: {message}", model.module);
    document.diagnostic(&pointer, told, None, None)
}

/// Takes a refusal in the SDK's words apart: the pointer without its first slash, and the reason.
fn refusal(reason: &str) -> Option<(&str, &str)> {
    let (_, told) = reason.split_once(REFUSED)?;
    told.split_once(": ")
}

/// What the module of a plugin asks for and the plugin's `capabilities` do not grant; each at its place, as a remark.
pub fn not_granted(model: &PluginModel, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let (Some(manifest), Ok(granted)) = (module.manifest(), serde_json::to_value(&model.capabilities)) else {
        return Vec::new();
    };
    let remark = |lacking: String| {
        let pointer = format!("{}/capabilities", model.pointer);
        let told = format!(
            "module \"{}\" asks for {lacking}, which \"capabilities\" does not grant",
            model.module
        );
        document.diagnostic(&pointer, told, None, None)
    };
    manifest.lacking(&granted).into_iter().map(remark).collect()
}

/// Functions that the plugin at `pointer` is allowed to call and that this host does not have; each at its place.
pub fn unknown_functions(pointer: &str, document: &Document) -> Vec<Diagnostic> {
    let pointer = format!("{pointer}/capabilities/foreign_functions");
    // What is no list of names is told by its type.
    let allowed = document
        .json(&pointer)
        .and_then(|list| serde_json::from_str(&list).ok());
    let allowed: Vec<String> = allowed.unwrap_or_default();
    let is_known = |allowed: &str| match allowed.strip_suffix('*') {
        Some(beginning) => lockgate_foreign::names().any(|name| name.starts_with(beginning)),
        None => lockgate_foreign::names().any(|name| name == allowed),
    };
    let unknown = allowed.iter().enumerate().filter(|(_, allowed)| !is_known(allowed));
    let told = unknown.map(|(index, name)| {
        let near = lockgate_json::nearest(name, lockgate_foreign::names());
        document.diagnostic(
            &format!("{pointer}/{index}"),
            format!("\"{name}\" is not a foreign function of this gateway"),
            Some(lockgate_foreign::names().collect::<Vec<_>>().join(", ")),
            near.map(|near| format!("did you mean \"{near}\"?")),
        )
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_taken_apart_into_place_and_reason() {
        let said = "proxy_on_configure answered false; it logged: the configuration is refused: ";
        let reason = format!("{said}at /rules/0/cost: 3 is not: that");
        assert_eq!(refusal(&reason), Some(("rules/0/cost", "3 is not: that")));
        assert_eq!(
            refusal("proxy_on_configure answered false; the plugin logged nothing"),
            None
        );
        assert_eq!(refusal(&format!("{said}there is nothing to check")), None);
    }
}
