//! The demo upstream over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

/// Sends raw requests to a server of its own, and returns all that it sent back.
fn exchange(requests: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (_stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, "v1".into(), async {
            let _ = stopped.await;
        }));
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(requests.as_bytes()).await.expect("it reads");
        let mut response = String::new();
        let read = stream.read_to_string(&mut response);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("it answers in time")
            .expect("text");
        response
    })
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").expect("a head and a body").1
}

#[test]
fn it_responds_with_the_request() {
    let response = exchange(
        "POST /orders/7?page=2 HTTP/1.1\r\nHost: shop\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    let got: serde_json::Value = serde_json::from_str(body(&response)).expect("JSON");
    assert_eq!(
        got,
        serde_json::json!({
            "server": "v1", "method": "POST", "path": "/orders/7", "query": "page=2", "body_bytes": 5,
            "headers": { "host": "shop", "x-a": "1, 2", "content-length": "5", "connection": "close" },
        })
    );
}

#[test]
fn a_connection_takes_several_requests() {
    let response =
        exchange("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2, "{response}");
}

#[test]
fn a_response_follows_the_options_of_its_request() {
    let response = exchange("GET /?status=404&size=200000&cache=60 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 404 "), "{response:.100}");
    assert!(response.contains("cache-control: max-age=60\r\n"), "{response:.400}");
    assert!(response.contains("content-length: 200000\r\n"), "{response:.400}");
    assert_eq!(body(&response).len(), 200_000);
}

#[test]
fn an_invalid_option_gets_400() {
    let response = exchange("GET /?delay=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(
        body(&response).contains("delay=5: expected a duration such as 200ms"),
        "{response}"
    );
}
