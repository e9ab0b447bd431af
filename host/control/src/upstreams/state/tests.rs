//! Lists, overlay and clock together.

use lockgate_units::Period;
use lockgate_upstream::Weight;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().unwrap()
}

fn list(ports: &[u16]) -> Vec<EndpointSettings> {
    ports.iter().map(|&port| EndpointSettings::at(address(port))).collect()
}

/// A state with the upstream `orders` of these endpoints.
fn orders(ports: &[u16], now: Instant) -> State {
    let mut state = State::default();
    state.configure(vec![("orders".into(), list(ports))], OwnAddresses::default(), 30 * SECOND, now);
    state
}

/// Port, weight, `-` for draining.
fn shown(state: &State) -> Vec<String> {
    let show = |endpoint: Overlaid| {
        let address = endpoint.settings.address.to_string();
        let port = address.trim_start_matches("127.0.0.1:").to_owned();
        let draining = if endpoint.draining { "-" } else { "" };
        format!("{port}x{}{draining}", endpoint.settings.weight.value())
    };
    state.in_force("orders").into_iter().map(show).collect()
}

fn ttl(seconds: u64) -> Registration {
    Registration {
        ttl: Some(Period::seconds(seconds)),
        ..Registration::default()
    }
}

fn never_idle(_: &Key) -> bool {
    false
}

#[test]
fn a_registration_ends_at_its_time_to_live_after_the_last_heartbeat() {
    let start = Instant::now();
    let mut state = orders(&[1], start);
    assert!(state.register("orders", &address(2), ttl(10), start).unwrap());
    assert_eq!(shown(&state), ["1x1", "2x1"]);
    let (version, _) = state.overlay();
    assert!(!state.register("orders", &address(2), ttl(10), start + 9 * SECOND).unwrap());
    assert_eq!(state.overlay().0, version, "a heartbeat writes nothing");
    assert_eq!(state.next_due(start), Some(start + 19 * SECOND));
    assert_eq!(state.elapse(start + 18 * SECOND, never_idle), Elapsed::default());
    let elapsed = state.elapse(start + 19 * SECOND, never_idle);
    assert_eq!(elapsed.ended, [("orders".into(), address(2), 10 * SECOND)]);
    assert_eq!(shown(&state), ["1x1"]);
    assert_eq!(*state.overlay().1, Overlay::default());
}

#[test]
fn after_a_restart_registrations_have_one_time_to_live() {
    let start = Instant::now();
    let mut before = orders(&[1], start);
    before.register("orders", &address(2), ttl(10), start).unwrap();
    before.register("orders", &address(3), Registration::default(), start).unwrap();
    let mut after = State::default();
    after.restore(before.overlay().1.clone(), start + 100 * SECOND);
    after.configure(vec![("orders".into(), list(&[1]))], OwnAddresses::default(), SECOND, start + 100 * SECOND);
    assert_eq!(shown(&after), ["1x1", "2x1", "3x1"]);
    assert!(after.elapse(start + 109 * SECOND, never_idle).ended.is_empty());
    assert_eq!(after.elapse(start + 110 * SECOND, never_idle).ended.len(), 1);
    assert_eq!(shown(&after), ["1x1", "3x1"]);
}

#[test]
fn a_removed_endpoint_drains_until_it_is_idle_or_its_time_is_over() {
    let start = Instant::now();
    let mut state = orders(&[1, 2], start);
    state.remove("orders", &address(2), start).unwrap();
    assert_eq!(shown(&state), ["1x1", "2x1-"]);
    let change = EndpointChange { draining: Some(false), weight: None };
    assert!(matches!(state.turn("orders", &address(2), &change), Err(ChangeError::Conflict(_))));
    state.remove("orders", &address(2), start + SECOND).unwrap();
    assert!(state.elapse(start + 29 * SECOND, never_idle).gone.is_empty());
    assert_eq!(state.elapse(start + 30 * SECOND, never_idle).gone, [("orders".into(), address(2))]);
    assert_eq!(shown(&state), ["1x1"]);
    assert!(matches!(state.remove("orders", &address(2), start), Err(ChangeError::UnknownEndpoint { .. })));
    state.register("orders", &address(2), Registration::default(), start).unwrap();
    assert_eq!(shown(&state), ["1x1", "2x1"]);
    state.remove("orders", &address(1), start).unwrap();
    assert_eq!(state.elapse(start, |_| true).gone.len(), 1);
    assert_eq!(shown(&state), ["2x1"]);
}

#[test]
fn a_heartbeat_does_not_undo_what_an_operator_has_turned() {
    let start = Instant::now();
    let mut state = orders(&[], start);
    state.register("orders", &address(2), ttl(10), start).unwrap();
    let change = EndpointChange {
        draining: Some(true),
        weight: Some(Weight::new(7)),
    };
    state.turn("orders", &address(2), &change).unwrap();
    state.register("orders", &address(2), ttl(10), start).unwrap();
    assert_eq!(shown(&state), ["2x7-"]);
}

#[test]
fn reloads_and_discovery_change_the_lists_below_the_overlay() {
    let start = Instant::now();
    let mut state = orders(&[1], start);
    let drain = EndpointChange { draining: Some(true), weight: None };
    assert!(state.discover("orders", list(&[1, 2]), start));
    assert!(!state.discover("users", list(&[1]), start));
    state.turn("orders", &address(2), &drain).unwrap();
    assert_eq!(shown(&state), ["1x1", "2x1-"]);
    assert!(state.is_discovered("orders", &address(2)) && !state.is_discovered("orders", &address(1)));
    let configured = vec![("orders".into(), list(&[3]))];
    assert!(state.configure(configured, OwnAddresses::default(), SECOND, start).is_empty());
    assert_eq!(shown(&state), ["3x1", "1x1", "2x1-"]);
}

#[test]
fn a_change_waits_for_its_endpoint_for_ten_minutes() {
    let start = Instant::now();
    let mut state = orders(&[1], start);
    state.discover("orders", list(&[2]), start);
    let drain = EndpointChange { draining: Some(true), weight: None };
    state.turn("orders", &address(2), &drain).unwrap();
    state.discover("orders", Vec::new(), start);
    assert_eq!(state.elapse(start + 599 * SECOND, never_idle), Elapsed::default());
    state.discover("orders", list(&[2]), start + 599 * SECOND);
    assert_eq!(shown(&state), ["1x1", "2x1-"]);
    state.discover("orders", Vec::new(), start + 700 * SECOND);
    assert!(state.elapse(start + 1299 * SECOND, never_idle).dropped.is_empty());
    assert_eq!(state.elapse(start + 1300 * SECOND, never_idle).dropped, [("orders".into(), address(2))]);
    state.discover("orders", list(&[2]), start + 1300 * SECOND);
    assert_eq!(shown(&state), ["1x1", "2x1"]);
}

#[test]
fn an_upstream_that_a_reload_removes_takes_everything_with_it() {
    let start = Instant::now();
    let mut state = orders(&[1, 2], start);
    state.register("orders", &address(3), ttl(10), start).unwrap();
    state.remove("orders", &address(2), start).unwrap();
    let dropped = state.configure(vec![("users".into(), list(&[1]))], OwnAddresses::default(), SECOND, start);
    assert_eq!(dropped, ["orders"]);
    assert_eq!((state.next_due(start), state.overlay().1), (None, &Overlay::default()));
    assert!(matches!(
        state.register("orders", &address(3), ttl(10), start),
        Err(ChangeError::UnknownUpstream { .. })
    ));
}
