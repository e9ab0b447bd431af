//! The API over real sockets.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;
use lockgate_control::{Handle, PluginDetail, PluginReport, PluginsReport, RoutesReport, StatusSource};
use lockgate_telemetry::metrics::Registry;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::serve;
use crate::access::Access;
use crate::error::ApiError;

struct TestServer {
    address: SocketAddr,
    handle: Handle,
    shutdown: watch::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(token: Option<&str>) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, _) = Handle::new(token.map(str::to_owned), Registry::new(), None);
    let (shutdown, receiver) = watch::channel(());
    let task = tokio::spawn(serve(listener, handle.clone(), receiver));
    TestServer {
        address,
        handle,
        shutdown,
        task,
    }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl TestServer {
    async fn ask(&self, line: &str, fields: &str) -> Reply {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{fields}\r\n",
            self.address
        );
        self.raw(&request).await
    }

    async fn raw(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }
}

struct FakeStatus(u64);

impl StatusSource for FakeStatus {
    fn routes(&self) -> RoutesReport {
        RoutesReport::default()
    }

    fn plugin<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Option<PluginDetail>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    fn profile<'a>(&'a self, _: &'a str, _: Duration) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    fn plugins(&self) -> Pin<Box<dyn Future<Output = PluginsReport> + Send + '_>> {
        let plugin = PluginReport {
            name: "keys".into(),
            module: "auth".into(),
            sha256: "00".repeat(32),
            version: "1".into(),
            module_version: Some("0.2.1".into()),
            description: None,
            state: "running".into(),
            start: "image".into(),
            start_reason: None,
            vms: vec![],
            last_error: Some("it \"trapped\"".into()),
        };
        Box::pin(async move {
            PluginsReport {
                revision: self.0,
                plugins: vec![plugin],
                ..PluginsReport::default()
            }
        })
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_are_for_everybody() {
    let server = start(Some("secret")).await;
    assert_eq!(server.ask("GET /healthz", "").await.json()["status"], "ok");
    let not_ready = server.ask("GET /readyz", "").await;
    assert_eq!((not_ready.status, &not_ready.json()["status"]), (503, &503.into()));
    server.handle.set_ready(true);
    assert_eq!(server.ask("GET /readyz", "").await.status, 200);
    let metrics = server.ask("GET /metrics", "").await;
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"));
    assert!(metrics.body.contains("\nlockgate_connections 0\n"));
}

#[tokio::test]
async fn the_rest_wants_the_token() {
    let server = start(Some("secret")).await;
    server.handle.publish(FakeStatus(7));
    for fields in [
        "",
        "authorization: secret\r\n",
        "authorization: Basic secret\r\n",
        "authorization: Bearer secre\r\n",
        "authorization: Bearer secrets\r\n",
        "authorization: Bearer\r\n",
        "authorization: Bearer secret\r\nauthorization: Bearer secret\r\n",
    ] {
        for path in ["/api/plugins", "/nowhere", "/metrics/"] {
            let refused = server.ask(&format!("GET {path}"), fields).await;
            assert_eq!(refused.status, 401, "{path} {fields}");
            assert!(refused.head.contains("www-authenticate: bearer"));
            assert!(refused.head.contains("content-type: application/problem+json"));
        }
    }
    let plugins = server.ask("GET /api/plugins", "authorization: bearer secret\r\n").await;
    assert_eq!((plugins.status, &plugins.json()["revision"]), (200, &7.into()));
    assert_eq!(plugins.json()["plugins"][0]["last_error"], "it \"trapped\"");
}

#[tokio::test]
async fn without_a_token_this_machine_is_answered_unless_a_name_was_bent_to_it() {
    let server = start(None).await;
    server.handle.publish(FakeStatus(1));
    assert_eq!(server.ask("GET /api/plugins", "").await.status, 200);
    for (host, expected) in [
        ("localhost:9900", 200),
        ("[::1]", 200),
        ("evil.example:9900", 403),
        ("evil.example", 403),
    ] {
        let request = format!("GET /api/plugins HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(server.raw(&request).await.status, expected, "{host}");
    }
}

#[test]
fn without_a_token_other_machines_are_not() {
    let mut headers = HeaderMap::new();
    headers.insert("host", "10.0.0.5:9900".parse().unwrap());
    let check = |peer: &str| Access::new(None).check(peer.parse().unwrap(), &headers);
    assert_eq!(check("10.0.0.9"), Err(ApiError::Forbidden));
    assert_eq!(check("::ffff:10.0.0.9"), Err(ApiError::Forbidden));
    assert_eq!(check("127.0.0.1"), Ok(()));
    assert_eq!(check("::ffff:127.0.0.1"), Ok(()));
    assert_eq!(check("::1"), Ok(()));
}

#[tokio::test]
async fn the_status_is_the_one_published_last() {
    let server = start(None).await;
    assert_eq!(server.ask("GET /api/plugins", "").await.status, 503);
    server.handle.publish(FakeStatus(1));
    server.handle.publish(FakeStatus(2));
    assert_eq!(server.ask("GET /api/plugins", "").await.json()["revision"], 2);
}

#[tokio::test]
async fn errors_are_problems_with_the_id_of_their_request() {
    let server = start(None).await;
    let missing = server.ask("GET /nowhere", "").await;
    assert_eq!((missing.status, &missing.json()["title"]), (404, &"Not Found".into()));
    let id = missing.json()["request_id"].as_str().unwrap().to_owned();
    assert!(missing.head.contains(&format!("x-request-id: {id}")));
    let wrong = server.ask("DELETE /api/plugins", "").await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.contains("allow: get, head"));
    assert_eq!(
        server
            .raw("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn head_has_no_body_and_a_body_is_not_read_as_a_request() {
    let server = start(None).await;
    let head = server.ask("HEAD /healthz", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let inner = "GET /api/plugins HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    let request = format!(
        "POST /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{inner}",
        inner.len()
    );
    let answer = server.raw(&request).await;
    assert_eq!(answer.status, 405);
    assert!(!answer.body.contains("HTTP/1.1"), "{}", answer.body);
}

#[tokio::test]
async fn it_ends_on_shutdown_and_closes_idle_connections() {
    let server = start(None).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address).as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 1024];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    drop(server.shutdown);
    tokio::time::timeout(Duration::from_secs(10), server.task)
        .await
        .unwrap()
        .unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(10), idle.read(&mut answer))
        .await
        .unwrap();
    assert_eq!(rest.unwrap_or(0), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}
