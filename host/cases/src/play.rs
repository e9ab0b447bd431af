//! Plays one case: a worker in a runtime of its own, whose clock stands still while anything happens.

mod connection;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use lockgate_control::PreparedSnapshot;
use lockgate_gateway::embedded::{EmbeddedWorker, Environment};
use tokio::runtime::{Builder, LocalOptions};

use crate::cases::{Case, Effects, Expect, Request, Script, Step};
use crate::client::{self, Reply};
use crate::compose::Endpoint;
use crate::judge::{self, Mismatch, Observed, Witnessed};
use crate::logbook::{Line, Logbook};
use crate::script::Scripts;
use crate::upstreams::{Sender, Spoken, Upstreams};

/// How often everything else has its turn before a step is judged: enough for whatever a finished exchange leaves to do.
const TURNS: u32 = 256;

/// What a case needs besides itself.
pub(crate) struct Setup<'a> {
    pub(crate) scene: &'a PreparedSnapshot,
    /// The plugin whose shared data are looked at.
    pub(crate) tested: &'a str,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) scripts: BTreeMap<String, (String, &'a Script)>,
    pub(crate) time: SystemTime,
    pub(crate) seed: u64,
    pub(crate) logbook: &'a Logbook,
}

/// What came of a case.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Each with the number of its step, from 1; none for a case of one request, or for the whole.
    pub(crate) mismatches: Vec<(Option<usize>, Mismatch)>,
    pub(crate) logs: Vec<Line>,
    /// For steps that expect nothing: where the request stands, and what came of it.
    pub(crate) unjudged: Vec<(String, serde_json::Value)>,
}

/// Plays the case that stands at `here`.
///
/// # Errors
/// The system has no room for a runtime.
pub(crate) fn play(case: &Case, here: &str, setup: Setup<'_>) -> io::Result<Played> {
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
                Some(_) => Spoken::Bytes,
                None => Spoken::Http,
            },
        );
        let props = Environment {
            upstreams: upstreams.way(Sender::Gateway),
            callouts: upstreams.way(Sender::Plugin),
            time: setup.time,
            seed: setup.seed,
        };
        let mut player = Player {
            worker: Rc::new(EmbeddedWorker::start(setup.scene.snapshot(), props)),
            upstreams,
            vm_id: setup.scene.vm_id(setup.tested).unwrap_or_default().to_owned(),
            logbook: setup.logbook,
            played: Played::default(),
        };
        // What plugins do at their start belongs to no step.
        settle().await;
        player.case(case, here).await;
        player.played
    }))
}

struct Player<'a> {
    worker: Rc<EmbeddedWorker>,
    upstreams: Upstreams,
    vm_id: String,
    logbook: &'a Logbook,
    played: Played,
}

impl Player<'_> {
    async fn case(&mut self, case: &Case, here: &str) {
        let before = self.logbook.take();
        self.played.logs.extend(before);
        match (&case.steps, &case.connection) {
            (_, Some(connection)) => self.connection(connection, &format!("{here}/connection")).await,
            (Some(steps), None) => {
                for (index, step) in steps.iter().enumerate() {
                    self.step(step, &format!("{here}/steps/{index}"), Some(index + 1)).await;
                }
            }
            (None, None) => {
                let step = Step {
                    advance: None,
                    request: case.request.clone(),
                    repeat: None,
                    at_once: None,
                    expect: case.expect.clone(),
                };
                self.step(&step, here, None).await;
            }
        }
        for unmet in self.upstreams.unmet() {
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
                    pointer: unmet.pointer,
                    what: format!("script of upstream \"{}\"", unmet.upstream),
                    expected: format!("this response used {}", times(unmet.times)),
                    found: match unmet.given {
                        0 => "never used".to_owned(),
                        given => format!("asked {}", times(given)),
                    },
                    ..Mismatch::default()
                },
            );
        }
    }

    async fn step(&mut self, step: &Step, here: &str, number: Option<usize>) {
        if let Some(period) = step.advance {
            tokio::time::sleep(period.duration()).await;
            settle().await;
        }
        let nothing = Expect::default();
        let expect = step.expect.as_ref().unwrap_or(&nothing);
        let Some(request) = &step.request else {
            return self.judge(expect, here, number, &[None]);
        };
        let rounds = step.repeat.unwrap_or(1);
        for _ in 0..rounds {
            let replies = self.send(request, step.at_once.unwrap_or(1)).await;
            settle().await;
            let replies: Vec<Option<&Reply>> = replies.iter().map(Some).collect();
            self.judge(expect, here, number, &replies);
            if let (None, Some(Some(reply))) = (&step.expect, replies.first()) {
                self.played
                    .unjudged
                    .push((format!("{here}/request"), judge::record(reply)));
            }
            if !self.played.mismatches.is_empty() {
                // What comes after the first difference is told by the next step, if it matters.
                break;
            }
        }
    }

    async fn send(&self, request: &Request, times: u32) -> Vec<Reply> {
        let tasks: Vec<_> = (0..times)
            .map(|_| {
                let (worker, request) = (self.worker.clone(), request.clone());
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

    /// Judges every reply alike, and what else the step has brought about once.
    fn judge(&mut self, expect: &Expect, here: &str, number: Option<usize>, replies: &[Option<&Reply>]) {
        let (mut forwarded, mut callouts): (Vec<Observed>, Vec<Observed>) = (Vec::new(), Vec::new());
        for (sender, observed) in self.upstreams.take_seen() {
            match sender {
                Sender::Gateway => forwarded.push(observed),
                Sender::Plugin => callouts.push(observed),
            }
        }
        for told in self.upstreams.take_unexpected() {
            self.mismatch(
                number,
                Mismatch {
                    pointer: here.to_owned(),
                    what: "script".to_owned(),
                    expected: "a response for every request".to_owned(),
                    found: format!("none for {told}"),
                    ..Mismatch::default()
                },
            );
        }
        let logs = self.logbook.take();
        let at = format!("{here}/expect");
        let mut found = Vec::new();
        for (index, reply) in replies.iter().enumerate() {
            let worker = &self.worker;
            let seen = Witnessed {
                reply: *reply,
                forwarded: &forwarded,
                callouts: &callouts,
                logs: &logs,
                metrics: &|| worker.metrics(),
                shared_data: &|key| self.shared_data(key),
            };
            let judged = match index {
                0 => judge::judge(expect, &at, &seen),
                _ => judge::judge(&answer_only(expect), &at, &seen),
            };
            found.extend(judged);
        }
        self.played.logs.extend(logs);
        for mismatch in found {
            self.mismatch(number, mismatch);
        }
    }

    fn shared_data(&self, key: &str) -> Option<Bytes> {
        let store = self.worker.store();
        store.shared_data().get(&self.vm_id, key).map(|(value, _)| value)
    }

    fn mismatch(&mut self, number: Option<usize>, mismatch: Mismatch) {
        self.played.mismatches.push((number, mismatch));
    }
}

/// What is expected of an answer alone.
fn answer_only(expect: &Expect) -> Expect {
    Expect {
        forwarded: None,
        effects: Effects::default(),
        ..expect.clone()
    }
}

/// Lets everything go on until it waits for time to pass, without letting any pass.
async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
