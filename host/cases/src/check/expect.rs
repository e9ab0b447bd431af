//! The check of expectations and of conditions in scripts.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use regex::Regex;

use super::Checker;
use crate::assert::escaped;
use crate::cases::{
    BodyMatch, Effects, Expect, ExpectedRequest, ExpectedRequests, HeaderMatch, LogMatch, TextLike, TextMatch, When,
};

impl Checker<'_> {
    pub(super) fn expect(&mut self, expect: &Expect, here: &str) {
        self.headers(&expect.headers, &format!("{here}/headers"));
        self.headers(&expect.trailers, &format!("{here}/trailers"));
        if let Some(body) = &expect.body {
            self.body(body, &format!("{here}/body"));
        }
        self.requests(expect.forwarded.as_ref(), &format!("{here}/forwarded"));
        self.effects(&expect.effects, here);
    }

    pub(super) fn effects(&mut self, effects: &Effects, here: &str) {
        self.requests(effects.callouts.as_ref(), &format!("{here}/callouts"));
        for (index, line) in effects.logs.iter().enumerate() {
            if let LogMatch::Line(line) = line {
                let here = format!("{here}/logs/{index}");
                self.pattern(line.regex.as_deref(), &format!("{here}/regex"));
                if line.level.is_none() && line.contains.is_none() && line.regex.is_none() {
                    self.report(&here, "matches every line; add \"level\", \"contains\" or \"regex\"");
                }
            }
        }
        for (key, value) in &effects.shared_data {
            if let Some(value) = value {
                self.text(value, &format!("{here}/shared_data/{}", escaped(key)));
            }
        }
    }

    fn requests(&mut self, wanted: Option<&ExpectedRequests>, here: &str) {
        for (place, seen) in wanted.iter().flat_map(|wanted| wanted.each()) {
            self.expected_request(seen, &format!("{here}{place}"));
        }
    }

    fn expected_request(&mut self, seen: &ExpectedRequest, here: &str) {
        for (name, text) in [("method", &seen.method), ("path", &seen.path), ("host", &seen.host)] {
            if let Some(text) = text {
                self.text(text, &format!("{here}/{name}"));
            }
        }
        self.headers(&seen.headers, &format!("{here}/headers"));
        if let Some(body) = &seen.body {
            self.body(body, &format!("{here}/body"));
        }
        if let Some(grpc) = &seen.grpc {
            self.expected_grpc(grpc, &format!("{here}/grpc"));
        }
    }

    pub(super) fn when(&mut self, when: &When, here: &str) {
        let seen = ExpectedRequest {
            method: when.method.clone(),
            path: when.path.clone(),
            headers: when.headers.clone(),
            body: when.body.clone(),
            ..ExpectedRequest::default()
        };
        self.expected_request(&seen, here);
        if let Some(grpc) = &when.grpc {
            self.grpc_when(grpc, &format!("{here}/grpc"));
        }
    }

    fn headers(&mut self, wanted: &BTreeMap<String, Option<HeaderMatch>>, here: &str) {
        for (name, wanted) in wanted {
            let here = format!("{here}/{}", escaped(name));
            if HeaderName::try_from(name).is_err() {
                self.report(&here, format!("{name:?} is not a header name"));
            }
            if let Some(HeaderMatch::Like(like)) = wanted {
                self.like(like, &here);
            }
        }
    }

    pub(super) fn body(&mut self, wanted: &BodyMatch, here: &str) {
        if let BodyMatch::Like(like) = wanted {
            self.pattern(like.regex.as_deref(), &format!("{here}/regex"));
            if like.base64.as_ref().is_some_and(|text| STANDARD.decode(text).is_err()) {
                self.report(&format!("{here}/base64"), "not base64");
            }
        }
    }

    pub(super) fn text(&mut self, wanted: &TextMatch, here: &str) {
        if let TextMatch::Like(like) = wanted {
            self.like(like, here);
        }
    }

    fn like(&mut self, like: &TextLike, here: &str) {
        self.pattern(like.regex.as_deref(), &format!("{here}/regex"));
    }

    fn pattern(&mut self, regex: Option<&str>, here: &str) {
        if let Some(Err(error)) = regex.map(Regex::new) {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.report(here, format!("not a regular expression: {reason}"));
        }
    }
}
