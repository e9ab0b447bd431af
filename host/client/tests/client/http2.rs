//! HTTP/2: which responses are whole, who can hold up whom, and how far a request has got.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Either};
use lockgate_client::{ExchangeError, Interim, Progress};

use crate::attempt::{TestClient, endpoint, read};
use crate::h2_peer::{
    DATA, EARLY_HINTS, END_HEADERS, END_STREAM, GOAWAY, H2Peer, HEADERS, Reply, STATUS_200, STATUS_204, STATUS_304,
    STATUS_413, Seen, frame, goaway, reset, response,
};
use crate::peer::{TestBody, get, on_a_worker, post, with_body};

/// A peer that answers each request when it has ended.
async fn answering(answer: impl Fn(&Seen) -> Reply + 'static) -> H2Peer {
    let reply = move |seen: &Seen| match seen.has_ended {
        true => answer(seen),
        false => Reply::default(),
    };
    H2Peer::new(&[], |_| true, reply).await
}

/// Half a response.
fn half(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    [head, frame(DATA, 0, stream, b"half")].concat()
}

#[test]
fn a_body_is_whole_only_when_its_stream_ends() {
    let cuts: [fn(u32) -> Reply; 6] = [
        |stream| [half(stream), reset(stream, 0)].concat().into(),
        |stream| [half(stream), reset(stream, 8)].concat().into(),
        |stream| [half(stream), reset(stream, 2)].concat().into(),
        |stream| Reply {
            bytes: [half(stream), goaway(stream)].concat(),
            closes: true,
        },
        |stream| Reply {
            bytes: [half(stream), goaway(stream - 1)].concat(),
            closes: false,
        },
        |stream| Reply {
            bytes: half(stream),
            closes: true,
        },
    ];
    on_a_worker(async move {
        for (index, cut) in cuts.into_iter().enumerate() {
            let peer = answering(move |seen| cut(seen.stream)).await;
            let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
            if let Ok(sent) = client.send_h2(&endpoint, get()).await {
                assert!(read(sent).await.is_err(), "cut {index}");
            }
        }
        let peer = answering(|seen| response(seen.stream, b"whole").into()).await;
        let sent = TestClient::new().send_h2(&endpoint(peer.address), get()).await;
        assert_eq!(read(sent.expect("a response")).await.expect("whole"), "whole");
    });
}

#[test]
fn a_whole_response_survives_the_reset_of_its_upload() {
    on_a_worker(async {
        let reply = |seen: &Seen| {
            let head = frame(HEADERS, END_HEADERS, seen.stream, STATUS_413);
            let body = frame(DATA, END_STREAM, seen.stream, b"no");
            Reply::from([head, body, reset(seen.stream, 0)].concat())
        };
        // Once it reads the upload, once it does not.
        for reads in [true, false] {
            let peer = H2Peer::new(&[], move |_| reads, reply).await;
            let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
            for _ in 0..10 {
                let body = Either::Left(vec![b'x'; 1_000_000].into());
                let sent = client.send_h2(&endpoint, with_body(Method::POST, body)).await;
                let sent = sent.expect("the early response");
                assert_eq!(sent.response.status(), 413);
                assert_eq!(read(sent).await.expect("whole"), "no");
            }
        }
    });
}

#[test]
fn bytes_behind_a_response_without_a_body_reach_nobody() {
    on_a_worker(async {
        for (method, status) in [
            (Method::GET, STATUS_204),
            (Method::GET, STATUS_304),
            (Method::HEAD, STATUS_200),
        ] {
            let peer = answering(move |seen| {
                let head = frame(HEADERS, END_HEADERS, seen.stream, status);
                [head, frame(DATA, END_STREAM, seen.stream, b"smuggled")]
                    .concat()
                    .into()
            })
            .await;
            let request = with_body(method.clone(), Either::Right(Either::Left(Default::default())));
            let sent = TestClient::new().send_h2(&endpoint(peer.address), request).await;
            assert_eq!(read(sent.expect("a head")).await.expect("nothing"), "", "{method}");
        }
    });
}

#[test]
fn unread_responses_hold_up_nobody_else_on_the_connection() {
    on_a_worker(async {
        let address = big_peer().await;
        let (client, endpoint) = (TestClient::new(), endpoint(address));
        let mut unread = Vec::new();
        for _ in 0..20 {
            unread.push(client.send_h2(&endpoint, big()).await.expect("a head"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..10 {
            let sent = tokio::time::timeout(Duration::from_secs(2), client.send_h2(&endpoint, get())).await;
            let sent = sent.expect("nothing holds it up").expect("a response");
            assert_eq!(sent.local, unread[0].local, "the same connection");
            assert_eq!(read(sent).await.expect("whole"), "small");
        }
        for sent in unread {
            assert_eq!(
                sent.response
                    .into_body()
                    .collect()
                    .await
                    .expect("whole")
                    .to_bytes()
                    .len(),
                BIG
            );
        }
    });
}

const BIG: usize = 3_000_000;

fn big() -> Request<TestBody> {
    let mut request = get();
    *request.uri_mut() = "/big".parse().expect("a path");
    request
}

/// A peer that answers `/big` with a body that no window takes at once.
async fn big_peer() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        let (socket, _) = listener.accept().await.expect("accept");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let body: &'static [u8] = match request.uri().path() {
                "/big" => &[b'x'; BIG],
                _ => b"small",
            };
            tokio::task::spawn_local(async move {
                let mut stream = respond.send_response(http::Response::new(()), false).expect("sent");
                stream.send_data(Bytes::from_static(body), true).expect("sent");
                // Until the stream is over.
                let _ = std::future::poll_fn(|context| stream.poll_reset(context)).await;
            });
        }
    });
    address
}

