//! A failed attempt says how far its request had got.

use std::time::Duration;

use lockgate_client::Progress;

use crate::attempt::{TestClient, endpoint, fetch};
use crate::peer::{Act, OK, Peer, get, on_a_worker};

/// How far the second request gets with a peer of this script.
async fn second(script: &[Act]) -> Progress {
    let peer = Peer::new(&[script]).await;
    let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
    fetch(&client, &endpoint, get()).await.expect("a response");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let failure = client.send(&endpoint, get()).await.expect_err("no response");
    failure.progress
}

#[test]
fn a_pooled_connection_that_was_closed_is_not_used() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::AnswerAndClose(OK)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        for _ in 0..2 {
            fetch(&client, &endpoint, get()).await.expect("a response");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn a_pooled_connection_that_ends_without_a_response_leaves_the_request_unanswered() {
    on_a_worker(async {
        for end in [Act::Close, Act::Reset] {
            assert_eq!(second(&[Act::Answer(OK), end]).await, Progress::Unanswered);
        }
    });
}

#[test]
fn a_fresh_connection_that_ends_without_a_response_is_final() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Close]]).await;
        let outcome = TestClient::new().send(&endpoint(peer.address), get()).await;
        assert_eq!(outcome.expect_err("no response").progress, Progress::Final);
    });
}

#[test]
fn an_address_that_nobody_listens_on_is_not_connected() {
    on_a_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let vacant = listener.local_addr().expect("bound");
        drop(listener);
        let outcome = TestClient::new().send(&endpoint(vacant), get()).await;
        assert_eq!(outcome.expect_err("no response").progress, Progress::NotConnected);
    });
}
