//! Connections are kept, reused, bounded, and given up when they are of no use any more.

use std::time::Duration;

use crate::peer::{Act, OK, Peer, TestClient, fetch, get, on_a_worker, post, read, settings, until, upstream};
use http_body::Body;
use http_body_util::BodyExt;
use lockgate_units::Period;
use lockgate_upstream::Upstream;

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
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
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
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
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
        let request = http::Request::post("/")
            .header("host", "test")
            .header("content-length", SIZE)
            .body(body);
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
