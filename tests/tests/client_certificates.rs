//! Certificates of clients: who is let in, what plugins are told of them, here and in Envoy, and that a replaced authority holds at
//! once.

use lockgate_tests::binary::lockgate;
use lockgate_tests::certificates::{Authority, Contents};
use lockgate_tests::curl::{Answer, curl};
use lockgate_tests::envoy::{self, Envoy, Filter, Plugin};
use lockgate_tests::gateway::install;
use lockgate_tests::modules::assembled;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use rcgen::string::{BmpString, PrintableString};
use rcgen::{DnType, DnValue};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the plugin asks for; each becomes a header and a line of the log.
const ASKED: [&str; 12] = [
    "mtls",
    "subject_peer_certificate",
    "dns_san_peer_certificate",
    "uri_san_peer_certificate",
    "sha256_peer_certificate_digest",
    "subject_local_certificate",
    "dns_san_local_certificate",
    "uri_san_local_certificate",
    "tls_version",
    "requested_server_name",
    "sha256_local_certificate_digest",
    "subject_peer",
];

/// A module that tells the properties of a connection: in the answer's headers, and in the log when bytes come.
fn teller() -> Vec<u8> {
    let (mut data, mut asks) = (String::new(), String::new());
    for (nth, name) in ASKED.into_iter().enumerate() {
        let (path, header) = (format!("connection\\00{name}"), format!("x-{name}="));
        let (at, length) = (1024 + nth * 128, "connection.".len() + name.len());
        let behind = at + 64;
        writeln!(
            data,
            "(data (i32.const {at}) \"{path}\") (data (i32.const {behind}) \"{header}\")"
        )
        .expect("a text");
        let header = header.len() - 1;
        writeln!(
            asks,
            "(call $tell (i32.const {at}) (i32.const {length}) (i32.const {behind}) (i32.const {header}))"
        )
        .expect("a text");
    }
    assembled(&format!(
        r#"(module
            (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_add_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            {data}
            (global $in_answer (mut i32) (i32.const 0))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func $tell (param $path i32) (param $path_len i32) (param $name i32) (param $name_len i32) (local $at i32) (local $len i32)
                (if (call $property (local.get $path) (local.get $path_len) (i32.const 0) (i32.const 4)) (then (return)))
                (local.set $at (i32.load (i32.const 0)))
                (local.set $len (i32.load (i32.const 4)))
                (if (i32.eq (local.get $len) (i32.const 1))
                    (then (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 48)))))
                (if (global.get $in_answer)
                    (then (drop (call $header (i32.const 2) (local.get $name) (local.get $name_len) (local.get $at) (local.get $len))))
                    (else
                        (memory.copy (i32.const 32768) (local.get $name) (i32.add (local.get $name_len) (i32.const 1)))
                        (memory.copy (i32.add (i32.const 32769) (local.get $name_len)) (local.get $at) (local.get $len))
                        (drop (call $log (i32.const 2) (i32.const 32768)
                            (i32.add (i32.add (local.get $name_len) (i32.const 1)) (local.get $len)))))))
            (func $all {asks})
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (global.set $in_answer (i32.const 1)) (call $all) (i32.const 0))
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
                (global.set $in_answer (i32.const 0)) (call $all) (i32.const 0)))"#
    ))
}

/// A folder with the gateway's certificate, an authority `clients`, and a certificate `client` of it that has some of everything.
fn folder() -> (tempfile::TempDir, Authority) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let here = folder.path();
    let authority = Authority::write(here, "clients");
    let text = |text: &str| DnValue::Utf8String(text.to_string());
    let custom = |numbers: &[u64]| DnType::CustomDnType(numbers.to_vec());
    let contents = Contents {
        subject: vec![
            (
                DnType::CountryName,
                DnValue::PrintableString(PrintableString::try_from("DE").expect("two letters")),
            ),
            (DnType::StateOrProvinceName, text("Nieder\u{f6}sterreich")),
            (DnType::LocalityName, text("K\u{f6}ln \u{1F511}")),
            (DnType::OrganizationName, text(" Shop, \"Inc.\" + <co>; a=b\\c ")),
            (DnType::OrganizationalUnitName, text("#1")),
            (custom(&[0, 9, 2342, 19_200_300, 100, 1, 25]), text("example")),
            (custom(&[0, 9, 2342, 19_200_300, 100, 1, 1]), text("u1")),
            (custom(&[1, 2, 840, 113_549, 1, 9, 1]), text("ada@example.com")),
            (custom(&[2, 5, 4, 5]), text("42")),
            (custom(&[2, 5, 4, 4]), text("Lovelace")),
            (custom(&[2, 5, 4, 42]), text("Ada")),
            (custom(&[2, 5, 4, 9]), text("Street 1")),
            (custom(&[2, 5, 4, 12]), text("Countess")),
            (custom(&[2, 5, 4, 17]), text("50667")),
            (custom(&[2, 5, 4, 15]), text("Private Organization")),
            (custom(&[2, 5, 4, 65]), text("pseudo")),
            (custom(&[2, 5, 4, 97]), text("organization")),
            (custom(&[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3]), text("DE")),
            (custom(&[1, 2, 3, 4, 5555]), text("no name")),
            (
                DnType::CommonName,
                DnValue::BmpString(BmpString::try_from("cli\u{eb}nt").expect("in the plane")),
            ),
        ],
        dns: vec!["orders.example", "second.example"],
        uris: vec!["spiffe://shop/orders", "spiffe://shop/second"],
        years: None,
    };
    authority.issue(here, "client", &contents);
    let gateway = Contents {
        subject: vec![
            (DnType::CommonName, text("gateway")),
            (DnType::OrganizationName, text("Lockgate")),
        ],
        dns: vec!["gateway.example"],
        uris: vec!["spiffe://shop/gateway"],
        years: None,
    };
    authority.issue(here, "gateway", &gateway);
    (folder, authority)
}

