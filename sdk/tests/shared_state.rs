//! State that workers share: `lockgate.kv`, `Cache`, shared data; and what a plugin does at its end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::shared;
use lockgate_sdk::testing::{self, Exchange, Gateway, no_response, response};

const SECOND: Duration = Duration::from_secs(1);

/// Answers with what the introspection says about the token.
struct Introspection {
    issuer: Upstream,
    verdicts: Cache<String, String>,
}

#[plugin]
impl Plugin for Introspection {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Introspection {
            issuer: Upstream::new("issuer"),
            verdicts: Cache::new("verdicts"),
        })
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let token = request.header("x-token")?.unwrap_or_default();
        let verdict = self.verdicts.get(&token, async || {
            let answer = self
                .issuer
                .post("/")
                .text(&token)
                .timeout(2 * SECOND)
                .await?
                .successful()?;
            let text = answer.text()?.to_owned();
            match &*text {
                "refused" => Err(reply(401).text("refused").into()),
                _ => Ok((text, 60 * SECOND)),
            }
        });
        request.set_header("x-verdict", verdict.await?)?;
        Ok(Flow::Continue)
    }
}

fn introspection(calls: &Rc<Cell<u32>>, after: Duration, answer: &'static str) -> Gateway<Introspection> {
    let calls = calls.clone();
    Gateway::configured("{}")
        .expect("no configuration")
        .upstream("issuer", move |_| {
            calls.set(calls.get() + 1);
            match answer {
                "" => no_response().after(after),
                text => response(200).text(text).after(after),
            }
        })
}

fn send<'g>(gateway: &'g Gateway<Introspection>, token: &str) -> Exchange<'g, Introspection> {
    gateway.get("/").header("x-token", token).send()
}

