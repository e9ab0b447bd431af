//! gRPC's health checking protocol, and HTTP over HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;

use super::peer::{answering, check, run, serve, why, with};

/// A response of an HTTP/2 server: head, message, trailers.
#[derive(Clone)]
struct Reply {
    head: fn() -> Response<()>,
    message: &'static [u8],
    grpc_status: Option<&'static str>,
}

/// Answers a message with a status of the health checking protocol.
fn serving(message: &'static [u8]) -> Reply {
    Reply {
        head: || {
            Response::builder()
                .header("content-type", "application/grpc")
                .body(())
                .expect("a head")
        },
        message,
        grpc_status: Some("0"),
    }
}

/// An HTTP/2 server with prior knowledge. It refuses calls of anything but the health service.
async fn http2(reply: Reply) -> SocketAddr {
    serve(move |stream| {
        let reply = reply.clone();
        async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else {
                return;
            };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                assert_eq!(request.headers()["te"], "trailers");
                let (message, trailers) = (reply.message, reply.grpc_status);
                let is_short = message.is_empty() && trailers.is_none();
                let Ok(mut stream) = respond.send_response((reply.head)(), is_short) else {
                    continue;
                };
                if is_short {
                    continue;
                }
                let _ = stream.send_data(Bytes::from_static(message), trailers.is_none());
                if let Some(status) = trailers {
                    let fields = HeaderMap::from_iter([(
                        "grpc-status".parse().expect("a name"),
                        HeaderValue::from_static(status),
                    )]);
                    let _ = stream.send_trailers(fields);
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn only_serving_passes() {
    let grpc = check(json!({ "type": "grpc", "service": "orders" }));
    assert_eq!(run(&grpc, http2(serving(&[0, 0, 0, 0, 2, 8, 1])).await).await, Ok(()));
    for (message, expected) in [
        (&[0, 0, 0, 0, 2, 8, 2][..], "NOT_SERVING, expected SERVING"),
        (&[0, 0, 0, 0, 0], "UNKNOWN, expected SERVING"),
        (&[0, 0, 0, 0, 2, 8, 3], "SERVICE_UNKNOWN, expected SERVING"),
        (&[0, 0, 0, 0, 2, 8, 9], "9, expected SERVING"),
        (&[0, 0, 0, 0, 2, 8], "malformed HealthCheckResponse"),
    ] {
        assert_eq!(why(&grpc, http2(serving(message)).await).await, expected);
    }
}

#[tokio::test]
async fn a_failed_call_is_told_with_its_status() {
    let grpc = check(json!({ "type": "grpc" }));
    let unknown_service = Reply {
        grpc_status: Some("5"),
        ..serving(&[])
    };
    assert_eq!(
        why(&grpc, http2(unknown_service).await).await,
        "gRPC status NOT_FOUND, expected SERVING"
    );
    let unimplemented = Reply {
        head: || {
            Response::builder()
                .header("grpc-status", "12")
                .body(())
                .expect("a head")
        },
        grpc_status: None,
        ..serving(&[])
    };
    let failure = why(&grpc, http2(unimplemented).await).await;
    assert_eq!(failure, "gRPC status UNIMPLEMENTED, expected SERVING");
    let web_server = Reply {
        head: || Response::builder().status(404).body(()).expect("a head"),
        grpc_status: None,
        ..serving(&[])
    };
    assert_eq!(why(&grpc, http2(web_server).await).await, "status 404, expected 200");
}

#[tokio::test]
async fn a_server_of_http_1_does_not_pass_a_grpc_check() {
    let (address, _heads) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let failure = run(&check(json!({ "type": "grpc" })), address)
        .await
        .expect_err("not HTTP/2");
    assert!(failure.to_string().contains("does not speak HTTP/2"), "{failure}");
}

#[tokio::test]
async fn an_http_check_speaks_the_upstreams_protocol() {
    let address = http2(Reply {
        head: || Response::new(()),
        message: b"ok",
        grpc_status: None,
    })
    .await;
    let settings = json!({ "type": "http", "path": "/grpc.health.v1.Health/Check", "headers": { "content-type": "application/grpc" } });
    let upstream = json!({ "protocol": "http2", "health_check": settings });
    assert_eq!(run(&with(upstream), address).await, Ok(()));
}
