//! The run of one case: its workers in a runtime of their own, whose clock stops while anything happens.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use lockgate_control::PreparedSnapshot;
use lockgate_gateway::embedded::{EmbeddedWorker, Environment};
use tokio::runtime::{Builder, LocalOptions};

use crate::assert::{self, Mismatch, ReceivedRequest, StepOutcome};
use crate::cases::{Case, CaseStep, Effects, Expect, Request, Script};
use crate::client::{self, Reply};
use crate::cpu::{self, PhaseTime};
use crate::gateway_config::Endpoint;
use crate::log_capture::{LogCapture, LogLine};
use crate::script::Scripts;
use crate::upstreams::{Sender, UpstreamTraffic, Upstreams};

/// Yields to other tasks before a step is compared: enough for all work that a finished exchange leaves.
const YIELDS: u32 = 256;

/// What a case runs with.
pub(crate) struct CaseSetup<'a> {
    pub(crate) prepared: &'a PreparedSnapshot,
    /// The plugin whose shared data are compared.
    pub(crate) tested: &'a str,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) scripts: BTreeMap<String, (String, &'a Script)>,
    pub(crate) time: SystemTime,
    pub(crate) seed: u64,
    pub(crate) log_capture: &'a LogCapture,
}

/// Result of a case.
#[derive(Debug, Default)]
pub(crate) struct CaseOutcome {
    /// Differences, each with the number of its step from 1. None: a case of one request, or the whole case.
    pub(crate) mismatches: Vec<(Option<usize>, Mismatch)>,
    pub(crate) logs: Vec<LogLine>,
    /// CPU time of the plugins.
    pub(crate) cpu: Vec<PhaseTime>,
    /// For each step without expectations: JSON pointer to its request, and an expectation that its result meets.
    pub(crate) recorded: Vec<(String, serde_json::Value)>,
}

/// Runs the case whose JSON pointer is `here`.
///
/// # Errors
/// The system has no resources for a runtime.
pub(crate) fn run(case: &Case, here: &str, setup: CaseSetup<'_>) -> io::Result<CaseOutcome> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build_local(LocalOptions::default())?;
    Ok(runtime.block_on(async {
        let upstreams = Upstreams::new(
            setup.endpoints.clone(),
            Scripts::new(
                setup
                    .scripts
                    .iter()
                    .map(|(name, (at, script))| (name, (at.clone(), *script))),
            ),
            match case.connection {
                Some(_) => UpstreamTraffic::Bytes,
                None => UpstreamTraffic::Http,
            },
        );
        let environment = Environment {
            upstreams: upstreams.connector(Sender::Gateway),
            callouts: upstreams.connector(Sender::Plugin),
            time: setup.time,
            seed: setup.seed,
        };
        let snapshot = setup.prepared.snapshot();
        let workers = snapshot.model.workers.map_or(1, NonZeroUsize::get);
        let mut run = CaseRun {
            workers: EmbeddedWorker::start(snapshot, &environment, workers)
                .into_iter()
                .map(Rc::new)
                .collect(),
            upstreams,
            vm_id: setup.prepared.vm_id(setup.tested).unwrap_or_default().to_owned(),
            log_capture: setup.log_capture,
            outcome: CaseOutcome::default(),
        };
        // The start of plugins belongs to no step.
        settle().await;
        run.case(case, here).await;
        run.outcome.cpu = cpu::times(&run.worker().metrics(), setup.prepared);
        run.outcome
    }))
}

pub(super) struct CaseRun<'a> {
    /// At least one.
    workers: Vec<Rc<EmbeddedWorker>>,
    pub(super) upstreams: Upstreams,
    vm_id: String,
    log_capture: &'a LogCapture,
    pub(super) outcome: CaseOutcome,
}