fn tls(must: &str) -> Value {
    json!({ "certificates": [ { "cert": "gateway.pem", "key": "gateway.key" } ], "client_ca": "clients.pem", "client_certificates": must })
}

/// A listener for requests where a certificate is required, one where it is not, and one for bytes.
fn gateway(folder: tempfile::TempDir, upstream: &Upstream) -> Gateway {
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("the folder is writable");
    install(&plugins, "teller", &teller());
    Gateway::start_in(
        folder,
        json!({
            "listeners": {
                "web": { "tls": tls("required") }, "open": { "tls": tls("optional") },
                "tcp": { "tls": tls("required"), "protocol": "tcp", "upstream": "app", "chain": ["teller"] },
            },
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "teller": { "module": "teller" } },
            "global_chain": ["teller"],
        }),
    )
}

/// Asks as a client with this certificate, if any.
fn ask(address: SocketAddr, folder: &Path, client: Option<&str>) -> Result<Answer, String> {
    let place = format!("gateway.example:{}:127.0.0.1", address.port());
    let url = format!("https://gateway.example:{}/", address.port());
    let mut arguments = vec!["--insecure", "--http1.1", "--resolve", &place, &url];
    let files =
        client.map(|name| ["pem", "key"].map(|kind| folder.join(format!("{name}.{kind}")).display().to_string()));
    if let Some([cert, key]) = &files {
        arguments.extend(["--cert", cert, "--key", key]);
    }
    curl(&arguments)
}

fn told(answer: &Answer) -> Vec<(&'static str, Option<String>)> {
    let header = |name| answer.header(&format!("x-{name}")).map(str::to_string);
    ASKED.into_iter().map(|name| (name, header(name))).collect()
}

#[test]
fn only_who_has_a_certificate_of_the_authority_is_let_in_and_plugins_see_whose_it_is() {
    let (folder, _) = folder();
    let elsewhere = tempfile::tempdir().expect("a temporary folder can be made");
    Authority::write(elsewhere.path(), "clients").issue(elsewhere.path(), "client", &Contents::default());
    let upstream = Upstream::fixed("served");
    let gateway = gateway(folder, &upstream);
    for listener in ["web", "open"] {
        let address = gateway.listener(listener);
        let answer = ask(address, gateway.folder(), Some("client")).expect("it is let in");
        assert_eq!((answer.status, answer.header("x-mtls")), (200, Some("1")));
        assert_eq!(
            answer.header("x-uri_san_peer_certificate"),
            Some("spiffe://shop/orders")
        );
        assert_eq!(answer.header("x-dns_san_peer_certificate"), Some("orders.example"));
        let subject = answer.header("x-subject_peer_certificate").expect("it is told");
        assert!(subject.starts_with(r"CN=cli\C3\ABnt,"), "{subject}");
        ask(address, elsewhere.path(), Some("client")).expect_err("another authority's");
    }
    let before = upstream.requests().len();
    let refused = ask(gateway.listener("web"), gateway.folder(), None).expect_err("none is shown");
    assert!(
        refused.contains("exit status: 56") || refused.contains("exit status: 35"),
        "{refused}"
    );
    assert_eq!(upstream.requests().len(), before, "and nothing gets through");
    let answer = ask(gateway.listener("open"), gateway.folder(), None).expect("it is let in");
    assert_eq!((answer.status, answer.header("x-mtls")), (200, Some("0")));
    assert_eq!(answer.header("x-subject_peer_certificate"), Some(""));
    assert_eq!(answer.header("x-uri_san_peer_certificate"), None);
}

