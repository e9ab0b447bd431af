//! Gateways and the listener of the mesh.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::judge::{SERVICE, import, lossless, options};
use crate::Source;
use crate::istio::istio;

fn gateway(servers: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\nspec:\n  selector: {{istio: ingressgateway}}\n  servers: {servers}\n"
    )
}

fn service(name: &str, hosts: &str, gateways: &str, routes: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec: {{hosts: {hosts}, gateways: {gateways}, {routes}}}\n"
    )
}

const TO_A: &str = "http: [{route: [{destination: {host: a}}]}]";
const HTTP: &str = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}";

#[test]
fn a_server_is_a_listener_and_routes_have_the_hosts_that_both_accept() {
    let servers = format!("[{HTTP}, {{port: {{number: 81, name: int, protocol: HTTP}}, hosts: ['x/*']}}]");
    let text = gateway(&servers) + &service("vs", "[www.example.com, other.org]", "[gw]", TO_A) + SERVICE;
    let config = lossless(&text);
    assert_eq!(
        config["listeners"],
        json!({ "http": { "listen": "0.0.0.0:80" }, "int": { "listen": "0.0.0.0:81" } })
    );
    let matches: Vec<&Value> = config["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| &route["match"])
        .collect();
    assert_eq!(
        matches,
        [
            &json!({ "listeners": ["http"], "hosts": ["www.example.com"] }),
            &json!({ "listeners": ["int"], "hosts": ["www.example.com", "other.org"] })
        ]
    );
}

#[test]
fn a_virtual_service_without_a_host_of_its_gateway_has_no_route() {
    let (config, losses) =
        import(&(gateway(&format!("[{HTTP}]")) + &service("vs", "[other.org]", "[gw]", TO_A) + SERVICE));
    assert_eq!(config["routes"], json!([]));
    assert!(
        losses.iter().any(|loss| loss.contains("none of the gateway's servers")),
        "{losses:?}"
    );
}

#[test]
fn the_mesh_and_gateways_of_other_files_are_at_one_listener() {
    for gateways in ["[mesh]", "[istio-system/public]", "[]"] {
        let (config, losses) = import(&(service("vs", "['*']", gateways, TO_A) + SERVICE));
        assert_eq!(config["listeners"], json!({ "web": { "listen": "127.0.0.1:8080" } }));
        assert_eq!(
            config["routes"],
            json!([{ "name": "vs", "upstream": "a" }]),
            "{gateways}"
        );
        assert_eq!(losses.is_empty(), gateways == "[]", "{losses:?}");
    }
}

#[test]
fn a_condition_on_the_port_chooses_listeners() {
    let servers = format!("[{HTTP}, {{port: {{number: 81, name: int, protocol: HTTP}}, hosts: ['*']}}]");
    let routes = "http: [{match: [{port: 81}], route: [{destination: {host: a}}]}]";
    let config = lossless(&(gateway(&servers) + &service("vs", "[www.example.com]", "[gw]", routes) + SERVICE));
    assert_eq!(config["routes"][0]["match"]["listeners"], json!(["int"]));
}

#[test]
fn a_server_with_tls_has_its_files_or_names_the_place_for_those_of_a_secret() {
    let tls = |tls: &str| {
        gateway(&format!(
            "[{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ['*'], tls: {tls}}}]"
        )) + &service("vs", "['*']", "[gw]", TO_A)
            + SERVICE
    };
    let (config, losses) = import(&tls("{mode: MUTUAL, credentialName: shop}"));
    assert_eq!(
        config["listeners"]["https"]["tls"],
        json!({ "certificates": [{ "cert": "shop/tls.crt", "key": "shop/tls.key" }], "client_ca": "shop/ca.crt" })
    );
    assert!(losses[0].contains("secret's files to shop/"), "{losses:?}");
    let config = lossless(&tls("{mode: SIMPLE, serverCertificate: a.pem, privateKey: a.key}"));
    assert_eq!(
        config["listeners"]["https"]["tls"],
        json!({ "certificates": [{ "cert": "a.pem", "key": "a.key" }] })
    );
    // Without a certificate there is no listener, and certainly none in the clear.
    for mode in ["{mode: PASSTHROUGH}", "{mode: SIMPLE}", "{}"] {
        let (config, losses) = import(&tls(mode));
        assert_eq!(config["listeners"].get("https"), None, "{mode}");
        assert!(!losses.is_empty(), "{mode}");
    }
}

#[test]
fn a_server_for_tcp_is_a_listener_with_the_upstream_of_its_route() {
    let servers = "[{port: {number: 5432, name: db, protocol: TCP}, hosts: ['*']}, {port: {number: 5433, name: none, protocol: TCP}, hosts: ['*']}]";
    let routes = "tcp: [{match: [{port: 5432}], route: [{destination: {host: a}}]}]";
    let (config, losses) = import(&(gateway(servers) + &service("vs", "['*']", "[gw]", routes) + SERVICE));
    assert_eq!(
        config["listeners"],
        json!({ "db": { "listen": "0.0.0.0:5432", "protocol": "tcp", "upstream": "a" } })
    );
    assert!(
        losses.iter().any(|loss| loss.contains("no route for connections")),
        "{losses:?}"
    );
}

#[test]
fn lists_of_kubectl_several_files_and_json_are_read() {
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "vs"}, "spec": {"hosts": ["*"], "http": [{"route": [{"destination": {"host": "a"}}]}]}}]}"#;
    let sources = [list, SERVICE].map(|text| Source {
        name: "x".into(),
        text: text.into(),
    });
    let import = istio(&sources, &options()).unwrap();
    assert_eq!(import.losses, []);
    assert_eq!(import.resources, 2);
    let config: Value = serde_json::from_str(&import.gateway).unwrap();
    assert_eq!(config["upstreams"]["a"]["endpoints"], json!(["127.0.0.1:9001"]));
}

/// The file of the founding case is not part of this repository; its like is `examples/service-a`.
#[test]
fn the_example_is_what_the_importer_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/service-a");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let source = Source {
        name: "istio.yaml".into(),
        text: read("istio.yaml"),
    };
    let import = istio(&[source], &options()).unwrap();
    assert_eq!(import.gateway, read("gateway.json"));
}

#[test]
fn a_server_for_https_alone_redirects_its_hosts() {
    let servers =
        "[{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com'], tls: {httpsRedirect: true}}]";
    let (config, losses) = import(&(gateway(servers) + &service("vs", "[www.example.com]", "[gw]", TO_A) + SERVICE));
    assert_eq!(
        config["routes"],
        json!([{ "name": "http-to-https", "match": { "hosts": ["*.example.com"] }, "redirect": { "status": 301, "scheme": "https" } }])
    );
    assert!(
        losses.iter().any(|loss| loss.contains("without redirecting it")),
        "{losses:?}"
    );
}
