//! HTTP/1.1, HTTP/2 in the clear and HTTP/2 over TLS: the same answers through the same chain, by curl.

use lockgate_tests::certificates;
use lockgate_tests::curl::{Answer, curl};
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream};
use serde_json::json;
use std::time::Duration;

/// An upstream whose answer shows what has come to it, less what differs from request to request.
fn upstream() -> Upstream {
    Upstream::scripted(|request, wire| {
        let body = format!(
            "{} {} host={} x-asked={:?} {} bytes",
            request.method(),
            request.target(),
            request.header("host").unwrap_or_default(),
            request.header("x-asked"),
            request.body.len()
        );
        let status = if request.target() == "/missing" { 404 } else { 200 };
        answer(
            wire,
            status,
            &[("x-upstream", "yes"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            if request.method() == "HEAD" {
                String::new()
            } else {
                body
            },
        )
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    lockgate_tests::gateway::install(
        &folder.path().join("plugins"),
        "tag",
        &lockgate_tests::modules::module("tag"),
    );
    certificates::write(folder.path(), "api", "api.test");
    certificates::write(folder.path(), "other", "other.test");
    Gateway::start_in(
        folder,
        json!({
            "listeners": {
                "web": {},
                "tls": { "tls": { "certificates": [ { "cert": "api.pem", "key": "api.key" }, { "cert": "other.pem", "key": "other.key" } ] } },
            },
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "tag": { "module": "tag" } },
            "routes": [ { "name": "all", "match": { "path_prefix": "/" }, "chain": ["tag"], "upstream": "app" } ],
        }),
    )
}

/// The three ways in: how curl is told, and the version that it must report.
fn ways(gateway: &Gateway) -> Vec<(&'static str, Vec<String>, &'static str)> {
    let (web, tls) = (gateway.address().port(), gateway.listener("tls").port());
    let resolve = |port: u16| vec!["--resolve".to_string(), format!("api.test:{port}:127.0.0.1")];
    let pem = gateway.folder().join("api.pem").to_string_lossy().into_owned();
    let way = |flags: &[&str], port: u16| {
        resolve(port)
            .into_iter()
            .chain(flags.iter().map(ToString::to_string))
            .collect::<Vec<_>>()
    };
    vec![
        ("http", way(&["--http1.1"], web), "1.1"),
        ("http", way(&["--http2-prior-knowledge"], web), "2"),
        ("https", way(&["--http2", "--cacert", &pem], tls), "2"),
        ("https", way(&["--http1.1", "--cacert", &pem], tls), "1.1"),
    ]
}

fn ask(gateway: &Gateway, nth: usize, path: &str, more: &[&str]) -> Answer {
    let (scheme, flags, version) = ways(gateway).swap_remove(nth);
    let port = if scheme == "http" {
        gateway.address().port()
    } else {
        gateway.listener("tls").port()
    };
    let url = format!("{scheme}://api.test:{port}{path}");
    let flags: Vec<&str> = flags
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .chain([url.as_str()])
        .collect();
    let got = curl(&flags).unwrap_or_else(|error| panic!("{scheme} {version} {path}: {error}"));
    assert_eq!(got.version, version);
    got
}

/// An answer without what belongs to one connection or one moment.
fn comparable(mut answer: Answer, gateway: &Gateway) -> Answer {
    answer.version = String::new();
    answer
        .headers
        .retain(|(name, _)| !["date", "x-request-id", "connection", "keep-alive"].contains(&name.as_str()));
    answer.headers.sort();
    for port in [gateway.address().port(), gateway.listener("tls").port()] {
        answer.body = answer.body.replace(&port.to_string(), "PORT");
    }
    if let Some(at) = answer.body.find("\"request_id\"") {
        answer.body.truncate(at); // of a problem
    }
    answer
}

#[test]
fn every_protocol_gets_the_same_answers_through_the_chain() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let asked: &[(&str, &[&str])] = &[
        ("/some/path?with=query", &[]),
        ("/headers", &["-H", "x-asked: yes", "-H", "cookie: a=1; b=2"]),
        ("/body", &["-d", "some data"]),
        ("/put", &["-X", "PUT", "-d", "some data"]),
        ("/chunked", &["-H", "transfer-encoding: chunked", "-d", "some data"]),
        ("/head", &["--head"]),
        ("/missing", &[]),
        ("/%2e%2e/up/../down//twice", &["--path-as-is"]),
        ("/bad%2Fslash", &[]),
    ];
    for (path, more) in asked {
        let first = comparable(ask(&gateway, 0, path, more), &gateway);
        if first.status < 400 {
            assert_eq!(
                (first.header("x-tag"), first.header("x-upstream")),
                (Some("untagged"), Some("yes")),
                "{path}"
            );
        }
        for nth in 1..4 {
            assert_eq!(
                comparable(ask(&gateway, nth, path, more), &gateway),
                first,
                "{path}, way {nth}"
            );
        }
    }
}

#[test]
fn large_bodies_pass_over_http_2() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let file = gateway.folder().join("large");
    std::fs::write(&file, vec![b'x'; 8 << 20]).expect("the folder is writable");
    let data = format!("@{}", file.display());
    for nth in [1, 2] {
        let answer = ask(&gateway, nth, "/large", &["--data-binary", &data]);
        assert_eq!(answer.status, 200);
        assert!(answer.body.ends_with(&format!("{} bytes", 8 << 20)), "{}", answer.body);
    }
}

#[test]
fn many_streams_of_one_http_2_connection_are_answered() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let url = format!("https://127.0.0.1:{}/stream-[1-50]", gateway.listener("tls").port());
    let output = std::process::Command::new("curl")
        .args([
            "--silent",
            "--parallel",
            "--insecure",
            "--http2",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} %{num_connects}\n",
            &url,
        ])
        .output()
        .expect("curl is installed");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        told.lines().filter(|line| line.starts_with("200")).count(),
        50,
        "{told}"
    );
    assert_eq!(upstream.requests().len(), 50);
}

