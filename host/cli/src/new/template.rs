//! The files of a new plugin, with its name put in.

use super::surroundings::Surroundings;
use crate::arguments::PluginKind;

const CARGO: &str = include_str!("../../templates/Cargo.toml.in");
const README: &str = include_str!("../../templates/README.md.in");
const GATEWAY: &str = include_str!("../../templates/gateway.json.in");
const GITIGNORE: &str = include_str!("../../templates/gitignore.in");

/// The parts of a template that differ between kinds of plugins.
struct Kind {
    source: &'static str,
    cases: &'static str,
    about: &'static str,
    table: &'static str,
    commands: &'static str,
    gateway: &'static str,
    upstreams: &'static str,
}

const FILTER: Kind = Kind {
    source: include_str!("../../templates/filter/lib.rs.in"),
    cases: include_str!("../../templates/filter/cases.json.in"),
    about: "Refuses requests that carry a forbidden header, and marks those that pass.",
    table: "| `forbidden` | requests with this header are refused | `\"x-forbidden\"` |",
    commands: "    curl -i http://127.0.0.1:8080/orders                     # 200, with x-{{name}}: served\n    \
            curl -i -H 'x-forbidden: 1' http://127.0.0.1:8080/orders # 403",
    gateway: GATEWAY,
    upstreams: "\"demo\": { \"endpoints\": [ \"127.0.0.1:9000\" ] }",
};

const AUTH: Kind = Kind {
    source: include_str!("../../templates/auth/lib.rs.in"),
    cases: include_str!("../../templates/auth/cases.json.in"),
    about: "Lets in who brings a token that a service says is good, and tells the upstream who it is.",
    table: "| `tokens` | the upstream that is asked: `GET /verify` with the client's `authorization`; 200 and a name means yes | `\"tokens\"` |",
    commands: "    curl -i http://127.0.0.1:8080/orders                     # 401\n    \
            curl -i -H 'authorization: Bearer x' http://127.0.0.1:8080/orders   # what the service on port 9001 says; 503 while dev's echo stands in",
    gateway: GATEWAY,
    upstreams: "\"demo\": { \"endpoints\": [ \"127.0.0.1:9000\" ] }, \"tokens\": { \"endpoints\": [ \"127.0.0.1:9001\" ] }",
};

const L4: Kind = Kind {
    source: include_str!("../../templates/l4/lib.rs.in"),
    cases: include_str!("../../templates/l4/cases.json.in"),
    about: "Ends TCP connections whose client sends a forbidden command, and hides a word in what the upstream says.",
    table: "| `forbidden` | a line from the client that begins with this word ends the connection | `\"SHUTDOWN\"` |\n\
            | `hidden` | where the upstream says this word, the client gets asterisks | `\"secret\"` |",
    commands: "    nc 127.0.0.1 8080       # with `lockgate dev` every byte comes back: \"the secret\" as \"the ******\"; SHUTDOWN ends it",
    gateway: include_str!("../../templates/l4/gateway.json.in"),
    upstreams: "\"demo\": { \"endpoints\": [ \"127.0.0.1:9000\" ] }",
};

/// The profile that modules are built with.
pub(super) const PROFILE: &str = include_str!("../../templates/profile.in");
/// What makes a package a workspace of its own.
const WORKSPACE: &str = "\n# This crate is a workspace of its own, wherever it is.\n[workspace]\n";

/// The files of a new plugin. `sdk` is the SDK's path.
pub(super) fn files(
    kind: PluginKind,
    name: &str,
    sdk: &str,
    surroundings: &Surroundings,
) -> Vec<(&'static str, String)> {
    let kind = match kind {
        PluginKind::Filter => &FILTER,
        PluginKind::Auth => &AUTH,
        PluginKind::L4 => &L4,
    };
    let module = name.replace('-', "_");
    let workspace = match surroundings.workspace {
        Some(_) => String::new(),
        None => format!("\n{PROFILE}{WORKSPACE}"),
    };
    let fill = |text: &str| {
        text.replace("{{workspace}}", &workspace)
            .replace(
                "target/wasm32-wasip1",
                &format!("{}/wasm32-wasip1", surroundings.target),
            )
            .replace("{{about}}", kind.about)
            .replace("{{table}}", kind.table)
            .replace("{{try}}", kind.commands)
            .replace("{{upstreams}}", kind.upstreams)
            .replace("{{config}}", "{}")
            .replace("{{sdk}}", &serde_json::Value::from(sdk).to_string())
            .replace("{{type}}", &type_name(name))
            .replace("{{module}}", &module)
            .replace("{{name}}", name)
    };
    vec![
        ("Cargo.toml", fill(CARGO)),
        ("src/lib.rs", fill(kind.source)),
        ("cases.json", fill(kind.cases)),
        ("gateway.json", fill(kind.gateway)),
        ("README.md", fill(README)),
        (".gitignore", fill(GITIGNORE)),
    ]
}

/// The name as a type: `block-by-header` becomes `BlockByHeader`. Names in the prelude get the suffix `Filter`.
fn type_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split('-') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(letters);
    }
    let reserved = [
        "Batcher",
        "Body",
        "Cache",
        "CalloutResponse",
        "Chunk",
        "Config",
        "ConfigError",
        "Error",
        "Flow",
        "Gateway",
        "Kv",
        "NoConfig",
        "Ok",
        "Err",
        "Some",
        "None",
        "Option",
        "Peer",
        "Plugin",
        "Queue",
        "Reply",
        "Request",
        "Response",
        "Result",
        "Single",
        "String",
        "TcpPlugin",
        "Template",
        "Upstream",
        "Duration",
        "Vec",
        "Box",
        "Self",
        "Send",
        "Sync",
        "Copy",
        "Clone",
        "Default",
        "Drop",
        "Fn",
        "From",
        "Into",
        "Iterator",
    ];
    if reserved.contains(&out.as_str()) {
        out.push_str("Filter");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_remains() {
        for kind in [PluginKind::Filter, PluginKind::Auth, PluginKind::L4] {
            for workspace in [None, Some("/somewhere".into())] {
                let surroundings = Surroundings {
                    workspace,
                    target: "../target".to_owned(),
                };
                for (path, text) in files(kind, "block-by-header", "../sdk", &surroundings) {
                    assert!(!text.contains("{{"), "{path}: {text}");
                    let elsewhere = text.replace("../target/wasm32-wasip1", "");
                    assert!(!elsewhere.contains("target/wasm32"), "{path}: {text}");
                    let is_own = text.contains("\n[workspace]\n");
                    assert_eq!(
                        is_own,
                        path == "Cargo.toml" && surroundings.workspace.is_none(),
                        "{path}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_type_is_named_like_the_plugin_unless_the_prelude_has_that_name() {
        assert_eq!(type_name("block-by-header"), "BlockByHeader");
        assert_eq!(type_name("request"), "RequestFilter");
    }
}