#[test]
fn one_request_fetches_for_all_and_for_as_long_as_the_value_lives() {
    let calls = Rc::default();
    let gateway = introspection(&calls, SECOND, "fine");
    let waiting: Vec<_> = (0..20).map(|_| send(&gateway, "a")).collect();
    assert!(waiting.iter().all(Exchange::is_paused));
    gateway.advance(SECOND);
    for exchange in &waiting {
        assert_eq!(exchange.forwarded("x-verdict").as_deref(), Some("fine"));
    }
    gateway.advance(59 * SECOND);
    assert_eq!(send(&gateway, "a").forwarded("x-verdict").as_deref(), Some("fine"));
    assert_eq!(calls.get(), 1);
    send(&gateway, "b");
    assert_eq!(calls.get(), 2);
    gateway.advance(2 * SECOND);
    send(&gateway, "a");
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_service_that_hangs_costs_forty_requests_one_timeout() {
    let calls = Rc::default();
    let gateway = introspection(&calls, 2 * SECOND, "");
    let waiting: Vec<_> = (0..40).map(|_| send(&gateway, "a")).collect();
    gateway.advance(2 * SECOND);
    for exchange in &waiting {
        assert_eq!(exchange.status(), Some(500));
    }
    assert_eq!(calls.get(), 1);
    // Who asks within the next second gets the same; then it is tried again.
    assert_eq!(send(&gateway, "a").status(), Some(500));
    assert_eq!(calls.get(), 1);
    gateway.advance(SECOND);
    assert!(send(&gateway, "a").is_paused());
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_reply_as_an_error_is_shared_like_every_failure() {
    let calls = Rc::default();
    let gateway = introspection(&calls, SECOND, "refused");
    let waiting: Vec<_> = (0..3).map(|_| send(&gateway, "a")).collect();
    gateway.advance(SECOND);
    for exchange in &waiting {
        assert_eq!(
            (exchange.status(), exchange.reply_body().as_deref()),
            (Some(401), Some("refused"))
        );
    }
    assert_eq!(calls.get(), 1);
}

#[test]
fn if_the_request_that_fetches_ends_another_one_takes_over() {
    let calls = Rc::default();
    let gateway = introspection(&calls, SECOND, "fine");
    let first = send(&gateway, "a");
    let (second, third) = (send(&gateway, "a"), send(&gateway, "a"));
    assert_eq!(calls.get(), 1);
    drop(first);
    assert_eq!(calls.get(), 2);
    gateway.advance(SECOND);
    for exchange in [&second, &third] {
        assert_eq!(exchange.forwarded("x-verdict").as_deref(), Some("fine"));
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn without_room_each_request_fetches_for_itself() {
    let calls = Rc::default();
    let gateway = introspection(&calls, SECOND, "fine");
    testing::limit_kv(0);
    let waiting = [send(&gateway, "a"), send(&gateway, "a")];
    gateway.advance(SECOND);
    for exchange in &waiting {
        assert_eq!(exchange.forwarded("x-verdict").as_deref(), Some("fine"));
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_key_of_any_length_is_a_key() {
    let calls = Rc::default();
    let gateway = introspection(&calls, Duration::ZERO, "fine");
    let long = "t".repeat(100_000);
    for token in [&*long, &*long, &(long.clone() + "u")] {
        assert_eq!(send(&gateway, token).forwarded("x-verdict").as_deref(), Some("fine"));
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_cache_is_unsupported_in_another_host() {
    let calls = Rc::default();
    let gateway = introspection(&calls, SECOND, "fine");
    testing::remove_kv();
    assert_eq!(send(&gateway, "a").status(), Some(500));
    assert_eq!(
        testing::log(),
        ["ERROR on_request: this host has no function lockgate.kv"]
    );
}

/// Only for a host. Its name was the macro's own once.
struct P;

#[plugin]
impl Plugin for P {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(P)
    }
}

#[test]
fn each_operation_on_values_says_what_it_did() {
    let gateway = Gateway::<P>::configured("{}").expect("no configuration");
    let kv = Kv::own();
    assert_eq!(kv.get("k"), Ok(None));
    let version = kv.add("k", "one", None).expect("room").expect("absent");
    assert_eq!(kv.add("k", "two", None), Ok(None));
    let found = kv.get("k").expect("it works").expect("it is there");
    assert_eq!(
        (&*found.bytes, found.version, found.expires_in),
        (&b"one"[..], version, None)
    );
    assert_eq!(kv.replace("k", version + 7, "two", None), Ok(None));
    let second = kv
        .replace("k", version, [0xff, 0, 1], Some(SECOND))
        .expect("room")
        .expect("right");
    let found = kv.get("k").expect("it works").expect("it is there");
    assert_eq!((&*found.bytes, found.expires_in), (&[0xff, 0, 1][..], Some(SECOND)));
    assert_eq!(
        (kv.delete_version("k", version), kv.delete_version("k", second)),
        (Ok(false), Ok(true))
    );
    kv.set("k", "three", Some(SECOND)).expect("room");
    assert_eq!(Kv::shared().get("k"), Ok(None));
    gateway.advance(SECOND);
    assert_eq!(kv.get("k"), Ok(None));
    assert_eq!(kv.delete("k"), Ok(false));
    for key in ["b", "a/2", "a/1"] {
        kv.set(key, "", None).expect("room");
    }
    let keys = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(kv.list("a/", None), Ok((keys(&["a/1", "a/2"]), false)));
    assert_eq!(kv.list("", Some("a/1")), Ok((keys(&["a/2", "b"]), false)));
    testing::limit_kv(3);
    assert_eq!(kv.set("c", "", None), Err(Error::Full("lockgate.kv")));
    assert_eq!(kv.set("b", "again", None), Ok(()));
    let add = |text: Option<&[u8]>| [text.unwrap_or_default(), b"+"].concat();
    assert_eq!(
        (kv.number("b"), kv.increase("b", 3, None), kv.increase("b", 4, None)),
        (Ok(0), Ok(3), Ok(7))
    );
    assert_eq!(
        (kv.increase("b", u64::MAX, None), kv.number("b"), kv.number("absent")),
        (Ok(u64::MAX), Ok(u64::MAX), Ok(0))
    );
    kv.set("b", "again", None).expect("room");
    assert_eq!(kv.update("b", None, add).as_deref(), Ok(&b"again+"[..]));
}

#[test]
fn the_first_writer_of_a_shared_value_does_not_overwrite_another_ones() {
    let _gateway = Gateway::<P>::configured("{}").expect("no configuration");
    let mut calls = 0;
    let value = shared::update("fresh", |current| {
        calls += 1;
        if calls == 1 {
            // Another worker is first.
            shared::set("fresh", b"1").expect("room");
        }
        [current.unwrap_or_default(), b"1"].concat()
    });
    assert_eq!(value.as_deref(), Ok(&b"11"[..]));
}

/// Collects paths.
struct Audit {
    records: Batcher<String>,
}

#[plugin]
impl Plugin for Audit {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        let sink = Upstream::new("sink");
        let send = async move |records: &[String]| {
            sink.post("/").text(records.join(",")).await?.successful()?;
            Ok(())
        };
        Ok(Audit {
            records: Batcher::new(3, 5 * SECOND, send),
        })
    }

    fn on_log(&self, request: &Request) -> Result<()> {
        self.records.push(request.path()?)
    }

    async fn on_done(&self) -> Result<()> {
        self.records.flush().await
    }
}

type Batches = Rc<std::cell::RefCell<Vec<String>>>;

fn audit(batches: &Batches, failures: u32) -> Gateway<Audit> {
    let (batches, failures) = (batches.clone(), Cell::new(failures));
    Gateway::configured("{}")
        .expect("no configuration")
        .upstream("sink", move |request| {
            if failures.get() > 0 {
                failures.set(failures.get() - 1);
                return response(503);
            }
            batches.borrow_mut().push(request.body());
            response(200).after(SECOND / 10)
        })
}

fn visit(gateway: &Gateway<Audit>, paths: &[&str]) {
    for path in paths {
        drop(gateway.get(path).send());
    }
}

#[test]
fn records_are_sent_when_a_batch_is_full_and_when_its_time_has_passed() {
    let batches = Batches::default();
    let gateway = audit(&batches, 0);
    visit(&gateway, &["/1", "/2"]);
    gateway.advance(4 * SECOND);
    assert!(batches.borrow().is_empty());
    gateway.advance(2 * SECOND);
    assert_eq!(*batches.borrow(), ["/1,/2"]);
    visit(&gateway, &["/3", "/4", "/5", "/6"]);
    assert_eq!(*batches.borrow(), ["/1,/2", "/3,/4,/5"]);
    gateway.advance(6 * SECOND);
    assert_eq!(*batches.borrow(), ["/1,/2", "/3,/4,/5", "/6"]);
}

#[test]
fn a_batch_that_was_not_sent_is_sent_later_in_order() {
    let batches = Batches::default();
    let gateway = audit(&batches, 1);
    visit(&gateway, &["/1", "/2", "/3"]);
    visit(&gateway, &["/4"]);
    assert!(batches.borrow().is_empty());
    gateway.advance(11 * SECOND);
    assert_eq!(*batches.borrow(), ["/1,/2,/3", "/4"]);
}

#[test]
fn a_plugin_is_done_when_its_records_are_sent() {
    let batches = Batches::default();
    let gateway = audit(&batches, 1);
    visit(&gateway, &["/1", "/2"]);
    assert!(!gateway.end());
    gateway.advance(SECOND);
    assert!(!gateway.is_done());
    gateway.advance(SECOND);
    assert!(gateway.is_done());
    assert_eq!(*batches.borrow(), ["/1,/2"]);
    let idle = audit(&batches, 0);
    assert!(idle.end());
}

#[test]
fn a_batcher_that_cannot_send_is_full_at_a_hundred_batches() {
    let gateway = audit(&Batches::default(), u32::MAX);
    visit(&gateway, &["/"; 310]);
    let refused = testing::log()
        .iter()
        .filter(|line| line.contains("the batcher is full"))
        .count();
    assert_eq!(refused, 10);
    assert!(!gateway.end());
    gateway.advance(5 * SECOND);
    assert!(gateway.is_done());
}
