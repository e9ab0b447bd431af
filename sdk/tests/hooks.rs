//! Hooks that do not wait for the body, on the host in memory.

use std::time::Duration;

use lockgate_sdk::metrics::Counter;
use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway};
use lockgate_sdk::{Status, Upstream, tick_every};

/// Calls another service before it lets a request pass.
struct Ask {
    upstream: Upstream,
    ticks: Counter,
}

#[derive(Config)]
struct Config {
    upstream: Upstream,
    #[config(default)]
    paths: Vec<Path>,
}

#[derive(Config)]
struct Path {
    #[allow(dead_code, reason = "only its place in an error is of interest")]
    prefix: String,
}

#[plugin]
impl Plugin for Ask {
    type Config = Config;
    type State = u32;

    fn new(config: Config) -> Result<Self, ConfigError> {
        tick_every(Duration::from_secs(1))?;
        drop(config.paths);
        Ok(Ask {
            upstream: config.upstream,
            ticks: Counter::define("ticks")?,
        })
    }

    async fn on_request(&self, request: &mut Request, asked: &mut u32) -> Result<Flow> {
        *asked = 1;
        let mut answer = self.upstream.get("/check").timeout(Duration::from_millis(50)).await;
        while answer.as_ref().is_ok_and(|answer| answer.status() == 202) {
            *asked += 1;
            answer = self.upstream.post("/again").text("please").await;
        }
        match answer {
            Ok(answer) if answer.status() == 200 => {
                request.set_header("x-checked", answer.body())?;
                Ok(Flow::Continue)
            }
            Ok(_) => Ok(reply(403).into()),
            Err(Error::NoResponse(_)) => Ok(reply(503).details("no_check").into()),
            Err(error) => Err(error),
        }
    }

    fn on_log(&self, _: &Request, response: &Response, asked: &mut u32) {
        log::info!("asked {asked} times, answered {:?}", response.status().ok());
    }

    fn on_tick(&self) {
        if let Err(error) = self.ticks.increase(2) {
            log::error!("{error}");
        }
    }
}

fn gateway() -> Gateway<Ask> {
    Gateway::configured(r#"{ "upstream": "checker" }"#).expect("a good configuration")
}

#[test]
fn a_request_waits_for_its_callout_and_continues_with_the_response() {
    let gateway = gateway();
    let exchange = gateway.get("/").send();
    assert!(exchange.is_paused());
    assert_eq!(exchange.callouts(), ["checker/check"]);
    exchange.respond_to_callout(0, Some(200), "fine");
    assert!(!exchange.is_paused());
    assert_eq!(exchange.forwarded("x-checked").as_deref(), Some("fine"));
}

#[test]
fn a_callout_may_follow_another() {
    let gateway = gateway();
    let exchange = gateway.get("/").send();
    exchange.respond_to_callout(0, Some(202), "");
    assert!(exchange.is_paused());
    assert_eq!(exchange.callouts(), ["checker/check", "checker/again"]);
    exchange.respond_to_callout(1, Some(200), "fine");
    assert!(!exchange.is_paused());
    exchange.respond(204, &[]);
    drop(exchange);
    assert!(
        testing::log().contains(&"INFO asked 2 times, answered Some(204)".to_owned()),
        "{:?}",
        testing::log()
    );
}

#[test]
fn a_response_may_end_the_request_and_a_missing_one_is_distinct() {
    for (status, expected, details) in [(Some(401), 403, ""), (None, 503, "no_check")] {
        let gateway = gateway();
        let exchange = gateway.get("/").send();
        exchange.respond_to_callout(0, status, "");
        assert!(exchange.is_paused());
        assert_eq!(exchange.status(), Some(expected));
        assert_eq!(exchange.reply_details().as_deref(), Some(details));
    }
}

#[test]
fn a_response_without_a_waiting_future_is_ignored() {
    let gateway = gateway();
    let gone = gateway.get("/").send();
    drop(gone);
    let exchange = gateway.get("/").send();
    exchange.respond_to_callout(7, Some(200), "fine");
    assert!(exchange.is_paused());
    assert_eq!(exchange.forwarded("x-checked"), None);
}

#[test]
fn a_callout_to_an_unknown_upstream_is_an_error_and_the_request_does_not_pass() {
    let gateway = gateway();
    testing::fail("proxy_http_call", Status::BadArgument);
    let exchange = gateway.get("/").send();
    assert!(exchange.is_paused());
    assert_eq!(exchange.status(), Some(500));
    let expected = "ERROR on_request: proxy_http_call returned BAD_ARGUMENT".to_owned();
    assert!(testing::log().contains(&expected), "{:?}", testing::log());
}

#[test]
fn a_request_ends_with_the_configuration_it_started_with() {
    let gateway = gateway();
    let before = gateway.get("/").send();
    gateway
        .reconfigure(r#"{ "upstream": "other" }"#)
        .expect("a good configuration");
    before.respond_to_callout(0, Some(202), "");
    assert_eq!(before.callouts(), ["checker/check", "checker/again"]);
    drop(before);
    assert_eq!(gateway.get("/").send().callouts(), ["other/check"]);
}

#[test]
fn after_a_refused_configuration_the_previous_one_stays_active() {
    let gateway = gateway();
    gateway.reconfigure("{}").expect_err("no upstream");
    assert_eq!(gateway.get("/").send().callouts(), ["checker/check"]);
}

#[test]
fn an_error_in_the_configuration_names_its_place() {
    let refused = |config: &str| Gateway::<Ask>::configured(config).err().expect("refused");
    let nested = refused(r#"{ "upstream": "a", "paths": [ { "prefix": "/" }, { "prefix": 7 } ] }"#);
    assert!(
        nested.contains("at /paths/1/prefix: found 7, expected a text"),
        "{nested}"
    );
    let unknown = refused(r#"{ "upstream": "a", "path": [] }"#);
    assert!(
        unknown.contains("at /path: unknown key \"path\"") && unknown.contains("did you mean \"paths\"?"),
        "{unknown}"
    );
    assert!(refused(r#"{ "upstream": "a" } x"#).contains("column 21: found \"x\", expected the end"));
    assert!(
        refused("").contains("the key \"upstream\" is missing"),
        "nothing is an empty object"
    );
}

#[test]
fn ticks_and_metrics_reach_the_host() {
    let gateway = gateway();
    gateway.tick();
    gateway.tick();
    assert_eq!(testing::metric("ticks"), Some(4));
    testing::fail("proxy_increment_metric", Status::NotFound);
    gateway.tick();
    assert_eq!(
        testing::log().last().map(String::as_str),
        Some("ERROR proxy_increment_metric returned NOT_FOUND")
    );
}