#[test]
fn a_connection_whose_uploads_are_stuck_gets_no_further_ones() {
    on_a_worker(async {
        let reply = |seen: &Seen| match seen.has_ended {
            true => response(seen.stream, b"ok").into(),
            false => Reply::default(),
        };
        let peer = H2Peer::new(&[], |connection| connection > 0, reply).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let large = || with_body(Method::POST, Either::Left(vec![b'x'; 200_000].into()));
        let stuck = client.send_h2(&endpoint, large());
        let others = async {
            tokio::time::sleep(Duration::from_millis(1300)).await;
            let sent = client.send_h2(&endpoint, large()).await.expect("a response");
            assert_eq!(read(sent).await.expect("whole"), "ok");
            assert_eq!(peer.connections.get(), 2);
        };
        tokio::select! {
            _ = stuck => panic!("nobody reads it"),
            () = others => {}
        }
    });
}

#[test]
fn the_endpoints_own_number_of_streams_is_respected() {
    on_a_worker(async {
        // MAX_CONCURRENT_STREAMS: 2.
        let most = Rc::new(RefCell::new(Vec::<usize>::new()));
        let counted = Rc::clone(&most);
        let reply = move |seen: &Seen| {
            let mut counted = counted.borrow_mut();
            let connections = counted.len().max(seen.connection + 1);
            counted.resize(connections, 0);
            counted[seen.connection] += 1;
            // The first two of each connection are never answered.
            Reply::default()
        };
        let peer = H2Peer::new(&[0, 3, 0, 0, 0, 2], |_| true, reply).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let requests = join_all((0..6).map(|_| client.send_h2(&endpoint, get())));
        assert!(
            tokio::time::timeout(Duration::from_millis(500), requests)
                .await
                .is_err()
        );
        assert_eq!(*most.borrow(), [2, 2, 2]);
    });
}

#[test]
fn a_stream_that_was_not_processed_says_so_with_its_body_or_without() {
    let refusals: [fn(u32) -> Vec<u8>; 4] = [
        |stream| reset(stream, 7),
        |_| goaway(0),
        // GOAWAY with another reason.
        |_| frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]),
        |stream| [goaway(i32::MAX as u32), goaway(stream.saturating_sub(2))].concat(),
    ];
    on_a_worker(async move {
        for (index, refuse) in refusals.into_iter().enumerate() {
            let peer = H2Peer::new(&[], |_| true, move |seen| refuse(seen.stream).into()).await;
            let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
            for request in [get(), post("body")] {
                let failure = client.send_h2(&endpoint, request).await.expect_err("refused");
                assert_eq!(failure.progress, Progress::Unprocessed, "refusal {index}");
            }
        }
    });
}

#[test]
fn a_body_that_is_too_long_to_be_kept_is_not_sent_again() {
    on_a_worker(async {
        let refuse = |seen: &Seen| match seen.has_ended {
            true => reset(seen.stream, 7).into(),
            false => Reply::default(),
        };
        let peer = H2Peer::new(&[], |_| true, refuse).await;
        let body = Either::Left(vec![b'x'; 100_000].into());
        let request = with_body(Method::POST, body);
        let failure = TestClient::new().send_h2(&endpoint(peer.address), request).await;
        assert_eq!(failure.expect_err("refused").progress, Progress::Final);
        assert_eq!(peer.ended.borrow()[0].body.len(), 100_000);
    });
}

#[test]
fn interim_responses_are_told_before_the_final_one() {
    on_a_worker(async {
        let told = Rc::new(RefCell::new(Vec::new()));
        let listener = Rc::clone(&told);
        let interim = Interim::new(Rc::new(move |status: StatusCode, headers: &http::HeaderMap| {
            listener.borrow_mut().push((status.as_u16(), headers["link"].clone()));
        }));
        let peer = answering(|seen| {
            let hints = frame(HEADERS, END_HEADERS, seen.stream, EARLY_HINTS);
            [hints.clone(), hints, response(seen.stream, b"ok")].concat().into()
        })
        .await;
        let sent = TestClient::new()
            .send_h2_with(&endpoint(peer.address), get(), &interim)
            .await
            .expect("a response");
        assert_eq!(read(sent).await.expect("whole"), "ok");
        assert_eq!(
            *told.borrow(),
            [
                (103, "</a>".parse().expect("a value")),
                (103, "</a>".parse().expect("a value"))
            ]
        );
    });
}

#[test]
fn an_endless_row_of_interim_responses_and_two_lengths_are_refused() {
    on_a_worker(async {
        let answers: [fn(u32) -> Vec<u8>; 2] = [
            |stream| frame(HEADERS, END_HEADERS, stream, EARLY_HINTS).repeat(40),
            |stream| {
                let twice = [STATUS_200, &[0x0f, 13, 1, b'2'], &[0x0f, 13, 1, b'2']].concat();
                [
                    frame(HEADERS, END_HEADERS, stream, &twice),
                    frame(DATA, END_STREAM, stream, b"ok"),
                ]
                .concat()
            },
        ];
        for answer in answers {
            let peer = answering(move |seen| answer(seen.stream).into()).await;
            let failure = TestClient::new().send_h2(&endpoint(peer.address), get()).await;
            let failure = failure.expect_err("refused");
            assert!(matches!(failure.error, ExchangeError::Protocol { .. }), "{failure:?}");
        }
    });
}
