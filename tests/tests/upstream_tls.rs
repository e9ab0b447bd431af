//! TLS towards upstreams: which HTTP version is spoken, what is refused and how it is told, and that no connection serves another
//! identity than the one that it was made for.

use lockgate_tests::certificates::{Authority, Contents, write};
use lockgate_tests::curl::curl;
use lockgate_tests::tls_upstream::{TlsOptions, TlsUpstream, folder, gateway, orders, told};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, post};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn the_endpoint_chooses_the_http_version_unless_the_protocol_says_which() {
    let (folder, _) = folder();
    let start = |alpn| {
        let options = TlsOptions {
            alpn,
            ..TlsOptions::default()
        };
        TlsUpstream::start(folder.path(), &options).address()
    };
    let (both, h1, silent) = (start(&["h2", "http/1.1"]), start(&["http/1.1"]), start(&[]));
    let protocol = |name: &str| json!({ "protocol": name });
    let gateway = gateway(
        folder,
        &[
            ("auto-both", both, orders(), json!({})),
            ("auto-h1", h1, orders(), protocol("auto")),
            ("auto-silent", silent, orders(), json!({})),
            ("h1-both", both, orders(), protocol("http1")),
            ("h2-both", both, orders(), protocol("http2")),
            ("h2-h1", h1, orders(), protocol("http2")),
            ("h2-silent", silent, orders(), protocol("http2")),
        ],
    );
    for (name, version) in [
        ("auto-both", "HTTP/2.0"),
        ("auto-h1", "HTTP/1.1"),
        ("auto-silent", "HTTP/1.1"),
        ("h1-both", "HTTP/1.1"),
        ("h2-both", "HTTP/2.0"),
    ] {
        let first = told(&gateway, name);
        assert_eq!(
            (&first["version"], &first["sni"]),
            (&json!(version), &json!("orders.test")),
            "{name}"
        );
        if version == "HTTP/2.0" {
            assert_eq!(first["scheme"], "https", "{name}");
        }
        for _ in 0..3 {
            assert_eq!(
                told(&gateway, name)["connection"],
                first["connection"],
                "{name}: one connection serves them all"
            );
        }
    }
    for name in ["h2-h1", "h2-silent"] {
        assert_eq!(gateway.get(&format!("/{name}")).status(), 502, "{name}");
        let _ = gateway.logged(&[
            "request failed",
            &format!("\"upstream\":\"{name}\""),
            "does not agree on",
        ]);
    }
}

