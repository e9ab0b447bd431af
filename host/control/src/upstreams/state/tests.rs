//! Lists, overlay and clock together, over living groups.

use lockgate_units::Period;
use lockgate_upstream::{EndpointState, Groups, Source, Upstream, UpstreamSettings, Weight};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().unwrap()
}

fn list(ports: &[u16]) -> Vec<EndpointSettings> {
    ports.iter().map(|&port| EndpointSettings::at(address(port))).collect()
}

/// A gateway's part of the upstream `orders`.
struct Orders {
    groups: Groups,
    live: Arc<Upstream>,
    state: State,
}

impl Orders {
    fn of(ports: &[u16]) -> Self {
        let groups = Groups::default();
        let live = load(&groups, "orders", ports);
        let mut orders = Self {
            groups,
            live,
            state: State::default(),
        };
        orders.configure();
        orders
    }

    fn configure(&mut self) -> Vec<String> {
        let live = self.live.clone();
        self.state.configure([live], OwnAddresses::default(), 30 * SECOND)
    }

    /// Port, weight, `-` for draining.
    fn shown(&self) -> Vec<String> {
        let endpoints = self.live.group().endpoints();
        let show = |endpoint: &Arc<lockgate_upstream::Endpoint>| {
            let port = endpoint.address().to_string().replace("127.0.0.1:", "");
            let is_draining = endpoint.standing().state() == EndpointState::Draining;
            format!(
                "{port}x{}{}",
                endpoint.weight().value(),
                if is_draining { "-" } else { "" }
            )
        };
        endpoints.iter().map(show).collect()
    }

    fn discover(&self, ports: &[u16]) {
        self.live.group().set_endpoints(Source::Discovered, list(ports));
    }
}

fn load(groups: &Groups, name: &str, ports: &[u16]) -> Arc<Upstream> {
    let settings = UpstreamSettings::of(ports.iter().map(|&port| address(port)));
    let upstream = Arc::new(Upstream::of(groups, &name.into(), &settings));
    upstream.publish(&settings);
    upstream
}

fn ttl(seconds: u64) -> Registration {
    Registration {
        ttl: Some(Period::seconds(seconds)),
        ..Registration::default()
    }
}

fn drain(draining: bool) -> EndpointChange {
    EndpointChange {
        draining: Some(draining),
        weight: None,
    }
}

#[test]
fn a_registration_ends_at_its_time_to_live_after_the_last_heartbeat() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1]));
    assert!(orders.state.register("orders", &address(2), ttl(10), start).unwrap());
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
    let (version, _) = orders.state.overlay();
    let renewed = orders
        .state
        .register("orders", &address(2), ttl(10), start + 9 * SECOND);
    assert!(!renewed.unwrap());
    assert_eq!(orders.state.overlay().0, version, "a heartbeat writes nothing");
    assert_eq!(orders.state.next_due(start + 18 * SECOND), Some(start + 19 * SECOND));
    assert_eq!(orders.state.elapse(start + 18 * SECOND), Elapsed::default());
    let elapsed = orders.state.elapse(start + 19 * SECOND);
    assert_eq!(elapsed.ended, [("orders".into(), address(2), 10 * SECOND)]);
    assert_eq!(orders.shown(), ["1x1"]);
    assert_eq!(*orders.state.overlay().1, Overlay::default());
}

#[test]
fn after_a_restart_registrations_have_one_time_to_live() {
    let (start, mut before) = (Instant::now(), Orders::of(&[1]));
    before.state.register("orders", &address(2), ttl(10), start).unwrap();
    before
        .state
        .register("orders", &address(3), Registration::default(), start)
        .unwrap();
    let mut after = Orders::of(&[1]);
    let restart = start + 100 * SECOND;
    after.state.restore(before.state.overlay().1.clone(), restart);
    assert!(after.configure().is_empty());
    assert_eq!(after.shown(), ["1x1", "2x1", "3x1"]);
    assert!(after.state.elapse(restart + 9 * SECOND).ended.is_empty());
    assert_eq!(after.state.elapse(restart + 10 * SECOND).ended.len(), 1);
    assert_eq!(after.shown(), ["1x1", "3x1"]);
}

