//! gRPC streams, natively: what is said and heard on them, how they end, and what goes wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway, STATUSES, StreamEvent, stream_reply};
use lockgate_sdk::{Body, GrpcStatus, Status, Upstream, join, sleep, timeout};

/// Talks as the path says.
struct Talks(Upstream);

#[plugin]
impl Plugin for Talks {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Talks(Upstream::new("talk")))
    }

    async fn on_request(&self, request: &mut Request, body: &mut Body) -> Result<Flow> {
        let opening = self.0.grpc_stream("test.Talk", "Chat").metadata("x-asks", "me");
        let mut chat = opening.open()?;
        let mut all = Vec::new();
        match request.path()?.as_str() {
            "/list" => chat.send_last(b"all")?,
            "/late" => {
                chat.send_last(b"all")?;
                sleep(Duration::from_millis(10)).await?;
            }
            "/talk" => {
                for word in [b"one", b"two"] {
                    chat.send(word)?;
                    all.extend(chat.recv().await?);
                }
                chat.close_send()?;
            }
            "/parts" => {
                while let Some(chunk) = body.next().await? {
                    chat.send(&chunk.bytes()?)?;
                    all.extend(chat.recv().await?);
                }
                chat.close_send()?;
            }
            "/both" => {
                let mut other = self.0.grpc_stream("test.Talk", "Other").open()?;
                chat.send_last(b"all")?;
                other.send_last(b"all")?;
                let (one, two) = join(chat.recv(), other.recv()).await;
                all.extend([one?, two?].into_iter().flatten());
            }
            "/patience" => {
                chat.send(b"slow")?;
                if timeout(Duration::from_millis(10), chat.recv()).await?.is_none() {
                    request.set_header("x-first-wait", "in vain")?;
                }
            }
            _ => return Ok(Flow::Continue),
        }
        while let Some(message) = chat.recv().await? {
            all.push(message);
        }
        request.set_header("x-all", all.join(&b"+"[..]))?;
        request.set_header("x-metadata", chat.metadata().first("x-begins").unwrap_or("none"))?;
        request.set_header("x-trailers", chat.trailers().first("x-ends").unwrap_or("none"))?;
        // Over is over, however often one asks.
        assert_eq!(chat.recv().await, Ok(None));
        let refused = chat.send(b"more");
        assert!(matches!(
            refused,
            Err(Error::Host {
                status: Status::NotFound,
                ..
            })
        ));
        assert_eq!(chat.close_send(), Ok(()));
        Ok(Flow::Continue)
    }
}

type Seen = Rc<RefCell<Vec<String>>>;

/// A gateway whose upstream notes what it hears, answers `all` with two messages and any other with itself, in capitals.
fn gateway() -> (Gateway<Talks>, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let gateway = Gateway::configured("").expect("nothing is to be configured");
    let gateway = gateway.grpc_stream("talk", move |asked, heard| {
        let note = match heard {
            StreamEvent::Opened => format!("opened {} {:?}", asked.path(), asked.header("x-asks")),
            StreamEvent::Message(message) => String::from_utf8_lossy(message).into_owned(),
            StreamEvent::End => "end".to_owned(),
            StreamEvent::Cancelled => "cancelled".to_owned(),
        };
        noted.borrow_mut().push(note);
        let stream_reply = stream_reply().metadata("x-begins", "first").trailer("x-ends", "last");
        match heard {
            StreamEvent::Message(b"all") => stream_reply.message("a").message("").message("c").end(),
            StreamEvent::Message(b"slow") => stream_reply.message("SLOW").end().after(Duration::from_millis(30)),
            StreamEvent::Message(message) => stream_reply.message(message.to_ascii_uppercase()),
            StreamEvent::End => stream_reply.end(),
            StreamEvent::Opened | StreamEvent::Cancelled => testing::stream_reply(),
        }
    });
    (gateway, seen)
}

#[test]
fn several_messages_come_and_their_metadata_and_the_end() {
    let (gateway, seen) = gateway();
    let exchange = gateway.get("/list").send();
    assert_eq!(
        exchange.forwarded("x-all").as_deref(),
        Some("a++c"),
        "{:?}",
        testing::log()
    );
    assert_eq!(exchange.forwarded("x-metadata").as_deref(), Some("first"));
    assert_eq!(exchange.forwarded("x-trailers").as_deref(), Some("last"));
    assert_eq!(*seen.borrow(), ["opened /test.Talk/Chat Some(\"me\")", "all", "end"]);
}

#[test]
fn both_sides_talk_in_turn_and_each_says_when_it_is_done() {
    let (gateway, seen) = gateway();
    let exchange = gateway.get("/talk").send();
    assert_eq!(
        exchange.forwarded("x-all").as_deref(),
        Some("ONE+TWO"),
        "{:?}",
        testing::log()
    );
    assert_eq!(seen.borrow()[1..], ["one", "two", "end"]);
}

#[test]
fn a_body_goes_into_a_stream_piece_by_piece() {
    let (gateway, _) = gateway();
    let exchange = gateway.request("POST", "/parts").body("some").body("body").send();
    assert_eq!(
        exchange.forwarded("x-all").as_deref(),
        None,
        "the head has gone with its body"
    );
    assert_eq!(exchange.forwarded_body(), "somebody");
}

