//! Hooks that wait, on the host in memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::single::Single;
use lockgate_sdk::testing::{self, CalloutRequest, Exchange, Gateway, ScriptedResponse, no_response, response};
use lockgate_sdk::{Body, Status, Upstream, join, join_all, join3, sleep, spawn, tick_every, timeout};

/// Acts as the path says.
struct Waits {
    a: Upstream,
    b: Upstream,
    token: Single<String>,
    ticks: Cell<u32>,
}

#[plugin]
impl Plugin for Waits {
    type State = Vec<String>;

    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Waits {
            a: Upstream::new("a"),
            b: Upstream::new("b"),
            token: Single::default(),
            ticks: Cell::new(0),
        })
    }

    async fn on_request(&self, request: &mut Request, body: &mut Body, noted: &mut Vec<String>) -> Result<Flow> {
        let _leaves = Leaves;
        noted.push("request".to_owned());
        match request.path()?.as_str() {
            "/both" => {
                let (a, b) = join(self.a.get("/1"), self.b.get("/2")).await;
                let text = [a?.successful()?.text()?, b?.successful()?.text()?].concat();
                request.set_header("x-both", text)?;
            }
            "/three" => {
                let (a, b, c) = join3(self.a.get("/1"), self.b.get("/2"), sleep(Duration::from_millis(5))).await;
                c?;
                let all = join_all([a, b].map(async |answer| answer?.json::<u32>())).await;
                let sum = all.into_iter().sum::<Result<u32>>()?;
                request.set_header("x-sum", sum.to_string())?;
            }
            "/sleep" => sleep(Duration::from_millis(30)).await?,
            "/patience" => {
                let answer = timeout(Duration::from_millis(10), self.a.get("/1")).await?;
                request.set_header("x-in-time", answer.is_some().to_string())?;
            }
            "/token" => {
                let token = self.token.get(async || {
                    let answer = self.a.get("/token").await?.successful()?;
                    Ok((answer.text()?.to_owned(), Duration::from_secs(60)))
                });
                let token = token.await?;
                request.set_header("authorization", token)?;
            }
            "/whole" => {
                let text = body.collect(20).await?;
                if text.starts_with(b"bad") {
                    return Ok(reply(422).into());
                }
                request.set_header("x-length", text.len().to_string())?;
                body.replace(&text.to_ascii_uppercase())?;
            }
            "/asks-about-body" => {
                let text = body.collect(20).await?;
                let decision = self.a.post("/check").body("text/plain", text).await?;
                body.replace(decision.body())?;
            }
            "/asks-first" => {
                self.a.get("/1").await?.successful()?;
                let text = body.collect(20).await?;
                body.replace(&[b"seen:", &text[..]].concat())?;
            }
            "/pieces" => {
                while let Some(mut chunk) = body.next().await? {
                    match &chunk.bytes()?[..] {
                        b"drop" => chunk.remove()?,
                        b"ask" => {
                            let answer = self.a.get("/piece").await?;
                            chunk.replace(answer.body())?;
                        }
                        _ => {
                            chunk.prepend(b"<")?;
                            chunk.append(b">")?;
                        }
                    }
                }
                body.append(b"end")?;
            }
            "/spawn" => {
                let call = self.a.get("/log");
                spawn(async move { log::info!("noted: {}", call.await.is_ok()) });
            }
            _ => {}
        }
        noted.push("waited".to_owned());
        Ok(Flow::Continue)
    }

    fn on_response(&self, response: &mut Response, noted: &mut Vec<String>) -> Result<()> {
        response.set_header("x-noted", noted.join(","))
    }

    fn on_log(&self, _: &Request, _: &Response, noted: &mut Vec<String>) {
        log::info!("over: {}", noted.join(","));
    }

    async fn on_tick(&self) -> Result<()> {
        self.ticks.set(self.ticks.get() + 1);
        self.b.get("/tick").await?.successful().map(drop)
    }
}

/// Logs that a hook has ended or was dropped.
struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        log::info!("left");
    }
}

fn gateway() -> Gateway<Waits> {
    Gateway::configured("").expect("no configuration is needed")
}

fn responds(text: &'static str) -> impl FnMut(&CalloutRequest) -> ScriptedResponse {
    move |_| response(200).text(text)
}

fn has_logged(line: &str) -> bool {
    testing::log().iter().any(|known| known == line)
}

fn failed(exchange: &Exchange<'_, Waits>, reason: &str) {
    assert_eq!(exchange.status(), Some(500));
    assert!(
        has_logged(&format!("ERROR on_request: {reason}")),
        "{:?}",
        testing::log()
    );
}

#[test]
fn two_callouts_are_pending_at_once() {
    let gateway = gateway();
    let exchange = gateway.get("/both").send();
    assert_eq!(exchange.callouts(), ["a/1", "b/2"]);
    exchange.respond_to_callout(1, Some(200), "two");
    assert!(exchange.is_paused());
    exchange.respond_to_callout(0, Some(200), "one");
    assert!(!exchange.is_paused());
    assert_eq!(exchange.forwarded("x-both").as_deref(), Some("onetwo"));
}