#[test]
fn a_removed_endpoint_drains_until_it_is_idle_or_its_time_is_over() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1, 2]));
    orders.state.register("orders", &address(3), ttl(60), start).unwrap();
    for port in [2, 3] {
        orders.state.remove("orders", &address(port), start).unwrap();
    }
    assert_eq!(orders.shown(), ["1x1", "2x1-", "3x1-"]);
    let turned = orders.state.turn("orders", &address(2), &drain(false));
    assert!(matches!(turned, Err(ChangeError::Conflict(_))));
    orders.state.remove("orders", &address(2), start + SECOND).unwrap();
    // Nobody has requests in progress.
    assert_eq!(orders.state.elapse(start + SECOND).gone.len(), 2);
    assert_eq!(orders.shown(), ["1x1"]);
    let again = orders.state.remove("orders", &address(2), start);
    assert!(matches!(again, Err(ChangeError::UnknownEndpoint { .. })));
    assert!(
        orders
            .state
            .register("orders", &address(2), Registration::default(), start)
            .unwrap()
    );
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
}

#[test]
fn an_endpoint_that_registers_while_it_is_removed_stays() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1, 2]));
    orders.state.remove("orders", &address(2), start).unwrap();
    orders.state.register("orders", &address(2), ttl(10), start).unwrap();
    assert_eq!(orders.state.elapse(start + SECOND), Elapsed::default());
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
}

#[test]
fn a_heartbeat_does_not_undo_what_an_operator_has_turned() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1]));
    orders.state.register("orders", &address(2), ttl(10), start).unwrap();
    let change = EndpointChange {
        draining: Some(true),
        weight: Some(Weight::new(7)),
    };
    orders.state.turn("orders", &address(2), &change).unwrap();
    orders.state.register("orders", &address(2), ttl(10), start).unwrap();
    assert_eq!(orders.shown(), ["1x1", "2x7-"]);
    let own = EndpointChange {
        draining: Some(false),
        weight: Some(None),
    };
    orders.state.turn("orders", &address(2), &own).unwrap();
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
}

#[test]
fn reloads_and_discovery_change_the_lists_below_the_overlay() {
    let mut orders = Orders::of(&[1]);
    orders.discover(&[2]);
    orders.state.turn("orders", &address(2), &drain(true)).unwrap();
    assert_eq!(orders.shown(), ["1x1", "2x1-"]);
    orders.live = load(&orders.groups, "orders", &[3]);
    assert!(orders.configure().is_empty());
    assert_eq!(orders.shown(), ["3x1", "2x1-"]);
}

#[test]
fn a_change_waits_for_its_endpoint_for_ten_minutes() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1]));
    orders.discover(&[2]);
    orders.state.turn("orders", &address(2), &drain(true)).unwrap();
    orders.discover(&[]);
    assert_eq!(orders.state.elapse(start), Elapsed::default());
    assert_eq!(orders.state.elapse(start + 599 * SECOND), Elapsed::default());
    orders.discover(&[2]);
    assert_eq!(orders.state.elapse(start + 700 * SECOND), Elapsed::default());
    assert_eq!(orders.shown(), ["1x1", "2x1-"]);
    orders.discover(&[]);
    assert_eq!(orders.state.elapse(start + 800 * SECOND), Elapsed::default());
    let elapsed = orders.state.elapse(start + 1400 * SECOND);
    assert_eq!(elapsed.dropped, [("orders".into(), address(2))]);
    orders.discover(&[2]);
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
}

#[test]
fn an_upstream_that_a_reload_removes_takes_everything_with_it() {
    let (start, mut orders) = (Instant::now(), Orders::of(&[1, 2]));
    orders.state.register("orders", &address(3), ttl(10), start).unwrap();
    orders.state.remove("orders", &address(2), start).unwrap();
    let users = load(&orders.groups, "users", &[1]);
    let own = OwnAddresses::default();
    assert_eq!(orders.state.configure([users.clone()], own, SECOND), ["orders"]);
    assert_eq!(
        (orders.state.next_due(start), orders.state.overlay().1),
        (None, &Overlay::default())
    );
    let registered = orders.state.register("orders", &address(3), ttl(10), start);
    assert!(matches!(registered, Err(ChangeError::UnknownUpstream { .. })));
    // The name comes back while requests of the old snapshot still hold the group.
    orders.configure();
    assert_eq!(orders.shown(), ["1x1", "2x1"]);
}
