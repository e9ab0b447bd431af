//! TCP listeners: bytes pass, with and without plugins, whatever the two ends do to each other.

use lockgate_tests::load::Load;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, certificates, get};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// A TCP listener `tcp` in front of an upstream, with a chain.
fn config(upstream: SocketAddr, chain: Value) -> Value {
    json!({
        "listeners": { "tcp": { "protocol": "tcp", "upstream": "app", "chain": chain } },
        "upstreams": { "app": { "endpoints": [upstream.to_string()] } },
        "access_log": { "path": "access.log" },
    })
}

/// The guest that shouts towards the upstream, and whispers back.
fn rewriting() -> Value {
    json!([ { "module": "streams", "config": "rewrite" } ])
}

/// Sends back what it gets, and closes when the client has.
fn echo() -> Upstream {
    Upstream::raw(|wire| {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match wire.socket().read(&mut buffer)? {
                0 => return Ok(()),
                count => wire.write(&buffer[..count])?,
            }
        }
    })
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.listener("tcp")).expect("the gateway listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .and_then(|()| stream.set_nodelay(true))
        .expect("a fresh socket takes options");
    stream
}

fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).expect("the gateway takes it");
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).expect("an answer comes");
    String::from_utf8(answer).expect("text")
}

/// Everything up to the end, and what kind of end it was.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).map(drop).map_err(|error| error.kind());
    (bytes, ended)
}

fn ended(gateway: &Gateway, result: &str) -> f64 {
    gateway.metrics().sum(
        "lockgate_tcp_connections_total",
        &[("listener", "tcp"), ("result", result)],
    )
}

fn wait_for_end(gateway: &Gateway, result: &str, count: f64) {
    eventually(
        &format!("{count} connections end by {result}"),
        Duration::from_secs(10),
        || ended(gateway, result) == count,
    );
}

/// The last line of the access log.
fn last_line(gateway: &Gateway) -> Value {
    let path = gateway.folder().join("access.log");
    let mut line = None;
    eventually("a line in the access log", Duration::from_secs(5), || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        line = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        line.is_some()
    });
    line.expect("it has just been found")
}

/// Does the same with no plugin and with one that sees every byte.
fn with_and_without(test: impl Fn(Value, bool)) {
    test(json!([]), false);
    test(rewriting(), true);
}

#[test]
fn bytes_pass_both_ways_and_are_accounted_for() {
    with_and_without(|chain, rewrites| {
        let upstream = echo();
        let gateway = Gateway::start(config(upstream.address(), chain));
        let mut stream = connect(&gateway);
        assert_eq!(exchange(&mut stream, "hello"), "hello");
        assert_eq!(gateway.metrics().sum("lockgate_connections", &[]), 1.0);
        stream.shutdown(Shutdown::Write).expect("open");
        assert_eq!(rest(&mut stream), (Vec::new(), Ok(())));
        wait_for_end(&gateway, "complete", 1.0);
        eventually("nothing is open", Duration::from_secs(5), || {
            gateway.metrics().sum("lockgate_connections", &[]) == 0.0
        });
        for direction in ["received", "sent"] {
            let labels = [("listener", "tcp"), ("direction", direction)];
            assert_eq!(gateway.metrics().sum("lockgate_tcp_bytes_total", &labels), 5.0);
        }
        let line = last_line(&gateway);
        assert_eq!(line["protocol"], "tcp");
        assert_eq!(line["listener"], "tcp");
        assert_eq!(line["result"], "complete");
        assert_eq!(line["upstream"], "app");
        assert_eq!(line["endpoint"], upstream.address().to_string());
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&json!(5), &json!(5)));
        assert!(line["connect_us"].is_u64() && line["duration_us"].is_u64(), "{line}");
        assert_eq!(line["plugins"].as_array().map(Vec::len), Some(usize::from(rewrites)));
        if rewrites {
            assert_eq!(line["plugins"][0]["name"], "listeners.tcp/0:streams");
            assert!(line["plugins"][0]["request_us"].is_u64() && line["plugins"][0]["response_us"].is_u64());
            let phases = gateway.metrics();
            for phase in [
                "new_connection",
                "downstream_data",
                "upstream_data",
                "downstream_close",
                "upstream_close",
            ] {
                let count = phases.sum("lockgate_plugin_duration_seconds_count", &[("phase", phase)]);
                assert!(count >= 1.0, "{phase}");
            }
        }
    });
}