#[test]
fn joined_outputs_are_in_order_and_may_include_timers() {
    let gateway = gateway().upstream("a", responds("40")).upstream("b", responds("2"));
    let exchange = gateway.get("/three").send();
    assert!(exchange.is_paused());
    gateway.advance(Duration::from_millis(5));
    assert_eq!(exchange.forwarded("x-sum").as_deref(), Some("42"));
}

#[test]
fn a_response_that_is_not_2xx_or_missing_fails_the_request_with_the_reason() {
    let gateway = gateway()
        .upstream("a", responds("one"))
        .upstream("b", |_| response(404));
    failed(
        &gateway.get("/both").send(),
        "a callout got a response with the status 404",
    );
    let gateway = gateway.upstream("b", |_| no_response());
    failed(
        &gateway.get("/both").send(),
        "a callout got no response: no reason given",
    );
    let gateway = gateway.upstream("b", |_| response(200).after(Duration::from_secs(9)));
    let slow = gateway.get("/both").send();
    gateway.advance(Duration::from_secs(5));
    assert_eq!(slow.status(), Some(500));
}

#[test]
fn timers_of_several_requests_share_the_hosts_timer() {
    let gateway = gateway();
    let first = gateway.get("/sleep").send();
    gateway.advance(Duration::from_millis(10));
    let second = gateway.get("/sleep").send();
    gateway.advance(Duration::from_millis(20));
    assert!(!first.is_paused() && second.is_paused());
    gateway.advance(Duration::from_millis(11));
    assert!(!second.is_paused());
}

#[test]
fn a_timeout_ends_the_wait() {
    let slow = |_: &CalloutRequest| response(200).after(Duration::from_millis(20));
    let gateway = gateway().upstream("a", slow);
    let exchange = gateway.get("/patience").send();
    gateway.advance(Duration::from_millis(12));
    assert_eq!(exchange.forwarded("x-in-time").as_deref(), Some("false"));
    drop(exchange);
    let gateway = gateway.upstream("a", responds("quick"));
    assert_eq!(
        gateway.get("/patience").send().forwarded("x-in-time").as_deref(),
        Some("true")
    );
}

#[test]
fn many_requests_share_one_fetch_and_another_takes_over_when_its_request_ends() {
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let gateway = gateway().upstream("a", move |_| {
        count.set(count.get() + 1);
        response(200).text("secret").after(Duration::from_millis(10))
    });
    let (first, second, third) = (
        gateway.get("/token").send(),
        gateway.get("/token").send(),
        gateway.get("/token").send(),
    );
    assert_eq!(asked.get(), 1);
    drop(first);
    assert_eq!(asked.get(), 2, "the second one takes over");
    gateway.advance(Duration::from_millis(10));
    for exchange in [second, third] {
        assert_eq!(exchange.forwarded("authorization").as_deref(), Some("secret"));
    }
    assert_eq!(
        gateway.get("/token").send().forwarded("authorization").as_deref(),
        Some("secret")
    );
    assert_eq!(asked.get(), 2);
    gateway.advance(Duration::from_secs(60));
    gateway.get("/token").send();
    assert_eq!(asked.get(), 3, "it was too old");
}

#[test]
fn lockgate_delivers_the_whole_body_before_the_headers_go_on() {
    let gateway = gateway();
    let exchange = gateway.request("POST", "/whole").body("hello ").body("world").send();
    assert!(!exchange.is_paused());
    assert_eq!(exchange.forwarded_body(), "HELLO WORLD");
    assert_eq!(exchange.forwarded("x-length").as_deref(), Some("11"));
    drop(exchange);
    let refused = gateway.post("/whole", "bad").send();
    assert_eq!((refused.status(), refused.forwarded_body().as_str()), (Some(422), ""));
}

#[test]
fn in_another_host_the_headers_go_first_and_changing_them_later_is_an_error() {
    let gateway = gateway();
    let refused = gateway
        .post("/whole", "bad")
        .in_another_host()
        .header("content-length", "3")
        .send();
    assert_eq!((refused.status(), refused.forwarded_body().as_str()), (Some(422), ""));
    assert_eq!(
        refused.forwarded("content-length"),
        None,
        "the body may get another length"
    );
    drop(refused);
    let changed = gateway.post("/whole", "good").in_another_host().send();
    failed(
        &changed,
        "the headers can no longer be changed: this host has sent them on",
    );
    drop(changed);
    let asked = gateway.post("/asks-first", "x").in_another_host().send();
    assert_eq!(asked.forwarded_body(), "");
    asked.respond_to_callout(0, Some(200), "");
    assert_eq!(asked.forwarded_body(), "seen:x");
    drop(asked);
    let asked = gateway.request("POST", "/asks-first").body("x").body("y").send();
    assert_eq!(asked.forwarded_body(), "");
    asked.respond_to_callout(0, Some(200), "");
    assert_eq!(asked.forwarded_body(), "seen:xy");
}

