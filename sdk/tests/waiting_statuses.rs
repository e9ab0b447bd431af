//! Hooks that wait, body hooks and connections under every status of the host: the message does not pass, the log names
//! the host call, and the next request succeeds.

use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway, STATUSES, grpc_error, no_response, response};
use lockgate_sdk::{Body, Chunk, Queue, Status, TcpPlugin, Upstream, random, sleep, timeout};

struct Waits(Upstream);

#[plugin]
impl Plugin for Waits {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Waits(Upstream::new("side")))
    }

    async fn on_request(&self, request: &mut Request, body: &mut Body) -> Result<Flow> {
        match request.path()?.as_str() {
            "/call" => {
                let answer = self.0.get("/").await?;
                request.set_header("x-answer", answer.body())?;
            }
            "/grpc" => {
                let answer = self.0.grpc("test.Echo", "Unary").message("hello").await?;
                request.set_header("x-answer", answer)?;
            }
            "/grpc-dropped" => {
                let call = self.0.grpc("test.Echo", "Unary").timeout(Duration::from_secs(9));
                request.set_header("x-late", timeout(Duration::ZERO, call).await?.is_none().to_string())?;
            }
            "/sleep" => sleep(Duration::from_millis(1)).await?,
            "/collect" => drop(body.collect(100).await?),
            "/replace" => {
                body.collect(100).await?;
                body.replace(b"new")?;
            }
            "/next" => {
                while let Some(chunk) = body.next().await? {
                    chunk.bytes()?;
                }
            }
            "/chunk" => {
                while let Some(mut chunk) = body.next().await? {
                    chunk.replace(b"new")?;
                }
            }
            "/append" => {
                while body.next().await?.is_some() {}
                body.append(b"more")?;
            }
            "/reply" => {
                sleep(Duration::from_millis(1)).await?;
                return Ok(reply(403).into());
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }
}

fn gateway() -> Gateway<Waits> {
    let gateway = Gateway::configured("").expect("no configuration is needed");
    gateway.upstream("side", |_| response(200).text("fine").after(Duration::from_millis(1)))
}

fn logged(call: &str) -> bool {
    testing::log()
        .iter()
        .any(|line| line.starts_with("ERROR") && line.contains(call))
}

/// Asserts that for every status but those in `fine`, a request for `path` gets a 500 while `call` fails, and passes
/// afterwards.
fn fails(path: &str, call: &'static str, fine: &[Status]) {
    for status in STATUSES {
        let gateway = gateway();
        testing::fail(call, status);
        let exchange = gateway.request("POST", path).body("some").body("body").send();
        gateway.advance(Duration::from_millis(3));
        let expected = if fine.contains(&status) { None } else { Some(500) };
        assert_eq!(
            exchange.status(),
            expected,
            "{path} with {call} {status:?}: {:?}",
            testing::log()
        );
        assert_eq!(
            logged(call),
            expected.is_some(),
            "{call} {status:?}: {:?}",
            testing::log()
        );
        drop(exchange);
        testing::clear_failures();
        let after = gateway.request("POST", path).body("some").send();
        gateway.advance(Duration::from_millis(3));
        assert!(
            !after.is_paused(),
            "{path} after {call} {status:?}: {:?}",
            testing::log()
        );
    }
}

#[test]
fn a_callout_that_cannot_be_sent() {
    fails("/call", "proxy_http_call", &[]);
}

#[test]
fn a_grpc_call_that_cannot_be_sent_read_or_cancelled() {
    fails("/grpc", "proxy_grpc_call", &[]);
    for status in STATUSES {
        let gateway = gateway();
        let exchange = gateway.get("/grpc").send();
        testing::fail("proxy_get_buffer_bytes", status);
        gateway.advance(Duration::from_millis(1));
        let expected = (status != Status::NotFound).then_some(500);
        assert_eq!(exchange.status(), expected, "{status:?}: {:?}", testing::log());

        testing::clear_failures();
        testing::fail("proxy_grpc_cancel", status);
        let exchange = gateway.get("/grpc-dropped").send();
        gateway.advance(Duration::from_millis(1));
        assert_eq!(exchange.forwarded("x-late").as_deref(), Some("true"), "{status:?}");
    }
    for status in STATUSES {
        let gateway = gateway().upstream("side", |_| grpc_error(7, "not you"));
        testing::fail("proxy_get_status", status);
        assert_eq!(gateway.get("/grpc").send().status(), Some(500), "{status:?}");
        assert!(logged("a gRPC call ended with the status 7"));
    }
}

#[test]
fn a_response_that_cannot_be_read() {
    for (call, fine) in [
        ("proxy_get_header_map_pairs", &[][..]),
        // A missing body is empty.
        ("proxy_get_buffer_bytes", &[Status::NotFound][..]),
    ] {
        for status in STATUSES.into_iter().filter(|status| !fine.contains(status)) {
            let gateway = gateway();
            let exchange = gateway.get("/call").send();
            testing::fail(call, status);
            gateway.advance(Duration::from_millis(1));
            assert_eq!(exchange.status(), Some(500), "{call} {status:?}: {:?}", testing::log());
        }
    }
    for status in STATUSES {
        let gateway = gateway().upstream("side", |_| no_response());
        testing::fail("proxy_get_status", status);
        assert_eq!(
            gateway.get("/call").send().status(),
            Some(500),
            "the reason is unknown: {status:?}"
        );
        assert!(logged("no response"));
    }
}

#[test]
fn a_timer_that_cannot_be_set_and_a_clock_that_fails() {
    fails("/sleep", "proxy_set_tick_period_milliseconds", &[]);
    fails("/sleep", "proxy_get_current_time_nanoseconds", &[]);
}

#[test]
fn a_body_that_cannot_be_read_or_changed() {
    fails("/collect", "proxy_get_buffer_bytes", &[Status::NotFound]);
    fails("/next", "proxy_get_buffer_bytes", &[Status::NotFound]);
    for path in ["/replace", "/chunk", "/append"] {
        fails(path, "proxy_set_buffer_bytes", &[]);
    }
}

#[test]
fn a_stream_that_cannot_be_resumed_or_activated_stays_held_and_still_ends() {
    for call in ["proxy_continue_stream", "proxy_set_effective_context"] {
        for status in STATUSES {
            let gateway = gateway();
            let exchange = gateway.get("/call").send();
            testing::fail(call, status);
            gateway.advance(Duration::from_millis(1));
            assert!(
                exchange.is_paused() && logged(call),
                "{call} {status:?}: {:?}",
                testing::log()
            );
            drop(exchange);
            testing::clear_failures();
            let after = gateway.get("/call").send();
            gateway.advance(Duration::from_millis(1));
            assert_eq!(
                after.forwarded("x-answer").as_deref(),
                Some("fine"),
                "{:?}",
                testing::log()
            );
        }
    }
}

#[test]
fn a_local_response_that_the_host_refuses_still_holds_the_request() {
    for status in STATUSES {
        let gateway = gateway();
        let exchange = gateway.get("/reply").send();
        testing::fail("proxy_send_local_response", status);
        gateway.advance(Duration::from_millis(2));
        assert!(exchange.is_paused() && exchange.status().is_none());
        assert!(logged("proxy_send_local_response"));
    }
}

#[test]
fn headers_are_released_for_the_body_in_another_host() {
    for status in STATUSES {
        let gateway = gateway();
        testing::fail("proxy_get_property", status);
        let exchange = gateway.post("/collect", "body").send();
        assert_eq!(exchange.forwarded_body(), "body", "{status:?}: {:?}", testing::log());
    }
}

/// Has body hooks that do not wait, and a queue hook.
struct Pieces(Queue);

#[plugin]
impl Plugin for Pieces {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Pieces(Queue::register("work")?))
    }

    fn on_request(&self) -> Result<()> {
        random()?;
        self.0.put(b"a request")
    }

    fn on_request_body(&self, chunk: &mut Chunk) -> Result<()> {
        let bytes = chunk.bytes()?;
        chunk.replace(&bytes.to_ascii_uppercase())
    }

    fn on_response_body(&self, chunk: &mut Chunk) -> Result<()> {
        chunk.append(b".")
    }

    fn on_queue(&self, queue: Queue) -> Result<()> {
        while let Some(message) = queue.take()? {
            log::info!("worked on {}", String::from_utf8_lossy(&message));
        }
        Ok(())
    }
}

