//! The demo upstream over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

/// Sends raw requests to a server that lives only as long as the call, and returns all that came back.
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
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("it answers in time")
            .expect("text");
        answer
    })
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head and a body").1
}

#[test]
fn it_answers_with_the_request_that_it_got() {
    let answer = exchange(
        "POST /orders/7?page=2 HTTP/1.1\r\nHost: shop\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    let got: serde_json::Value = serde_json::from_str(body(&answer)).expect("JSON");
    assert_eq!(
        got,
        serde_json::json!({
            "server": "v1", "method": "POST", "path": "/orders/7", "query": "page=2", "body_bytes": 5,
            "headers": { "host": "shop", "x-a": "1, 2", "content-length": "5", "connection": "close" },
        })
    );
}

#[test]
fn it_keeps_a_connection_for_the_next_request() {
    let answer =
        exchange("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[test]
fn its_answer_has_the_status_the_size_and_the_lifetime_that_were_asked_for() {
    let answer = exchange("GET /?status=404&size=200000&cache=60 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:.100}");
    assert!(answer.contains("cache-control: max-age=60\r\n"), "{answer:.400}");
    assert!(answer.contains("content-length: 200000\r\n"), "{answer:.400}");
    assert_eq!(body(&answer).len(), 200_000);
}

#[test]
fn a_wish_that_it_cannot_read_gets_400() {
    let answer = exchange("GET /?delay=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        body(&answer).contains("delay=5: expected a duration such as 200ms"),
        "{answer}"
    );
}
