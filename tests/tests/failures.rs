//! How the gateway answers when the upstream or the client fails: always one answer, with the blame where it belongs, nothing sent
//! twice that may have been done, and never a body that looks whole and is not.

use lockgate_tests::answers::is_the_gateways_problem;
use lockgate_tests::http::{Ending, Message};
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }))
}

#[test]
fn an_upstream_that_cannot_be_reached_is_502() {
    let gateway = Gateway::start(json!({ "upstreams": { "app": { "endpoints": [Upstream::nobody().to_string()] } } }));
    is_the_gateways_problem(&gateway.get("/"), 502);
    is_the_gateways_problem(&gateway.send(post("/", "data")), 502);
}

#[test]
fn one_dead_endpoint_among_others_costs_no_idempotent_request_its_answer() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(
        json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string(), Upstream::nobody().to_string()] } } }),
    );
    let statuses: Vec<_> = (0..10).map(|_| gateway.get("/").status()).collect();
    assert!(
        statuses.iter().filter(|status| **status == 200).count() >= 5,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 502].contains(status)),
        "{statuses:?}"
    );
}

#[test]
fn an_upstream_that_says_nothing_is_504_after_the_route_s_timeout() {
    let upstream = Upstream::slow(Duration::from_secs(5));
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [ { "name": "all", "upstream": "app", "timeout": "300ms" } ],
    }));
    let sent = Instant::now();
    is_the_gateways_problem(&gateway.get("/"), 504);
    assert!(
        (Duration::from_millis(250)..Duration::from_secs(2)).contains(&sent.elapsed()),
        "{:?}",
        sent.elapsed()
    );
}

#[test]
fn an_answer_whose_lines_end_in_a_bare_lf_is_502() {
    for head in [
        "HTTP/1.1 200 OK\ncontent-length: 2\n\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\ncontent-length: 2\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
    ] {
        let upstream = Upstream::saying(format!("{head}ok"));
        is_the_gateways_problem(&gateway(&upstream).get("/"), 502);
    }
}

