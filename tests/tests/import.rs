//! `lockgate import`: gateway.json on stdout, losses on stderr, and what `check` says of the result.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lockgate_tests::binary::{binary, lockgate};
use lockgate_tests::modules::root;
use serde_json::Value;

const ROUTES: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
spec:
  hosts:
  - shop.example.com
  gateways:
  - mesh
  http:
  - match:
    - uri:
        prefix: /orders
    route:
    - destination:
        host: orders
";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Imports with arguments and stdin, in a folder.
fn import(arguments: &[&str], stdin: &str, folder: &Path) -> Output {
    let mut child = Command::new(binary())
        .args(["import", "istio"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is there");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(stdin.as_bytes()).expect("it is read");
    drop(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn an_import_is_what_check_takes_and_its_losses_have_places() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("routes.yaml"), ROUTES).expect("the folder is writable");
    let output = lockgate(&["import", "istio", "routes.yaml"], folder.path());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.starts_with("routes.yaml:9: VirtualService shop, spec.gateways[0]: not carried over: mesh: "),
        "{told}"
    );
    assert!(
        told.contains("routes.yaml:16: VirtualService shop, spec.http[0].route[0].destination.host: note: orders: "),
        "{told}"
    );
    assert!(told.contains("\n1 not carried over, 1 notes\n"), "{told}");
    fs::write(folder.path().join("gateway.json"), &output.stdout).expect("the folder is writable");
    let checked = lockgate(&["check", "--strict"], folder.path());
    assert!(checked.status.success(), "{}", text(&checked.stdout));
}

#[test]
fn stdin_options_and_strictness_are_obeyed() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let options = [
        "--listen",
        "127.0.0.1:9",
        "--endpoint",
        "orders=127.0.0.1:1,127.0.0.1:2",
        "--prefixes",
        "segments",
    ];
    let output = import(&[&options[..], &["--strict", "-"]].concat(), ROUTES, folder.path());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("<stdin>:9: ") && told.contains("\n1 not carried over, 0 notes\n"),
        "{told}"
    );
    let config: Value = serde_json::from_slice(&output.stdout).expect("it is printed all the same");
    assert_eq!(config["listeners"]["web"]["listen"], "127.0.0.1:9");
    assert_eq!(
        config["upstreams"]["orders"]["endpoints"],
        serde_json::json!(["127.0.0.1:1", "127.0.0.1:2"])
    );
    assert_eq!(config["routes"][0]["match"]["path_prefix"], "/orders");
    let nothing_lost = ROUTES.replace("  gateways:\n  - mesh\n", "");
    assert_eq!(
        import(&["--strict", "-"], &nothing_lost, folder.path()).status.code(),
        Some(0)
    );
}

#[test]
fn what_cannot_be_read_is_an_error_without_output() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (stdin, expected) in [
        ("a: [", "<stdin>:2:1: not YAML"),
        ("a: 1\na: 2", "<stdin>:2:1: the key \"a\" for the second time"),
        ("kind: Service\napiVersion: v1\n", "no resource of networking.istio.io"),
        ("", "no resource of networking.istio.io"),
    ] {
        let output = import(&["-"], stdin, folder.path());
        let told = text(&output.stderr);
        assert_eq!(
            (output.status.code(), text(&output.stdout).as_str()),
            (Some(1), ""),
            "{stdin}: {told}"
        );
        assert!(told.contains(expected), "{stdin}: {told}");
    }
    let missing = lockgate(&["import", "istio", "nowhere.yaml"], folder.path());
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing.stderr).contains("nowhere.yaml cannot be read"),
        "{}",
        text(&missing.stderr)
    );
}

#[test]
fn an_import_that_is_not_there_yet_is_an_error_of_usage_that_names_those_that_are() {
    for name in ["kong", "nginx", "ingress-nginx", "gateway-api", "openapi", "isto"] {
        let output = lockgate(&["import", name, "a.yaml"], &root());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("\"{name}\" yet; there is: istio")), "{told}");
    }
    for arguments in [
        &["import"][..],
        &["import", "istio"],
        &["import", "istio", "--endpoint", "a", "-"],
    ] {
        assert_eq!(lockgate(arguments, &root()).status.code(), Some(2), "{arguments:?}");
    }
    let help = text(&lockgate(&["import", "istio", "--help"], &root()).stdout);
    assert!(help.contains("Example:\n  lockgate import istio"), "{help}");
}
