//! Plugins on the SDK, through the real gateway and through Envoy: the same module gives the same answers. The `waits` guest
//! waits in every way that the SDK knows; `enrich`, `rewrite-json` and `token` are examples.

use lockgate_tests::envoy::{self, Envoy, Plugin};
use lockgate_tests::http::{Message, Request};
use lockgate_tests::modules::module;
use lockgate_tests::upstream::{Then, answer, eventually};
use lockgate_tests::wire::Wire;
use lockgate_tests::{Gateway, GrpcServer, Upstream, get, post, request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

/// A plugin in front of `app`, in both hosts, with more upstreams.
struct Hosts {
    hosts: Vec<(&'static str, SocketAddr, Running)>,
}

#[expect(dead_code, reason = "they run until they are dropped")]
enum Running {
    Lockgate(Gateway),
    Envoy(Envoy),
}

fn hosts(name: &str, config: &Value, upstreams: &[(&str, SocketAddr)]) -> Hosts {
    let endpoints: serde_json::Map<_, _> = upstreams
        .iter()
        .map(|(name, address)| {
            let protocol = if *name == "grpc" { "http2" } else { "http1" };
            let upstream = json!({ "endpoints": [address.to_string()], "protocol": protocol });
            (name.to_string(), upstream)
        })
        .collect();
    let gateway = Gateway::start(json!({
        "upstreams": endpoints,
        "routes": [ { "name": "all", "match": { "path_prefix": "/" }, "chain": [ { "module": name, "config": config } ], "upstream": "app" } ],
    }));
    let mut hosts = vec![("lockgate", gateway.address(), Running::Lockgate(gateway))];
    match envoy::binary() {
        Ok(binary) => {
            let plugin = Plugin {
                name: name.to_string(),
                root_id: String::new(),
                vm_id: String::new(),
                config: if config.is_null() {
                    String::new()
                } else {
                    config.to_string()
                },
                vm_config: String::new(),
            };
            let envoy = Envoy::start(binary, &module(name), &plugin, upstreams);
            hosts.push(("envoy", envoy.address(), Running::Envoy(envoy)));
        }
        Err(reason) => eprintln!("##### ENVOY CANNOT BE INSTALLED: not compared #####\n{reason}"),
    }
    Hosts { hosts }
}

impl Hosts {
    /// Every host forwards a `GET` of this path with this header.
    fn forwards(&self, path: &str, header: &str, expected: &str) {
        self.all(&get(path), |answer, host| {
            assert_eq!(
                forwarded(answer, header).as_deref(),
                Some(expected),
                "{host}: {answer:?}"
            );
        });
    }

    /// What every host answers, judged.
    fn all(&self, request: &Request, judge: impl Fn(&Message, &str)) {
        for (name, address, _) in &self.hosts {
            let answer = Wire::connect(*address).exchange(request);
            judge(
                &answer.unwrap_or_else(|error| panic!("{name}: no answer: {error}")),
                name,
            );
        }
    }
}

fn forwarded(answer: &Message, name: &str) -> Option<String> {
    let headers = answer.json()["headers"].clone();
    let found = headers.as_array()?.iter().find(|pair| pair[0] == name)?.clone();
    found[1].as_str().map(str::to_owned)
}

fn by_path(answers: &'static [(&'static str, u16, &'static str)]) -> Upstream {
    Upstream::scripted(move |request, wire| {
        let found = answers.iter().find(|(path, ..)| *path == request.target());
        let (_, status, body) = found.unwrap_or(&("", 404, "unknown"));
        answer(wire, *status, &[], body)
    })
}

#[test]
fn two_services_asked_at_once_answer_the_same_everywhere() {
    let app = Upstream::echo();
    let users = by_path(&[("/users/7", 200, "Ada"), ("/users/8", 200, "Bob")]);
    let plans = by_path(&[("/plans/7", 200, "gold"), ("/plans/8", 500, "broken")]);
    let upstreams = [
        ("app", app.address()),
        ("users", users.address()),
        ("plans", plans.address()),
    ];
    let hosts = hosts("enrich", &Value::Null, &upstreams);
    for (id, name, plan) in [("7", "Ada", "gold"), ("8", "Bob", "free")] {
        hosts.all(&get("/").header("x-user-id", id), |answer, host| {
            assert_eq!(
                forwarded(answer, "x-user-name").as_deref(),
                Some(name),
                "{host}: {answer:?}"
            );
            assert_eq!(forwarded(answer, "x-plan").as_deref(), Some(plan), "{host}: {answer:?}");
        });
    }
    hosts.all(&get("/").header("x-user-id", "9"), |answer, host| {
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (403, "no such user"),
            "{host}"
        );
    });
    hosts.all(&get("/"), |answer, host| assert_eq!(answer.status(), 400, "{host}"));
}

/// Answers `/ask` with `because <body>`, and all else after a while.
fn side() -> Upstream {
    Upstream::scripted(|request, wire| {
        if request.target() != "/ask" {
            thread::sleep(Duration::from_millis(400));
        }
        answer(wire, 200, &[], format!("because {}", request.text()))
    })
}

#[test]
fn hooks_wait_for_timers_callouts_and_bodies_everywhere() {
    let (app, side) = (Upstream::echo(), side());
    let hosts = hosts(
        "waits",
        &Value::Null,
        &[("app", app.address()), ("side", side.address())],
    );
    hosts.all(&get("/sleep"), |answer, host| {
        assert_eq!(
            forwarded(answer, "x-slept").as_deref(),
            Some("yes"),
            "{host}: {answer:?}"
        );
        assert_eq!(answer.header("x-steps"), Some("2"), "{host}: {answer:?}");
    });
    hosts.all(&get("/patience"), |answer, host| {
        assert_eq!(
            forwarded(answer, "x-in-time").as_deref(),
            Some("false"),
            "{host}: {answer:?}"
        );
    });
    hosts.all(&get("/ask"), |answer, host| {
        assert_eq!(
            forwarded(answer, "x-answer").as_deref(),
            Some("because really?"),
            "{host}: {answer:?}"
        );
    });
}

/// What is held of a body can be read and changed when the answer to a callout comes, not only in body callbacks.
#[test]
fn a_held_body_is_rewritten_after_a_callout_everywhere() {
    let (app, side) = (Upstream::echo(), side());
    let hosts = hosts(
        "waits",
        &Value::Null,
        &[("app", app.address()), ("side", side.address())],
    );
    let bodies = [
        ("/whole", "<HELLO WORLD>"),
        ("/ask-about-body", "because hello world"),
        ("/ask-before-body", "hello world seen"),
        ("/ask-in-pieces", "HELLO WORLD"),
        ("/untouched", "hello world"),
    ];
    for (path, expected) in bodies {
        let chunked = request("POST", path).chunks(&["hello", " world"], &[]);
        let with_trailers = request("POST", path).chunks(&["hello ", "world"], &[("x-end", "yes")]);
        let mut variants = vec![post(path, "hello world"), chunked];
        // Envoy loses a body that was changed when its trailers came, if the head had waited for a callout.
        if path != "/ask-before-body" {
            variants.push(with_trailers);
        }
        for sent in variants {
            hosts.all(&sent, |answer, host| {
                assert_eq!(answer.status(), 200, "{host} {path}: {answer:?}");
                assert_eq!(answer.json()["body"], expected, "{host} {path}: {answer:?}");
            });
        }
    }
    hosts.all(&post("/whole", "bad news"), |answer, host| {
        assert_eq!((answer.status(), answer.text().as_str()), (422, "bad"), "{host}");
    });
    hosts.all(&post("/whole", "x".repeat(1001)), |answer, host| {
        assert_eq!(answer.status(), 413, "{host}: {answer:?}");
    });
}

#[test]
fn grpc_calls_are_awaited_everywhere() {
    let (app, grpc) = (Upstream::echo(), GrpcServer::start());
    let hosts = hosts(
        "waits",
        &Value::Null,
        &[("app", app.address()), ("grpc", grpc.address())],
    );
    for (path, header, expected) in [
        ("/grpc", "x-answer", "hello"),
        ("/grpc-fails", "x-grpc-status", "7"),
        ("/grpc-late", "x-in-time", "false"),
    ] {
        hosts.forwards(path, header, expected);
    }
}

#[test]
fn grpc_streams_are_talked_on_everywhere() {
    let (app, grpc) = (Upstream::echo(), GrpcServer::start());
    let hosts = hosts(
        "waits",
        &Value::Null,
        &[("app", app.address()), ("grpc", grpc.address())],
    );
    for (path, header, expected) in [
        ("/grpc-stream", "x-answer", "one+two+three"),
        ("/grpc-stream", "x-initial", "first"),
        ("/grpc-stream", "x-trailing", "last"),
        ("/grpc-stream-fails", "x-answer", "one 9"),
        ("/grpc-streams", "x-answer", "left+right"),
        ("/grpc-stream-late", "x-in-time", "false"),
    ] {
        hosts.forwards(path, header, expected);
    }
    // The server counts a reset once it has read it, which may be after the client has its response.
    eventually(
        "each host has reset the stream that it dropped",
        Duration::from_secs(5),
        || grpc.resets() == hosts.hosts.len(),
    );
    hosts.all(&post("/grpc-body", "some bytes"), |answer, host| {
        assert_eq!(answer.json()["body"], "SOME BYTES", "{host}: {answer:?}");
    });
}

fn in_pieces(_: &Message, wire: &mut Wire) -> io::Result<Then> {
    wire.write("HTTP/1.1 200 OK\r\nx-pieces: yes\r\ntransfer-encoding: chunked\r\n\r\n")?;
    for piece in ["3\r\none\r\n", "4\r\n two\r\n", "6\r\n three\r\n", "0\r\n\r\n"] {
        thread::sleep(Duration::from_millis(20));
        wire.write(piece)?;
    }
    Ok(Then::KeepAlive)
}

#[test]
fn a_response_is_changed_piece_by_piece_everywhere() {
    let (app, side) = (Upstream::scripted(in_pieces), side());
    let hosts = hosts(
        "waits",
        &Value::Null,
        &[("app", app.address()), ("side", side.address())],
    );
    hosts.all(&get("/"), |answer, host| {
        assert_eq!(answer.text(), "ONE TWO THREE\nend", "{host}: {answer:?}");
    });
}

#[test]
fn a_json_body_is_rewritten_everywhere() {
    let body = r#"{"people":[{"name":"Ada","ssn":"1"}],"ssn":2}"#;
    let app = Upstream::answering(200, &[("content-type", "application/json")], body);
    let hosts = hosts("rewrite-json", &json!({ "fields": ["ssn"] }), &[("app", app.address())]);
    hosts.all(&get("/"), |answer, host| {
        assert_eq!(answer.text(), r#"{"people":[{"name":"Ada"}]}"#, "{host}: {answer:?}");
    });
}

#[test]
fn a_token_is_fetched_once_everywhere() {
    let (app, login) = (
        Upstream::echo(),
        by_path(&[("/token", 200, r#"{"access_token":"t","expires_in":60}"#)]),
    );
    let config = json!({ "issuer": "login", "path": "/token", "client": "me", "secret": "s" });
    let hosts = hosts("token", &config, &[("app", app.address()), ("login", login.address())]);
    for _ in 0..3 {
        hosts.all(&get("/"), |answer, host| {
            assert_eq!(
                forwarded(answer, "authorization").as_deref(),
                Some("Bearer t"),
                "{host}: {answer:?}"
            );
        });
    }
    assert_eq!(login.requests().len(), hosts.hosts.len(), "each host has asked once");
}
