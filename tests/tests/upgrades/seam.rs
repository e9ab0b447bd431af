//! Where HTTP ends and the tunnel begins: not a byte is lost, invented or read twice, wherever packets are cut.

use super::*;
use lockgate_tests::get;
use lockgate_tests::upstream::eventually;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(2);

#[test]
fn heads_go_both_ways_with_their_upgrade_and_without_other_hop_by_hop_fields() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    let head = UPGRADE.replace(
        "x-key: 1",
        "x-key: 1\r\nte: trailers\r\nkeep-alive: timeout=5\r\nx-hop: 1",
    );
    wire.write(head.replace("keep-alive, Upgrade", "x-hop, upgrade"))
        .expect("sent");
    let response = wire.head().expect("an answer").expect("an answer");
    assert_eq!((response.status(), response.header("x-answer")), (101, Some("1")));
    assert_eq!(response.header("connection"), Some("upgrade"));
    assert_eq!(response.header("upgrade"), Some("echo"));
    assert_eq!(response.header("content-length"), None);
    exchange(&mut wire, b"hello");
    let seen = upstream.last_request();
    assert_eq!(
        (seen.method(), seen.target(), seen.header("x-key")),
        ("GET", "/chat", Some("1"))
    );
    assert_eq!(seen.all("connection"), ["upgrade"]);
    assert_eq!(seen.all("upgrade"), ["echo"]);
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    for name in ["keep-alive", "x-hop", "content-length", "transfer-encoding"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[test]
fn bytes_that_the_client_sends_early_are_the_first_of_the_tunnel_wherever_they_are_cut() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let early = b"\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n\x00\xff and more";
    let stream = [UPGRADE.as_bytes(), early].concat();
    for cut in (1..stream.len())
        .step_by(7)
        .chain([UPGRADE.len() - 1, UPGRADE.len(), UPGRADE.len() + 1])
    {
        let mut wire = gateway.connect();
        wire.write(&stream[..cut]).expect("sent");
        thread::sleep(PAUSE);
        wire.write(&stream[cut..]).expect("sent");
        assert_eq!(wire.head().expect("an answer").expect("an answer").status(), 101);
        assert_eq!(read(&mut wire, early.len()), early, "cut at {cut}");
        exchange(&mut wire, b"late");
    }
    assert!(upstream.requests().iter().all(|request| request.target() == "/chat"));
}

#[test]
fn bytes_that_the_upstream_sends_with_its_101_reach_the_client_wherever_they_are_cut() {
    let more = "HTTP/1.1 200 OK\r\n\r\n\x01 and more";
    let stream = format!("{SWITCH}{more}");
    for cut in (1..stream.len()).step_by(7).chain([SWITCH.len(), SWITCH.len() + 1]) {
        let sent = stream.clone();
        let upstream = Upstream::scripted(move |_, wire| {
            wire.write(&sent[..cut])?;
            thread::sleep(PAUSE);
            wire.write(&sent[cut..])?;
            repeat(wire)
        });
        let gateway = gateway(&upstream);
        let mut wire = tunnel(&gateway);
        assert_eq!(read(&mut wire, more.len()), more.as_bytes(), "cut at {cut}");
        exchange(&mut wire, b"hello");
    }
}

#[test]
fn an_upgrade_behind_other_requests_waits_for_their_answers() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    let plain = "GET /before HTTP/1.1\r\nhost: a\r\n\r\n";
    wire.write(format!("{plain}{plain}{UPGRADE}early")).expect("sent");
    for _ in 0..2 {
        let response = wire.response("GET").expect("an answer");
        assert_eq!((response.status(), response.text()), (200, "no upgrade".to_owned()));
    }
    assert_eq!(wire.head().expect("an answer").expect("an answer").status(), 101);
    assert_eq!(read(&mut wire, 5), b"early");
    exchange(&mut wire, b"late");
    let seen: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.target().to_owned())
        .collect();
    assert_eq!(seen, ["/before", "/before", "/chat"]);
}

