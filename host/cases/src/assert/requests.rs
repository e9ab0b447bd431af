//! Requests that upstreams have received, against their expectations and against the conditions of scripts.

use serde_json::{Value, json};

use super::text::{body, header, text, text_of};
use super::{Assertions, Mismatch, ReceivedRequest, escaped, grpc, quoted};
use crate::cases::{ExpectedGrpc, ExpectedRequest, When};

/// Whether a request meets the conditions of a scripted response.
pub(crate) fn matches_request(when: &When, request: &ReceivedRequest) -> bool {
    let wanted = ExpectedRequest {
        method: when.method.clone(),
        path: when.path.clone(),
        headers: when.headers.clone(),
        body: when.body.clone(),
        grpc: when.grpc.as_ref().map(|grpc| ExpectedGrpc {
            service: grpc.service.clone(),
            method: grpc.method.clone(),
            message: grpc.message.clone(),
            messages: None,
        }),
        ..ExpectedRequest::default()
    };
    let mut assertions = Assertions(Vec::new());
    assertions.request(&wanted, "", "", request);
    assertions.0.is_empty()
}

impl Assertions {
    pub(super) fn requests(
        &mut self,
        wanted: &[(String, &ExpectedRequest)],
        here: &str,
        what: &str,
        seen: &[ReceivedRequest],
    ) {
        if wanted.len() != seen.len() {
            let shown =
                |request: &ReceivedRequest| format!("{} {} to {}", request.method, request.path, request.upstream);
            return self.0.push(Mismatch {
                pointer: here.to_owned(),
                what: what.to_owned(),
                expected: match wanted.len() {
                    0 => "none".to_owned(),
                    1 => "one request".to_owned(),
                    count => format!("{count} requests"),
                },
                found: match seen {
                    [] => "none".to_owned(),
                    [one] => shown(one),
                    many => format!("{} requests", many.len()),
                },
                differences: seen.iter().filter(|_| seen.len() > 1).map(shown).collect(),
                correction: Some(seen.iter().map(recorded).collect()),
            });
        }
        for ((place, wanted), request) in wanted.iter().zip(seen) {
            self.request(wanted, &format!("{here}{place}"), what, request);
        }
    }

    fn request(&mut self, wanted: &ExpectedRequest, here: &str, what: &str, request: &ReceivedRequest) {
        let exact = [
            ("upstream", &wanted.upstream, &request.upstream),
            ("endpoint", &wanted.endpoint, &request.endpoint),
        ];
        for (name, wanted, found) in exact {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != found) {
                self.0.push(Mismatch {
                    pointer: format!("{here}/{name}"),
                    what: format!("{what} {name}"),
                    expected: quoted(wanted),
                    found: quoted(found),
                    correction: Some(found.clone().into()),
                    ..Mismatch::default()
                });
            }
        }
        let texts = [
            ("method", &wanted.method, &request.method),
            ("path", &wanted.path, &request.path),
            ("host", &wanted.host, &request.host),
        ];
        for (name, wanted, found) in texts {
            if let Some(wanted) = wanted {
                let found = text(wanted, found, format!("{here}/{name}"), format!("{what} {name}"));
                self.0.extend(found);
            }
        }
        for (name, wanted) in &wanted.headers {
            let pointer = format!("{here}/headers/{}", escaped(name));
            let found = header(wanted.as_ref(), &request.headers, name, pointer, &format!("{what} "));
            self.0.extend(found);
        }
        if let Some(wanted) = &wanted.body {
            let found = body(wanted, &request.body, format!("{here}/body"), &format!("{what} body"));
            self.0.extend(found);
        }
        if let Some(wanted) = &wanted.grpc {
            self.0
                .extend(grpc::grpc(wanted, &format!("{here}/grpc"), what, request));
        }
    }
}

/// A request as an entry of `forwarded` or `callouts` that it meets.
fn recorded(request: &ReceivedRequest) -> Value {
    if let Some(messages) = &request.messages {
        return grpc::recorded_call(request, messages);
    }
    let mut seen = json!({
        "upstream": request.upstream,
        "method": request.method,
        "path": request.path,
    });
    if !request.body.is_empty() {
        seen["body"] = text_of(&request.body);
    }
    seen
}