/// 256 MiB there and back at once, and memory that does not notice.
#[test]
fn a_large_stream_passes_complete_in_constant_memory() {
    with_and_without(|chain, rewrites| {
        let total = if rewrites { 64 * MIB } else { 256 * MIB };
        let upstream = echo();
        let gateway = Gateway::start(config(upstream.address(), chain));
        drop(exchange(&mut connect(&gateway), "warm"));
        let before = gateway.memory().now;
        let mut stream = connect(&gateway);
        let mut sender = stream.try_clone().expect("a socket has a second handle");
        let sending = thread::spawn(move || {
            let chunk: Vec<u8> = (0..65536u32).map(|n| b'a' + (n % 26) as u8).collect();
            for _ in 0..total / chunk.len() {
                sender.write_all(&chunk)?;
            }
            sender.shutdown(Shutdown::Write)
        });
        let (mut got, mut sum, mut buffer) = (0, 0u64, vec![0; 256 * 1024]);
        loop {
            let count = stream.read(&mut buffer).expect("bytes come");
            if count == 0 {
                break;
            }
            sum += buffer[..count].iter().map(|byte| u64::from(*byte)).sum::<u64>();
            got += count;
        }
        sending.join().expect("no panic").expect("everything is taken");
        assert_eq!(got, total);
        let per_chunk: u64 = (0..65536u64).map(|n| u64::from(b'a') + n % 26).sum();
        assert_eq!(sum, per_chunk * (total as u64 / 65536));
        let grown = gateway.memory().peak.saturating_sub(before);
        assert!(grown < 12 * MIB as u64, "grew by {grown} bytes");
    });
}

#[test]
fn a_reader_that_does_not_read_stops_the_sender_and_nothing_is_buffered() {
    with_and_without(|chain, _| {
        let upstream = Upstream::raw(|wire| {
            let chunk = vec![b'x'; 65536];
            (0..1024).try_for_each(|_| wire.write(&chunk))
        });
        let gateway = Gateway::start(config(upstream.address(), chain));
        let streams: Vec<_> = (0..8).map(|_| connect(&gateway)).collect();
        let sent = || {
            gateway
                .metrics()
                .sum("lockgate_tcp_bytes_total", &[("direction", "sent")])
        };
        let before = gateway.memory().now;
        let mut last = -1.0;
        eventually("the flow stops", Duration::from_secs(20), || {
            thread::sleep(Duration::from_millis(300));
            let now = sent();
            std::mem::replace(&mut last, now) == now
        });
        assert!(last < (8 * 64 * MIB) as f64, "everything was sent to nobody");
        let grown = gateway.memory().now.saturating_sub(before);
        assert!(grown < 8 * MIB as u64, "grew by {grown} bytes");
        for mut stream in streams {
            let (bytes, end) = rest(&mut stream);
            assert_eq!((bytes.len(), end), (64 * MIB, Ok(())));
        }
    });
}