#[test]
fn what_is_not_trusted_is_refused_with_the_reason_and_never_spoken_to_in_clear_text() {
    let (folder, authority) = folder();
    let here = folder.path();
    let _ = Authority::write(here, "other");
    write(here, "stranger", "client.test");
    for (file, years) in [("expired", (2001, 2002)), ("future", (2999, 3000))] {
        let contents = Contents {
            dns: vec!["orders.test"],
            years: Some(years),
            ..Contents::default()
        };
        authority.issue(here, file, &contents);
    }
    let start = |options: TlsOptions<'_>| TlsUpstream::start(here, &options);
    let certificate = |certificate| TlsOptions {
        certificate,
        ..TlsOptions::default()
    };
    let mutual = |version| TlsOptions {
        client_ca: Some("ca"),
        version: Some(version),
        ..TlsOptions::default()
    };
    let (good, expired, future) = (
        start(certificate("server")),
        start(certificate("expired")),
        start(certificate("future")),
    );
    let (mutual_12, mutual_13) = (
        start(mutual(&rustls::version::TLS12)),
        start(mutual(&rustls::version::TLS13)),
    );
    // As web servers answer a request that they cannot read.
    let plain = Upstream::raw(|wire| {
        wire.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
        // A close with unread bytes would be a reset, which could overtake the response.
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    });
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let silent = (silent.local_addr().expect("bound"), silent);
    let with = |file: &str| {
        let mut tls = orders();
        tls["cert"] = format!("{file}.pem").into();
        tls["key"] = format!("{file}.key").into();
        tls
    };
    let other = json!({ "ca": "other.pem", "server_name": "orders.test" });
    let wrong = json!({ "ca": "ca.pem", "server_name": "wrong.test" });
    let h1 = || json!({ "protocol": "http1" });
    let fast = json!({ "connect_timeout": "300ms" });
    let cases = [
        ("wrong-ca", good.address(), other, json!({}), "the trusted authority"),
        (
            "no-ip",
            good.address(),
            json!({ "ca": "ca.pem" }),
            json!({}),
            "not for \\\"127.0.0.1\\\"",
        ),
        (
            "wrong-name",
            good.address(),
            wrong,
            json!({}),
            "not for \\\"wrong.test\\\"",
        ),
        ("expired", expired.address(), orders(), json!({}), "certificate expired"),
        ("future", future.address(), orders(), json!({}), "not valid yet"),
        (
            "none-12",
            mutual_12.address(),
            orders(),
            h1(),
            "requires a client certificate",
        ),
        (
            "none-13",
            mutual_13.address(),
            orders(),
            h1(),
            "requires a client certificate",
        ),
        (
            "none-h2",
            mutual_13.address(),
            orders(),
            json!({}),
            "requires a client certificate",
        ),
        (
            "bad-12",
            mutual_12.address(),
            with("stranger"),
            h1(),
            "refuses the client certificate",
        ),
        (
            "bad-13",
            mutual_13.address(),
            with("stranger"),
            h1(),
            "refuses the client certificate",
        ),
        ("plain", plain.address(), orders(), json!({}), "does not speak TLS"),
        ("silent", silent.0, orders(), fast, "the TLS handshake with"),
    ];
    let upstreams: Vec<_> = cases
        .iter()
        .map(|(name, address, tls, further, _)| (*name, *address, tls.clone(), further.clone()))
        .chain([("trusted", mutual_13.address(), with("client"), json!({}))])
        .collect();
    let gateway = gateway(folder, &upstreams);
    for (nth, (name, .., words)) in cases.iter().enumerate() {
        let expected = if *name == "silent" { 504 } else { 502 };
        // With and without a body. Fewer requests than lines that the log has in a second.
        let body = if nth % 2 == 0 { "a body" } else { "" };
        let response = gateway.send(post(&format!("/{name}"), body));
        assert_eq!(response.status(), expected, "{name}");
        assert!(
            !response.text().contains("certificate"),
            "the client is told nothing of it"
        );
        let line = gateway.logged(&["request failed", &format!("\"upstream\":\"{name}\""), words]);
        assert!(line.contains("\"attempts\":1,"), "no attempt is repeated: {line}");
    }
    assert!(told(&gateway, "trusted")["client"].is_string());
    assert_eq!(
        (
            good.requests(),
            expired.requests(),
            future.requests(),
            mutual_12.requests()
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(mutual_13.requests(), 1);
    assert_eq!(plain.connections(), 1, "there is no second way to it");
}

#[test]
fn a_connection_of_one_identity_never_serves_another() {
    let (folder, _) = folder();
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let options = TlsOptions {
            alpn,
            client_ca: Some("ca"),
            ..TlsOptions::default()
        };
        let upstream = TlsUpstream::start(folder.path(), &options);
        let copy = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(copy.path().join("plugins")).expect("the folder is writable");
        let files = std::fs::read_dir(folder.path()).expect("a folder").flatten();
        for entry in files.filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a file");
        }
        // The same authority under another name is another set of settings.
        std::fs::copy(copy.path().join("ca.pem"), copy.path().join("ca2.pem")).expect("a file");
        let identity = |ca: &str, name: &str, client: &str, verify: bool| json!({ "ca": format!("{ca}.pem"), "server_name": name, "cert": format!("{client}.pem"), "key": format!("{client}.key"), "verify": verify });
        let identities = [
            ("one", identity("ca", "orders.test", "client", true)),
            ("name", identity("ca", "second.test", "client", true)),
            ("client", identity("ca", "orders.test", "client2", true)),
            ("ca", identity("ca2", "orders.test", "client", true)),
            ("verify", identity("ca", "orders.test", "client", false)),
        ];
        let all: Vec<_> = identities
            .iter()
            .map(|(name, tls)| (*name, upstream.address(), tls.clone(), json!({})))
            .collect();
        let gateway = gateway(copy, &all);
        let mut first = Vec::new();
        for (name, tls) in &identities {
            let told = told(&gateway, name);
            assert_eq!(
                told["resumed"], false,
                "{name}: no session of another identity is resumed"
            );
            assert_eq!(told["sni"], tls["server_name"], "{name}");
            assert!(
                first
                    .iter()
                    .all(|other: &Value| other["connection"] != told["connection"]),
                "{name}: {told}"
            );
            first.push(told);
        }
        assert_ne!(first[0]["client"], first[2]["client"]);
        for _ in 0..5 {
            for ((name, _), first) in identities.iter().zip(&first) {
                assert_eq!(told(&gateway, name)["connection"], first["connection"], "{name}");
            }
        }
    }
}

