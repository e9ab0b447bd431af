//! Connections are kept, reused, bounded, and given up when they are of no use any more.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::{BodyExt, Either};
use lockgate_units::Period;
use lockgate_upstream::Upstream;

use crate::peer::{
    Act, OK, OK_IN_CHUNKS, Peer, TestClient, fetch, get, on_a_worker, post, read, settings, until, upstream, with_body,
};

#[test]
fn a_connection_is_reused_after_a_clean_end() {
    on_a_worker(async {
        for answer in [
            OK,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        ] {
            let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
            let (client, upstream) = (TestClient::new(), peer.upstream());
            for _ in 0..5 {
                assert_eq!(fetch(&client, &upstream, get()).await.expect("an answer"), "ok");
                assert_eq!(fetch(&client, &upstream, post("body")).await.expect("an answer"), "ok");
            }
            assert_eq!(peer.connections.get(), 1, "{answer}");
            assert!(peer.requests.borrow()[1].ends_with("\r\n\r\nbody"));
        }
    });
}

#[test]
fn an_answer_without_a_body_gives_the_connection_back_at_once() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer("HTTP/1.1 204 No Content\r\n\r\n")]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let first = client.send(&upstream, get()).await.expect("an answer");
        let second = client.send(&upstream, get()).await.expect("an answer");
        assert!(first.response.body().is_end_stream() && second.response.body().is_end_stream());
        assert_eq!(
            (peer.connections.get(), first.endpoint, first.local),
            (1, peer.address, second.local)
        );
    });
}

