//! Plays a TCP connection: both sides send in turn, and after each turn what has arrived is judged.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Player, settle};
use crate::bodies::Parts;
use crate::cases::{Body, Connection, Ended, Expect, Passed, Side, Turn};
use crate::judge::{self, Arrived, Mismatch};
use crate::wire::{self, End};

/// A connection that is being played.
struct Line {
    client: End,
    /// Whom the gateway has connected to, if it has.
    upstream: Option<(String, End)>,
    result: Rc<RefCell<Option<&'static str>>>,
    /// How far it was when the step began.
    before: Arrived,
}

impl Player<'_> {
    /// Plays the connection that stands at `here`, to its last step; it is broken off there if it has not ended.
    pub(super) async fn connection(&mut self, connection: &Connection, here: &str) {
        let (client, result) = wire::connect(&self.worker, connection);
        let mut line = Line {
            client,
            upstream: None,
            result,
            before: Arrived::default(),
        };
        settle().await;
        for (index, turn) in connection.steps.iter().enumerate() {
            let here = format!("{here}/steps/{index}");
            self.turn(turn, &here, index + 1, &mut line).await;
            if !self.played.mismatches.is_empty() {
                // What comes after the first difference follows from it.
                break;
            }
        }
    }

    async fn turn(&mut self, turn: &Turn, here: &str, number: usize, line: &mut Line) {
        if let Some(period) = turn.advance {
            tokio::time::sleep(period.duration()).await;
        }
        self.meet(line).await;
        if let Some(body) = &turn.client {
            send(&mut line.client, body).await;
            self.meet(line).await;
        }
        let of_upstream = Some(Side::Upstream);
        let wants_upstream = turn.upstream.is_some() || turn.end == of_upstream || turn.reset == of_upstream;
        match &mut line.upstream {
            None if wants_upstream => {
                let what = "the upstream has no connection yet, so it can send nothing";
                return self.mismatch(Some(number), absent(here, what));
            }
            Some((_, upstream)) => {
                if let Some(body) = &turn.upstream {
                    send(upstream, body).await;
                }
                if turn.end == Some(Side::Upstream) {
                    upstream.end().await;
                }
            }
            None => {}
        }
        if turn.end == Some(Side::Client) {
            line.client.end().await;
        }
        self.meet(line).await;
        match (turn.reset, &mut line.upstream) {
            (Some(Side::Client), _) => line.client.reset(),
            (Some(Side::Upstream), Some((_, upstream))) => upstream.reset(),
            _ => {}
        }
        self.meet(line).await;
        self.judge_turn(turn, here, number, line);
    }

    /// Lets everything go on until it waits; then whoever was connected to is known.
    async fn meet(&self, line: &mut Line) {
        settle().await;
        if line.upstream.is_none()
            && let Some((name, far)) = self.upstreams.take_line()
        {
            line.upstream = Some((name, End::of(far)));
            settle().await;
        }
    }

    fn judge_turn(&mut self, turn: &Turn, here: &str, number: usize, line: &mut Line) {
        let arrived = line.arrived();
        let nothing = Passed::default();
        let passed = turn.expect.as_ref().unwrap_or(&nothing);
        for mismatch in judge::arrived(passed, &format!("{here}/expect"), &arrived) {
            self.mismatch(Some(number), mismatch);
        }
        if turn.expect.is_none() {
            let found = judge::record_arrived(&arrived, &line.before);
            self.played.unjudged.push((format!("{here}/{}", last(turn)), found));
        }
        line.before = arrived;
        let besides = Expect {
            effects: passed.effects.clone(),
            ..Expect::default()
        };
        self.judge(&besides, here, Some(number), &[None]);
    }
}

impl Line {
    /// What has come in since the last time, and how far it is.
    fn arrived(&self) -> Arrived {
        let upstream = self.upstream.as_ref();
        Arrived {
            client: self.client.take(),
            upstream: upstream.map(|(_, end)| end.take()).unwrap_or_default(),
            client_end: self.client.ended(),
            upstream_end: upstream.map_or(Ended::default(), |(_, end)| end.ended()),
            connected: upstream.map_or(String::new(), |(name, _)| name.clone()),
            result: self.result.borrow().unwrap_or_default(),
        }
    }
}

/// The member of a step that is written last, if it is written in the order in which it happens.
fn last(turn: &Turn) -> &'static str {
    let members = [
        ("reset", turn.reset.is_some()),
        ("end", turn.end.is_some()),
        ("upstream", turn.upstream.is_some()),
        ("client", turn.client.is_some()),
    ];
    members
        .iter()
        .find(|(_, is_given)| *is_given)
        .map_or("advance", |(name, _)| name)
}

/// Sends a body's pieces; each has gone all the way before the next one comes.
async fn send(end: &mut End, body: &Body) {
    // The check of the file has told what is wrong with it.
    let pieces = Parts::of(Some(body)).map(|parts| parts.pieces).unwrap_or_default();
    for piece in pieces {
        if end.send(&piece).await.is_err() {
            return;
        }
        settle().await;
    }
}

fn absent(here: &str, found: &str) -> Mismatch {
    Mismatch {
        pointer: here.to_owned(),
        what: "upstream".to_owned(),
        expected: "a connection".to_owned(),
        found: found.to_owned(),
        ..Mismatch::default()
    }
}
