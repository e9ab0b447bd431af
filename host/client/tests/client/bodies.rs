//! Bodies of any size and framing come through whole, in both directions.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::{BodyExt, Either};

use crate::attempt::{TestClient, endpoint, fetch, read};
use crate::peer::{Act, OK, Peer, get, on_a_worker, with_body};

#[test]
fn a_request_of_unknown_length_goes_out_in_chunks_with_the_trailers_that_it_announced() {
    on_a_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        let large = "x".repeat(5000);
        let frames = [
            http_body::Frame::data(Bytes::from("small")),
            http_body::Frame::data(Bytes::new()),
            http_body::Frame::data(Bytes::from(large.clone())),
            http_body::Frame::trailers(HeaderMap::from_iter([
                (HeaderName::from_static("x-sum"), HeaderValue::from_static("7")),
                (HeaderName::from_static("x-other"), HeaderValue::from_static("8")),
            ])),
        ];
        let frames = frames.into_iter().map(Ok::<_, std::io::Error>);
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let request = http::Request::put("/")
            .header("host", "test")
            .header("content-length", "1")
            .header("trailer", "X-Sum")
            .body(body);
        let expected = format!("5\r\nsmall\r\n1388\r\n{large}\r\n0\r\nx-sum: 7\r\n\r\n");
        let peer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut seen = String::new();
            while !seen.ends_with("\r\n0\r\nx-sum: 7\r\n\r\n") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).await.expect("more");
                assert!(count > 0, "{seen}");
                seen.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            stream.write_all(OK.as_bytes()).await.expect("written");
            seen
        };
        let client = TestClient::new();
        let (seen, sent) = tokio::join!(peer, client.send(&endpoint, request.expect("valid")));
        assert_eq!(read(sent.expect("an answer")).await.expect("complete"), "ok");
        let (head, body) = seen.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.contains("transfer-encoding: chunked") && !head.contains("content-length"),
            "{head}"
        );
        assert_eq!(body, expected);
    });
}

#[test]
fn large_bodies_stream_in_both_directions_at_once() {
    use tokio::io::AsyncWriteExt;
    const SIZE: usize = 8 << 20;
    on_a_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        // An echo: it cannot take all of the request before its answer is read.
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let (mut read, mut write) = stream.split();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
            write.write_all(head.as_bytes()).await.expect("written");
            crate::peer::skip_head(&mut read).await;
            tokio::io::copy(&mut read, &mut write).await.expect("echoed");
        });
        let sent: Vec<u8> = (0..SIZE).map(|index| (index / 7) as u8).collect();
        let chunks: Vec<_> = bytes::Bytes::from(sent.clone())
            .chunks(10_000)
            .map(bytes::Bytes::copy_from_slice)
            .collect();
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(
            chunks
                .into_iter()
                .map(|chunk| Ok::<_, std::io::Error>(http_body::Frame::data(chunk))),
        ));
        let body = OfLength(body, SIZE as u64);
        let request = http::Request::post("/").header("host", "test").body(body);
        let client = TestClient::new();
        let answer = client
            .send(&endpoint, request.expect("valid"))
            .await
            .expect("an answer");
        let received = answer
            .response
            .into_body()
            .collect()
            .await
            .expect("a complete body")
            .to_bytes();
        assert!(received == sent, "{} bytes came back, or others", received.len());
    });
}

#[test]
fn a_large_answer_comes_through_whole_and_the_connection_is_reused() {
    on_a_worker(async {
        let text: String = (0..300_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        let peer = Peer::new(&[&[Act::Answer(answer.leak())]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        for _ in 0..3 {
            assert!(fetch(&client, &endpoint, get()).await.expect("an answer") == text);
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn the_answer_to_head_has_no_body_and_keeps_its_length() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        for _ in 0..2 {
            let request = with_body(http::Method::HEAD, Either::Left("".into()));
            let sent = client.send(&endpoint, request).await.expect("an answer");
            assert_eq!(sent.response.headers()["content-length"], "1000");
            assert_eq!(read(sent).await.expect("complete"), "");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn trailers_come_through_and_the_connection_is_reused() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        for _ in 0..2 {
            let sent = client.send(&endpoint, get()).await.expect("an answer");
            let collected = sent.response.into_body().collect().await.expect("a complete body");
            assert_eq!(collected.trailers().expect("trailers")["x-sum"], "7");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

/// A body that tells its length.
struct OfLength<B>(B, u64);

impl<B: Body + Unpin> Body for OfLength<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}
