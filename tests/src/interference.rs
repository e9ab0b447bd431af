//! Measures the interference of one plugin with the requests of another: their durations while something misbehaves, against a baseline;
//! failures; and growth of the gateway's memory.

use crate::Gateway;
use crate::http::{Ending, Message};
use crate::load::Load;
use crate::upstream::answer_chunked;
use crate::{Upstream, get};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The bad plugin's name in [`config`].
pub const BAD: &str = "bad";

/// One run under load.
const RUN: Duration = Duration::from_millis(800);

/// An upstream whose answer has every part that a phase can be called for.
#[must_use]
pub fn upstream() -> Upstream {
    Upstream::scripted(|_, wire| answer_chunked(wire, &[], &["the ", "answer"], &[("x-last", "1")]))
}

/// `/bad` passes the plugin `bad`, everything else a sound one that sets `x-tag`.
#[must_use]
pub fn config(upstream: &Upstream, mut bad: Value) -> Value {
    bad["limits"] = json!({ "deadline": "5ms", "request_deadline": "20ms", "memory": "8MiB" });
    let address = upstream.address().to_string();
    json!({
        "upstreams": { "app": { "endpoints": [address] }, "side": { "endpoints": [address] } },
        "plugins": { BAD: bad, "sound": { "module": "tag" } },
        "routes": [
            { "name": BAD, "match": { "path_prefix": "/bad" }, "chain": [BAD], "upstream": "app" },
            { "name": "sound", "chain": ["sound"], "upstream": "app" },
        ],
    })
}

/// Durations of responses while nothing misbehaves: measured once, and again if something seems slower.
#[derive(Debug, Default)]
pub struct Baseline(Cell<Option<Duration>>);

impl Baseline {
    /// While `meanwhile` is done again and again no other request fails, and their 99th percentile stays within twice the baseline
    /// one's. The gateway grows by less than `room` bytes.
    ///
    /// # Panics
    /// Otherwise.
    pub fn stays(&self, what: &str, gateway: &Gateway, room: u64, meanwhile: impl Fn()) {
        let baseline = self.0.get().unwrap_or_else(|| {
            let runs = [(); 3].map(|()| p99(gateway, || ()));
            middle(runs)
        });
        self.0.set(Some(baseline));
        let before = gateway.memory().now;
        let runs = [(); 2].map(|()| p99(gateway, &meanwhile));
        if runs.iter().any(|run| *run > bound(baseline)) {
            // The machine may be busier than it was: both are measured anew, in turn.
            let pairs = [(); 3].map(|()| (p99(gateway, || ()), p99(gateway, &meanwhile)));
            let (baseline, disturbed) = (middle(pairs.map(|pair| pair.0)), middle(pairs.map(|pair| pair.1)));
            assert!(
                disturbed <= bound(baseline),
                "{what}: p99 {disturbed:?}, and {baseline:?} at rest"
            );
        }
        let grown = gateway.memory().now.saturating_sub(before);
        assert!(grown < room, "{what}: memory grew by {grown} bytes");
    }
}

/// The plugin `bad` did misbehave: something of it failed, or was refused.
///
/// # Panics
/// Otherwise.
pub fn has_misbehaved(what: &str, gateway: &Gateway) {
    let metrics = gateway.metrics();
    let counted = |name: &str| metrics.sum(name, &[("plugin", BAD)]);
    let incidents = counted("lockgate_plugin_failures_total") + counted("lockgate_plugin_refusals_total");
    assert!(incidents > 0.0, "{what}: nothing has happened");
}

/// What p99 may be, and what the machine adds when a thread has to wait for one of two cores.
fn bound(baseline: Duration) -> Duration {
    baseline * 2 + Duration::from_millis(30)
}

fn middle(mut runs: [Duration; 3]) -> Duration {
    runs.sort();
    runs[1]
}

fn is_sound(response: &Message) -> bool {
    response.status() == 200 && response.ending == Ending::Whole && response.header("x-tag") == Some("untagged")
}

/// The 99th percentile of the sound plugin's requests, none of which may fail.
fn p99(gateway: &Gateway, meanwhile: impl Fn()) -> Duration {
    let load = Load::start(gateway.address(), 100, &get("/sound"), is_sound);
    let end = Instant::now() + RUN;
    while Instant::now() < end {
        meanwhile();
        std::thread::sleep(Duration::from_millis(30));
    }
    let account = load.finish();
    assert!(account.failures.is_empty(), "others failed: {:?}", account.failures);
    account.percentile(0.99)
}
