//! The check of a case with a TCP connection.

use super::Checker;
use crate::bodies::BodyParts;
use crate::cases::{Case, Connection, Side};

impl Checker<'_> {
    pub(super) fn connection(&mut self, case: &Case, connection: &Connection, here: &str) {
        let others = [
            ("request", case.request.is_some()),
            ("steps", case.steps.is_some()),
            ("refused", case.refused.is_some()),
            ("expect", case.expect.is_some()),
        ];
        for (name, _) in others.iter().filter(|(_, is_given)| *is_given) {
            self.report(&format!("{here}/{name}"), "not allowed beside \"connection\"");
        }
        for (index, step) in connection.steps.iter().enumerate() {
            let here = format!("{here}/connection/steps/{index}");
            for (name, body) in [("client", &step.client), ("upstream", &step.upstream)] {
                if let Err((member, reason)) = BodyParts::of(body.as_ref()) {
                    self.report(&format!("{here}/{name}{member}"), reason);
                }
            }
            let says_something = step.client.is_some() || step.upstream.is_some() || step.expect.is_some();
            if !says_something && step.advance.is_none() && step.end.is_none() && step.reset.is_none() {
                self.report(
                    &here,
                    "the step does nothing: it has neither \"advance\", \"client\", \"upstream\", \"end\", \"reset\" nor \"expect\"",
                );
            }
            let Some(expect) = &step.expect else { continue };
            let here = format!("{here}/expect");
            for (name, wanted) in [("client", &expect.client), ("upstream", &expect.upstream)] {
                if let Some(wanted) = wanted {
                    self.body(wanted, &format!("{here}/{name}"));
                }
            }
            if let Some(result) = &expect.result {
                self.text(result, &format!("{here}/result"));
            }
            self.effects(&expect.effects, &here);
        }
        self.sides(connection, here);
    }

    /// Checks that a side sends nothing after its `end` or `reset`.
    fn sides(&mut self, connection: &Connection, here: &str) {
        for (name, side) in [("client", Side::Client), ("upstream", Side::Upstream)] {
            let mut over: Option<(usize, &str)> = None;
            let mut is_broken = false;
            for (index, step) in connection.steps.iter().enumerate() {
                let here = format!("{here}/connection/steps/{index}");
                let body = match side {
                    Side::Client => &step.client,
                    Side::Upstream => &step.upstream,
                };
                let (ends, resets) = (step.end == Some(side), step.reset == Some(side));
                if let Some((number, how)) = over {
                    let problem = format!("the {name} has {how} in step {number}");
                    if body.is_some() {
                        self.report(
                            &format!("{here}/{name}"),
                            format!("{problem} and can send nothing more"),
                        );
                    }
                    if ends {
                        self.report(&format!("{here}/end"), problem.clone());
                    }
                    if resets && is_broken {
                        self.report(&format!("{here}/reset"), problem);
                    }
                }
                if ends && resets {
                    self.report(
                        &format!("{here}/reset"),
                        format!("the {name} can have \"end\" or \"reset\", not both"),
                    );
                }
                if resets {
                    (over, is_broken) = (Some((index + 1, "broken off")), true);
                } else if ends {
                    over = over.or(Some((index + 1, "ended")));
                }
            }
        }
    }
}