#[test]
fn sessions_are_resumed_and_connections_outlive_tickets_and_closes() {
    let (folder, _) = folder();
    let options = TlsOptions {
        alpn: &["http/1.1"],
        idle: Duration::from_millis(300),
        ..TlsOptions::default()
    };
    let upstream = TlsUpstream::start(folder.path(), &options);
    let gateway = gateway(folder, &[("app", upstream.address(), orders(), json!({}))]);
    let first = told(&gateway, "app");
    // Tickets of TLS 1.3 have come behind the handshake.
    assert_eq!(told(&gateway, "app")["connection"], first["connection"]);
    // The endpoint closes what is idle; a request finds out before it is sent, or goes out again.
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(gateway.send(post("/app", "x")).status(), 200);
    }
    let last = told(&gateway, "app");
    assert_ne!(last["connection"], first["connection"]);
    assert_eq!(last["resumed"], true);
}

#[test]
fn a_changed_certificate_is_shown_at_once_and_a_broken_one_is_not() {
    let (folder, authority) = folder();
    let start = |alpn| {
        let options = TlsOptions {
            alpn,
            client_ca: Some("ca"),
            ..TlsOptions::default()
        };
        TlsUpstream::start(folder.path(), &options)
    };
    let (h1, h2) = (start(&["http/1.1"]), start(&["h2"]));
    let mut tls = orders();
    tls["cert"] = "client.pem".into();
    tls["key"] = "client.key".into();
    let gateway = gateway(
        folder,
        &[
            ("h1", h1.address(), tls.clone(), json!({})),
            ("h2", h2.address(), tls, json!({})),
        ],
    );
    let clients = || ["h1", "h2"].map(|name| told(&gateway, name)["client"].clone());
    let first = clients();
    // Half of a change, and a broken file: the previous ones stay in use.
    std::fs::write(gateway.folder().join("client.key"), "nothing").expect("the folder is writable");
    let _ = gateway.logged(&["new certificates refused", "\"upstream\":\"h1\""]);
    assert_eq!(clients(), first);
    let contents = Contents {
        dns: vec!["new.test"],
        ..Contents::default()
    };
    authority.issue(gateway.folder(), "client", &contents);
    eventually("the new certificate is shown", Duration::from_secs(5), || {
        let now = clients();
        now[0] != first[0] && now[1] != first[1]
    });
    // An authority that has not issued the endpoint's certificate.
    let _ = Authority::write(gateway.folder(), "ca");
    eventually("the endpoint is not trusted any more", Duration::from_secs(5), || {
        gateway.get("/h1").status() == 502 && gateway.get("/h2").status() == 502
    });
}

#[test]
fn bytes_of_a_tcp_listener_go_over_tls() {
    let (folder, _) = folder();
    let options = TlsOptions {
        alpn: &[],
        ..TlsOptions::default()
    };
    let upstream = TlsUpstream::start(folder.path(), &options);
    let gateway = Gateway::start_in(
        folder,
        json!({
            "listeners": { "web": { "protocol": "tcp", "upstream": "app" } },
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()], "tls": orders() } },
        }),
    );
    let url = format!("http://{}/", gateway.listener("web"));
    let answer = curl(&["--http1.1", &url]).expect("an answer");
    assert!(answer.body.contains("orders.test"), "{answer:?}");
}

#[test]
fn certificates_that_are_not_verified_are_warned_of_at_each_start_and_reload() {
    let (folder, _) = folder();
    let upstream = TlsUpstream::start(folder.path(), &TlsOptions::default());
    let mut gateway = gateway(
        folder,
        &[("app", upstream.address(), json!({ "verify": false }), json!({}))],
    );
    let _ = told(&gateway, "app");
    let warned = |gateway: &Gateway| {
        let log = gateway.log();
        log.iter().filter(|line| line.contains("are not verified")).count()
    };
    assert_eq!(warned(&gateway), 1);
    gateway.reconfigure(|config| config["drain_timeout"] = "7s".into());
    eventually("a reload warns, too", Duration::from_secs(5), || warned(&gateway) == 2);
}
