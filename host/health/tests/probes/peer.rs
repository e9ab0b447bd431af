//! Endpoints that are probed.

use std::net::SocketAddr;
use std::time::Duration;

use lockgate_client::{Address, Target};
use lockgate_health::{Check, ProbeFailure, probe};
use lockgate_upstream::UpstreamSettings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// The check that these settings describe, with a time limit that a busy machine keeps.
pub(super) fn check(mut health_check: Value) -> Check {
    if health_check["timeout"].is_null() {
        health_check["timeout"] = json!("10s");
    }
    with(json!({ "health_check": health_check }))
}

/// The check of an upstream with these settings.
pub(super) fn with(mut upstream: Value) -> Check {
    upstream["endpoints"] = json!(["127.0.0.1:1"]);
    let settings: UpstreamSettings = serde_json::from_value(upstream).expect("settings");
    Check::of(&settings).expect("a health check")
}

/// Probes once.
pub(super) async fn run(check: &Check, address: SocketAddr) -> Result<(), ProbeFailure> {
    let target = Target::clear_text(Address::Socket(address));
    LocalSet::new().run_until(probe(check, &target, None)).await
}

/// Why a probe fails, as operators read it.
pub(super) async fn why(check: &Check, address: SocketAddr) -> String {
    run(check, address).await.expect_err("a failed probe").to_string()
}

/// A server that reads a head, answers with these bytes, and closes the connection. It reports the heads.
pub(super) async fn answering(bytes: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (heads, received) = mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let heads = heads.clone();
        async move {
            let mut head = Vec::new();
            while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n")
                && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {}
            let _ = heads.send(String::from_utf8_lossy(&head).into_owned());
            let _ = stream.write_all(bytes).await;
        }
    });
    (address.await, received)
}

/// A server that accepts and never answers.
pub(super) async fn hanging() -> SocketAddr {
    serve(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await
}

pub(super) async fn serve<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// An address that nobody listens on.
pub(super) async fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("bound")
}
