//! The client's response against its expectations.

use serde_json::Value;

use super::text::{body, header, text_of};
use super::{Assertions, Mismatch, escaped};
use crate::cases::Expect;
use crate::client::Reply;

/// A response as an `expect` that it meets.
pub(crate) fn record_response(reply: &Reply) -> Value {
    let mut expect = serde_json::Map::new();
    match reply.status {
        Some(status) => {
            expect.insert("status".to_owned(), status.into());
            if !reply.body.is_empty() {
                expect.insert("body".to_owned(), text_of(&reply.body));
            }
        }
        None => {
            expect.insert("broken".to_owned(), true.into());
        }
    }
    expect.into()
}

impl Assertions {
    pub(super) fn reply(&mut self, expect: &Expect, here: &str, reply: &Reply) {
        match (&reply.broken, expect.broken) {
            (Some(reason), false) => self.0.push(Mismatch {
                pointer: here.to_owned(),
                what: "response".to_owned(),
                expected: "a complete response".to_owned(),
                found: format!("none, or an incomplete one: {reason}"),
                ..Mismatch::default()
            }),
            (None, true) => self.0.push(Mismatch {
                pointer: format!("{here}/broken"),
                what: "response".to_owned(),
                expected: "none, or an incomplete one".to_owned(),
                found: format!("a complete response, {}", reply.status.unwrap_or_default()),
                correction: Some(false.into()),
                ..Mismatch::default()
            }),
            _ => {}
        }
        if let Some(status) = expect.status.filter(|status| Some(*status) != reply.status) {
            self.0.push(Mismatch {
                pointer: format!("{here}/status"),
                what: "status".to_owned(),
                expected: status.to_string(),
                found: reply
                    .status
                    .map_or("no response".to_owned(), |status| status.to_string()),
                correction: reply.status.map(Into::into),
                ..Mismatch::default()
            });
        }
        for (name, wanted) in &expect.headers {
            let pointer = format!("{here}/headers/{}", escaped(name));
            self.0
                .extend(header(wanted.as_ref(), &reply.headers, name, pointer, ""));
        }
        if let Some(wanted) = &expect.body {
            self.0.extend(body(wanted, &reply.body, format!("{here}/body"), "body"));
        }
        for (name, wanted) in &expect.trailers {
            let pointer = format!("{here}/trailers/{}", escaped(name));
            self.0
                .extend(header(wanted.as_ref(), &reply.trailers, name, pointer, "trailer "));
        }
        if let Some(took) = expect
            .took
            .filter(|took| took.duration().as_millis() != reply.took.as_millis())
        {
            self.0.push(Mismatch {
                pointer: format!("{here}/took"),
                what: "time taken".to_owned(),
                expected: took.to_string(),
                found: format!("{}ms", reply.took.as_millis()),
                correction: Some(format!("{}ms", reply.took.as_millis()).into()),
                ..Mismatch::default()
            });
        }
    }
}