#[test]
fn two_streams_are_read_at_once() {
    let (gateway, seen) = gateway();
    let exchange = gateway.get("/both").send();
    assert_eq!(
        exchange.forwarded("x-all").as_deref(),
        Some("a+a++c"),
        "{:?}",
        testing::log()
    );
    assert!(seen.borrow().contains(&"opened /test.Talk/Other None".to_owned()));
    assert_eq!(
        seen.borrow().last().map(String::as_str),
        Some("cancelled"),
        "the other was not read to its end"
    );
}

#[test]
fn a_wait_that_is_given_up_loses_no_message() {
    let (gateway, _) = gateway();
    let exchange = gateway.get("/patience").send();
    gateway.advance(Duration::from_millis(100));
    assert_eq!(exchange.forwarded("x-first-wait").as_deref(), Some("in vain"));
    assert_eq!(
        exchange.forwarded("x-all").as_deref(),
        Some("SLOW"),
        "{:?}",
        testing::log()
    );
}

#[test]
fn a_stream_that_is_dropped_or_whose_request_ends_is_cancelled() {
    let (gateway, seen) = gateway();
    drop(gateway.get("/drop").send());
    assert_eq!(seen.borrow()[1..], ["cancelled"]);
    seen.borrow_mut().clear();
    let exchange = gateway.get("/patience").send();
    assert!(exchange.is_paused());
    drop(exchange);
    assert_eq!(seen.borrow()[1..], ["slow", "cancelled"]);
    gateway.advance(Duration::from_secs(1));
    assert!(!gateway.get("/list").send().is_paused(), "{:?}", testing::log());
}

#[test]
fn another_status_than_ok_is_an_error_behind_the_messages() {
    let gateway = Gateway::<Talks>::configured("").expect("nothing is to be configured");
    let gateway = gateway.grpc_stream("talk", |_, heard| match heard {
        StreamEvent::Message(_) => stream_reply().message("a").fail(GrpcStatus::ABORTED, "enough"),
        _ => stream_reply(),
    });
    assert_eq!(gateway.get("/list").send().status(), Some(500));
    let told = "a gRPC call ended with the status 10: enough";
    assert!(testing::log()[0].contains(told), "{:?}", testing::log());
}

#[test]
fn more_than_is_kept_unread_ends_the_stream() {
    let heard = Seen::default();
    let noted = heard.clone();
    let gateway = Gateway::<Talks>::configured("").expect("nothing is to be configured");
    let gateway = gateway.grpc_stream("talk", move |_, heard| {
        noted
            .borrow_mut()
            .push(format!("{}", matches!(heard, StreamEvent::Cancelled)));
        match heard {
            StreamEvent::Message(_) => {
                (0..5).fold(stream_reply(), |stream_reply, _| stream_reply.message(vec![0; 1 << 20]))
            }
            _ => stream_reply(),
        }
    });
    let exchange = gateway.get("/late").send();
    gateway.advance(Duration::from_millis(10));
    assert_eq!(exchange.status(), Some(500));
    assert!(logged("the status 8: too many bytes"), "{:?}", testing::log());
    assert_eq!(
        heard.borrow().last().map(String::as_str),
        Some("true"),
        "the upstream is told"
    );
}

fn logged(call: &str) -> bool {
    testing::log()
        .iter()
        .any(|line| line.starts_with("ERROR") && line.contains(call))
}

#[test]
fn every_call_fails_with_its_name_whatever_the_host_answers() {
    let absent = [Status::NotFound];
    for (path, call, fine) in [
        ("/list", "proxy_grpc_stream", &[][..]),
        ("/list", "proxy_grpc_send", &[]),
        ("/talk", "proxy_grpc_close", &[]),
        // What is not there is empty.
        ("/list", "proxy_get_buffer_bytes", &absent),
        ("/list", "proxy_get_header_map_pairs", &absent),
    ] {
        for status in STATUSES {
            let (gateway, _) = gateway();
            testing::fail(call, status);
            let exchange = gateway.get(path).send();
            let expected = (!fine.contains(&status)).then_some(500);
            assert_eq!(exchange.status(), expected, "{call} {status:?}: {:?}", testing::log());
            assert_eq!(
                logged(call),
                expected.is_some(),
                "{call} {status:?}: {:?}",
                testing::log()
            );
            drop(exchange);
            testing::clear_failures();
            let after = gateway.get(path).send();
            assert!(
                !after.is_paused(),
                "{path} after {call} {status:?}: {:?}",
                testing::log()
            );
        }
    }
}

#[test]
fn a_stream_that_cannot_be_cancelled_or_whose_end_is_not_explained_ends_well() {
    for status in STATUSES {
        let (gateway, _) = gateway();
        testing::fail("proxy_grpc_cancel", status);
        drop(gateway.get("/drop").send());
        testing::fail("proxy_get_status", status);
        let exchange = gateway.get("/list").send();
        assert_eq!(exchange.forwarded("x-all").as_deref(), Some("a++c"), "{status:?}");
    }
}