#[test]
fn an_upstream_that_closes_or_talks_nonsense_is_502() {
    let nonsense: [&[u8]; 12] = [
        b"",
        b"HTTP/1.1",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nbad header: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ];
    for bytes in nonsense {
        let upstream = Upstream::saying(bytes);
        let gateway = gateway(&upstream);
        let response = gateway.get("/");
        assert_eq!(
            (response.status(), response.header("content-type")),
            (502, Some("application/problem+json")),
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert!(upstream.requests().len() <= 2, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_truncated_body_never_looks_complete() {
    let cut: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n\r\n",
    ];
    for bytes in cut {
        let upstream = Upstream::saying(bytes);
        let gateway = gateway(&upstream);
        let answer = gateway.connect().exchange(&get("/"));
        let looks_whole = |answer: &Message| answer.ending != Ending::Cut && answer.status() == 200;
        assert!(
            !answer.as_ref().is_ok_and(looks_whole),
            "{answer:?} for {}",
            String::from_utf8_lossy(bytes)
        );
        let url = format!("http://{}/", gateway.address());
        let over_http_2 = lockgate_tests::curl::curl(&["--http2-prior-knowledge", &url]);
        assert!(
            !over_http_2.as_ref().is_ok_and(|answer| answer.status == 200),
            "{over_http_2:?} for {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn what_came_before_a_body_was_cut_arrives() {
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    let gateway = gateway(&upstream);
    for _ in 0..40 {
        let answer = gateway.connect().exchange(&get("/")).expect("the head arrives");
        let seen = (answer.status(), answer.ending, answer.text());
        // A head that was not yet answered when the upstream broke off may still become an error of the gateway's own.
        assert!(seen == (200, Ending::Cut, "half".into()) || seen.0 == 502, "{seen:?}");
    }
}

#[test]
fn a_body_that_ends_with_the_connection_is_complete() {
    let upstream = Upstream::saying("HTTP/1.0 200 OK\r\n\r\nall of it");
    let response = gateway(&upstream).get("/");
    assert_eq!(
        (response.status(), response.text().as_str(), response.ending),
        (200, "all of it", Ending::Whole)
    );
}

#[test]
fn interim_answers_do_not_disturb() {
    let upstream = Upstream::saying(
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    assert_eq!(gateway(&upstream).get("/").text(), "ok");
}

/// An upstream that closes each connection after so many answers, without a word.
fn closing_after(answers: usize) -> Upstream {
    Upstream::raw(move |wire| {
        for _ in 0..answers {
            let Some(_) = wire.request()? else { return Ok(()) };
            answer(wire, 200, &[], "the answer")?;
        }
        thread::sleep(Duration::from_millis(20));
        Ok(())
    })
}

#[test]
fn a_reused_connection_that_has_died_costs_no_request() {
    let upstream = closing_after(1);
    let gateway = gateway(&upstream);
    for _ in 0..20 {
        assert_eq!(gateway.get("/").status(), 200);
        thread::sleep(Duration::from_millis(10)); // the upstream closes at about this time
    }
}

#[test]
fn what_may_have_been_done_already_is_not_sent_twice() {
    let seen = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    // Answers the first request of a connection; reads the second and dies.
    let upstream = Upstream::raw(move |wire| {
        wire.request()?;
        answer(wire, 200, &[], "the answer")?;
        if wire.request()?.is_some() {
            counter.fetch_add(1, SeqCst);
        }
        Ok(())
    });
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
    is_the_gateways_problem(&wire.exchange(&post("/", "pay")).expect("an answer comes"), 502);
    assert_eq!(seen.load(SeqCst), 1);
    let mut wire = gateway.connect();
    assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
    assert_eq!(
        wire.exchange(&get("/again")).expect("an answer comes").status(),
        200,
        "an idempotent request is sent again"
    );
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let (began, ended) = (
        std::sync::Arc::new(AtomicUsize::new(0)),
        std::sync::Arc::new(AtomicUsize::new(0)),
    );
    let counters = (began.clone(), ended.clone());
    let upstream = Upstream::raw(move |wire| {
        wire.request()?;
        counters.0.fetch_add(1, SeqCst);
        drop(wire.rest()); // until the gateway closes
        counters.1.fetch_add(1, SeqCst);
        Ok(())
    });
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    eventually("the request is at the upstream", Duration::from_secs(5), || {
        began.load(SeqCst) == 1
    });
    drop(wire);
    eventually("the upstream is let go", Duration::from_secs(3), || {
        ended.load(SeqCst) == 1
    });
}

#[test]
fn what_is_too_large_has_its_own_status() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "limits": { "header_bytes": "8KiB", "headers": 50, "body": "1KiB" } } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    assert_eq!(
        gateway
            .send(get("/").header("x-large", &"x".repeat(16 * 1024)))
            .status(),
        431
    );
    assert_eq!(
        gateway
            .send((0..80).fold(get("/"), |request, nth| request.header(&format!("x-{nth}"), "1")))
            .status(),
        431
    );
    assert!([414, 431].contains(&gateway.get(&format!("/{}", "x".repeat(16 * 1024))).status()));
    is_the_gateways_problem(&gateway.send(post("/", vec![b'x'; 2048])), 413);
    let chunk = "x".repeat(600);
    let chunked = gateway.send(request("POST", "/").chunks(&[&chunk, &chunk], &[]));
    assert_eq!(chunked.status(), 413, "a body whose length nobody told is counted");
    assert_eq!(gateway.send(post("/", vec![b'x'; 1024])).status(), 200);
    assert!(
        upstream
            .requests()
            .iter()
            .filter(|seen| seen.ending == Ending::Whole)
            .count()
            <= 1,
        "nothing of the others reached the upstream as a whole"
    );
}

#[test]
fn a_client_that_dawdles_over_its_head_is_shown_out() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "limits": { "header_timeout": "300ms" } } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    let mut wire = gateway.connect();
    wire.write("GET / HTTP/1.1\r\nhost: a\r\n").expect("the gateway reads");
    let begun = Instant::now();
    let said = wire.rest().expect("an end");
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert_eq!(gateway.get("/").status(), 200);
}
