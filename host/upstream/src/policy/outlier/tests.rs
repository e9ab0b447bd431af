//! Ejection, its bounds, and the way back, in held time.

use lockgate_units::Period;

use super::*;

struct Group {
    detector: OutlierDetector,
    records: Vec<OutlierRecord>,
    settings: OutlierSettings,
    now: Instant,
}

impl Group {
    fn new(endpoints: usize, settings: OutlierSettings) -> Self {
        let now = Instant::now();
        Self {
            detector: OutlierDetector::new(now),
            records: std::iter::repeat_with(OutlierRecord::default).take(endpoints).collect(),
            settings,
            now,
        }
    }

    fn attempt(&self, at: usize, verdict: Verdict) -> Option<EndpointChange> {
        let cause = self.records[at].count(&self.settings, verdict)?;
        self.detector
            .eject(&self.settings, &self.records[at], self.records.iter(), cause, self.now)
    }

    fn probe(&self, is_repeatable: bool) -> Option<usize> {
        if !self.detector.is_probe_due(self.now) {
            return None;
        }
        self.detector
            .probe(&self.settings, self.records.iter(), is_repeatable, self.now)
    }

    fn probed(&self, at: usize, verdict: Option<Verdict>) -> Option<EndpointChange> {
        self.detector.probed(
            &self.settings,
            &self.records[at],
            self.records.iter(),
            verdict,
            self.now,
        )
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn ejected(&self) -> usize {
        self.records.iter().filter(|record| record.is_ejected()).count()
    }
}

fn settings(consecutive_5xx: u32, max_ejection_percent: u8) -> OutlierSettings {
    OutlierSettings {
        consecutive_5xx,
        max_ejection_percent,
        ..OutlierSettings::default()
    }
}

const OK: Verdict = Verdict::Status(200);
const BUSY: Verdict = Verdict::Status(503);

#[test]
fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let group = Group::new(3, settings(3, 50));
    for verdict in [BUSY, Verdict::Reset, OK, Verdict::Timeout, Verdict::ConnectFailure] {
        assert_eq!(group.attempt(0, verdict), None);
    }
    assert_eq!(
        group.attempt(0, Verdict::Status(500)),
        Some(EndpointChange::Ejected {
            cause: EjectionCause::Consecutive5xx,
            time: Duration::from_secs(30),
            times: 1,
        })
    );
    assert_eq!(group.attempt(0, BUSY), None, "it is ejected already");
}

#[test]
fn gateway_errors_have_a_count_of_their_own() {
    let group = Group::new(
        3,
        OutlierSettings {
            consecutive_gateway_errors: 2,
            ..settings(0, 50)
        },
    );
    for verdict in [
        BUSY,
        Verdict::Status(500),
        BUSY,
        Verdict::Status(404),
        Verdict::Status(502),
    ] {
        assert_eq!(group.attempt(0, verdict), None, "{verdict:?}");
    }
    let change = group.attempt(0, Verdict::Timeout);
    assert!(
        matches!(
            change,
            Some(EndpointChange::Ejected {
                cause: EjectionCause::ConsecutiveGatewayErrors,
                ..
            })
        ),
        "{change:?}"
    );
}

#[test]
fn local_origin_failures_count_apart_when_they_have_a_limit() {
    let group = Group::new(
        3,
        OutlierSettings {
            consecutive_local_origin_failures: 2,
            ..settings(1, 50)
        },
    );
    assert_eq!(group.attempt(0, Verdict::Reset), None);
    let change = group.attempt(0, Verdict::ConnectFailure);
    assert!(
        matches!(
            change,
            Some(EndpointChange::Ejected {
                cause: EjectionCause::ConsecutiveLocalOriginFailures,
                ..
            })
        ),
        "{change:?}"
    );
}

#[test]
fn the_share_of_ejected_endpoints_counts_the_one_that_is_about_to_be() {
    for (endpoints, percent, most) in [
        (1, 10, 0),
        (1, 99, 0),
        (1, 100, 1),
        (2, 10, 1),
        (2, 99, 1),
        (2, 100, 2),
        (3, 50, 1),
        (10, 0, 0),
        (10, 10, 1),
        (10, 29, 2),
        (10, 99, 9),
        (10, 100, 10),
    ] {
        let group = Group::new(endpoints, settings(1, percent));
        for at in 0..endpoints {
            let _ = group.attempt(at, BUSY);
        }
        assert_eq!(group.ejected(), most, "{percent} % of {endpoints}");
    }
}