#[test]
fn each_side_may_close_before_the_other() {
    with_and_without(|chain, rewrites| {
        let upstream = Upstream::raw(|wire| {
            // All of the question first, then the answer.
            let mut question = Vec::new();
            wire.socket().read_to_end(&mut question)?;
            wire.write(format!("{} bytes", question.len()))
        });
        let gateway = Gateway::start(config(upstream.address(), chain));
        let mut stream = connect(&gateway);
        stream.write_all(&vec![b'q'; 100_000]).expect("taken");
        stream.shutdown(Shutdown::Write).expect("open");
        assert_eq!(rest(&mut stream), (b"100000 bytes".to_vec(), Ok(())));

        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = heard.clone();
        let upstream = Upstream::raw(move |wire| {
            wire.write("That is all.")?;
            wire.socket().shutdown(Shutdown::Write)?;
            let mut late = Vec::new();
            wire.socket().read_to_end(&mut late)?;
            kept.lock().expect("no panic while holding it").extend(late);
            Ok(())
        });
        let chain = if rewrites { rewriting() } else { json!([]) };
        let gateway = Gateway::start(config(upstream.address(), chain));
        let mut stream = connect(&gateway);
        let (bytes, end) = rest(&mut stream);
        assert_eq!((bytes.len(), end), (12, Ok(())));
        stream.write_all(b"but i say").expect("the other direction is open");
        drop(stream);
        let wanted: &[u8] = if rewrites { b"BUT I SAY" } else { b"but i say" };
        eventually("the upstream hears it", Duration::from_secs(5), || {
            heard.lock().expect("no panic while holding it").as_slice() == wanted
        });
    });
}

#[test]
fn a_refused_upstream_connection_closes_the_client_and_is_logged() {
    let gateway = Gateway::start(config(Upstream::nobody(), json!([])));
    let mut stream = connect(&gateway);
    stream.write_all(b"hello").expect("taken");
    assert_eq!(rest(&mut stream), (Vec::new(), Ok(())));
    wait_for_end(&gateway, "upstream_failed", 1.0);
    let _ = gateway.logged(&["connection closed", "cannot connect", "app"]);
    assert_eq!(last_line(&gateway)["result"], "upstream_failed");
}

#[test]
fn a_second_endpoint_is_tried_when_the_first_refuses() {
    let upstream = echo();
    let mut config = config(upstream.address(), json!([]));
    config["upstreams"]["app"]["endpoints"] = json!([Upstream::nobody().to_string(), upstream.address().to_string()]);
    let gateway = Gateway::start(config);
    for _ in 0..4 {
        assert_eq!(exchange(&mut connect(&gateway), "hello"), "hello");
    }
}

#[test]
fn a_reset_is_passed_on_as_a_reset_and_never_as_an_end() {
    with_and_without(|chain, _| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let gateway = Gateway::start(config(listener.local_addr().expect("bound"), chain));
        let mut client = connect(&gateway);
        client.write_all(b"hello").expect("taken");
        let (mut server, _) = listener.accept().expect("the gateway connects");
        server.read_exact(&mut [0; 5]).expect("it comes");
        server.write_all(b"half an answ").expect("taken");
        thread::sleep(Duration::from_millis(50));
        reset(server);
        let (bytes, end) = rest(&mut client);
        assert_eq!((bytes.len(), end), (12, Err(ErrorKind::ConnectionReset)));
        wait_for_end(&gateway, "upstream_reset", 1.0);

        let mut client = connect(&gateway);
        client.write_all(b"half a questi").expect("taken");
        let (mut server, _) = listener.accept().expect("the gateway connects");
        server.read_exact(&mut [0; 13]).expect("it comes");
        reset(client);
        let (_, end) = rest(&mut server);
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
        wait_for_end(&gateway, "client_reset", 1.0);
    });
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket takes options");
}