impl CaseRun<'_> {
    /// Runs the steps, or the one request, or the connection.
    async fn case(&mut self, case: &Case, here: &str) {
        let before = self.log_capture.take();
        self.outcome.logs.extend(before);
        match (&case.steps, &case.connection) {
            (_, Some(connection)) => self.connection(connection, &format!("{here}/connection")).await,
            (Some(steps), None) => {
                for (index, step) in steps.iter().enumerate() {
                    self.step(step, &format!("{here}/steps/{index}"), Some(index + 1)).await;
                }
            }
            (None, None) => {
                let step = CaseStep {
                    advance: None,
                    request: case.request.clone(),
                    repeat: None,
                    at_once: None,
                    expect: case.expect.clone(),
                };
                self.step(&step, here, None).await;
            }
        }
        for unused in self.upstreams.unused() {
            let times = |count: u32| {
                if count == 1 {
                    "once".to_owned()
                } else {
                    format!("{count} times")
                }
            };
            self.mismatch(
                None,
                Mismatch {
                    pointer: unused.pointer,
                    what: format!("script of upstream \"{}\"", unused.upstream),
                    expected: format!("this response used {}", times(unused.times)),
                    found: match unused.used {
                        0 => "never used".to_owned(),
                        count => format!("used {}", times(count)),
                    },
                    ..Mismatch::default()
                },
            );
        }
    }

    async fn step(&mut self, step: &CaseStep, here: &str, number: Option<usize>) {
        if let Some(period) = step.advance {
            tokio::time::sleep(period.duration()).await;
            settle().await;
        }
        let nothing = Expect::default();
        let expect = step.expect.as_ref().unwrap_or(&nothing);
        let Some(request) = &step.request else {
            return self.assert(expect, here, number, &[None]);
        };
        let rounds = step.repeat.unwrap_or(1);
        for _ in 0..rounds {
            let replies = self.send(request, step.at_once.unwrap_or(1)).await;
            settle().await;
            let replies: Vec<Option<&Reply>> = replies.iter().map(Some).collect();
            self.assert(expect, here, number, &replies);
            if let (None, Some(Some(reply))) = (&step.expect, replies.first()) {
                self.outcome
                    .recorded
                    .push((format!("{here}/request"), assert::record_response(reply)));
            }
            if !self.outcome.mismatches.is_empty() {
                // Further rounds would only repeat the first difference.
                break;
            }
        }
    }

    async fn send(&self, request: &Request, times: u32) -> Vec<Reply> {
        let tasks: Vec<_> = (0..times as usize)
            .map(|index| {
                // Requests at once come to all workers, as connections of clients do.
                let worker = request.worker.unwrap_or(index) % self.workers.len();
                let (worker, request) = (self.workers[worker].clone(), request.clone());
                tokio::task::spawn_local(async move { client::send(&worker, &request).await })
            })
            .collect();
        let mut replies = Vec::with_capacity(tasks.len());
        for task in tasks {
            match task.await {
                Ok(reply) => replies.push(reply),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        replies
    }

    /// Compares each response with the expectations, and the step's other results once.
    pub(super) fn assert(&mut self, expect: &Expect, here: &str, number: Option<usize>, replies: &[Option<&Reply>]) {
        let (mut forwarded, mut callouts): (Vec<ReceivedRequest>, Vec<ReceivedRequest>) = (Vec::new(), Vec::new());
        for (sender, request) in self.upstreams.take_received() {
            match sender {
                Sender::Gateway => forwarded.push(request),
                Sender::Plugin => callouts.push(request),
            }
        }
        for request in self.upstreams.take_unexpected() {
            self.mismatch(
                number,
                Mismatch {
                    pointer: here.to_owned(),
                    what: "script".to_owned(),
                    expected: "a response for every request".to_owned(),
                    found: format!("none for {request}"),
                    ..Mismatch::default()
                },
            );
        }
        let logs = self.log_capture.take();
        let at = format!("{here}/expect");
        let mut found = Vec::new();
        for (index, reply) in replies.iter().enumerate() {
            let worker = self.worker();
            let outcome = StepOutcome {
                reply: *reply,
                forwarded: &forwarded,
                callouts: &callouts,
                logs: &logs,
                metrics: &|| worker.metrics(),
                shared_data: &|key| self.shared_data(key),
            };
            let mismatches = match index {
                0 => assert::assert_step(expect, &at, &outcome),
                _ => assert::assert_step(&response_only(expect), &at, &outcome),
            };
            found.extend(mismatches);
        }
        self.outcome.logs.extend(logs);
        for mismatch in found {
            self.mismatch(number, mismatch);
        }
    }

    /// The first worker.
    pub(super) fn worker(&self) -> &Rc<EmbeddedWorker> {
        &self.workers[0]
    }

    fn shared_data(&self, key: &str) -> Option<Bytes> {
        let store = self.worker().store();
        store.shared_data().get(&self.vm_id, key).map(|(value, _)| value)
    }

    pub(super) fn mismatch(&mut self, number: Option<usize>, mismatch: Mismatch) {
        self.outcome.mismatches.push((number, mismatch));
    }
}

/// The expectations of a response, without the step's other results.
fn response_only(expect: &Expect) -> Expect {
    Expect {
        forwarded: None,
        effects: Effects::default(),
        ..expect.clone()
    }
}

/// Runs all tasks until they wait for time to pass, without letting time pass.
pub(super) async fn settle() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}