#[test]
fn an_answer_that_has_all_come_gives_the_connection_back_before_it_is_read() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let first = client.send(&upstream, get()).await.expect("an answer");
        let second = client.send(&upstream, get()).await.expect("an answer");
        assert_eq!(first.response.body().size_hint().exact(), Some(2));
        for sent in [first, second] {
            assert_eq!(read(sent).await.expect("complete"), "ok");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn the_answer_to_head_has_no_body_and_keeps_its_length() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        for _ in 0..2 {
            let request = with_body(http::Method::HEAD, Either::Left("".into()));
            let sent = client.send(&upstream, request).await.expect("an answer");
            assert_eq!(sent.response.headers()["content-length"], "1000");
            assert_eq!(read(sent).await.expect("complete"), "");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn a_request_of_unknown_length_goes_out_in_chunks_with_the_trailers_that_it_announced() {
    on_a_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
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
        let client = lockgate_upstream::Client::new();
        let (seen, sent) = tokio::join!(peer, client.send(&upstream, request.expect("valid")));
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
fn a_large_answer_comes_through_whole_and_the_connection_is_reused() {
    on_a_worker(async {
        let text: String = (0..300_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        let peer = Peer::new(&[&[Act::Answer(answer.leak())]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        for _ in 0..3 {
            assert!(fetch(&client, &upstream, get()).await.expect("an answer") == text);
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn trailers_come_through_and_the_connection_is_reused() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        for _ in 0..2 {
            let sent = client.send(&upstream, get()).await.expect("an answer");
            let collected = sent.response.into_body().collect().await.expect("a complete body");
            assert_eq!(collected.trailers().expect("trailers")["x-sum"], "7");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn requests_at_the_same_time_have_connections_of_their_own() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK_IN_CHUNKS)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let first = client.send(&upstream, get()).await.expect("an answer");
        let second = client.send(&upstream, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
        assert_eq!(read(second).await.expect("complete"), "ok");
        assert_eq!(read(first).await.expect("complete"), "ok");
        fetch(&client, &upstream, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn a_body_that_is_dropped_early_closes_its_connection() {
    on_a_worker(async {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf";
        let peer = Peer::new(&[&[Act::Answer(half)], &[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        drop(client.send(&upstream, get()).await.expect("a head"));
        until(|| peer.closed.get() == 1).await;
        assert_eq!(fetch(&client, &upstream, get()).await.expect("an answer"), "ok");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn a_request_that_is_given_up_closes_its_connection() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Silence]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let limit = tokio::time::timeout(Duration::from_millis(50), client.send(&upstream, get()));
        assert!(limit.await.is_err());
        until(|| peer.closed.get() == 1).await;
    });
}

#[test]
fn connection_close_from_the_upstream_is_obeyed() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        fetch(&client, &upstream, get()).await.expect("an answer");
        until(|| peer.closed.get() == 1).await;
        fetch(&client, &upstream, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn no_more_than_max_idle_connections_are_kept() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK_IN_CHUNKS)]]).await;
        let mut settings = settings(&[peer.address]);
        settings.max_idle = 2;
        let (client, upstream) = (TestClient::new(), Upstream::new("test", &settings));
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(client.send(&upstream, get()).await.expect("an answer"));
        }
        for sent in open {
            read(sent).await.expect("complete");
        }
        until(|| peer.closed.get() == 3).await;
        fetch(&client, &upstream, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 5);
    });
}

#[test]
fn idle_connections_are_closed_after_the_idle_timeout() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let mut settings = settings(&[peer.address]);
        settings.idle_timeout = Period::millis(80);
        let (client, upstream) = (TestClient::new(), Upstream::new("test", &settings));
        for round in 1..=2 {
            fetch(&client, &upstream, get()).await.expect("an answer");
            until(|| peer.closed.get() == round).await;
        }
    });
}

#[test]
fn connections_survive_a_reload_that_keeps_the_address() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let client = TestClient::new();
        fetch(&client, &peer.upstream(), get()).await.expect("an answer");
        fetch(&client, &upstream(&[peer.address]), get())
            .await
            .expect("an answer");
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn surplus_bytes_behind_an_answer_never_become_the_next_answer() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        for _ in 0..3 {
            assert_eq!(fetch(&client, &upstream, get()).await.expect("an answer"), "ok");
        }
        assert_eq!(peer.connections.get(), 3);
    });
}

#[test]
fn weights_are_exact_over_a_cycle_of_real_requests() {
    on_a_worker(async {
        let (one, two) = (
            Peer::new(&[&[Act::Answer(OK)]]).await,
            Peer::new(&[&[Act::Answer(OK)]]).await,
        );
        let mut settings = settings(&[one.address, two.address]);
        settings.endpoints[1].weight = lockgate_upstream::Weight::new(3).expect("in range");
        let (client, upstream) = (TestClient::new(), Upstream::new("test", &settings));
        for _ in 0..20 {
            fetch(&client, &upstream, get()).await.expect("an answer");
        }
        assert_eq!((one.requests.borrow().len(), two.requests.borrow().len()), (5, 15));
        assert_eq!((one.connections.get(), two.connections.get()), (1, 1));
    });
}

#[test]
fn large_bodies_stream_in_both_directions_at_once() {
    use tokio::io::AsyncWriteExt;
    const SIZE: usize = 8 << 20;
    on_a_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
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
        let client = lockgate_upstream::Client::new();
        let answer = client
            .send(&upstream, request.expect("valid"))
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

#[test]
fn many_requests_at_once_over_connections_that_keep_closing_all_get_their_answers() {
    on_a_worker(async {
        let answers = [
            Act::Answer(OK),
            Act::Answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
        ];
        // Connections that end after one, two, three … answers, without saying so before.
        let scripts: Vec<Vec<Act>> = (0..4000)
            .map(|connection| {
                let mut script: Vec<Act> = answers.iter().cycle().take(connection % 9).cloned().collect();
                script.push(Act::AnswerAndClose(OK));
                script
            })
            .collect();
        let scripts: Vec<&[Act]> = scripts.iter().map(Vec::as_slice).collect();
        let peer = Peer::new(&scripts).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let mut tasks = tokio::task::JoinSet::new();
        let upstream = std::rc::Rc::new(upstream);
        for _ in 0..32 {
            let (client, upstream) = (client.clone(), upstream.clone());
            tasks.spawn_local(async move {
                for _ in 0..100 {
                    assert_eq!(fetch(&client, &upstream, get()).await.expect("an answer"), "ok");
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("every request is answered");
        }
        assert!(peer.requests.borrow().len() >= 3200);
        assert!(peer.connections.get() < 1600, "{} connections", peer.connections.get());
    });
}
