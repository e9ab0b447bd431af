//! Conditions of a route: parses hosts, paths, methods and regular expressions.

use http::{HeaderName, HeaderValue, Method, header};
use lockgate_exchange::Scheme;
use lockgate_json::diagnostic::did_you_mean;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use lockgate_routing::{Match, PathMatch, ValueMatch};
use regex::{Regex, RegexBuilder};

use super::{addresses, listeners, paths};
use crate::raw;

/// Maximum size of a compiled expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Reads the conditions at `here`.
pub(super) fn read(raw: raw::Match, root: &Node, here: &Pointer, mistakes: &mut Mistakes) -> Match {
    let mut matches = Match {
        path: path(&raw, here, mistakes),
        scheme: raw.scheme.map(|scheme| match scheme {
            raw::Scheme::Http => Scheme::Http,
            raw::Scheme::Https => Scheme::Https,
        }),
        ..Match::default()
    };
    for (index, name) in raw.listeners.iter().enumerate() {
        let here = here.key("listeners").index(index);
        matches
            .listeners
            .extend(mistakes.ok_or_record(listener(name, root, &here)));
    }
    for (index, text) in raw.hosts.iter().enumerate() {
        matches
            .hosts
            .extend(mistakes.ok_or_record(addresses::host(text, &here.key("hosts").index(index))));
    }
    for (index, text) in raw.methods.iter().enumerate() {
        matches
            .methods
            .extend(mistakes.ok_or_record(method(text, &here.key("methods").index(index))));
    }
    for (name, value) in raw.headers {
        let here = here.key("headers").key(&name);
        let name = mistakes.ok_or_record(header_name(&name, &here));
        let value = value_match(value, &here, mistakes);
        if let Some(ValueMatch::Exact(text)) = &value
            && (HeaderValue::from_str(text).is_err() || text.trim() != text)
        {
            mistakes.push(Mistake::invalid(
                here,
                "a header's value: visible characters, no spaces around them",
            ));
        }
        matches.headers.extend(name.zip(value));
    }
    for (name, value) in raw.query {
        let value = value_match(value, &here.key("query").key(&name), mistakes);
        matches.query.extend(value.map(|value| (name, value)));
    }
    matches
}

/// The name of a listener for HTTP.
fn listener(name: &str, root: &Node, here: &Pointer) -> Result<String, Mistake> {
    let listeners = listeners::http_names(root);
    match listeners.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(Mistake::unknown_name(here.clone(), "an HTTP listener", name, listeners)),
    }
}

fn path(raw: &raw::Match, here: &Pointer, mistakes: &mut Mistakes) -> PathMatch {
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
        mistakes.push(
            Mistake::new(here.key(other), format!("\"{other}\" excludes \"{key}\""))
                .expected("at most one of \"path\", \"path_prefix\" and \"path_regex\"")
                .at_key(),
        );
    }
    let here = here.key(key);
    let matched = match key {
        "path" => paths::path(text, &here).map(PathMatch::Exact),
        "path_prefix" => paths::prefix(text, &here).map(PathMatch::Prefix),
        _ => regex(text, &here).map(PathMatch::Regex),
    };
    mistakes.ok_or_record(matched).unwrap_or_default()
}

fn value_match(raw: raw::ValueMatch, here: &Pointer, mistakes: &mut Mistakes) -> Option<ValueMatch> {
    let condition = match raw {
        raw::ValueMatch::Exact(text) => return Some(ValueMatch::Exact(text)),
        raw::ValueMatch::Condition(condition) => condition,
    };
    match condition {
        raw::ValueCondition {
            regex: Some(text),
            present: None,
        } => mistakes
            .ok_or_record(regex(&text, &here.key("regex")))
            .map(ValueMatch::Regex),
        raw::ValueCondition {
            regex: None,
            present: Some(true),
        } => Some(ValueMatch::Present),
        // It may be empty because a faulty member was skipped.
        raw::ValueCondition { .. } => {
            if !mistakes.within(here) {
                mistakes.push(Mistake::invalid(
                    here.clone(),
                    "a text, { \"regex\": … } or { \"present\": true }",
                ));
            }
            None
        }
    }
}

/// An expression that may match anywhere in a text.
pub(super) fn free_regex(text: &str, here: &Pointer) -> Result<Regex, Mistake> {
    let regex = RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
    regex.map_err(|error| regex_mistake(text, &error, here))
}

/// An expression that must match the whole text.
fn regex(text: &str, here: &Pointer) -> Result<Regex, Mistake> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
    // First by itself, so that it cannot close the group around it.
    compile(text)
        .and_then(|_| compile(&format!("^(?:{text})$")))
        .map_err(|error| regex_mistake(text, &error, here))
}

fn regex_mistake(text: &str, error: &regex::Error, here: &Pointer) -> Mistake {
    let mistake = Mistake::invalid(here.clone(), format!("a regular expression: {}", reason(error)));
    let is_unsupported = ["(?=", "(?!", "(?<=", "(?<!", "\\1"]
        .iter()
        .any(|mark| text.contains(mark));
    match is_unsupported {
        true => mistake.hint("look-around and back-references are not supported"),
        false => mistake,
    }
}

/// The error of an expression without its text, which may be secret.
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

fn method(text: &str, here: &Pointer) -> Result<Method, Mistake> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    ];
    let mistake =
        || Mistake::invalid(here.clone(), "an HTTP method like \"GET\"").optional_hint(did_you_mean(text, KNOWN));
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| mistake())?;
    // Methods are case-sensitive (RFC 9110, section 9.1): no client sends "get".
    match text.bytes().any(|b| b.is_ascii_lowercase()) && KNOWN.contains(&&*text.to_ascii_uppercase()) {
        true => Err(mistake()),
        false => Ok(method),
    }
}

fn header_name(text: &str, here: &Pointer) -> Result<HeaderName, Mistake> {
    let mistake = |message: &str| Mistake::new(here.clone(), message).at_key();
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(header::HOST) => {
            Err(mistake("the Host header cannot be matched here").hint("match the host with \"hosts\""))
        }
        Ok(name) => Ok(name),
        Err(_) => {
            Err(mistake("found an invalid header name").expected("letters, digits and \"-\", like \"x-version\""))
        }
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
    fn an_invalid_expression_is_reported_without_its_text() {
        let mistake = regex("(hunter2", &Pointer::root()).unwrap_err();
        assert_eq!(
            mistake.expected.as_deref(),
            Some("a regular expression: unclosed group")
        );
        let mistake = regex("(?=a)", &Pointer::root()).unwrap_err();
        assert!(mistake.hint.unwrap().contains("look-around"));
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
