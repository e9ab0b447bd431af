//! The checker with a held clock and scripted probes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate_client::{Address, Target};
use lockgate_upstream::{Health, UpstreamSettings};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::*;
use crate::subject::CheckedEndpoint;

const SECOND: Duration = Duration::from_secs(1);

struct Endpoint {
    id: usize,
    target: Target,
    state: Mutex<(Health, Option<String>)>,
}

impl CheckedEndpoint for Endpoint {
    fn target(&self) -> &Target {
        &self.target
    }

    fn identity(&self) -> usize {
        self.id
    }

    fn set_health(&self, health: Health, why: Option<&str>) {
        *self.state.lock().unwrap() = (health, why.map(str::to_owned));
    }
}

impl Endpoint {
    fn new(port: u16) -> Arc<Self> {
        Arc::new(Self {
            id: port.into(),
            target: Target::clear_text(Address::Socket(([127, 0, 0, 1], port).into())),
            state: Mutex::default(),
        })
    }

    fn why(&self) -> Option<String> {
        self.state.lock().unwrap().1.clone()
    }

    /// As it was set last.
    fn health(&self) -> Health {
        self.state.lock().unwrap().0
    }
}

#[derive(Clone)]
struct Group(&'static str, Arc<Mutex<(u64, Vec<Arc<Endpoint>>)>>);

impl Group {
    fn of(endpoints: &[&Arc<Endpoint>]) -> Self {
        let endpoints = endpoints.iter().map(|endpoint| Arc::clone(endpoint)).collect();
        Self("orders", Arc::new(Mutex::new((0, endpoints))))
    }

    fn set(&self, endpoints: &[&Arc<Endpoint>]) {
        let mut list = self.1.lock().unwrap();
        *list = (
            list.0 + 1,
            endpoints.iter().map(|endpoint| Arc::clone(endpoint)).collect(),
        );
    }

    fn checked(&self, check: Value) -> CheckedUpstream {
        let settings = json!({ "endpoints": ["127.0.0.1:1"], "health_check": check });
        let settings: UpstreamSettings = serde_json::from_value(settings).unwrap();
        CheckedUpstream {
            check: Check::of(&settings).unwrap(),
            group: Box::new(self.clone()),
        }
    }
}

impl CheckedGroup for Group {
    fn name(&self) -> &str {
        self.0
    }

    fn version(&self) -> u64 {
        self.1.lock().unwrap().0
    }

    fn endpoints(&self) -> Vec<Arc<dyn CheckedEndpoint>> {
        let list = self.1.lock().unwrap();
        list.1
            .iter()
            .map(|endpoint| endpoint.clone() as Arc<dyn CheckedEndpoint>)
            .collect()
    }
}

/// Probes whose outcome is scripted: by port, or that of every port.
#[derive(Clone, Default)]
struct Script(Rc<Scripted>);

#[derive(Default)]
struct Scripted {
    failing: RefCell<HashMap<u16, &'static str>>,
    takes: Cell<Duration>,
    /// When probes have begun, by port.
    begun: RefCell<Vec<(u16, Instant)>>,
    concurrent: Cell<usize>,
    most: Cell<usize>,
}

impl Script {
    fn fail(&self, port: u16, reason: &'static str) {
        self.0.failing.borrow_mut().insert(port, reason);
    }

    fn pass(&self, port: u16) {
        self.0.failing.borrow_mut().remove(&port);
    }

    fn begun(&self, port: u16) -> Vec<Instant> {
        let begun = self.0.begun.borrow();
        begun.iter().filter(|(of, _)| *of == port).map(|(_, at)| *at).collect()
    }
}

impl Prober for Script {
    fn probe<'a>(&'a self, _: &'a Check, target: &'a Target) -> Probing<'a> {
        let Address::Socket(socket) = target.address else {
            unreachable!("scripted endpoints have ports")
        };
        let script = &self.0;
        script.begun.borrow_mut().push((socket.port(), Instant::now()));
        Box::pin(async move {
            script.concurrent.set(script.concurrent.get() + 1);
            script.most.set(script.most.get().max(script.concurrent.get()));
            tokio::time::sleep(script.takes.get()).await;
            script.concurrent.set(script.concurrent.get() - 1);
            let reason = script.failing.borrow().get(&socket.port()).copied();
            reason.map_or(Ok(()), |reason| Err(ProbeFailure::Connect(reason.to_owned())))
        })
    }
}

