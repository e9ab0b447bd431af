//! The scripts of a case's upstreams, and which of their responses are left.

use std::collections::BTreeMap;

use crate::assert::{self, ReceivedRequest};
use crate::cases::{Fault, Script, ScriptedResponse, Times, When};

/// The scripts of all upstreams, with their state.
pub(crate) struct Scripts {
    by_upstream: BTreeMap<String, UpstreamScript>,
}

struct UpstreamScript {
    /// JSON pointer to the script.
    pointer: String,
    responses: ResponseList,
}

enum ResponseList {
    Echo,
    Always(Box<ScriptedResponse>),
    InTurn(Vec<ScriptEntry>),
}

struct ScriptEntry {
    response: ScriptedResponse,
    /// None: any number of times.
    times: Option<u32>,
    used: u32,
}

/// A script's reply to a request.
pub(crate) enum ScriptedReply {
    /// The request itself.
    Echo,
    /// A response or failure of the script.
    Response(Box<ScriptedResponse>),
    /// No response of the script fits.
    Nothing,
}

/// A response that was not used as often as required.
pub(crate) struct UnusedResponse {
    pub(crate) pointer: String,
    pub(crate) upstream: String,
    pub(crate) times: u32,
    pub(crate) used: u32,
}

impl Scripts {
    /// Scripts by upstream, each with its JSON pointer.
    pub(crate) fn new<'a>(scripts: impl IntoIterator<Item = (&'a String, (String, &'a Script))>) -> Self {
        let by_upstream = scripts.into_iter().map(|(name, (pointer, script))| {
            let responses = match script {
                Script::Word(_) => ResponseList::Echo,
                Script::Always(response) => ResponseList::Always(response.clone()),
                Script::InTurn(responses) => ResponseList::InTurn(responses.iter().map(ScriptEntry::new).collect()),
            };
            (name.clone(), UpstreamScript { pointer, responses })
        });
        Self {
            by_upstream: by_upstream.collect(),
        }
    }

    /// Whether the next connection to `upstream` is refused.
    pub(crate) fn refuses(&mut self, upstream: &str) -> bool {
        let is_refusal = |response: &ScriptedResponse| response.fault == Some(Fault::Refused);
        match self.by_upstream.get_mut(upstream).map(|script| &mut script.responses) {
            Some(ResponseList::Always(response)) => is_refusal(response),
            Some(ResponseList::InTurn(entries)) => match entries.iter_mut().find(|entry| entry.is_left()) {
                Some(entry) if is_refusal(&entry.response) => {
                    entry.used += 1;
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The reply to a request to `upstream`.
    pub(crate) fn reply(&mut self, upstream: &str, request: &ReceivedRequest) -> ScriptedReply {
        match self.by_upstream.get_mut(upstream).map(|script| &mut script.responses) {
            None | Some(ResponseList::Echo) => ScriptedReply::Echo,
            Some(ResponseList::Always(response)) if is_for(response.when.as_ref(), request) => {
                ScriptedReply::Response(response.clone())
            }
            Some(ResponseList::Always(_)) => ScriptedReply::Nothing,
            Some(ResponseList::InTurn(entries)) => {
                let matches_request = |entry: &&mut ScriptEntry| {
                    entry.is_left()
                        && entry.response.fault != Some(Fault::Refused)
                        && is_for(entry.response.when.as_ref(), request)
                };
                match entries.iter_mut().find(matches_request) {
                    Some(entry) => {
                        entry.used += 1;
                        ScriptedReply::Response(Box::new(entry.response.clone()))
                    }
                    None => ScriptedReply::Nothing,
                }
            }
        }
    }

    /// Responses that were not used as often as required.
    pub(crate) fn unused(&self) -> Vec<UnusedResponse> {
        let mut unused = Vec::new();
        for (name, script) in &self.by_upstream {
            let ResponseList::InTurn(entries) = &script.responses else {
                continue;
            };
            for (index, entry) in entries.iter().enumerate() {
                let Some(times) = entry.times.filter(|times| *times > entry.used) else {
                    continue;
                };
                unused.push(UnusedResponse {
                    pointer: format!("{}/{index}", script.pointer),
                    upstream: name.clone(),
                    times,
                    used: entry.used,
                });
            }
        }
        unused
    }
}

impl ScriptEntry {
    fn new(response: &ScriptedResponse) -> Self {
        Self {
            times: match response.times {
                None => Some(1),
                Some(Times::Exactly(times)) => Some(times),
                Some(Times::Any(_)) => None,
            },
            response: response.clone(),
            used: 0,
        }
    }

    fn is_left(&self) -> bool {
        self.times.is_none_or(|times| self.used < times)
    }
}

fn is_for(when: Option<&When>, request: &ReceivedRequest) -> bool {
    when.is_none_or(|when| assert::matches_request(when, request))
}
