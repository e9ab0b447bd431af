//! The run of a case with a TCP connection: both sides send in step, and each step is compared with its expectations.

use std::cell::RefCell;
use std::rc::Rc;

use super::case::{CaseRun, settle};
use crate::assert::{self, ConnectionState, Mismatch};
use crate::bodies::BodyParts;
use crate::cases::{Body, Connection, ConnectionExpect, ConnectionStep, Expect, Side, StreamEnd};
use crate::tcp_end::{self, TcpEnd};

/// The connection of a case.
struct LiveConnection {
    client: TcpEnd,
    /// Name and end of the upstream, once the gateway has connected to it.
    upstream: Option<(String, TcpEnd)>,
    result: Rc<RefCell<Option<&'static str>>>,
    /// State before the current step.
    before: ConnectionState,
}

impl CaseRun<'_> {
    /// Runs the steps of the connection whose JSON pointer is `here`. A connection that is still open then is dropped.
    pub(super) async fn connection(&mut self, connection: &Connection, here: &str) {
        let (client, result) = tcp_end::connect(self.worker(), connection);
        let mut live = LiveConnection {
            client,
            upstream: None,
            result,
            before: ConnectionState::default(),
        };
        settle().await;
        for (index, step) in connection.steps.iter().enumerate() {
            let here = format!("{here}/steps/{index}");
            self.connection_step(step, &here, index + 1, &mut live).await;
            if !self.outcome.mismatches.is_empty() {
                // Later differences follow from the first.
                break;
            }
        }
    }

    async fn connection_step(&mut self, step: &ConnectionStep, here: &str, number: usize, live: &mut LiveConnection) {
        if let Some(period) = step.advance {
            tokio::time::sleep(period.duration()).await;
        }
        self.settle(live).await;
        if let Some(body) = &step.client {
            send(&mut live.client, body).await;
            self.settle(live).await;
        }
        let of_upstream = Some(Side::Upstream);
        let wants_upstream = step.upstream.is_some() || step.end == of_upstream || step.reset == of_upstream;
        match &mut live.upstream {
            None if wants_upstream => {
                let what = "the upstream has no connection yet, so it can send nothing";
                return self.mismatch(Some(number), not_connected(here, what));
            }
            Some((_, upstream)) => {
                if let Some(body) = &step.upstream {
                    send(upstream, body).await;
                }
                if step.end == Some(Side::Upstream) {
                    upstream.shutdown().await;
                }
            }
            None => {}
        }
        if step.end == Some(Side::Client) {
            live.client.shutdown().await;
        }
        self.settle(live).await;
        match (step.reset, &mut live.upstream) {
            (Some(Side::Client), _) => live.client.reset(),
            (Some(Side::Upstream), Some((_, upstream))) => upstream.reset(),
            _ => {}
        }
        self.settle(live).await;
        self.assert_step(step, here, number, live);
    }

    /// Runs all tasks until they wait, and takes the upstream's end if the gateway has connected.
    async fn settle(&self, live: &mut LiveConnection) {
        settle().await;
        if live.upstream.is_none()
            && let Some((name, far)) = self.upstreams.take_connection()
        {
            live.upstream = Some((name, TcpEnd::new(far)));
            settle().await;
        }
    }

    fn assert_step(&mut self, step: &ConnectionStep, here: &str, number: usize, live: &mut LiveConnection) {
        let state = live.state();
        let empty = ConnectionExpect::default();
        let expect = step.expect.as_ref().unwrap_or(&empty);
        for mismatch in assert::assert_connection(expect, &format!("{here}/expect"), &state) {
            self.mismatch(Some(number), mismatch);
        }
        if step.expect.is_none() {
            let found = assert::record_connection(&state, &live.before);
            self.outcome
                .recorded
                .push((format!("{here}/{}", last_member(step)), found));
        }
        live.before = state;
        let effects = Expect {
            effects: expect.effects.clone(),
            ..Expect::default()
        };
        self.assert(&effects, here, Some(number), &[None]);
    }
}

impl LiveConnection {
    /// The state after a step, with the bytes that have arrived since the last call.
    fn state(&self) -> ConnectionState {
        let upstream = self.upstream.as_ref();
        ConnectionState {
            client: self.client.take(),
            upstream: upstream.map(|(_, end)| end.take()).unwrap_or_default(),
            client_end: self.client.stream_end(),
            upstream_end: upstream.map_or(StreamEnd::default(), |(_, end)| end.stream_end()),
            connected: upstream.map_or(String::new(), |(name, _)| name.clone()),
            result: self.result.borrow().unwrap_or_default(),
        }
    }
}

/// The last member of a step, if its members are in the order in which they happen.
fn last_member(step: &ConnectionStep) -> &'static str {
    let members = [
        ("reset", step.reset.is_some()),
        ("end", step.end.is_some()),
        ("upstream", step.upstream.is_some()),
        ("client", step.client.is_some()),
    ];
    members
        .iter()
        .find(|(_, is_given)| *is_given)
        .map_or("advance", |(name, _)| name)
}

/// Sends a body's pieces. Each has passed the whole gateway before the next one is sent.
async fn send(end: &mut TcpEnd, body: &Body) {
    // The check of the file has refused invalid bodies.
    let pieces = BodyParts::of(Some(body)).map(|parts| parts.pieces).unwrap_or_default();
    for piece in pieces {
        if end.send(&piece).await.is_err() {
            return;
        }
        settle().await;
    }
}

fn not_connected(here: &str, found: &str) -> Mismatch {
    Mismatch {
        pointer: here.to_owned(),
        what: "upstream".to_owned(),
        expected: "a connection".to_owned(),
        found: found.to_owned(),
        ..Mismatch::default()
    }
}
