//! Mistakes in a plugin's configuration: by the schema in the module's manifest, before anything runs, and by the module's own error when it
//! refuses. Each has its place in the file.

use lockgate_config::FORMATS;
use lockgate_config::model::PluginModel;
use lockgate_json::{Diagnostic, Document};
use lockgate_sandbox::Module;

/// The SDK's log line when a plugin refuses its configuration, up to the JSON pointer of the place.
const SDK_REFUSAL: &str = "the configuration is refused: at /";

/// Checks the configuration of the plugin at `pointer` by its module's schema. Without a usable schema there are no mistakes here; the module
/// checks it when it is configured.
pub fn check_schema(pointer: &str, name: &str, module: &Module, document: &Document) -> Vec<Diagnostic> {
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

/// The diagnostic of a plugin that does not start: at the place in its configuration that it names, else at the plugin.
pub fn start_failure(model: &PluginModel, document: &Document, reason: &str) -> Diagnostic {
    let Some((place, message)) = sdk_refusal(reason) else {
        let text = format!("module \"{}\": {reason}", model.module);
        return document.diagnostic(&model.pointer, text, None, None);
    };
    let pointer = format!("{}/config/{place}", model.pointer);
    if document.is_secret(&pointer) {
        // The message may repeat the value.
        let text = format!("module \"{}\" refuses this value", model.module);
        let hint = "the value comes from the environment or a file; neither it nor the reason is shown";
        return document.diagnostic(&pointer, text, None, Some(hint.to_owned()));
    }
    let text = format!("module \"{}\" refuses this value: {message}", model.module);
    document.diagnostic(&pointer, text, None, None)
}

/// The parts of an SDK refusal: the pointer without its first slash, and the message.
fn sdk_refusal(reason: &str) -> Option<(&str, &str)> {
    let (_, rest) = reason.split_once(SDK_REFUSAL)?;
    rest.split_once(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_taken_apart_into_place_and_reason() {
        let said = "proxy_on_configure answered false; it logged: the configuration is refused: ";
        let reason = format!("{said}at /rules/0/cost: 3 is not: that");
        assert_eq!(sdk_refusal(&reason), Some(("rules/0/cost", "3 is not: that")));
        assert_eq!(
            sdk_refusal("proxy_on_configure answered false; the plugin logged nothing"),
            None
        );
        assert_eq!(sdk_refusal(&format!("{said}there is nothing to check")), None);
    }
}