#[test]
fn the_server_name_selects_the_certificate_and_the_first_is_the_default() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let port = gateway.listener("tls").port();
    let with = |host: &str, file: &str| {
        let pem = gateway.folder().join(file).to_string_lossy().into_owned();
        curl(&[
            "--resolve",
            &format!("{host}:{port}:127.0.0.1"),
            "--cacert",
            &pem,
            &format!("https://{host}:{port}/"),
        ])
    };
    assert_eq!(with("api.test", "api.pem").map(|answer| answer.status), Ok(200));
    assert_eq!(with("other.test", "other.pem").map(|answer| answer.status), Ok(200));
    assert!(
        with("other.test", "api.pem").is_err(),
        "another certificate than the name's is not served"
    );
    let unknown = with("unknown.test", "api.pem").expect_err("no certificate bears that name");
    assert!(
        unknown.contains("unknown.test") || unknown.contains("subject"),
        "the default certificate was served: {unknown}"
    );
}

#[test]
fn the_next_handshake_gets_a_certificate_replaced_on_disk() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let old = gateway.folder().join("old.pem");
    std::fs::copy(gateway.folder().join("api.pem"), &old).expect("the folder is writable");
    let port = gateway.listener("tls").port();
    let with = |pem: &std::path::Path| {
        let url = format!("https://api.test:{port}/");
        curl(&[
            "--resolve",
            &format!("api.test:{port}:127.0.0.1"),
            "--cacert",
            &pem.to_string_lossy(),
            &url,
        ])
    };
    assert_eq!(with(&old).map(|answer| answer.status), Ok(200));
    certificates::write(gateway.folder(), "api", "api.test");
    let fresh = gateway.folder().join("api.pem");
    eventually("the new certificate is served", Duration::from_secs(3), || {
        with(&fresh).is_ok_and(|answer| answer.status == 200)
    });
    assert!(with(&old).is_err(), "the old certificate is no longer served");

    std::fs::write(&fresh, "no certificate").expect("the folder is writable");
    let _ = gateway.logged(&["api.pem"]);
    assert!(with(&old).is_err());
    let insecure = curl(&[
        "--insecure",
        "--resolve",
        &format!("api.test:{port}:127.0.0.1"),
        &format!("https://api.test:{port}/"),
    ]);
    assert_eq!(
        insecure.map(|answer| answer.status),
        Ok(200),
        "a broken certificate takes nothing away"
    );
}

#[test]
fn tls_takes_no_plain_text_and_old_versions_are_refused() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let port = gateway.listener("tls").port();
    assert!(curl(&[&format!("http://127.0.0.1:{port}/")]).is_err());
    assert!(curl(&["--insecure", "--tls-max", "1.1", &format!("https://127.0.0.1:{port}/")]).is_err());
    assert_eq!(
        curl(&["--insecure", "--tls-max", "1.2", &format!("https://127.0.0.1:{port}/")]).map(|answer| answer.status),
        Ok(200)
    );
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn grpc_statuses_in_trailers_arrive_over_http_2() {
    let upstream = Upstream::scripted(|_, wire| {
        lockgate_tests::upstream::answer_chunked(
            wire,
            &[("content-type", "application/grpc")],
            &["\0\0\0\0\0"],
            &[("grpc-status", "0"), ("grpc-message", "fine")],
        )
    });
    let gateway = gateway(&upstream);
    let answer = ask(
        &gateway,
        1,
        "/service/method",
        &["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", "x"],
    );
    assert!(
        answer.body.contains("grpc-status: 0") || answer.headers.iter().any(|(name, _)| name == "grpc-status"),
        "{answer:?}"
    );
    assert_eq!(
        upstream.last_request().header("te"),
        Some("trailers"),
        "gRPC needs it to pass"
    );
}
