//! What a group keeps over reloads, and what it forgets.

use super::*;
use crate::groups::Groups;
use crate::standing::EndpointState;
use crate::upstream::Upstream;

fn address(port: u16) -> Address {
    Address::Socket(([127, 0, 0, 1], port).into())
}

fn settings(ports: &[u16]) -> UpstreamSettings {
    UpstreamSettings::of(ports.iter().map(|&port| address(port)))
}

fn load(groups: &Groups, ports: &[u16]) -> (Upstream, UpstreamSettings) {
    let settings = settings(ports);
    (Upstream::of(groups, &"orders".into(), &settings), settings)
}

fn ports(group: &Group) -> Vec<String> {
    let address = |endpoint: &Arc<Endpoint>| endpoint.address().to_string().replace("127.0.0.1:", "");
    group.endpoints().iter().map(address).collect()
}

fn unhealthy(group: &Group, port: u16) {
    let endpoint = group.endpoint(&address(port)).expect("it is in the group");
    group.set_health(&endpoint, Health::Unhealthy, Some("refused".into()));
}

#[test]
fn a_reload_that_keeps_the_address_keeps_the_standing() {
    let groups = Groups::default();
    let (first, of_first) = load(&groups, &[1, 2, 3]);
    first.publish(&of_first);
    unhealthy(first.group(), 2);
    let (second, of_second) = load(&groups, &[2, 4]);
    second.publish(&of_second);
    assert!(Arc::ptr_eq(first.group(), second.group()));
    assert_eq!(ports(second.group()), ["2", "4"]);
    let kept = second.group().endpoint(&address(2)).expect("kept");
    assert_eq!(kept.standing().state(), EndpointState::Unhealthy);
    assert_eq!(kept.standing().why().as_deref(), Some("refused"));
}

#[test]
fn a_load_that_does_not_go_live_changes_nothing() {
    let groups = Groups::default();
    let (live, of_live) = load(&groups, &[1]);
    live.publish(&of_live);
    let (refused, _) = load(&groups, &[2, 3]);
    assert_eq!(ports(live.group()), ["1"]);
    assert!(
        live.straight().is_some(),
        "its only endpoint is still spoken to straight"
    );
    drop(refused);
    assert_eq!(ports(live.group()), ["1"]);
}

#[test]
fn a_group_ends_with_the_last_snapshot_that_names_it() {
    let groups = Groups::default();
    let (upstream, of_upstream) = load(&groups, &[1]);
    upstream.publish(&of_upstream);
    assert_eq!(groups.all().len(), 1);
    drop(upstream);
    assert!(groups.get("orders").is_none() && groups.all().is_empty());
}

#[test]
fn sources_add_up_and_an_address_counts_once() {
    let groups = Groups::default();
    let (upstream, of_upstream) = load(&groups, &[1]);
    upstream.publish(&of_upstream);
    let group = upstream.group();
    let of = |port| EndpointSettings::at(address(port));
    group.set_endpoints(Source::Discovered, vec![of(2), of(1)]);
    group.set_endpoints(Source::Registered, vec![of(3)]);
    assert_eq!(ports(group), ["1", "3", "2"]);
    assert!(upstream.straight().is_none());
    unhealthy(group, 3);
    group.set_endpoints(Source::Discovered, Vec::new());
    assert_eq!(ports(group), ["1", "3"]);
    assert_eq!(group.endpoints()[1].standing().state(), EndpointState::Unhealthy);
    // A reload leaves what others have named.
    let (next, of_next) = load(&groups, &[4]);
    next.publish(&of_next);
    assert_eq!(ports(group), ["4", "3"]);
}

#[test]
fn what_an_operator_has_turned_outlives_reloads_and_absence() {
    let groups = Groups::default();
    let (upstream, of_upstream) = load(&groups, &[1, 2]);
    upstream.publish(&of_upstream);
    let group = upstream.group().clone();
    let turned = Override {
        weight: Weight::new(7),
        draining: true,
        removed: false,
    };
    group.set_override(&address(2), turned);
    let state = |port| {
        let endpoint = group.endpoint(&address(port)).expect("in the group");
        (endpoint.weight().value(), endpoint.standing().state())
    };
    assert_eq!(state(2), (7, EndpointState::Draining));
    for ports in [&[1][..], &[1, 2]] {
        let (next, of_next) = load(&groups, ports);
        next.publish(&of_next);
    }
    assert_eq!(state(2), (7, EndpointState::Draining));
    group.set_override(&address(2), Override::default());
    assert_eq!(state(2), (1, EndpointState::Healthy));
}

#[tokio::test(start_paused = true)]
async fn an_ejection_ends_in_time() {
    let groups = Groups::default();
    let (upstream, of_upstream) = load(&groups, &[1, 2, 3]);
    upstream.publish(&of_upstream);
    let maintained = groups.clone();
    let task = tokio::spawn(async move { maintained.maintain().await });
    let endpoint = upstream.group().endpoint(&address(2)).expect("in the group");
    let until = now() + Duration::from_secs(30);
    let why = "5 failures".into();
    assert!(upstream.group().eject(&endpoint, Ejection { until, why }));
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(endpoint.standing().state(), EndpointState::Ejected);
    assert_eq!(upstream.group().current().picked(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(endpoint.standing().state(), EndpointState::Healthy);
    assert_eq!(upstream.group().current().picked(), 3);
    task.abort();
}
