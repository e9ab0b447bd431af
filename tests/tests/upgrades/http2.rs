//! Extended CONNECT (RFC 8441): for the upstream, the upgrade of HTTP/1.1 that it stands for.

use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use lockgate_tests::upstream::eventually;
use ring::digest;
use std::net::SocketAddr;
use std::time::Duration;

/// What a server of WebSockets answers to a key.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Answers upgrades with a 101, its key with `answer`, and then all bytes with themselves.
fn websocket(answer: fn(&str) -> String) -> Upstream {
    Upstream::scripted(move |request, wire| {
        let key = request.header("sec-websocket-key").unwrap_or_default();
        let accept = answer(key);
        wire.write(format!(
            "HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\nx-answer: 1\r\n\r\nhi"
        ))?;
        repeat(wire)
    })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let test = async { tokio::time::timeout(Duration::from_secs(15), test).await };
    runtime.expect("a runtime").block_on(test).expect("in time")
}

/// Sends a CONNECT on a connection of its own.
async fn connect(
    address: SocketAddr,
    protocol: Option<&'static str>,
) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
    let socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("the gateway listens");
    let (sender, connection) = h2::client::handshake(socket).await?;
    tokio::spawn(connection);
    let mut sender = sender.ready().await?;
    while protocol.is_some() && !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let target = if protocol.is_some() { "http://a/chat" } else { "a:443" };
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target)
        .header("sec-websocket-version", "13")
        .body(())
        .expect("a request");
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    let (response, stream) = sender.send_request(request, false)?;
    Ok((response.await?, stream))
}

async fn receive(stream: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let data = stream.data().await.expect("more").expect("no reset");
        stream.flow_control().release_capacity(data.len()).expect("a window");
        all.extend_from_slice(&data);
    }
    all
}

#[test]
fn a_websocket_on_http2_is_one_of_http1_to_the_upstream() {
    let upstream = websocket(accept);
    let gateway = gateway(&upstream);
    run(async {
        let (response, mut sender) = connect(gateway.address(), Some("websocket")).await.expect("a response");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-answer"]),
            (200, &http::HeaderValue::from_static("1"))
        );
        for name in ["connection", "upgrade", "sec-websocket-accept", "content-length"] {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        let mut stream = response.into_body();
        assert_eq!(receive(&mut stream, 2).await, b"hi");
        // More than all windows together.
        let sent: Vec<u8> = (0..4_000_000_u32).map(|nth| nth.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let writing = async {
            let mut rest = Bytes::from(sent);
            while !rest.is_empty() {
                sender.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| sender.poll_capacity(cx))
                    .await
                    .expect("open")
                    .expect("no reset");
                sender
                    .send_data(rest.split_to(room.min(rest.len())), false)
                    .expect("open");
            }
            sender.send_data(Bytes::new(), true).expect("open");
        };
        let ((), came) = tokio::join!(writing, receive(&mut stream, expected.len()));
        assert!(came == expected);
        // The upstream has ended, too.
        while let Some(data) = stream.data().await {
            assert!(data.expect("no reset").is_empty());
        }
    });
    let seen = upstream.last_request();
    assert_eq!(
        (seen.method(), seen.target(), seen.header("upgrade")),
        ("GET", "/chat", Some("websocket"))
    );
    assert_eq!(
        (seen.header("connection"), seen.header("sec-websocket-version")),
        (Some("upgrade"), Some("13"))
    );
    eventually("the line is written", Duration::from_secs(5), || {
        access_log(&gateway).iter().any(|line| {
            line["status"] == 101
                && line["protocol"] == "HTTP/2"
                && line["bytes_in"] == 4_000_000
                && line["abort_reason"].is_null()
        })
    });
    assert_eq!(gateway.metrics().sum("lockgate_tunnels", &[]), 0.0);
}

#[test]
fn what_opens_no_tunnel_on_http2() {
    let upstream = websocket(|_| "wrong".to_owned());
    let gateway = gateway(&upstream);
    run(async {
        let status = async |protocol| {
            let (response, _) = connect(gateway.address(), protocol).await.expect("a response");
            response.status().as_u16()
        };
        assert_eq!(status(Some("websocket")).await, 502);
        assert_eq!(status(Some("h2c")).await, 400);
        assert_eq!(status(Some("echo")).await, 502, "another protocol than asked for");
        assert_eq!(status(None).await, 400, "a plain CONNECT");
    });
    let _ = gateway.logged(&["101 with a wrong sec-websocket-accept"]);
}

#[test]
fn an_upstream_of_http2_is_not_asked_for_an_upgrade() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["upstreams"]["app"]["protocol"] = "http2".into();
    let gateway = Gateway::start(config);
    let mut wire = gateway.connect();
    wire.write(UPGRADE).expect("sent");
    assert_eq!(wire.response("GET").expect("an answer").status(), 502);
    let _ = gateway.logged(&["the request asks for an upgrade, and the upstream's protocol is http2"]);
    assert_eq!(upstream.connections(), 0);
}
