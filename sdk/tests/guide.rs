//! The features of the guide, each in a plugin of a few lines, as a reader would write it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use lockgate_sdk::metrics::{Counter, Family, Gauge, Histogram};
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{Property, REQUEST_TIME};
use lockgate_sdk::testing::{self, Gateway, response};
use lockgate_sdk::{Body, Chunk, Upstream, join_all, shared, sleep, spawn, tick_every};

/// Reads headers with all values and as other types, the query and cookies.
struct Reads;

#[plugin]
impl Plugin for Reads {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Reads)
    }

    fn on_request(&self, request: &mut Request) -> Result<()> {
        let all = request.headers().all("x-tag")?;
        let limit: u32 = request.header_as("x-limit")?.unwrap_or(10);
        let page: u32 = request.query_as("page")?.unwrap_or(1);
        let who = request.cookie("user")?.unwrap_or_default();
        request.remove_cookie("session")?;
        request.remove_query("debug")?;
        request.set_header("x-read", format!("{all:?} {limit} {page} {who}"))
    }

    fn on_response(&self, response: &mut Response) -> Result<()> {
        let length: usize = response.header_as("x-length")?.unwrap_or_default();
        response.set_header("x-twice", (length * 2).to_string())
    }
}

#[test]
fn headers_have_all_values_and_types_and_so_have_queries_and_cookies() {
    let gateway = Gateway::<Reads>::configured("").expect("nothing is to be configured");
    let sending = gateway
        .get("/a?page=3&debug=1")
        .header("x-tag", "a")
        .header("x-tag", "b");
    let sending = sending.header("x-limit", " 7 ").header("cookie", "user=ada; session=1");
    let exchange = sending.send();
    assert_eq!(exchange.forwarded("x-read").as_deref(), Some("[\"a\", \"b\"] 7 3 ada"));
    assert_eq!(exchange.forwarded("cookie").as_deref(), Some("user=ada"));
    assert_eq!(exchange.forwarded(":path").as_deref(), Some("/a?page=3"));
    assert_eq!(
        exchange.respond(200, &[("x-length", "4")]).header("x-twice").as_deref(),
        Some("8")
    );
}

#[test]
fn a_value_of_another_type_is_a_400_in_on_request_and_a_500_elsewhere() {
    let gateway = Gateway::<Reads>::configured("").expect("nothing is to be configured");
    for sending in [gateway.get("/").header("x-limit", "many"), gateway.get("/?page=-1")] {
        let exchange = sending.send();
        assert_eq!(exchange.status(), Some(400));
        let body = exchange.reply_body().unwrap_or_default();
        assert!(body.contains("bad_value") && !body.contains("many"), "{body}");
    }
    let expected = "ERROR on_request: x-limit has a value of the wrong type";
    assert_eq!(testing::log()[0], expected);
    let exchange = gateway.get("/").send();
    exchange.respond(200, &[("x-length", "long")]);
    assert_eq!(exchange.status(), Some(500), "an upstream's mistake is no client's");
}

/// Changes, inserts and removes chunks of a body.
struct Pieces;

#[plugin]
impl Plugin for Pieces {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Pieces)
    }

    async fn on_request(&self, body: &mut Body) -> Result<Flow> {
        while let Some(mut chunk) = body.next().await? {
            match chunk.bytes()?.as_slice() {
                b"drop" => chunk.remove()?,
                b"shout" => chunk.replace(b"SHOUT")?,
                b"more" => chunk.append(b" and more")?,
                _ => {}
            }
        }
        body.append(b".")?;
        Ok(Flow::Continue)
    }

    fn on_response_body(&self, chunk: &mut Chunk) -> Result<()> {
        chunk.prepend(b"<")?;
        chunk.append(b">")
    }
}

#[test]
fn chunks_of_a_body_are_changed_inserted_and_removed() {
    let gateway = Gateway::<Pieces>::configured("").expect("nothing is to be configured");
    let pieces = ["as it is,", "drop", "shout", "more"];
    let sending = pieces
        .iter()
        .fold(gateway.request("POST", "/"), |sending, piece| sending.body(piece));
    let exchange = sending.send();
    assert_eq!(exchange.forwarded_body(), "as it is,SHOUTmore and more.");
    let body = exchange.respond_with(response(200).text("text")).body();
    assert!(body.starts_with("<text>"), "{body}");
}

/// Uses typed properties, metrics with labels, shared data, and the state of a request.
struct Counts {
    seen: Counter,
    open: Gauge,
    sizes: Histogram,
    by_method: Family<Counter>,
}

