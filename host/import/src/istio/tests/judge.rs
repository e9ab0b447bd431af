//! Imports for the tests, and the judge over what they write.

use std::path::Path;

use serde_json::Value;

use crate::istio::{Options, Prefixes, istio};
use crate::{Import, LossKind, Source};

pub(super) fn options() -> Options {
    Options {
        listen: "127.0.0.1:8080".parse().unwrap(),
        prefixes: Prefixes::Characters,
        endpoints: Vec::new(),
    }
}

/// What is wrong with the text as a gateway.json, apart from files that it names and that are not here.
pub(super) fn mistakes(text: &str) -> Vec<String> {
    let path = Path::new("/nowhere/gateway.json");
    let Err(error) = lockgate_config::load_text(path, text.to_owned(), &|_| None) else {
        return Vec::new();
    };
    let mistakes = error.report.diagnostics.iter().map(ToString::to_string);
    mistakes
        .filter(|mistake| !mistake.contains("No such file or directory"))
        .collect()
}

pub(super) fn import_with(text: &str, options: &Options) -> Import {
    let source = Source {
        name: "a.yaml".into(),
        text: text.into(),
    };
    let import = istio(&[source], options).unwrap();
    let mistakes = mistakes(&import.gateway);
    assert!(mistakes.is_empty(), "{}\n{}", import.gateway, mistakes.join("\n"));
    import
}

/// The gateway.json of a text, and its losses as they are printed.
pub(super) fn import(text: &str) -> (Value, Vec<String>) {
    let import = import_with(text, &options());
    let losses = import.losses.iter().map(ToString::to_string).collect();
    (serde_json::from_str(&import.gateway).unwrap(), losses)
}

/// As [`import`], of a text that loses nothing.
pub(super) fn lossless(text: &str) -> Value {
    let import = import_with(text, &options());
    let lost: Vec<String> = import
        .losses
        .iter()
        .filter(|loss| loss.kind == LossKind::Lost)
        .map(ToString::to_string)
        .collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    serde_json::from_str(&import.gateway).unwrap()
}

/// A VirtualService for all hosts with these routes, in YAML flow style.
pub(super) fn routes(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: vs}}\nspec:\n  hosts: ['*']\n  http: {http}\n"
    )
}

/// A ServiceEntry for the host `a` with one endpoint.
pub(super) const SERVICE: &str = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: 9001}}]
";
