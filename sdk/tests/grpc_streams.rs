//! Native tests of gRPC streams: messages, their end, and errors.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway, STATUSES, StreamEvent, stream_reply};
use lockgate_sdk::{Body, GrpcStatus, Status, Upstream, join, sleep, timeout};

/// Opens a stream as the path says.
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
        // After the end, each call returns the same.
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

/// A gateway whose upstream records its events. It replies to the message `all` with several messages, and to any other
/// with the same text in capitals.
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
fn several_messages_arrive_with_metadata_and_the_end() {
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
fn both_sides_send_in_turn_and_end_their_direction() {
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
fn a_body_is_sent_on_a_stream_chunk_by_chunk() {
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
fn a_cancelled_recv_loses_no_message() {
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
fn another_status_than_ok_is_an_error_after_the_messages() {
    let gateway = Gateway::<Talks>::configured("").expect("nothing is to be configured");
    let gateway = gateway.grpc_stream("talk", |_, heard| match heard {
        StreamEvent::Message(_) => stream_reply().message("a").fail(GrpcStatus::ABORTED, "enough"),
        _ => stream_reply(),
    });
    assert_eq!(gateway.get("/list").send().status(), Some(500));
    let expected = "a gRPC call ended with the status 10: enough";
    assert!(testing::log()[0].contains(expected), "{:?}", testing::log());
}

#[test]
fn too_many_unread_bytes_end_the_stream() {
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
        "the upstream gets the cancellation"
    );
}

fn logged(call: &str) -> bool {
    testing::log()
        .iter()
        .any(|line| line.starts_with("ERROR") && line.contains(call))
}

#[test]
fn every_call_fails_with_its_name_whatever_the_status() {
    let absent = [Status::NotFound];
    for (path, call, fine) in [
        ("/list", "proxy_grpc_stream", &[][..]),
        ("/list", "proxy_grpc_send", &[]),
        ("/talk", "proxy_grpc_close", &[]),
        // A missing message is empty.
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
fn a_stream_without_cancellation_or_reason_still_ends() {
    for status in STATUSES {
        let (gateway, _) = gateway();
        testing::fail("proxy_grpc_cancel", status);
        drop(gateway.get("/drop").send());
        testing::fail("proxy_get_status", status);
        let exchange = gateway.get("/list").send();
        assert_eq!(exchange.forwarded("x-all").as_deref(), Some("a++c"), "{status:?}");
    }
}
