//! Warnings of a module that will not do what its author wants: that has no hook, or imports what is of no use. Nothing here refuses a plugin.

use lockgate_config::model::PluginModel;
use lockgate_json::{Diagnostic, Document};
use lockgate_sandbox::Module;

/// What a runtime imports whether its program uses it or not: Go's. Its other imports say nothing about the program.
const OF_RUNTIMES: &str = "wasi_snapshot_preview1.sched_yield";

/// Functions that every module may import and that cannot do what they promise, each with what to do instead.
const USELESS: [(&str, &str, &str); 4] = [
    (
        "poll_oneoff",
        "waiting (`thread::sleep`)",
        "nothing can wait inside a callback: with the SDK, `sleep(d).await`",
    ),
    (
        "path_open",
        "opening files",
        "there are no files: settings come from the plugin's \"config\", \"vm_config\" and \"env\"",
    ),
    (
        "sock_accept",
        "sockets",
        "there are no sockets: a callout goes to an upstream",
    ),
    (
        "sock_send",
        "sockets",
        "there are no sockets: a callout goes to an upstream",
    ),
];

/// Callbacks of a module that is called without a stream.
const WITHOUT_STREAM: [&str; 2] = ["proxy_on_tick", "proxy_on_queue_ready"];

/// Warnings of a plugin's module.
pub fn of(model: &PluginModel, module: &Module, document: &Document) -> Vec<Diagnostic> {
    let here = format!("{}/module", model.pointer);
    let mut warnings = Vec::new();
    let hooks = module.hooks();
    let exports = module.exports();
    let is_called = hooks.speaks_http()
        || hooks.speaks_tcp()
        || hooks.finish
        || exports.iter().any(|name| WITHOUT_STREAM.contains(&&**name));
    if !is_called {
        let text = format!(
            "module \"{}\" has no hook: the gateway never calls it for a request",
            model.module
        );
        let hint = "a plugin exports callbacks such as proxy_on_request_headers; in the SDK, hooks are in `#[plugin] impl Plugin for …`";
        warnings.push(document.diagnostic(&here, text, None, Some(hint.to_owned())));
    }
    let imports = module.imports();
    if imports.iter().any(|name| name == OF_RUNTIMES) {
        return warnings;
    }
    for (function, what, instead) in USELESS {
        let is_it = |import: &String| import.starts_with("wasi_") && import.rsplit('.').next() == Some(function);
        if imports.iter().any(is_it) {
            let text = format!(
                "module \"{}\" imports {function}, but {what} is impossible here",
                model.module
            );
            warnings.push(document.diagnostic(&here, text, None, Some(instead.to_owned())));
        }
    }
    warnings
}
