//! What is not carried is told, with its place.

use super::judge::{SERVICE, import, routes};

fn only_loss(text: &str) -> String {
    let (_, losses) = import(text);
    assert_eq!(losses.len(), 1, "{losses:?}");
    losses.into_iter().next().unwrap()
}

#[test]
fn a_loss_has_file_line_resource_path_value_and_reason() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: vs\nspec:\n  hosts:\n  - '*'\n  http:\n  - corsPolicy:\n      maxAge: 24h\n    route:\n    - destination:\n        host: a\n";
    let told = only_loss(&(text.to_owned() + SERVICE));
    assert!(
        told.starts_with(
            "a.yaml:9: VirtualService vs, spec.http[0].corsPolicy: not carried over: there is no plugin for CORS"
        ),
        "{told}"
    );
    assert!(told.contains("\n  instead: "), "{told}");
}

#[test]
fn no_field_is_dropped_in_silence() {
    for (field, path) in [
        (
            "unknownField: 1",
            "spec.http[0].unknownField: not carried over: 1: the importer does not know this field",
        ),
        (
            "timeout: soon",
            "spec.http[0].timeout: not carried over: soon: it should be a duration",
        ),
        (
            "retries: 3",
            "spec.http[0].retries: not carried over: 3: it should be a mapping",
        ),
        (
            "headers: {request: {set: [a]}}",
            "spec.http[0].headers.request.set: not carried over: it should be a mapping",
        ),
    ] {
        let told = only_loss(&(routes(&format!("[{{{field}, route: [{{destination: {{host: a}}}}]}}]")) + SERVICE));
        assert!(told.contains(path), "{told}");
    }
}

#[test]
fn other_resources_are_told() {
    for (document, reason) in [
        (
            "kind: Service\napiVersion: v1\nmetadata: {name: x}",
            "Service x: not carried over: only VirtualService",
        ),
        (
            "kind: Gateway\napiVersion: gateway.networking.k8s.io/v1\nspec: {}",
            "only VirtualService",
        ),
        (
            "kind: VirtualService\napiVersion: networking.istio.io/v9\nspec: {}",
            "knows the versions v1",
        ),
        (
            "kind: VirtualService\napiVersion: networking.istio.io/v1",
            "it has no spec",
        ),
        ("just a text", "document: not carried over"),
        ("[1]", "document: not carried over"),
    ] {
        let told = only_loss(document);
        assert!(told.starts_with("a.yaml:1: ") && told.contains(reason), "{told}");
    }
}

#[test]
fn rules_and_services_that_no_route_uses_are_told() {
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b}\nspec: {host: b}\n";
    let (config, losses) = import(&(SERVICE.to_owned() + rule));
    assert_eq!(config.get("upstreams"), None);
    assert_eq!(
        losses
            .iter()
            .filter(|loss| loss.contains("no route goes there"))
            .count(),
        2,
        "{losses:?}"
    );
}

#[test]
fn control_characters_of_a_document_do_not_reach_the_terminal() {
    let told = only_loss("kind: \"V\\e[31m\"\nmetadata: {name: \"x\\ny\"}");
    assert!(!told.contains('\u{1b}') && !told.contains('\n'), "{told:?}");
}
