//! Kubernetes: list and watch against an API server that forgets, cuts and lies.

use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use serde_json::{Value, json};

use crate::lists::{Lists, eventually};
use crate::registry::{Registry, answer, begin, chunk, closed};

/// What the API server does next on its watch.
enum Step {
    Event(&'static str, Value),
    /// These bytes, as they are.
    Raw(&'static str),
    /// The connection is cut.
    Cut,
}

#[derive(Default)]
struct State {
    slices: Vec<Value>,
    version: u64,
    /// Watches are answered with 410.
    is_gone: bool,
}

struct ApiServer {
    registry: Registry,
    state: Arc<Mutex<State>>,
    steps: Sender<Step>,
}

impl ApiServer {
    fn start(slices: Vec<Value>) -> Self {
        let state = Arc::new(Mutex::new(State {
            slices,
            version: 100,
            is_gone: false,
        }));
        let (steps, next) = channel();
        let (shared, next) = (Arc::clone(&state), Mutex::new(next));
        let registry = Registry::start(move |request, stream| {
            assert_eq!(request.path, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices");
            assert_eq!(request.query["labelSelector"], "kubernetes.io/service-name=orders");
            if !request.query.contains_key("watch") {
                return list(stream, &shared, request.query.get("continue").map(String::as_str));
            }
            assert_eq!(request.query["allowWatchBookmarks"], "true");
            if std::mem::take(&mut shared.lock().expect("no panic").is_gone) {
                return answer(stream, 410, "", &status(410).to_string());
            }
            begin(stream)?;
            watch(stream, &next.lock().expect("no panic"))
        });
        Self { registry, state, steps }
    }

    fn send(&self, step: Step) {
        self.steps.send(step).expect("the server runs");
    }

    fn source(&self, more: &str) -> String {
        format!(
            r#"{{ "type": "kubernetes", "service": "orders", "namespace": "shop", "url": "{}"{more} }}"#,
            self.registry.url()
        )
    }

    fn lists(&self) -> usize {
        let requests = self.registry.requests();
        let lists = requests.iter().filter(|request| !request.query.contains_key("watch"));
        lists.filter(|request| !request.query.contains_key("continue")).count()
    }

    fn watched_versions(&self) -> Vec<String> {
        let requests = self.registry.requests();
        requests
            .iter()
            .filter_map(|request| request.query.get("resourceVersion").cloned())
            .collect()
    }
}

/// A list in pages of one slice.
fn list(stream: &mut TcpStream, state: &Mutex<State>, next: Option<&str>) -> io::Result<()> {
    let state = state.lock().expect("no panic");
    let at: usize = next.map_or(0, |next| next.parse().expect("ours"));
    let next = if at + 1 < state.slices.len() {
        (at + 1).to_string()
    } else {
        String::new()
    };
    let page = json!({ "kind": "EndpointSliceList",
        "metadata": { "resourceVersion": state.version.to_string(), "continue": next },
        "items": state.slices.get(at).into_iter().collect::<Vec<_>>() });
    answer(stream, 200, "", &page.to_string())
}

fn watch(stream: &mut TcpStream, next: &Receiver<Step>) -> io::Result<()> {
    while let Ok(step) = next.recv() {
        match step {
            Step::Event(kind, object) => {
                let line = json!({ "type": kind, "object": object }).to_string();
                // In two pieces, as a network may bring it.
                let (first, second) = line.split_at(line.len() / 2);
                chunk(stream, first)?;
                thread::sleep(Duration::from_millis(20));
                chunk(stream, &format!("{second}\n"))?;
                if kind == "ERROR" {
                    return closed();
                }
            }
            Step::Raw(text) => chunk(stream, text)?,
            Step::Cut => return closed(),
        }
    }
    closed()
}

fn status(code: u16) -> Value {
    json!({ "kind": "Status", "status": "Failure", "reason": "Expired", "code": code, "message": "too old resource version" })
}

fn slice(name: &str, version: u64, addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({ "addresses": [address] }))
        .collect();
    json!({ "metadata": { "name": name, "resourceVersion": version.to_string() }, "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }], "endpoints": endpoints })
}

#[test]
fn slices_are_listed_by_pages_and_every_event_is_followed() {
    let server = ApiServer::start(vec![
        slice("a", 1, &["10.0.0.1"]),
        json!({ "metadata": 7 }),
        slice("b", 2, &["10.0.0.2"]),
    ]);
    let lists = Lists::of(&server.source(""));
    lists.becomes(&["10.0.0.1:80*1", "10.0.0.2:80*1"]);
    server.send(Step::Event("ADDED", slice("c", 101, &["10.0.0.3"])));
    assert!(lists.becomes(&["10.0.0.1:80*1", "10.0.0.2:80*1", "10.0.0.3:80*1"]) < Duration::from_secs(2));
    server.send(Step::Event("MODIFIED", slice("a", 102, &["10.0.0.4"])));
    lists.becomes(&["10.0.0.2:80*1", "10.0.0.3:80*1", "10.0.0.4:80*1"]);
    server.send(Step::Event("DELETED", slice("b", 103, &[])));
    server.send(Step::Event("ADDED", json!("garbage")));
    server.send(Step::Event(
        "BOOKMARK",
        json!({ "metadata": { "resourceVersion": "150" } }),
    ));
    lists.becomes(&["10.0.0.3:80*1", "10.0.0.4:80*1"]);
    server.send(Step::Event("DELETED", slice("a", 151, &[])));
    server.send(Step::Event("DELETED", slice("c", 152, &[])));
    lists.becomes(&[]);
    assert_eq!((server.lists(), lists.status().failures), (1, 0));
}

#[test]
fn a_watch_that_is_cut_goes_on_where_it_was() {
    let server = ApiServer::start(vec![slice("a", 1, &["10.0.0.1"])]);
    let lists = Lists::of(&server.source(""));
    lists.becomes(&["10.0.0.1:80*1"]);
    server.send(Step::Event(
        "BOOKMARK",
        json!({ "metadata": { "resourceVersion": "150" } }),
    ));
    server.send(Step::Raw(r#"{"type":"ADDED","object":{"metadata":{"na"#));
    server.send(Step::Cut);
    assert!(
        eventually(|| server.watched_versions() == ["100", "150"]).is_some(),
        "{:?}",
        server.watched_versions()
    );
    assert_eq!(lists.list().expect("kept"), ["10.0.0.1:80*1"]);
    server.send(Step::Event("ADDED", slice("b", 151, &["10.0.0.2"])));
    lists.becomes(&["10.0.0.1:80*1", "10.0.0.2:80*1"]);
    server.send(Step::Raw("this is no JSON\n"));
    server.send(Step::Cut);
    lists.fails("not an event");
    server.send(Step::Event("DELETED", slice("a", 152, &[])));
    lists.becomes(&["10.0.0.2:80*1"]);
    assert_eq!(server.lists(), 1, "nothing was listed anew");
}

#[test]
fn a_version_that_is_too_old_makes_a_new_list() {
    let server = ApiServer::start(vec![slice("a", 1, &["10.0.0.1"])]);
    let lists = Lists::of(&server.source(""));
    lists.becomes(&["10.0.0.1:80*1"]);
    for is_event in [true, false] {
        let before = server.lists();
        {
            let mut state = server.state.lock().expect("no panic");
            let last = if is_event { "10.0.0.2" } else { "10.0.0.3" };
            state.slices = vec![slice("a", 200, &[last])];
            state.version += 100;
            state.is_gone = !is_event;
        }
        if is_event {
            server.send(Step::Event("ERROR", status(410)));
            lists.becomes(&["10.0.0.2:80*1"]);
        } else {
            server.send(Step::Cut);
            lists.becomes(&["10.0.0.3:80*1"]);
        }
        assert_eq!(server.lists(), before + 1);
    }
    assert_eq!(lists.status().failures, 0, "it is no failure");
}

#[test]
fn the_token_is_read_again_and_a_refusal_keeps_the_list() {
    let server = ApiServer::start(vec![slice("a", 1, &["10.0.0.1"])]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "first").expect("written");
    let lists = Lists::of(&server.source(&format!(r#", "token_file": {file:?}, "port": "http""#)));
    lists.becomes(&["10.0.0.1:80*1"]);
    std::fs::write(&file, "second\n").expect("written");
    server.send(Step::Cut);
    let sent = |token: &str| {
        let requests = server.registry.requests();
        requests
            .iter()
            .any(|request| request.headers["authorization"] == format!("Bearer {token}"))
    };
    assert!(sent("first") && eventually(|| sent("second")).is_some());
    std::fs::remove_file(&file).expect("removed");
    server.send(Step::Cut);
    lists.fails("cannot be read");
    assert_eq!(lists.list().expect("kept"), ["10.0.0.1:80*1"]);
    let wrong = Lists::of(&server.source(r#", "port": "grpc""#));
    wrong.fails("no such port: the service has http 80");
}
