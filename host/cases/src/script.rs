//! What upstreams answer in a case, and what is left of it.

use std::collections::BTreeMap;

use crate::cases::{Answer, Fault, Script, Times, When};
use crate::judge::{self, Observed};

/// The scripts of all upstreams, as far as they have been played.
pub(crate) struct Scripts {
    parts: BTreeMap<String, Part>,
}

struct Part {
    /// Where it stands in the cases file.
    pointer: String,
    lines: Lines,
}

enum Lines {
    Echo,
    Always(Box<Answer>),
    InTurn(Vec<Line>),
}

struct Line {
    answer: Answer,
    /// None: however often.
    times: Option<u32>,
    given: u32,
}

/// What a request gets.
pub(crate) enum Cue {
    /// The request itself.
    Echo,
    /// What the script says.
    Answer(Box<Answer>),
    /// The script has nothing for it.
    Nothing,
}

/// An answer that was not asked for as often as it should have been.
pub(crate) struct Unmet {
    pub(crate) pointer: String,
    pub(crate) upstream: String,
    pub(crate) times: u32,
    pub(crate) given: u32,
}

impl Scripts {
    /// Scripts by upstream, each with the pointer to where it stands.
    pub(crate) fn new<'a>(scripts: impl IntoIterator<Item = (&'a String, (String, &'a Script))>) -> Self {
        let parts = scripts.into_iter().map(|(name, (pointer, script))| {
            let lines = match script {
                Script::Word(_) => Lines::Echo,
                Script::Always(answer) => Lines::Always(answer.clone()),
                Script::InTurn(answers) => Lines::InTurn(answers.iter().map(Line::new).collect()),
            };
            (name.clone(), Part { pointer, lines })
        });
        Self { parts: parts.collect() }
    }

    /// What the next connection to `upstream` comes to, if that is nothing.
    pub(crate) fn refuses(&mut self, upstream: &str) -> bool {
        let is_refusal = |answer: &Answer| answer.fault == Some(Fault::Refused);
        match self.parts.get_mut(upstream).map(|part| &mut part.lines) {
            Some(Lines::Always(answer)) => is_refusal(answer),
            Some(Lines::InTurn(lines)) => match lines.iter_mut().find(|line| line.is_left()) {
                Some(line) if is_refusal(&line.answer) => {
                    line.given += 1;
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// What a request to `upstream` gets.
    pub(crate) fn cue(&mut self, upstream: &str, request: &Observed) -> Cue {
        match self.parts.get_mut(upstream).map(|part| &mut part.lines) {
            None | Some(Lines::Echo) => Cue::Echo,
            Some(Lines::Always(answer)) if is_meant(answer.when.as_ref(), request) => Cue::Answer(answer.clone()),
            Some(Lines::Always(_)) => Cue::Nothing,
            Some(Lines::InTurn(lines)) => {
                let fits = |line: &&mut Line| {
                    line.is_left()
                        && line.answer.fault != Some(Fault::Refused)
                        && is_meant(line.answer.when.as_ref(), request)
                };
                match lines.iter_mut().find(fits) {
                    Some(line) => {
                        line.given += 1;
                        Cue::Answer(Box::new(line.answer.clone()))
                    }
                    None => Cue::Nothing,
                }
            }
        }
    }

    /// What should have been asked for and was not.
    pub(crate) fn unmet(&self) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        for (name, part) in &self.parts {
            let Lines::InTurn(lines) = &part.lines else { continue };
            for (index, line) in lines.iter().enumerate() {
                let Some(times) = line.times.filter(|times| *times > line.given) else {
                    continue;
                };
                unmet.push(Unmet {
                    pointer: format!("{}/{index}", part.pointer),
                    upstream: name.clone(),
                    times,
                    given: line.given,
                });
            }
        }
        unmet
    }
}

impl Line {
    fn new(answer: &Answer) -> Self {
        Self {
            times: match answer.times {
                None => Some(1),
                Some(Times::Exactly(times)) => Some(times),
                Some(Times::Any(_)) => None,
            },
            answer: answer.clone(),
            given: 0,
        }
    }

    fn is_left(&self) -> bool {
        self.times.is_none_or(|times| self.given < times)
    }
}

fn is_meant(when: Option<&When>, request: &Observed) -> bool {
    when.is_none_or(|when| judge::fits(when, request))
}