#[test]
fn connections_whose_bytes_are_passed_on_are_asked_for_certificates_too() {
    let (folder, _) = folder();
    let upstream = Upstream::echo();
    let gateway = gateway(folder, &upstream);
    let said = |with: &[&str]| {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_client", "-quiet", "-connect"])
            .arg(gateway.listener("tcp").to_string());
        openssl.args(with).current_dir(gateway.folder());
        openssl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut openssl = openssl.spawn().expect("openssl is installed");
        let mut stdin = openssl.stdin.take().expect("piped");
        // Who is refused may be told while it writes.
        let _ = stdin.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let (mut answer, stdout) = (String::new(), openssl.stdout.take().expect("piped"));
        let read = stdout.take(12).read_to_string(&mut answer);
        openssl.kill().and_then(|()| openssl.wait()).expect("it ends");
        read.map(|_| answer).expect("text")
    };
    assert_eq!(said(&[]), "", "without one there is no connection");
    assert_eq!(upstream.connections(), 0);
    let answer = said(&["-cert", "client.pem", "-key", "client.key"]);
    assert_eq!(answer, "HTTP/1.1 200");
    let _ = gateway.logged(&["x-mtls=1"]);
    let _ = gateway.logged(&["x-uri_san_peer_certificate=spiffe://shop/orders"]);
    let _ = gateway.logged(&["x-subject_local_certificate=O=Lockgate,CN=gateway"]);
}

#[test]
fn a_replaced_authority_holds_for_the_next_handshake() {
    let (folder, _) = folder();
    let upstream = Upstream::fixed("served");
    let gateway = gateway(folder, &upstream);
    let here = gateway.folder();
    let ask = |client| ask(gateway.address(), here, Some(client));
    ask("client").expect("it is let in");
    Authority::write(here, "clients").issue(here, "next", &Contents::default());
    eventually("the next authority's are let in", Duration::from_secs(5), || {
        ask("next").is_ok()
    });
    ask("client").expect_err("the authority before is believed no more");
    std::fs::write(here.join("clients.pem"), "no authority").expect("the folder is writable");
    let _ = gateway.logged(&["clients.pem", "the previous ones stay in use"]);
    ask("next").expect("a broken file changes nothing");
}

#[test]
fn envoy_gives_plugins_the_same_facts_of_the_same_certificates() {
    let binary = match envoy::binary() {
        Ok(binary) => binary,
        Err(reason) => {
            eprintln!("\n########## ENVOY CANNOT BE INSTALLED: not compared with it ##########\n{reason}");
            return;
        }
    };
    let (folder, _) = folder();
    let upstream = Upstream::fixed("served");
    let gateway = gateway(folder, &upstream);
    let here = gateway.folder();
    let plugin = ["teller", "", "", "", ""].map(str::to_string);
    let [name, root_id, vm_id, config, vm_config] = plugin;
    let plugin = Plugin {
        name,
        root_id,
        vm_id,
        config,
        vm_config,
    };
    let filter = Filter {
        name: "web".to_string(),
        module: teller(),
        plugin,
    };
    let envoy = Envoy::start_over_tls(binary, &filter, here, false, upstream.address());
    for client in [Some("client"), None] {
        let ours = ask(gateway.listener("open"), here, client).expect("it is let in");
        let envoys = ask(envoy.address(), here, client).expect("it is let in");
        assert_eq!(told(&ours), told(&envoys), "{client:?}");
        if client.is_some() {
            let all = told(&ours);
            assert!(all[..10].iter().all(|(_, value)| value.is_some()), "{all:?}");
        }
    }
}

#[test]
fn cases_say_what_certificate_a_client_has_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    write("teller.wasm", &teller());
    let shown = json!({ "subject": "CN=orders", "uri": "spiffe://shop/orders" });
    let seen = json!({
        "x-mtls": "1", "x-subject_peer_certificate": "CN=orders", "x-uri_san_peer_certificate": "spiffe://shop/orders",
        "x-dns_san_peer_certificate": null, "x-sha256_peer_certificate_digest": "0".repeat(64), "x-tls_version": "TLSv1.3",
    });
    let cases = json!({ "module": "teller.wasm", "cases": [
        { "name": "with one", "request": { "client_certificate": shown }, "expect": { "headers": seen } },
        { "name": "with one over HTTP/2", "request": { "client_certificate": shown, "protocol": "h2" }, "expect": { "headers": seen } },
        { "name": "without", "request": { "tls": true }, "expect": { "headers": { "x-mtls": "0" } } },
        { "name": "in the clear", "request": {}, "expect": { "headers": { "x-mtls": "0", "x-tls_version": null } } },
        { "name": "bytes", "connection": { "client_certificate": shown, "steps": [
            { "client": "hello", "expect": { "logs": [ "x-mtls=1", "x-subject_peer_certificate=CN=orders" ] } } ] } },
    ] });
    write("cases.json", cases.to_string().as_bytes());
    let output = lockgate(&["test", "cases.json"], folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("5 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
