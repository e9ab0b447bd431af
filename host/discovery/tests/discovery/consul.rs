//! Consul: blocking queries against an agent that can fail in every way.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lists::{Lists, eventually};
use crate::registry::{Registry, Request, answer, closed};

/// How the agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    /// 500 at once.
    Failing,
    /// Half of the JSON, with the length of all of it.
    Cut,
    /// Half of the JSON, as if it were all.
    Half,
    /// More than anybody wants.
    Endless,
    /// It accepts, and closes.
    Closing,
}

struct State {
    index: u64,
    entries: Vec<Value>,
    mood: Mood,
}

/// A Consul agent with one service.
struct Agent {
    registry: Registry,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Agent {
    fn start(entries: Vec<Value>) -> Self {
        let state = State {
            index: 10,
            entries,
            mood: Mood::Well,
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        let registry = Registry::start(move |request, stream| {
            let (state, changed) = &*shared;
            let mut state = state.lock().expect("no panic");
            let index = request
                .query
                .get("index")
                .map_or(0, |index| index.parse().expect("an index"));
            while state.mood == Mood::Well && index == state.index {
                // It holds the query until something changes.
                state = changed.wait(state).expect("no panic");
            }
            let (mood, index, body) = (state.mood, state.index, Value::from(state.entries.clone()).to_string());
            drop(state);
            respond(stream, mood, index, &body, request)
        });
        Self { registry, state }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, changed) = &*self.state;
        change(&mut state.lock().expect("no panic"));
        changed.notify_all();
    }

    fn set(&self, entries: Vec<Value>) {
        self.change(|state| {
            state.index += 1;
            state.entries = entries;
        });
    }

    fn source(&self, more: &str) -> String {
        format!(
            r#"{{ "type": "consul", "service": "orders", "url": "{}"{more} }}"#,
            self.registry.url()
        )
    }
}

fn respond(stream: &mut TcpStream, mood: Mood, index: u64, body: &str, request: &Request) -> std::io::Result<()> {
    assert_eq!(request.path, "/v1/health/service/orders");
    let half = &body[..body.len() / 2];
    match mood {
        Mood::Well => answer(stream, 200, &format!("X-Consul-Index: {index}\r\n"), body),
        Mood::Failing => answer(stream, 500, "", "rpc error: No cluster leader"),
        Mood::Cut => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}",
                body.len()
            )?;
            closed()
        }
        Mood::Half => answer(stream, 200, "X-Consul-Index: 99\r\n", half),
        Mood::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n")?;
            let piece = vec![b' '; 1 << 20];
            (0..100).try_for_each(|_| stream.write_all(&piece))?;
            closed()
        }
        Mood::Closing => closed(),
    }
}

fn instance(last: u8) -> Value {
    json!({ "Node": { "Node": "n", "Address": format!("10.0.0.{last}") },
        "Service": { "Service": "orders", "Address": "", "Port": 80, "Weights": { "Passing": 1, "Warning": 1 } },
        "Checks": [{ "Status": "passing" }] })
}

#[test]
fn changes_arrive_in_time_and_an_empty_list_is_one() {
    let agent = Agent::start(vec![instance(1)]);
    let lists = Lists::of(&agent.source(""));
    lists.becomes(&["10.0.0.1:80*1"]);
    for (entries, expected) in [
        (vec![instance(1), instance(2)], &["10.0.0.1:80*1", "10.0.0.2:80*1"][..]),
        (vec![json!({ "Node": "garbage" }), instance(3)], &["10.0.0.3:80*1"]),
        (vec![], &[]),
        (vec![instance(4)], &["10.0.0.4:80*1"]),
    ] {
        agent.set(entries);
        assert!(lists.becomes(expected) < Duration::from_secs(2));
    }
    let status = lists.status();
    assert_eq!((status.updates, status.failures, status.endpoints), (5, 0, 1));
    let held = agent.registry.requests();
    assert!(
        held.iter().skip(1).all(|request| request.query.contains_key("index")),
        "{held:?}"
    );
    assert!(held.iter().all(|request| request.query["passing"] == "true"));
}

#[test]
fn an_index_that_goes_back_is_asked_for_anew() {
    let agent = Agent::start(vec![instance(1)]);
    let lists = Lists::of(&agent.source(""));
    lists.becomes(&["10.0.0.1:80*1"]);
    agent.change(|state| {
        state.index = 3;
        state.entries = vec![instance(2)];
    });
    lists.becomes(&["10.0.0.2:80*1"]);
    let restarted = || {
        let requests = agent.registry.requests();
        requests
            .iter()
            .skip(1)
            .any(|request| !request.query.contains_key("index"))
    };
    assert!(eventually(restarted).is_some(), "it begins without an index again");
    agent.set(vec![instance(3)]);
    lists.becomes(&["10.0.0.3:80*1"]);
}

