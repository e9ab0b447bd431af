//! Connections are kept across requests, upstreams and reloads.

use lockgate_upstream::Upstream;

use crate::peer::{Act, OK, Peer, get, on_a_worker};
use crate::request::{TestClient, fetch, settings, upstream};

#[test]
fn connections_survive_a_reload_that_keeps_the_address() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let client = TestClient::new();
        fetch(&client, &upstream(&[peer.address]), get())
            .await
            .expect("an answer");
        fetch(&client, &upstream(&[peer.address]), get())
            .await
            .expect("an answer");
        assert_eq!(peer.connections.get(), 1);
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
        let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
