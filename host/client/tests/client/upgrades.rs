//! A 101: the connection is handed out with every byte that came behind it, and no pool ever sees it again.

use http::{HeaderValue, Request};
use lockgate_client::{ExchangeError, UpgradeOffer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::attempt::{Endpoint, TestClient, endpoint, fetch, read};
use crate::peer::{Act, OK, Peer, TestBody, get, on_a_worker, until};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chat\r\nx-a: 1\r\n\r\n";

fn offer() -> UpgradeOffer {
    UpgradeOffer {
        protocols: HeaderValue::from_static("chat"),
        accept: None,
    }
}

fn upgrade() -> Request<TestBody> {
    let mut request = get();
    request
        .headers_mut()
        .insert("connection", HeaderValue::from_static("upgrade"));
    request
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("chat"));
    request
}

/// A listener that hands its first connection to `serve`.
async fn serving<F: Future<Output = ()> + 'static>(serve: impl FnOnce(TcpStream) -> F + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = endpoint(listener.local_addr().expect("bound"));
    tokio::task::spawn_local(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("an option");
        serve(stream).await;
    });
    endpoint
}

#[test]
fn bytes_behind_a_101_are_in_the_tunnel_wherever_the_packets_are_cut() {
    on_a_worker(async {
        let stream = format!("HTTP/1.1 103 Early Hints\r\n\r\n{SWITCH}HTTP/1.1 200 OK\r\n\r\nand more");
        let begin = stream.len() - "HTTP/1.1 200 OK\r\n\r\nand more".len();
        for cut in (0..stream.len()).step_by(3) {
            let sent = stream.clone();
            let endpoint = serving(async move |mut peer: TcpStream| {
                crate::peer::skip_head(&mut peer).await;
                let (one, other) = sent.as_bytes().split_at(cut);
                peer.write_all(one).await.expect("written");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                peer.write_all(other).await.expect("written");
                let mut asked = [0; 4];
                peer.read_exact(&mut asked).await.expect("read");
                peer.write_all(&asked).await.expect("written");
            })
            .await;
            let received = TestClient::new().send_upgrade(&endpoint, upgrade(), offer()).await;
            let (head, body) = received.expect("a response").response.into_parts();
            assert_eq!(
                (head.status.as_u16(), &head.headers["x-a"]),
                (101, &HeaderValue::from_static("1"))
            );
            let mut tunnel = body.into_tunnel().expect("a tunnel");
            tunnel.socket.write_all(b"ping").await.expect("written");
            let mut rest = tunnel.received.to_vec();
            tunnel.socket.read_to_end(&mut rest).await.expect("the end");
            assert_eq!(
                String::from_utf8_lossy(&rest),
                format!("{}ping", &stream[begin..]),
                "cut at {cut}"
            );
        }
    });
}

#[test]
fn a_101_to_something_else_is_no_response() {
    on_a_worker(async {
        for answer in [
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat, other\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: close\r\nupgrade: chat\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: chat\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ] {
            let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
            let failed = TestClient::new()
                .send_upgrade(&endpoint(peer.address), upgrade(), offer())
                .await;
            let error = failed.expect_err(answer).error;
            assert!(matches!(error, ExchangeError::Protocol { .. }), "{answer}: {error:?}");
        }
    });
}

#[test]
fn a_connection_behind_a_101_is_used_by_nobody_else() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK), Act::Answer(SWITCH), Act::Answer(OK)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
        // The upgrade takes the connection from the pool; whoever does not want the tunnel closes it.
        let received = client
            .send_upgrade(&endpoint, upgrade(), offer())
            .await
            .expect("a response");
        assert_eq!((received.response.status().as_u16(), peer.connections.get()), (101, 1));
        assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
        assert_eq!(peer.connections.get(), 2);
        assert_eq!(peer.closed.get(), 0);
        assert_eq!(read(received).await.expect("no body"), "");
        until(|| peer.closed.get() == 1).await;
    });
}

#[test]
fn any_other_response_to_an_upgrade_gives_its_connection_back() {
    on_a_worker(async {
        let peer = Peer::new(&[&[
            Act::Answer("HTTP/1.1 426 Upgrade Required\r\nupgrade: other\r\ncontent-length: 2\r\n\r\nno"),
            Act::Answer(OK),
        ]])
        .await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let received = client
            .send_upgrade(&endpoint, upgrade(), offer())
            .await
            .expect("a response");
        assert_eq!(received.response.status().as_u16(), 426);
        assert_eq!(read(received).await.expect("a body"), "no");
        assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
        assert_eq!(peer.connections.get(), 1);
    });
}