#[test]
fn the_last_list_stays_in_force_however_the_agent_fails() {
    let agent = Agent::start(vec![instance(1)]);
    let lists = Lists::of(&agent.source(r#", "wait": "1s""#));
    lists.becomes(&["10.0.0.1:80*1"]);
    for (mood, error) in [
        (Mood::Failing, "answered 500: rpc error: No cluster leader"),
        (Mood::Cut, "ended too early"),
        (Mood::Half, "not the expected JSON"),
        (Mood::Endless, "more than 33554432 bytes"),
        (Mood::Closing, "ended too early"),
    ] {
        agent.change(|state| state.mood = mood);
        lists.fails(error);
        assert_eq!(lists.list().expect("the last one"), ["10.0.0.1:80*1"], "{mood:?}");
        assert!(lists.status().age().is_some());
        agent.change(|state| state.mood = Mood::Well);
        assert!(eventually(|| lists.status().last_error.is_none()).is_some(), "{mood:?}");
    }
}

#[test]
fn the_saved_list_serves_after_a_restart_while_the_agent_is_down() {
    let agent = Agent::start(vec![instance(1), instance(2)]);
    let source = agent.source("");
    let lists = Lists::of(&source);
    lists.becomes(&["10.0.0.1:80*1", "10.0.0.2:80*1"]);
    let saved = lists.path().join("lists/orders.json");
    assert!(eventually(|| saved.exists()).is_some());
    agent.change(|state| state.mood = Mood::Closing);
    let Lists { folder, .. } = lists;
    let again = Lists::in_folder(folder, &source);
    again.becomes(&["10.0.0.1:80*1", "10.0.0.2:80*1"]);
    again.fails("ended too early");
    assert!(again.status().confirmed.is_none() && again.status().age().is_some());
    agent.change(|state| {
        state.mood = Mood::Well;
        state.entries = vec![instance(2)];
    });
    again.becomes(&["10.0.0.2:80*1"]);
}

#[test]
fn a_reload_without_a_change_asks_nothing_and_a_removed_source_stops() {
    let agent = Agent::start(vec![instance(1)]);
    let lists = Lists::of(&agent.source(""));
    lists.becomes(&["10.0.0.1:80*1"]);
    assert!(
        eventually(|| agent.registry.requests().len() == 2).is_some(),
        "the second one is held"
    );
    for _ in 0..20 {
        lists.set(&agent.source(""));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(agent.registry.requests().len(), 2);
    lists.discovery.set(Vec::new());
    assert!(lists.discovery.status().is_empty());
    agent.set(vec![instance(2)]);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(agent.registry.requests().len(), 2);
    assert_eq!(lists.list().expect("the last one"), ["10.0.0.1:80*1"]);
}

#[test]
fn the_token_is_sent_and_read_from_its_file_again() {
    let agent = Agent::start(vec![instance(1)]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").expect("written");
    let lists = Lists::of(&agent.source(&format!(r#", "token_file": {:?}, "tags": ["a b"]"#, file)));
    lists.becomes(&["10.0.0.1:80*1"]);
    // The held query was sent with the first token.
    assert!(eventually(|| agent.registry.requests().len() == 2).is_some());
    std::fs::write(&file, "second\n").expect("written");
    agent.set(vec![instance(2)]);
    lists.becomes(&["10.0.0.2:80*1"]);
    assert!(eventually(|| agent.registry.requests().len() == 3).is_some());
    let tokens: Vec<String> = agent
        .registry
        .requests()
        .iter()
        .map(|request| request.headers["x-consul-token"].clone())
        .collect();
    assert_eq!(tokens, ["first", "first", "second"]);
}

#[test]
fn nobody_waits_longer_than_the_limit_for_a_first_list() {
    let agent = Agent::start(vec![instance(1)]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let lists = Lists::of(&agent.source(""));
    runtime.block_on(lists.discovery.decided(Duration::from_secs(10)));
    assert_eq!(lists.list().expect("it is there now"), ["10.0.0.1:80*1"]);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = mute.local_addr().expect("bound");
    let lists = Lists::of(&format!(
        r#"{{ "type": "consul", "service": "orders", "url": "http://{address}" }}"#
    ));
    let began = std::time::Instant::now();
    runtime.block_on(lists.discovery.decided(Duration::from_millis(300)));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(lists.list(), None);
}