#[test]
fn one_request_tries_an_endpoint_whose_time_is_over() {
    let mut group = Group::new(2, settings(1, 100));
    assert!(group.attempt(1, BUSY).is_some());
    group.pass(29);
    assert_eq!(group.probe(true), None);
    group.pass(1);
    assert_eq!(group.probe(true), Some(1));
    assert_eq!(group.probe(true), None, "one request tries it");
    assert_eq!(group.probed(1, None), None);
    assert_eq!(group.probe(true), Some(1), "the first has found out nothing");
    assert_eq!(group.probed(1, Some(OK)), Some(EndpointChange::Returned));
    assert_eq!(group.ejected(), 0);
    assert_eq!(group.probe(true), None);
}

#[test]
fn a_probe_without_an_end_is_followed_by_another() {
    let mut group = Group::new(2, settings(1, 100));
    let _ = group.attempt(0, BUSY);
    group.pass(30);
    assert_eq!(group.probe(true), Some(0));
    group.pass(9);
    assert_eq!(group.probe(true), None);
    group.pass(1);
    assert_eq!(group.probe(true), Some(0));
    assert_eq!(group.probed(0, Some(OK)), Some(EndpointChange::Returned));
}

#[test]
fn a_request_that_cannot_be_repeated_tries_only_where_no_other_does() {
    let mut group = Group::new(2, settings(1, 100));
    assert!(group.attempt(0, BUSY).is_some());
    group.pass(39);
    assert_eq!(group.probe(false), None);
    group.pass(1);
    assert_eq!(group.probe(false), Some(0));
}

#[test]
fn ejections_in_a_row_take_longer_up_to_a_limit() {
    let mut group = Group::new(2, settings(1, 100));
    let mut times = Vec::new();
    let mut change = group.attempt(0, BUSY);
    for _ in 0..12 {
        let Some(EndpointChange::Ejected { time, .. }) = change else {
            panic!("{change:?}")
        };
        times.push(time.as_secs());
        group.pass(time.as_secs());
        assert_eq!(group.probe(true), Some(0));
        change = group.probed(0, Some(Verdict::Reset));
    }
    assert_eq!(times, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
}

#[test]
fn an_endpoint_that_behaves_is_forgiven_an_ejection_each_interval() {
    let mut group = Group::new(2, settings(1, 100));
    let _ = group.attempt(0, BUSY);
    for seconds in [30, 60] {
        group.pass(seconds);
        assert_eq!(group.probe(true), Some(0));
        let _ = group.probed(0, Some(BUSY));
    }
    group.pass(90);
    assert_eq!(group.probe(true), Some(0));
    assert_eq!(group.probed(0, Some(OK)), Some(EndpointChange::Returned));
    group.pass(20);
    let Some(EndpointChange::Ejected { times, .. }) = group.attempt(0, BUSY) else {
        panic!("it is ejected")
    };
    assert_eq!(times, 2, "three, less two, and this one");
}

#[test]
fn ejections_of_another_base_time_are_not_cut_short_by_the_default_limit() {
    let group = Group::new(
        2,
        OutlierSettings {
            base_ejection_time: Period::seconds(3600),
            ..settings(1, 100)
        },
    );
    let Some(EndpointChange::Ejected { time, .. }) = group.attempt(0, BUSY) else {
        panic!("it is ejected")
    };
    assert_eq!(time, Duration::from_secs(3600));
}

/// Workers that fail at the same time: the share holds.
#[test]
fn the_share_holds_across_workers() {
    for _ in 0..50 {
        let group = Group::new(8, settings(1, 50));
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let group = &group;
                scope.spawn(move || (0..8).filter_map(|at| group.attempt((at + worker) % 8, BUSY)).count());
            }
        });
        assert_eq!(group.ejected(), 4);
    }
}
