//! A route's conditions: hosts, paths, methods, expressions in their types.

use http::{HeaderName, HeaderValue, Method, header};
use lockgate_json::diagnostic::did_you_mean;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_routing::matches::{Match, PathMatch, ValueMatch};
use regex::{Regex, RegexBuilder};

use super::{addresses, paths};
use crate::raw;

/// Compiled expressions stay below this many bytes each.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// The conditions at `here`.
pub(super) fn read(raw: raw::Match, here: &Pointer, problems: &mut Problems) -> Match {
    let mut matches = Match {
        path: path(&raw, here, problems),
        ..Match::default()
    };
    for (index, text) in raw.hosts.iter().enumerate() {
        matches
            .hosts
            .extend(problems.keep(addresses::host(text, &here.key("hosts").index(index))));
    }
    for (index, text) in raw.methods.iter().enumerate() {
        matches
            .methods
            .extend(problems.keep(method(text, &here.key("methods").index(index))));
    }
    for (name, value) in raw.headers {
        let here = here.key("headers").key(&name);
        let name = problems.keep(header_name(&name, &here));
        let value = value_match(value, &here, problems);
        if let Some(ValueMatch::Exact(text)) = &value
            && (HeaderValue::from_str(text).is_err() || text.trim() != text)
        {
            problems.push(Problem::unfit(
                here,
                "a header's value: visible characters, no spaces around them",
            ));
        }
        matches.headers.extend(name.zip(value));
    }
    for (name, value) in raw.query {
        let value = value_match(value, &here.key("query").key(&name), problems);
        matches.query.extend(value.map(|value| (name, value)));
    }
    matches
}

fn path(raw: &raw::Match, here: &Pointer, problems: &mut Problems) -> PathMatch {
    let given = [
        ("path", &raw.path),
        ("path_prefix", &raw.path_prefix),
        ("path_regex", &raw.path_regex),
    ];
    let mut given = given
        .iter()
        .filter_map(|(key, text)| text.as_deref().map(|text| (*key, text)));
    let Some((key, text)) = given.next() else {
        return PathMatch::Any;
    };
    for (other, _) in given {
        problems.push(
            Problem::told(here.key(other), format!("\"{other}\" excludes \"{key}\""))
                .expected("at most one of \"path\", \"path_prefix\" and \"path_regex\"")
                .at_name(),
        );
    }
    let here = here.key(key);
    let matched = match key {
        "path" => paths::path(text, &here).map(PathMatch::Exact),
        "path_prefix" => paths::prefix(text, &here).map(PathMatch::Prefix),
        _ => regex(text, &here).map(PathMatch::Regex),
    };
    problems.keep(matched).unwrap_or_default()
}

fn value_match(raw: raw::ValueMatch, here: &Pointer, problems: &mut Problems) -> Option<ValueMatch> {
    let condition = match raw {
        raw::ValueMatch::Exact(text) => return Some(ValueMatch::Exact(text)),
        raw::ValueMatch::Condition(condition) => condition,
    };
    match condition {
        raw::ValueCondition {
            regex: Some(text),
            present: None,
        } => problems.keep(regex(&text, &here.key("regex"))).map(ValueMatch::Regex),
        raw::ValueCondition {
            regex: None,
            present: Some(true),
        } => Some(ValueMatch::Present),
        // A mistake in it may have been told, and left it empty.
        raw::ValueCondition { .. } => {
            if !problems.within(here) {
                problems.push(Problem::unfit(
                    here.clone(),
                    "a text, { \"regex\": … } or { \"present\": true }",
                ));
            }
            None
        }
    }
}

/// An expression that must match a whole text.
fn regex(text: &str, here: &Pointer) -> Result<Regex, Problem> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
    // First by itself, so that it cannot close the group that holds it.
    compile(text)
        .and_then(|_| compile(&format!("^(?:{text})$")))
        .map_err(|error| {
            let told = Problem::unfit(here.clone(), format!("a regular expression: {}", reason(&error)));
            let is_foreign = ["(?=", "(?!", "(?<=", "(?<!", "\\1"]
                .iter()
                .any(|mark| text.contains(mark));
            match is_foreign {
                true => told.hint("look-around and back-references are not supported"),
                false => told,
            }
        })
}

/// What is wrong with an expression, without the expression: it may hold what must not be shown.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("this one is larger than {limit} bytes when compiled"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ")
                .unwrap_or("this one cannot be read")
                .to_owned()
        }
    }
}

fn method(text: &str, here: &Pointer) -> Result<Method, Problem> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    ];
    let told = || Problem::unfit(here.clone(), "an HTTP method like \"GET\"").hinted(did_you_mean(text, KNOWN));
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| told())?;
    // Methods are case-sensitive (RFC 9110, section 9.1), so "get" would match nothing that anyone sends.
    match text.bytes().any(|b| b.is_ascii_lowercase()) && KNOWN.contains(&&*text.to_ascii_uppercase()) {
        true => Err(told()),
        false => Ok(method),
    }
}

fn header_name(text: &str, here: &Pointer) -> Result<HeaderName, Problem> {
    let told = |message: &str| Problem::told(here.clone(), message).at_name();
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(header::HOST) => Err(told("the Host header cannot be matched here").hint("match the host with \"hosts\"")),
        Ok(name) => Ok(name),
        Err(_) => Err(told("found an invalid header name").expected("letters, digits and \"-\", like \"x-version\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_the_whole_text_and_cannot_break_out() {
        let compiled = regex("/a|/b", &Pointer::root()).unwrap();
        assert!(
            compiled.is_match("/a")
                && compiled.is_match("/b")
                && !compiled.is_match("/ab")
                && !compiled.is_match("x/b")
        );
        assert!(regex("a)(?:b", &Pointer::root()).is_err());
        assert!(
            regex("[a-z]{1000}{1000}", &Pointer::root())
                .unwrap_err()
                .expected
                .unwrap()
                .contains("larger than")
        );
    }

    #[test]
    fn a_broken_expression_is_told_without_its_text() {
        let told = regex("(hunter2", &Pointer::root()).unwrap_err();
        assert_eq!(told.expected.as_deref(), Some("a regular expression: unclosed group"));
        let told = regex("(?=a)", &Pointer::root()).unwrap_err();
        assert!(told.hint.unwrap().contains("look-around"));
    }

    #[test]
    fn methods_are_upper_case_and_own_ones_allowed() {
        let method = |text: &str| method(text, &Pointer::root());
        assert_eq!(method("GET"), Ok(Method::GET));
        assert_eq!(method("PURGE").unwrap().as_str(), "PURGE");
        assert_eq!(
            method("get").unwrap_err().hint.as_deref(),
            Some("did you mean \"GET\"?")
        );
        assert!(method("G T").is_err() && method("").is_err());
    }
}