fn pieces() -> Gateway<Pieces> {
    Gateway::configured("").expect("no configuration is needed")
}

#[test]
fn a_body_hook_that_cannot_change_the_body_fails_the_request() {
    for (call, fine) in [
        ("proxy_get_buffer_bytes", &[Status::NotFound][..]),
        ("proxy_set_buffer_bytes", &[]),
        ("random_get", &[]),
        ("proxy_enqueue_shared_queue", &[]),
    ] {
        for status in STATUSES.into_iter().filter(|status| !fine.contains(status)) {
            let gateway = pieces();
            testing::fail(call, status);
            let exchange = gateway.post("/", "body").send();
            assert_eq!(exchange.status(), Some(500), "{call} {status:?}");
            assert_eq!(exchange.forwarded_body(), "", "{call} {status:?}");
            assert!(logged(call), "{:?}", testing::log());
        }
    }
    for status in STATUSES {
        let gateway = pieces();
        let exchange = gateway.get("/").send();
        testing::fail("proxy_set_buffer_bytes", status);
        assert_eq!(
            exchange.respond_with(response(200).text("text")).body(),
            "",
            "{status:?}"
        );
    }
}

#[test]
fn a_failing_queue_is_an_error_and_an_empty_one_is_not() {
    for status in STATUSES {
        let gateway = pieces();
        testing::fail("proxy_dequeue_shared_queue", status);
        drop(gateway.get("/").send());
        assert_eq!(
            logged("proxy_dequeue_shared_queue"),
            status != Status::Empty,
            "{status:?}"
        );
        testing::fail("proxy_resolve_shared_queue", status);
        assert_eq!(Queue::find("vm", "work").is_ok(), status == Status::NotFound);
        testing::fail("proxy_register_shared_queue", status);
        assert!(Queue::register("work").is_err());
    }
    let gateway = pieces();
    drop(gateway.get("/").send());
    assert!(
        testing::log().contains(&"INFO worked on a request".to_owned()),
        "{:?}",
        testing::log()
    );
}

