//! One of three endpoints goes and comes back, under load.

use std::time::Duration;

use lockgate_tests::endpoint::Mode;
use lockgate_tests::get;
use lockgate_tests::load::{Load, LoadResult};
use serde_json::json;

use super::checks::{Three, quick};

const RATE: u32 = 300;

/// Ends an endpoint under load, and brings it back: once the checks have seen it, nothing fails, and nobody has to do anything.
fn goes_and_comes_back(what: &str, go: fn(&Three), come_back: fn(&Three), why: &str) {
    // A request that meets the ill endpoint before the checks do is not kept waiting for long.
    let three = Three::with(json!({ "health_check": quick(), "timeouts": { "first_byte": "500ms" } }));
    let load = || {
        Load::start(three.gateway.address(), RATE, &get("/"), |answer| {
            answer.status() == 200
        })
    };
    let meanwhile = load();
    std::thread::sleep(Duration::from_secs(1));
    go(&three);
    let (seen, found) = three.becomes(1, "unhealthy");
    assert_eq!(found, why);
    // Those that were on their way to it end.
    std::thread::sleep(Duration::from_secs(1));
    let until_seen = meanwhile.finish();
    let (before, meanwhile) = (three.endpoints[1].requests(), load());
    std::thread::sleep(Duration::from_secs(3));
    let without = meanwhile.finish();
    none_failed(what, &without);
    assert_eq!(
        three.endpoints[1].requests(),
        before,
        "an unhealthy endpoint gets no requests"
    );
    let meanwhile = load();
    come_back(&three);
    let (back, _) = three.becomes(1, "healthy");
    std::thread::sleep(Duration::from_secs(2));
    let returned = meanwhile.finish();
    none_failed(what, &returned);
    let share = three.endpoints[1].requests() - before;
    assert!(share > 100, "it gets its share again: {share}");
    println!(
        "{what}: seen after {seen:?} ({} of {} requests failed until then); then 0 of {} failed at {:.0}/s; back after {back:?}, 0 of {} failed",
        until_seen.failures.len(),
        until_seen.answered,
        without.answered,
        without.rate,
        returned.answered,
    );
}

fn none_failed(what: &str, result: &LoadResult) {
    assert!(
        result.failures.is_empty(),
        "{what}: {:?}",
        &result.failures[..result.failures.len().min(3)]
    );
    assert!(
        result.answered > 100,
        "{what}: {} requests are no load",
        result.answered
    );
}

#[test]
fn a_killed_endpoint_costs_nothing_once_it_is_seen_and_comes_back_by_itself() {
    goes_and_comes_back(
        "killed",
        |three| three.endpoints[1].kill(),
        |three| three.endpoints[1].revive(),
        "connection refused",
    );
}

#[test]
fn a_hung_endpoint_costs_nothing_once_it_is_seen_and_comes_back_by_itself() {
    goes_and_comes_back(
        "hung",
        |three| three.endpoints[1].set(Mode::Hang),
        |three| three.endpoints[1].set(Mode::Answer(200)),
        "timeout after 200ms",
    );
}

#[test]
fn an_endpoint_that_answers_503_costs_nothing_once_it_is_seen_and_comes_back_by_itself() {
    goes_and_comes_back(
        "answers 503",
        |three| three.endpoints[1].set(Mode::Answer(503)),
        |three| three.endpoints[1].set(Mode::Answer(200)),
        "status 503, expected 2xx",
    );
}

#[test]
fn a_slow_endpoint_costs_nothing_once_it_is_seen_and_comes_back_by_itself() {
    goes_and_comes_back(
        "slow",
        |three| three.endpoints[1].set(Mode::Slow(Duration::from_secs(1))),
        |three| three.endpoints[1].set(Mode::Answer(200)),
        "timeout after 200ms",
    );
}