#[test]
fn over_tls_the_upstream_gets_plain_bytes_and_a_truncation_is_no_end() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    certificates::write(folder.path(), "tls", "broker.test");
    let upstream = echo();
    let mut config = config(upstream.address(), json!([]));
    config["listeners"]["tcp"]["tls"] = json!({ "certificates": [ { "cert": "tls.pem", "key": "tls.key" } ] });
    let gateway = Gateway::start_in(folder, config);
    let mut openssl = tls_client(&gateway, "broker.test");
    openssl
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(b"hello\n")
        .expect("it runs");
    let mut answer = [0; 6];
    openssl
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut answer)
        .expect("an answer comes");
    assert_eq!(&answer, b"hello\n");
    // Killed, it says no goodbye: what stops there was not whole.
    openssl.kill().and_then(|()| openssl.wait()).expect("it ends");
    wait_for_end(&gateway, "client_reset", 1.0);
    let line = last_line(&gateway);
    assert_eq!(
        (&line["tls"], &line["server_name"]),
        (&json!("TLSv1.3"), &json!("broker.test"))
    );

    let mut plain = connect(&gateway);
    plain.write_all(b"this is no handshake\r\n\r\n").expect("taken");
    drop(rest(&mut plain));
    wait_for_end(&gateway, "tls_handshake_failed", 1.0);
}

#[test]
fn an_idle_connection_is_closed_but_not_an_active_one() {
    let upstream = echo();
    let mut config = config(upstream.address(), rewriting());
    config["listeners"]["tcp"]["limits"] = json!({ "idle_timeout": "1s" });
    let gateway = Gateway::start(config);
    let (mut silent, mut busy) = (connect(&gateway), connect(&gateway));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        assert_eq!(exchange(&mut busy, "x"), "x");
        thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(rest(&mut silent), (Vec::new(), Ok(())));
    wait_for_end(&gateway, "idle_timeout", 1.0);
}

#[test]
fn connections_over_the_limit_are_closed_and_counted() {
    let upstream = echo();
    let mut config = config(upstream.address(), json!([]));
    config["listeners"]["tcp"]["limits"] = json!({ "connections": 2 });
    let gateway = Gateway::start(config);
    let (mut one, mut two) = (connect(&gateway), connect(&gateway));
    assert_eq!(
        (exchange(&mut one, "1"), exchange(&mut two, "2")),
        ("1".into(), "2".into())
    );
    drop(rest(&mut connect(&gateway)));
    wait_for_end(&gateway, "connection_limit", 1.0);
    drop(one);
    eventually("the place is free again", Duration::from_secs(5), || {
        let mut next = connect(&gateway);
        next.write_all(b"3").is_ok() && next.read_exact(&mut [0]).is_ok()
    });
}

#[test]
fn connections_stay_on_their_snapshot_and_new_ones_get_the_next() {
    let (old, new) = (echo(), echo());
    let mut gateway = Gateway::start(config(old.address(), json!([])));
    let mut before = connect(&gateway);
    assert_eq!(exchange(&mut before, "hello"), "hello");
    let (address, chain) = (new.address().to_string(), rewriting());
    gateway.install("streams", &lockgate_tests::modules::module("streams"));
    gateway.reconfigure(|config| {
        config["upstreams"]["app"]["endpoints"] = json!([address]);
        config["listeners"]["tcp"]["chain"] = chain;
    });
    eventually(
        "new connections go to the new upstream",
        Duration::from_secs(10),
        || {
            drop(exchange(&mut connect(&gateway), "x"));
            new.connections() > 0
        },
    );
    assert_eq!(exchange(&mut before, "still here"), "still here");
    let mut after = connect(&gateway);
    assert_eq!(exchange(&mut after, "Hello"), "hello", "the plugin sees it both ways");

    gateway.reconfigure(|config| {
        config["listeners"] =
            json!({ "other": { "listen": Upstream::nobody().to_string(), "protocol": "tcp", "upstream": "app" } });
    });
    eventually("the listener is gone", Duration::from_secs(10), || {
        let gone = TcpStream::connect(gateway.config()["listeners"]["other"]["listen"].as_str().expect("text")).is_ok();
        gone && after
            .peer_addr()
            .map(TcpStream::connect)
            .is_ok_and(|outcome| outcome.is_err())
    });
    assert_eq!(exchange(&mut before, "still"), "still");
    assert_eq!(exchange(&mut after, "Still"), "still");
}