#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<(String, &'static str)>>>);

impl ProbeCounter for Counts {
    fn count(&self, upstream: &str, outcome: Result<(), &ProbeFailure>) {
        let kind = outcome.map_or_else(ProbeFailure::kind, |()| "pass");
        self.0.lock().unwrap().push((upstream.to_owned(), kind));
    }
}

fn tasks(script: &Script) -> Tasks {
    Tasks::new(script.clone(), Counts::default(), Jitter::from_seed(1))
}

/// Two seconds of interval; two passes, three failures.
fn every_two_seconds() -> Value {
    json!({ "type": "tcp", "interval": "2s", "healthy": 2, "unhealthy": 3 })
}

/// Runs with a clock that jumps to the next thing that happens.
fn held<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn an_endpoint_is_unhealthy_after_failures_in_a_row_and_healthy_after_passes() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        let mut tasks = tasks(&script);
        tasks.set(vec![Group::of(&[&endpoint]).checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        assert_eq!(endpoint.health(), Health::Healthy, "the first probe decides alone");
        script.fail(1, "connection refused");
        tokio::time::sleep(4 * SECOND).await;
        assert_eq!(endpoint.health(), Health::Healthy, "two failures are not enough");
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(endpoint.health(), Health::Unhealthy);
        assert_eq!(endpoint.why().as_deref(), Some("connection refused"));
        script.pass(1);
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(endpoint.health(), Health::Unhealthy, "one pass is not enough");
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!((endpoint.health(), endpoint.why()), (Health::Healthy, None));
    });
}

#[test]
fn an_endpoint_that_is_down_from_the_start_is_unhealthy_after_one_probe() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        script.fail(1, "connection refused");
        let mut tasks = tasks(&script);
        tasks.set(vec![Group::of(&[&endpoint]).checked(every_two_seconds())]);
        tokio::time::sleep(SECOND / 10).await;
        assert_eq!(endpoint.health(), Health::Unhealthy);
    });
}

#[test]
fn probes_keep_their_interval_within_a_tenth() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        script.0.takes.set(SECOND / 2);
        let mut tasks = tasks(&script);
        tasks.set(vec![Group::of(&[&endpoint]).checked(every_two_seconds())]);
        tokio::time::sleep(100 * SECOND).await;
        let begun = script.begun(1);
        assert!((46..=55).contains(&begun.len()), "{}", begun.len());
        let gaps: Vec<_> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (SECOND.mul_f64(1.8), SECOND.mul_f64(2.2) + Duration::from_millis(2));
        assert!(gaps.iter().all(|gap| (least..=most).contains(gap)), "{gaps:?}");
        assert!(
            gaps.windows(2).any(|pair| pair[0] != pair[1]),
            "no two endpoints stay in step"
        );
    });
}

#[test]
fn a_probe_longer_than_the_interval_delays_the_next() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        script.0.takes.set(5 * SECOND);
        let mut tasks = tasks(&script);
        tasks.set(vec![Group::of(&[&endpoint]).checked(every_two_seconds())]);
        tokio::time::sleep(51 * SECOND).await;
        assert_eq!((script.begun(1).len(), script.0.most.get()), (11, 1));
    });
}

#[test]
fn ten_thousand_endpoints_are_spread_and_bounded() {
    held(async {
        let script = Script::default();
        script.0.takes.set(10 * SECOND);
        let endpoints: Vec<_> = (1..=10_000).map(Endpoint::new).collect();
        let group = Group::of(&endpoints.iter().collect::<Vec<_>>());
        let mut tasks = tasks(&script);
        let start = Instant::now();
        tasks.set(vec![group.checked(json!({ "type": "tcp", "interval": "60s" }))]);
        tokio::time::sleep(200 * SECOND).await;
        assert_eq!(script.0.most.get(), MAX_CONCURRENT);
        let in_first = |time: Duration| {
            let begun = script.0.begun.borrow();
            begun.iter().filter(|(_, at)| *at - start < time).count()
        };
        assert!((80..120).contains(&in_first(SECOND / 10)), "{}", in_first(SECOND / 10));
        assert!(endpoints.iter().all(|endpoint| endpoint.health() == Health::Healthy));
    });
}