#[test]
fn a_body_over_the_limit_is_refused_at_once() {
    let gateway = gateway();
    for in_another_host in [false, true] {
        let request = gateway.post("/whole", "").body("more than twenty bytes");
        let exchange = if in_another_host {
            request.in_another_host()
        } else {
            request
        }
        .send();
        assert_eq!(exchange.status(), Some(413));
        assert_eq!(exchange.forwarded_body(), "");
    }
}

#[test]
fn a_request_without_a_body_has_an_empty_one() {
    let gateway = gateway();
    let exchange = gateway.get("/pieces").send();
    assert_eq!(exchange.status(), Some(500), "a GET gets no body: append is refused");
    drop(exchange);
    testing::fail("proxy_set_buffer_bytes", Status::BadArgument);
    assert_eq!(gateway.get("/whole").send().status(), Some(500));
}

#[test]
fn a_callout_may_decide_about_the_body_while_it_is_held() {
    for in_another_host in [false, true] {
        let gateway = gateway();
        let request = gateway.post("/asks-about-body", "question");
        let exchange = if in_another_host {
            request.in_another_host()
        } else {
            request
        }
        .send();
        assert_eq!(exchange.callouts(), ["a/check"]);
        assert_eq!(exchange.forwarded_body(), "");
        exchange.respond_to_callout(0, Some(200), "answer");
        assert_eq!(exchange.forwarded_body(), "answer");
        assert!(!exchange.is_paused());
    }
}

#[test]
fn chunks_are_changed_inserted_and_removed_as_they_arrive() {
    for in_another_host in [false, true] {
        let gateway = gateway();
        let request = gateway.request("POST", "/pieces").body("a").body("drop");
        let exchange = if in_another_host {
            request.in_another_host()
        } else {
            request
        }
        .send();
        assert_eq!(exchange.forwarded_body(), "<a>end", "{in_another_host}");
    }
}

#[test]
fn bytes_that_arrive_while_a_chunk_is_held_are_not_lost() {
    let gateway = gateway().upstream("a", |_| response(200).text("!").after(Duration::from_millis(5)));
    let exchange = gateway
        .request("POST", "/pieces")
        .body("a")
        .body("ask")
        .body("b")
        .send();
    assert_eq!(exchange.forwarded_body(), "<a>");
    gateway.advance(Duration::from_millis(5));
    assert_eq!(exchange.forwarded_body(), "<a>!<b>end");
}

#[test]
fn the_state_of_a_request_reaches_its_response_and_its_log() {
    let gateway = gateway();
    let exchange = gateway.get("/").send();
    assert_eq!(
        exchange.respond(200, &[]).header("x-noted").as_deref(),
        Some("request,waited")
    );
    drop(exchange);
    assert!(has_logged("INFO over: request,waited"));
}

#[test]
fn the_end_of_a_request_cancels_its_hook_and_so_does_another_response() {
    let gateway = gateway();
    drop(gateway.get("/sleep").send());
    assert!(has_logged("INFO left") && has_logged("INFO over: request"));
    let exchange = gateway.get("/both").send();
    let answered = exchange.respond(504, &[]);
    assert_eq!(answered.header("x-noted").as_deref(), Some("request"));
    exchange.respond_to_callout(0, Some(200), "late");
    exchange.respond_to_callout(1, Some(200), "late");
    assert_eq!(exchange.forwarded("x-both"), None);
}

#[test]
fn a_response_waits_for_the_state_of_a_streaming_request() {
    let gateway = gateway();
    let exchange = gateway.request("POST", "/pieces").body("a").send();
    drop(exchange);
    let exchange = gateway.request("POST", "/pieces").send();
    exchange.upload(Some("ask"));
    let _ = exchange.respond(200, &[]);
    assert_eq!(
        exchange.callouts().len(),
        0,
        "a request without a body has ended at once"
    );
}

#[test]
fn a_background_task_outlives_its_request() {
    let gateway = gateway().upstream("a", |_| response(200).after(Duration::from_millis(5)));
    drop(gateway.get("/spawn").send());
    gateway.advance(Duration::from_millis(5));
    assert!(has_logged("INFO noted: true"), "{:?}", testing::log());
}

#[test]
fn a_tick_may_wait_and_is_skipped_while_the_last_one_runs() {
    let gateway = gateway();
    gateway.tick();
    assert!(tick_every(Duration::from_millis(10)).is_ok());
    gateway.advance(Duration::from_millis(35));
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let gateway = gateway.upstream("b", move |_| {
        count.set(count.get() + 1);
        response(503)
    });
    gateway.advance(Duration::from_millis(30));
    assert!(asked.get() >= 3, "{}", asked.get());
    assert!(has_logged(
        "ERROR on_tick: a callout got a response with the status 503"
    ));
}
