//! Responses that are malformed, ambiguous or cut short are refused, and requests that lie harm no other.

use std::time::Duration;

use http::Method;
use http_body_util::Either;
use lockgate_client::ExchangeError;
use tokio::net::TcpListener;

use crate::attempt::{TestClient, endpoint, fetch, read};
use crate::peer::{Act, Broken, OK, Peer, get, on_a_worker, with_body};

#[test]
fn a_body_that_is_cut_short_ends_with_an_error() {
    on_a_worker(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n",
        ] {
            let peer = Peer::new(&[&[Act::AnswerAndClose(answer)]]).await;
            let sent = TestClient::new()
                .send(&endpoint(peer.address), get())
                .await
                .expect("a head");
            assert!(read(sent).await.is_err(), "{answer}");
        }
    });
}

#[test]
fn a_reset_in_the_middle_of_a_body_ends_it_with_an_error() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        let peer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.expect("written");
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.set_zero_linger().expect("linger");
        };
        let client = TestClient::new();
        let exchange = async { read(client.send(&endpoint, get()).await.expect("a head")).await };
        let ((), result) = tokio::join!(peer, exchange);
        assert!(
            result.is_err(),
            "a close-delimited body must not end cleanly by a reset"
        );
    });
}

#[test]
fn a_body_may_end_with_the_connection_when_it_says_no_length() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::AnswerAndClose("HTTP/1.1 200 OK\r\n\r\nall of it")]]).await;
        assert_eq!(
            fetch(&TestClient::new(), &endpoint(peer.address), get())
                .await
                .expect("an answer"),
            "all of it"
        );
    });
}

#[test]
fn malformed_and_ambiguous_answers_are_refused() {
    on_a_worker(async {
        for answer in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 999999 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\nok",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        ] {
            let peer = Peer::new(&[&[Act::AnswerAndClose(answer)]]).await;
            let error = TestClient::new()
                .send(&endpoint(peer.address), get())
                .await
                .expect_err(answer);
            assert!(
                matches!(error.error, ExchangeError::Protocol { .. }),
                "{answer}: {error:?}"
            );
        }
    });
}

#[test]
fn provisional_answers_without_end_are_refused() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        tokio::task::spawn_local(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.expect("accept");
            crate::peer::skip_head(&mut stream).await;
            while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
        });
        let error = TestClient::new().send(&endpoint, get()).await.expect_err("no answer");
        assert!(matches!(error.error, ExchangeError::Protocol { .. }), "{error:?}");
    });
}

#[test]
fn a_head_that_never_ends_is_refused() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        tokio::task::spawn_local(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
        });
        let error = TestClient::new()
            .send(&endpoint, get())
            .await
            .expect_err("the head is endless");
        assert!(matches!(error.error, ExchangeError::HeadTooLarge { .. }), "{error:?}");
    });
}

#[test]
fn a_request_body_that_ends_early_is_the_senders_fault() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Silence]]).await;
        let request = with_body(Method::POST, Either::Right(Either::Right(Broken(false))));
        let error = TestClient::new()
            .send(&endpoint(peer.address), request)
            .await
            .expect_err("the body is short");
        assert!(matches!(error.error, ExchangeError::RequestBody(_)), "{error:?}");
    });
}

#[test]
fn a_content_length_without_a_body_cannot_swallow_the_next_request() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let mut request = get();
        request
            .headers_mut()
            .insert("content-length", "50".parse().expect("a number"));
        fetch(&client, &endpoint, request).await.expect("an answer");
        fetch(&client, &endpoint, get()).await.expect("an answer");
        assert!(peer.requests.borrow()[0].contains("content-length: 0\r\n"));
        assert!(peer.requests.borrow()[1].starts_with("GET "));
    });
}

#[test]
fn an_early_answer_to_an_unfinished_upload_is_passed_on_and_the_connection_closed() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = endpoint(listener.local_addr().expect("bound"));
        let peer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 1024]).await;
            stream
                .write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
                .await
                .expect("written");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        };
        let exchange = async {
            let client = TestClient::<Endless>::new();
            let request = http::Request::post("/")
                .header("host", "test")
                .body(Endless)
                .expect("valid");
            let sent = client.send(&endpoint, request).await.expect("the early answer");
            assert_eq!(sent.response.status(), 413);
            assert_eq!(read(sent).await.expect("complete"), "no");
        };
        tokio::join!(peer, exchange);
    });
}

#[test]
fn a_request_that_came_over_http2_goes_out_as_http1() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let mut request = get();
        *request.version_mut() = http::Version::HTTP_2;
        fetch(&TestClient::new(), &endpoint(peer.address), request)
            .await
            .expect("an answer");
        assert!(peer.requests.borrow()[0].starts_with("GET /a?b=c HTTP/1.1\r\n"));
    });
}

/// A body whose next chunk never comes.
struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}
