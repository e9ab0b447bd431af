//! A route's conditions besides listener, host and path: scheme, method, headers, query parameters.

use std::borrow::Cow;

use http::{HeaderName, Method};
use lockgate_exchange::{RequestHead, Scheme};

use crate::matches::{Match, ValueMatch};

/// All of these must hold; an empty list always does.
#[derive(Debug)]
pub(crate) struct Conditions {
    scheme: Option<Scheme>,
    methods: Box<[Method]>,
    headers: Box<[(HeaderName, ValueMatch)]>,
    query: Box<[(String, ValueMatch)]>,
}

impl Conditions {
    pub(crate) fn of(matches: &Match) -> Self {
        Self {
            scheme: matches.scheme,
            methods: matches.methods.as_slice().into(),
            headers: matches.headers.as_slice().into(),
            query: matches.query.as_slice().into(),
        }
    }

    pub(crate) fn hold(&self, request: &RequestHead) -> bool {
        self.scheme.is_none_or(|scheme| scheme == request.scheme)
            && (self.methods.is_empty() || self.methods.contains(&request.method))
            && self
                .headers
                .iter()
                .all(|(name, value)| header_holds(request, name, value))
            && self
                .query
                .iter()
                .all(|(name, value)| parameter_holds(request, name, value))
    }
}

/// Whether one of the field's lines has the value.
fn header_holds(request: &RequestHead, name: &HeaderName, expected: &ValueMatch) -> bool {
    let mut values = request.headers.get_all(name).iter();
    values.any(|value| value_holds(value.as_bytes(), expected))
}

/// Whether the first parameter of that name has the value. Of two, most readers take the first.
fn parameter_holds(request: &RequestHead, name: &str, expected: &ValueMatch) -> bool {
    let Some(query) = request.path.query() else {
        return false;
    };
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let found = pairs.find(|(key, _)| *decode(key) == *name.as_bytes());
    found.is_some_and(|(_, value)| value_holds(&decode(value), expected))
}

/// Whether a value meets a condition. A value that is not UTF-8 matches no expression.
fn value_holds(value: &[u8], expected: &ValueMatch) -> bool {
    match expected {
        ValueMatch::Exact(text) => value == text.as_bytes(),
        ValueMatch::Regex(regex) => std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value)),
        ValueMatch::Present => true,
    }
}

/// Decodes a query's name or value as forms encode it: `+` is a space. Malformed escapes stay as they are.
fn decode(text: &str) -> Cow<'_, [u8]> {
    let text = text.as_bytes();
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digit = |offset: usize| char::from(*text.get(at + offset)?).to_digit(16);
        let (byte, width) = match (text[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
            (b'+', ..) => (b' ', 1),
            (byte, ..) => (byte, 1),
        };
        out.push(byte);
        at += width;
    }
    Cow::Owned(out)
}