const TEAM: Property<String> = Property::new("team");
const QUOTA: Property<u64> = Property::new("quota");

#[plugin]
impl Plugin for Counts {
    /// The state lives as long as its request.
    type State = BTreeMap<String, String>;

    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Counts {
            seen: Counter::define("seen")?,
            open: Gauge::define("open")?,
            sizes: Histogram::define("sizes")?,
            by_method: Family::new("by_method"),
        })
    }

    fn on_request(&self, request: &mut Request, kept: &mut BTreeMap<String, String>) -> Result<()> {
        self.seen.increase(1)?;
        self.open.change(1)?;
        self.sizes.record(request.path()?.len() as u64)?;
        let method = request.method()?;
        self.by_method.of(&[("method", &method)])?.increase(1)?;
        let count = shared::update("visits", |value| {
            let before = value
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u64::from_le_bytes);
            (before + 1).to_le_bytes().to_vec()
        })?;
        TEAM.set(&"blue".to_owned())?;
        QUOTA.set(&u64::from(count[0]))?;
        let time = REQUEST_TIME.value()?;
        kept.insert(
            method,
            format!("{:?} {:?} {}", TEAM.value()?, QUOTA.value()?, time.is_none()),
        );
        Ok(())
    }

    fn on_response(&self, response: &mut Response, kept: &mut BTreeMap<String, String>) -> Result<()> {
        self.open.change(-1)?;
        let longest = kept.values().max_by_key(|value| value.len());
        response.set_header("x-kept", longest.map_or("", |value| value))
    }
}

#[test]
fn properties_metrics_shared_data_and_state_work_together() {
    let gateway = Gateway::<Counts>::configured("").expect("nothing is to be configured");
    drop(gateway.post("/", "body").send());
    let exchange = gateway.get("/").send();
    let answered = exchange.respond(200, &[]);
    assert_eq!(
        answered.header("x-kept").as_deref(),
        Some("Some(\"blue\") Some(2) true")
    );
    assert_eq!(exchange.property("team").as_deref(), Some("blue"));
    for (metric, value) in [
        ("seen", 2),
        ("open", 1),
        (r#"by_method{method="GET"}"#, 1),
        (r#"by_method{method="POST"}"#, 1),
    ] {
        assert_eq!(testing::metric(metric), Some(value), "{metric}");
    }
}

/// Uses ticks, several timers, several callouts at once, and a background task.
struct Waits {
    ticks: Cell<u32>,
    side: Upstream,
}

#[plugin]
impl Plugin for Waits {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        tick_every(Duration::from_secs(10))?;
        Ok(Waits {
            ticks: Cell::new(0),
            side: Upstream::new("side"),
        })
    }

    async fn on_request(&self, request: &mut Request) -> Result<()> {
        let paths = ["/a", "/b", "/c"];
        let answers = join_all(paths.map(|path| self.side.get(path).timeout(Duration::from_secs(2)))).await;
        let texts: Result<Vec<_>> = answers
            .into_iter()
            .map(|answer| Ok(answer?.text()?.to_owned()))
            .collect();
        join_all([30, 10, 20].map(|ms| sleep(Duration::from_millis(ms)))).await;
        spawn(async {
            if sleep(Duration::from_secs(1)).await.is_ok() {
                log::info!("done in the background");
            }
        });
        request.set_header("x-texts", texts?.join(" "))
    }

    async fn on_tick(&self) -> Result<()> {
        self.ticks.set(self.ticks.get() + 1);
        log::warn!("tick {}", self.ticks.get());
        Ok(())
    }
}

#[test]
fn ticks_timers_and_callouts_happen_when_they_are_due() {
    let gateway = Gateway::<Waits>::configured("").expect("nothing is to be configured");
    let gateway = gateway.upstream("side", |asked| response(200).text(asked.path()));
    let exchange = gateway.get("/").send();
    gateway.advance(Duration::from_millis(29));
    assert!(exchange.is_paused());
    gateway.advance(Duration::from_millis(1));
    assert_eq!(exchange.forwarded("x-texts").as_deref(), Some("/a /b /c"));
    drop(exchange);
    assert!(testing::log().is_empty(), "{:?}", testing::log());
    gateway.advance(Duration::from_secs(21));
    assert_eq!(
        testing::log(),
        ["INFO done in the background", "WARN tick 1", "WARN tick 2"]
    );
}