#[test]
fn a_listener_may_change_what_it_speaks() {
    let (bytes, requests) = (echo(), Upstream::fixed("an answer"));
    let mut config = config(bytes.address(), json!([]));
    config["upstreams"]["web"] = json!({ "endpoints": [requests.address().to_string()] });
    config["routes"] = json!([ { "name": "all", "match": { "path_prefix": "/" }, "upstream": "web" } ]);
    let mut gateway = Gateway::start(config);
    assert_eq!(exchange(&mut connect(&gateway), "hello"), "hello");
    gateway.reconfigure(|config| {
        let listen = config["listeners"]["tcp"]["listen"].clone();
        config["listeners"]["tcp"] = json!({ "listen": listen });
    });
    let address = gateway.listener("tcp");
    eventually("requests are answered", Duration::from_secs(10), || {
        let mut wire = lockgate_tests::Wire::connect(address);
        let mut first = [0; 8];
        let asked = wire.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        asked.is_ok() && wire.socket().read_exact(&mut first).is_ok() && &first == b"HTTP/1.1"
    });
}

#[test]
fn reloads_under_load_break_no_connection() {
    let upstream = Upstream::fixed("an answer");
    let mut gateway = Gateway::start(config(upstream.address(), json!([])));
    let load = Load::start(gateway.listener("tcp"), 50, &get("/"), |response| {
        response.text() == "an answer"
    });
    for nth in 0..10 {
        gateway.reconfigure(|config| config["drain_timeout"] = json!(format!("{}s", 30 + nth)));
        thread::sleep(Duration::from_millis(100));
    }
    let account = load.finish();
    assert!(account.failures.is_empty(), "{:?}", account.failures);
}

#[test]
fn a_drain_waits_for_connections_within_its_time() {
    let upstream = echo();
    let mut config = config(upstream.address(), rewriting());
    config["drain_timeout"] = json!("2s");
    let mut gateway = Gateway::start(config);
    let (mut ending, mut staying) = (connect(&gateway), connect(&gateway));
    drop((exchange(&mut ending, "x"), exchange(&mut staying, "x")));
    gateway.signal("TERM");
    thread::sleep(Duration::from_millis(1000));
    assert_eq!(exchange(&mut ending, "still"), "still");
    drop(ending);
    let (bytes, _) = rest(&mut staying);
    assert!(bytes.is_empty());
    assert!(gateway.ended(Duration::from_secs(4)).success());
    let log = fs::read_to_string(gateway.folder().join("access.log")).expect("it was written");
    assert!(log.contains("\"complete\"") && log.contains("\"drained\""), "{log}");
    assert_eq!(
        gateway
            .log()
            .iter()
            .filter(|line| line.contains("l4|rewrite|delete"))
            .count(),
        2
    );
}