#[test]
fn each_side_can_end_its_bytes_and_the_other_goes_on() {
    let gateway = |upstream: &Upstream| gateway(upstream);
    // The client ends first.
    let upstream = Upstream::scripted(|_, wire| {
        wire.write(SWITCH)?;
        let all = wire.rest()?;
        wire.write(format!("{} bytes", all.len()))?;
        Ok(Then::Close)
    });
    let first = gateway(&upstream);
    let mut wire = tunnel(&first);
    wire.write([7; 1000]).expect("sent");
    wire.socket().shutdown(Shutdown::Write).expect("the client ends");
    assert_eq!(wire.rest().expect("the rest"), b"1000 bytes");
    // The upstream ends first.
    let upstream = Upstream::scripted(|_, wire| {
        wire.write(SWITCH)?;
        wire.write("goodbye")?;
        wire.socket().shutdown(Shutdown::Write)?;
        assert_eq!(wire.rest()?, b"the last word");
        Ok(Then::Close)
    });
    let second = gateway(&upstream);
    let mut wire = tunnel(&second);
    assert_eq!(wire.rest().expect("the rest"), b"goodbye");
    wire.write("the last word").expect("the other direction is open");
    wire.socket().shutdown(Shutdown::Write).expect("the client ends");
    for gateway in [first, second] {
        eventually("the tunnel is complete", Duration::from_secs(5), || {
            access_log(&gateway)
                .iter()
                .any(|line| line["status"] == 101 && line["abort_reason"].is_null())
        });
    }
}

#[test]
fn a_reset_of_one_side_is_a_reset_for_the_other() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let wire = tunnel(&gateway);
    let socket = socket2::SockRef::from(wire.socket());
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
    drop(wire);
    eventually("the tunnel is reset", Duration::from_secs(5), || {
        access_log(&gateway)
            .iter()
            .any(|line| line["abort_reason"] == "client_reset")
    });

    let upstream = Upstream::scripted(|_, wire| {
        wire.write(SWITCH)?;
        read(wire, 5);
        socket2::SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO))?;
        Ok(Then::Close)
    });
    let gateway = super::gateway(&upstream);
    let mut wire = tunnel(&gateway);
    wire.write("reset").expect("sent");
    let error = wire.some(&mut [0; 8]).expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_slow_reader_slows_its_sender_and_memory_stays_flat() {
    const FLOOD: usize = 64 << 20;
    let upstream = Upstream::scripted(|_, wire| {
        wire.write(SWITCH)?;
        let piece = vec![7; 1 << 20];
        for _ in 0..FLOOD >> 20 {
            wire.write(&piece)?;
        }
        Ok(Then::Close)
    });
    let gateway = gateway(&upstream);
    let mut wire = tunnel(&gateway);
    let before = gateway.memory().now;
    thread::sleep(Duration::from_millis(500));
    let grown = gateway.memory().now.saturating_sub(before);
    assert!(
        grown < 8 << 20,
        "{grown} bytes are held for a client that reads nothing"
    );
    assert_eq!(read(&mut wire, FLOOD).len(), FLOOD);
    assert_eq!(wire.rest().expect("the end"), b"");
}

#[test]
fn requests_go_on_behind_an_answer_that_is_no_101() {
    let upstream = Upstream::scripted(|request, wire| match request.header("upgrade") {
        Some(_) => answer(
            wire,
            426,
            &[("upgrade", "other"), ("connection", "upgrade")],
            "not this one",
        ),
        None => answer(wire, 200, &[], "the next"),
    });
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    for _ in 0..3 {
        wire.write(UPGRADE).expect("sent");
        let response = wire.response("GET").expect("an answer");
        assert_eq!((response.status(), response.text()), (426, "not this one".to_owned()));
        assert_eq!(response.header("connection"), None);
        assert_eq!(
            wire.exchange(&get("/").header("host", "a")).expect("an answer").text(),
            "the next"
        );
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn bytes_sent_early_are_no_request_when_the_upgrade_fails() {
    let upstream = Upstream::scripted(|_, wire| {
        thread::sleep(Duration::from_millis(50));
        answer(wire, 200, &[], "no upgrade")
    });
    let gateway = gateway(&upstream);
    for late in [false, true] {
        let mut wire = gateway.connect();
        let hidden = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
        if late {
            wire.write(UPGRADE).expect("sent");
            thread::sleep(Duration::from_millis(20));
            wire.write(hidden).expect("sent");
        } else {
            wire.write(format!("{UPGRADE}{hidden}")).expect("sent");
        }
        assert_eq!(wire.response("GET").expect("an answer").text(), "no upgrade");
        assert_eq!(wire.rest().expect("the end"), b"");
    }
    assert!(upstream.requests().iter().all(|request| request.target() == "/chat"));
}
