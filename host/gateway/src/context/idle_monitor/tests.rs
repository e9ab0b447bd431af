//! Which connections are told to end, and why.

use super::*;

const TIMEOUT: IdleTimeouts = IdleTimeouts {
    head: Some(Duration::from_secs(2)),
    idle: Duration::from_secs(10),
    write: Duration::from_secs(5),
};

fn after(idle_monitor: &IdleMonitor, seconds: u64, start: Instant) {
    idle_monitor.sweep(start + Duration::from_secs(seconds));
}

#[test]
fn a_head_that_does_not_arrive_is_overdue() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    let activity = idle_monitor.watch(TIMEOUT);
    activity.received();
    after(&idle_monitor, 1, start);
    assert_eq!(activity.order.get(), Directive::Continue);
    after(&idle_monitor, 2, start);
    assert_eq!(activity.order.get(), Directive::HeadTimeout);
}

#[test]
fn a_connection_in_use_is_left_alone_and_an_idle_one_retires() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    let activity = idle_monitor.watch(TIMEOUT);
    activity.received();
    let busy = activity.start_request();
    activity.received();
    assert_eq!(activity.ended_requests(), 0);
    after(&idle_monitor, 100, start);
    assert_eq!(activity.order.get(), Directive::Continue);
    drop(busy);
    assert_eq!(activity.ended_requests(), 1);
    after(&idle_monitor, 109, start);
    assert_eq!(activity.order.get(), Directive::Continue);
    after(&idle_monitor, 110, start);
    assert_eq!(activity.order.get(), Directive::Retire);
    after(&idle_monitor, 120, start);
    assert_eq!(activity.order.get(), Directive::Close);
}

#[test]
fn a_client_that_takes_nothing_is_reset_and_one_that_takes_a_little_is_not() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    let activity = idle_monitor.watch(TIMEOUT);
    let _busy = activity.start_request();
    activity.wrote(true);
    after(&idle_monitor, 4, start);
    activity.wrote(false);
    activity.wrote(true);
    after(&idle_monitor, 8, start);
    assert_eq!(
        (activity.order.get(), activity.end_reason()),
        (Directive::Continue, None)
    );
    activity.wrote(true);
    after(&idle_monitor, 9, start);
    assert_eq!(
        (activity.order.get(), activity.end_reason()),
        (Directive::Close, Some("write_timeout"))
    );
}

#[test]
fn a_response_that_is_due_does_not_wait_for_the_write_timeout() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    let activity = idle_monitor.watch(TIMEOUT);
    let _busy = activity.start_request();
    activity.set_response_due(Some(start + Duration::from_secs(2)));
    after(&idle_monitor, 3, start);
    assert_eq!(activity.order.get(), Directive::Continue, "the client takes what comes");
    activity.wrote(true);
    after(&idle_monitor, 4, start);
    assert_eq!(activity.end_reason(), Some("route_timeout"));
}

#[test]
fn connections_between_requests_give_way_and_others_do_not() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    let [idle, busy, reading] = [(); 3].map(|()| idle_monitor.watch(TIMEOUT));
    let _request = busy.start_request();
    after(&idle_monitor, 1, start);
    let fresh = idle_monitor.watch(TIMEOUT);
    reading.received();
    idle_monitor.retire_idle();
    let orders = [&idle, &busy, &reading, &fresh].map(|activity| activity.order.get());
    use Directive::{Continue, Retire};
    assert_eq!(orders, [Retire, Continue, Continue, Continue]);
}

#[test]
fn connections_that_are_gone_are_forgotten() {
    let idle_monitor = IdleMonitor::new();
    let start = idle_monitor.clock.get();
    drop(idle_monitor.watch(TIMEOUT));
    let kept = idle_monitor.watch(TIMEOUT);
    after(&idle_monitor, 1, start);
    assert_eq!(
        (idle_monitor.open_connections(), idle_monitor.monitors.borrow().len()),
        (1, 1)
    );
    drop(kept);
    assert_eq!(idle_monitor.open_connections(), 0);
}
