//! What outlives a stream: shared data, queues, metrics; and the calls that need no stream at all.

use crate::{Case, Hook, Probe, raw};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::Context;
use proxy_wasm::types::Action;
use std::cell::{Cell, RefCell};
use std::time::UNIX_EPOCH;

pub const CASES: &[(&str, Case)] = &[
    ("shared.data", |probe, hook| once(probe, hook, shared_data)),
    ("shared.queue", |probe, hook| once(probe, hook, queue)),
    ("shared.queue_ready", |probe, hook| once(probe, hook, queue_seen)),
    ("metrics", |probe, hook| once(probe, hook, metrics)),
    ("log", |probe, hook| once(probe, hook, log)),
    ("foreign", |probe, hook| once(probe, hook, foreign)),
    ("time", |probe, hook| once(probe, hook, time)),
    ("configuration", |probe, hook| once(probe, hook, configuration)),
];

thread_local! {
    static QUEUE: Cell<u32> = const { Cell::new(0) };
    static ARRIVED: Cell<u32> = const { Cell::new(0) };
    static CONFIGURATION: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// At configure: registers the queue and keeps the configuration.
pub fn register(configuration: &[u8]) {
    QUEUE.set(hostcalls::register_shared_queue("conformance").unwrap_or_default());
    CONFIGURATION.with_borrow_mut(|kept| kept.extend_from_slice(configuration));
}

/// The host says that something is in the queue.
pub fn queue_ready(queue: u32) {
    if queue == QUEUE.get() {
        ARRIVED.set(ARRIVED.get() + 1);
    }
}

fn once(probe: &mut Probe, hook: Hook, run: fn(&Probe)) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        run(probe);
    }
    Action::Continue
}

fn shared_data(probe: &Probe) {
    let key = format!("key of {}", probe.token);
    let read = |label: &str| {
        let (status, value, cas) = raw::shared(&key);
        probe.note(
            label,
            format_args!("{status} {:?}, cas {}", String::from_utf8_lossy(&value), cas != 0),
        );
        cas
    };
    read("missing");
    probe.note("set", raw::set_shared(&key, b"one", 0));
    let first = read("after set");
    probe.note("set with cas", raw::set_shared(&key, b"two", first));
    let second = read("after set with cas");
    probe.note("cas moved on", first != second);
    probe.note("set with an old cas", raw::set_shared(&key, b"three", first));
    read("after set with an old cas");
    probe.note("set without cas", raw::set_shared(&key, b"four", 0));
    read("after set without cas");
    probe.note("set to nothing", raw::set_shared(&key, b"", 0));
    read("after set to nothing");
    let other = format!("other of {}", probe.token);
    probe.note("set a missing one with cas", raw::set_shared(&other, b"x", 77));
    let (status, value, _) = raw::shared(&other);
    probe.note(
        "after set of a missing one with cas",
        format_args!("{status} {:?}", String::from_utf8_lossy(&value)),
    );
}

fn queue(probe: &Probe) {
    let id = QUEUE.get();
    probe.note(
        "register again is the same",
        hostcalls::register_shared_queue("conformance") == Ok(id),
    );
    let (status, found) = raw::resolve_queue("conformance-vm", "conformance");
    probe.note("resolve", format_args!("{status} {}", found == id));
    probe.note(
        "resolve an unknown name",
        raw::resolve_queue("conformance-vm", "unheard-of").0,
    );
    probe.note("resolve in an unknown VM", raw::resolve_queue("no-vm", "conformance").0);
    probe.note_bytes("dequeue from an empty one", raw::dequeue(id));
    probe.note("enqueue", raw::enqueue(id, b"first"));
    probe.note("enqueue another", raw::enqueue(id, b"second"));
    probe.note_bytes("dequeue", raw::dequeue(id));
    probe.note_bytes("dequeue another", raw::dequeue(id));
    probe.note_bytes("dequeue once more", raw::dequeue(id));
    probe.note("enqueue to an unknown one", raw::enqueue(987_654, b"x"));
    probe.note_bytes("dequeue from an unknown one", raw::dequeue(987_654));
}

/// Runs after `queue`: by then the host has called.
fn queue_seen(probe: &Probe) {
    probe.note("queue_ready was called", ARRIVED.get() > 0);
}

fn metrics(probe: &Probe) {
    let (counter_status, counter) = raw::define_metric(0, "conformance_counter");
    let (gauge_status, gauge) = raw::define_metric(1, "conformance_gauge");
    let (histogram_status, histogram) = raw::define_metric(2, "conformance_histogram");
    probe.note(
        "define",
        format_args!("{counter_status} {gauge_status} {histogram_status}"),
    );
    let again = raw::define_metric(0, "conformance_counter");
    probe.note(
        "define again",
        format_args!("{} {}", again.0, raw::metric(again.1) == raw::metric(counter)),
    );
    probe.note("define an unknown kind", raw::define_metric(9, "conformance_unknown").0);
    probe.note("counter, first", format_args!("{:?}", raw::metric(counter)));
    probe.note("counter, increment by 3", raw::increment_metric(counter, 3));
    probe.note("counter, record 2", raw::record_metric(counter, 2));
    probe.note("counter, increment by -1", raw::increment_metric(counter, -1));
    probe.note("counter, last", format_args!("{:?}", raw::metric(counter)));
    probe.note("gauge, record 10", raw::record_metric(gauge, 10));
    probe.note("gauge, increment by 5", raw::increment_metric(gauge, 5));
    probe.note("gauge, increment by -7", raw::increment_metric(gauge, -7));
    probe.note("gauge, last", format_args!("{:?}", raw::metric(gauge)));
    probe.note("histogram, record", raw::record_metric(histogram, 12));
    probe.note("histogram, increment", raw::increment_metric(histogram, 1));
    probe.note("histogram, get", format_args!("{:?}", raw::metric(histogram)));
    probe.note("unknown, get", raw::metric(0x00ff_fff0).0);
    probe.note("unknown, increment", raw::increment_metric(0x00ff_fff0, 1));
    probe.note("unknown, record", raw::record_metric(0x00ff_fff0, 1));
}

fn log(probe: &Probe) {
    for level in 0..6 {
        probe.note(
            format_args!("log at {level}"),
            raw::log(level, &format!("conformance speaks at level {level}")),
        );
    }
    probe.note("log nothing", raw::log(2, ""));
    probe.note("get_log_level", raw::log_level().0);
}

fn foreign(probe: &Probe) {
    probe.note_bytes("an unknown function", raw::foreign("no.such.function", b"argument"));
    probe.note_bytes("an empty name", raw::foreign("", b""));
}

fn time(probe: &Probe) {
    let now = |probe: &Probe| probe.get_current_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (first, second) = (now(probe), now(probe));
    probe.note(
        "after 2020 and not backwards",
        first.as_secs() > 1_577_836_800 && second >= first,
    );
    let wasi = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    probe.note("WASI's clock agrees", wasi.abs_diff(second).as_secs() < 5);
    probe.note(
        "WASI's monotonic clock runs",
        std::time::Instant::now().elapsed().as_secs() < 5,
    );
    probe.note("environment", format_args!("{:?}", std::env::var("CONFORMANCE")));
}

fn configuration(probe: &Probe) {
    CONFIGURATION.with_borrow(|kept| probe.note("at configure", String::from_utf8_lossy(kept)));
    probe.note_bytes("now", raw::buffer(7, 0, 1000));
    probe.note_bytes("of the VM, now", raw::buffer(6, 0, 1000));
}