#[test]
fn a_reload_that_changes_nothing_keeps_probes_and_counts() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        let (mut tasks, group) = (tasks(&script), Group::of(&[&endpoint]));
        tasks.set(vec![group.checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        script.fail(1, "connection refused");
        for _ in 0..70 {
            // Were the count of failures forgotten, or the next probe moved, it would never become unhealthy.
            tokio::time::sleep(SECOND / 10).await;
            tasks.set(vec![group.checked(every_two_seconds())]);
        }
        assert_eq!(endpoint.health(), Health::Unhealthy);
        assert_eq!(script.begun(1).len(), 4);
    });
}

#[test]
fn a_changed_check_keeps_the_health() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        let (mut tasks, group) = (tasks(&script), Group::of(&[&endpoint]));
        script.fail(1, "connection refused");
        tasks.set(vec![group.checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        script.pass(1);
        tasks.set(vec![
            group.checked(json!({ "type": "tcp", "interval": "1s", "healthy": 2 })),
        ]);
        assert_eq!(endpoint.health(), Health::Unhealthy);
        tokio::time::sleep(SECOND / 2).await;
        assert_eq!(
            endpoint.health(),
            Health::Unhealthy,
            "its first probe is not the endpoint's first"
        );
        tokio::time::sleep(SECOND).await;
        assert_eq!(endpoint.health(), Health::Healthy);
    });
}

#[test]
fn endpoints_come_and_go() {
    held(async {
        let script = Script::default();
        let (stays, goes, comes) = (Endpoint::new(1), Endpoint::new(2), Endpoint::new(3));
        let (mut tasks, group) = (tasks(&script), Group::of(&[&stays, &goes]));
        tasks.set(vec![group.checked(every_two_seconds())]);
        tokio::time::sleep(3 * SECOND).await;
        group.set(&[&comes, &stays]);
        tasks.refresh();
        let (before, of_gone) = (script.begun(1).len(), script.begun(2).len());
        tokio::time::sleep(SECOND / 10).await;
        assert_eq!(comes.health(), Health::Healthy, "a new endpoint is probed at once");
        tokio::time::sleep(4 * SECOND).await;
        assert_eq!(script.begun(2).len(), of_gone);
        assert!(script.begun(1).len() > before);
    });
}

#[test]
fn a_changed_target_is_probed_in_place_of_the_old_one() {
    held(async {
        let script = Script::default();
        let before = Endpoint::new(1);
        let after = Arc::new(Endpoint {
            id: before.id,
            ..Arc::into_inner(Endpoint::new(2)).unwrap()
        });
        let (mut tasks, group) = (tasks(&script), Group::of(&[&before]));
        script.fail(1, "connection refused");
        tasks.set(vec![group.checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        group.set(&[&after]);
        tasks.refresh();
        tokio::time::sleep(SECOND).await;
        assert_eq!((script.begun(1).len(), script.begun(2).len()), (1, 1));
        assert_eq!(
            after.health(),
            Health::Unknown,
            "unhealthy as before: one pass is not enough"
        );
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(after.health(), Health::Healthy);
    });
}

#[test]
fn an_endpoint_that_is_not_checked_any_more_gets_requests() {
    held(async {
        let (script, endpoint) = (Script::default(), Endpoint::new(1));
        let mut tasks = tasks(&script);
        script.fail(1, "connection refused");
        tasks.set(vec![Group::of(&[&endpoint]).checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        assert_eq!(endpoint.health(), Health::Unhealthy);
        tasks.set(Vec::new());
        assert_eq!((endpoint.health(), endpoint.why()), (Health::Unknown, None));
        let begun = script.begun(1).len();
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(script.begun(1).len(), begun);
    });
}

#[test]
fn probes_are_counted_by_upstream_and_outcome() {
    held(async {
        let (script, counts) = (Script::default(), Counts::default());
        let mut tasks = Tasks::new(script.clone(), counts.clone(), Jitter::from_seed(1));
        tasks.set(vec![Group::of(&[&Endpoint::new(1)]).checked(every_two_seconds())]);
        tokio::time::sleep(SECOND).await;
        script.fail(1, "connection refused");
        tokio::time::sleep(2 * SECOND).await;
        let orders = |kind| ("orders".to_owned(), kind);
        assert_eq!(*counts.0.lock().unwrap(), [orders("pass"), orders("connect")]);
    });
}