struct Connected;

#[plugin]
impl TcpPlugin for Connected {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Connected)
    }

    fn on_downstream_data(&self, chunk: &mut Chunk) -> Result<()> {
        chunk.prepend(b">")
    }
}

#[test]
fn a_connection_that_cannot_be_rewritten_is_closed() {
    for status in STATUSES {
        let gateway = Gateway::<Connected>::configured("").expect("no configuration is needed");
        let connection = gateway.connect();
        connection.from_client("a");
        assert_eq!(connection.to_upstream(), ">a");
        testing::fail("proxy_set_buffer_bytes", status);
        connection.from_client("b");
        assert!(connection.is_closed() && logged("proxy_set_buffer_bytes"));
        assert_eq!(connection.to_upstream(), ">a");
        testing::fail("proxy_close_stream", status);
        connection.from_client("c");
        assert!(logged("proxy_close_stream"));
    }
}

/// Is done later.
struct Ends;

#[plugin]
impl Plugin for Ends {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Ends)
    }

    async fn on_done(&self) -> Result<()> {
        sleep(Duration::from_secs(1)).await
    }
}

#[test]
fn a_host_that_refuses_the_end_of_a_plugin_gets_it_logged() {
    for status in STATUSES {
        let gateway = Gateway::<Ends>::configured("{}").expect("no configuration");
        testing::fail("proxy_done", status);
        assert!(!gateway.end());
        gateway.advance(Duration::from_secs(1));
        assert!(!gateway.is_done(), "{status:?}");
        let log = testing::log().join("\n");
        assert!(log.starts_with("ERROR on_done: proxy_done returned"), "{log}");
    }
}