#[test]
fn a_plugin_may_choose_the_upstream_by_the_name_that_the_client_asks_for() {
    let (one, two) = (echo_of("one"), echo_of("two"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    lockgate_tests::gateway::install(
        &folder.path().join("plugins"),
        "streams",
        &lockgate_tests::modules::module("streams"),
    );
    certificates::write(folder.path(), "tls", "broker.test");
    let mut config = config(one.address(), json!([ { "module": "streams", "config": "choose" } ]));
    config["upstreams"]["two.test"] = json!({ "endpoints": [two.address().to_string()] });
    config["listeners"]["tcp"]["tls"] = json!({ "certificates": [ { "cert": "tls.pem", "key": "tls.key" } ] });
    let gateway = Gateway::start_in(folder, config);
    let said = |name: &str| {
        let mut openssl = tls_client(&gateway, name);
        let mut answer = [0; 3];
        openssl
            .stdin
            .as_mut()
            .expect("piped")
            .write_all(b"hello\n")
            .expect("it runs");
        openssl
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut answer)
            .expect("an answer comes");
        openssl.kill().and_then(|()| openssl.wait()).expect("it ends");
        String::from_utf8(answer.to_vec()).expect("text")
    };
    assert_eq!(said("two.test"), "two");
    assert_eq!(said("unknown.test"), "one", "a name that is no upstream is not taken");
    assert_eq!(said("app"), "one");
}

/// Says its name when it is spoken to.
fn echo_of(name: &'static str) -> Upstream {
    Upstream::raw(move |wire| {
        wire.socket().read_exact(&mut [0; 6])?;
        wire.write(name)
    })
}

/// A client over TLS that asks for a name, between two pipes.
fn tls_client(gateway: &Gateway, name: &str) -> Child {
    Command::new("openssl")
        .args(["s_client", "-quiet", "-alpn", "mqtt", "-servername", name, "-connect"])
        .arg(gateway.listener("tcp").to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed")
}

#[test]
fn a_plugin_that_holds_more_than_it_may_loses_the_connection_and_no_other() {
    let upstream = echo();
    let config = config(
        upstream.address(),
        json!([ { "module": "streams", "config": "lines", "limits": { "body": "64KiB" } } ]),
    );
    let gateway = Gateway::start(config);
    let mut other = connect(&gateway);
    let mut greedy = connect(&gateway);
    // It is reset while it sends; who is told of a reset once is not told again.
    let sent = greedy.write_all(&vec![b'x'; 4 * MIB]).map_err(|error| error.kind());
    let (bytes, end) = rest(&mut greedy);
    assert!(bytes.is_empty());
    assert!([sent, end].iter().any(Result::is_err), "it ended as if all were well");
    wait_for_end(&gateway, "buffer_limit", 1.0);
    assert_eq!(exchange(&mut other, "a line\n"), "a line\n");
}

#[test]
fn a_trap_in_any_phase_costs_its_connection_or_nothing_as_the_operator_says() {
    let phases = [
        ("proxy_on_context_create", "context_create", true),
        ("proxy_on_new_connection", "new_connection", true),
        ("proxy_on_downstream_data", "downstream_data", true),
        ("proxy_on_upstream_data", "upstream_data", true),
        ("proxy_on_downstream_connection_close", "downstream_close", false),
        ("proxy_on_upstream_connection_close", "upstream_close", false),
        ("proxy_on_done", "done", false),
        ("proxy_on_log", "log", false),
        ("proxy_on_delete", "delete", false),
    ];
    for (hook, phase, is_on_the_way) in phases {
        for on_error in ["deny", "bypass"] {
            let what = format!("{phase}, {on_error}");
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
            lockgate_tests::gateway::install(
                &folder.path().join("plugins"),
                "traps",
                &lockgate_tests::modules::trapping(hook),
            );
            let upstream = echo();
            let mut config = config(upstream.address(), json!(["traps"]));
            config["plugins"] = json!({ "traps": { "module": "traps", "on_error": on_error } });
            config["listeners"]["sound"] = json!({ "protocol": "tcp", "upstream": "app" });
            let gateway = Gateway::start_in(folder, config);
            let mut stream = connect(&gateway);
            let _ = stream.write_all(b"hello");
            let mut answer = [0; 5];
            let answered = stream.read_exact(&mut answer);
            if is_on_the_way && on_error == "deny" {
                assert!(answered.is_err(), "{what}: {answer:?}");
                wait_for_end(&gateway, "plugin_failed", 1.0);
            } else if phase == "upstream_close" && on_error == "deny" {
                // It comes before the end is passed on, and what failed lets nothing pass.
                assert!(answered.is_ok() && &answer == b"hello", "{what}: {answered:?}");
                stream.shutdown(Shutdown::Write).expect("open");
                assert_eq!(
                    rest(&mut stream),
                    (Vec::new(), Err(ErrorKind::ConnectionReset)),
                    "{what}"
                );
                wait_for_end(&gateway, "plugin_failed", 1.0);
            } else {
                assert!(answered.is_ok() && &answer == b"hello", "{what}: {answered:?}");
                stream.shutdown(Shutdown::Write).expect("open");
                assert_eq!(rest(&mut stream), (Vec::new(), Ok(())), "{what}");
                wait_for_end(&gateway, "complete", 1.0);
            }
            let _ = gateway.logged(&["traps", phase, "fall_over"]);
            let mut sound = TcpStream::connect(gateway.listener("sound")).expect("the gateway listens");
            sound.write_all(b"sound").expect("taken");
            sound.read_exact(&mut answer).expect("an answer comes");
            assert_eq!(&answer, b"sound", "{what}");
        }
    }
}

#[test]
fn when_a_vm_dies_connections_that_it_reads_are_closed_unless_they_may_go_on_without_it() {
    for (on_error, isolation, survives) in [
        ("deny", "shared", false),
        ("bypass", "shared", true),
        ("deny", "stream", true),
    ] {
        let upstream = echo();
        let chain =
            json!([ { "module": "streams", "config": "panic_at_x", "on_error": on_error, "isolation": isolation } ]);
        let gateway = Gateway::start(config(upstream.address(), chain));
        let (mut other, mut culprit) = (connect(&gateway), connect(&gateway));
        drop((exchange(&mut other, "hello"), exchange(&mut culprit, "hello")));
        culprit.write_all(b"x").expect("taken");
        let mut one = [0];
        assert_eq!(culprit.read_exact(&mut one).is_ok(), on_error == "bypass", "{on_error}");
        if survives {
            assert_eq!(exchange(&mut other, "hello"), "hello", "{on_error} {isolation}");
        } else {
            assert_eq!(rest(&mut other), (Vec::new(), Err(ErrorKind::ConnectionReset)));
            wait_for_end(&gateway, "plugin_failed", 2.0);
        }
        eventually("the next connection is served again", Duration::from_secs(10), || {
            let mut next = connect(&gateway);
            next.write_all(b"next").is_ok() && next.read_exact(&mut [0; 4]).is_ok()
        });
    }
}

#[test]
fn check_refuses_a_plugin_that_would_see_nothing() {
    let upstream = Upstream::nobody().to_string();
    let check = |config: &Value, module: &[u8]| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
        lockgate_tests::gateway::install(&folder.path().join("plugins"), "guard", module);
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = Command::new(lockgate_tests::binary::binary())
            .args(["check", "--config"])
            .arg(folder.path().join("gateway.json"))
            .output()
            .expect("the binary runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let hook = |hook: &str| {
        lockgate_tests::modules::assembled(&format!(
            r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
                 (func (export "{hook}") (param i32 i32 i32) (result i32) (i32.const 0)))"#
        ))
    };
    let tcp = json!({
        "plugin_dir": "plugins", "upstreams": { "app": { "endpoints": [upstream] } },
        "listeners": { "tcp": { "listen": "127.0.0.1:1", "protocol": "tcp", "upstream": "app", "chain": ["guard"] } },
        "plugins": { "guard": { "module": "guard" } },
    });
    let http = json!({
        "plugin_dir": "plugins", "upstreams": { "app": { "endpoints": [upstream] } },
        "listeners": { "web": { "listen": "127.0.0.1:1" } },
        "plugins": { "guard": { "module": "guard" } }, "global_chain": ["guard"],
    });
    let (fine, told) = check(&tcp, &hook("proxy_on_request_headers"));
    assert!(
        !fine && told.contains("/plugins/guard") && told.contains("every connection pass"),
        "{told}"
    );
    let (fine, told) = check(&http, &hook("proxy_on_downstream_data"));
    assert!(
        !fine && told.contains("/plugins/guard") && told.contains("every request pass"),
        "{told}"
    );
    assert!(check(&tcp, &hook("proxy_on_downstream_data")).0);
    assert!(check(&http, &hook("proxy_on_request_headers")).0);
}
