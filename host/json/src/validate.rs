//! Validates a tree against a JSON Schema (2020-12), and finds every mistake, not only the first.
//!
//! The schema is ours, generated from the types that read the file and also used by editors, or a plugin's, written by anybody. The
//! work for one validation is bounded, so that no schema can block the gateway.
//!
//! Ignored: `unevaluatedProperties`, `unevaluatedItems`, `contains`, `dependentSchemas`, references to other documents, patterns with
//! look-around or back-references, and formats other than `ipv4`, `ipv6` and those that the caller brings. A test of the crate whose
//! types make our schema fails when one of them uses a keyword that is not in [`KEYWORDS`].

mod branches;
mod lists;
mod objects;
mod rules;
mod scalars;
mod words;

use std::cell::Cell;
use std::collections::HashMap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value as Json};

use rules::{list, text};

use crate::diagnostic::did_you_mean;
use crate::format::Format;
use crate::mistake::Mistake;
use crate::pointer::Pointer;
use crate::tree::{Node, Value};

/// The keywords that our own schema may use: they are checked here, or only inform a reader.
pub const KEYWORDS: &[&str] = &[
    "$ref",
    "$defs",
    "$schema",
    "$id",
    "title",
    "description",
    "default",
    "examples",
    "format",
    "deprecated",
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "items",
    "minItems",
    "maxItems",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maximum",
];

/// Maximum number of schemas applied to values in one validation.
const MAX_STEPS: u32 = 200_000;

/// Maximum nesting of schemas, references included.
const MAX_DEPTH: u32 = 160;

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4_096;

/// Maximum size of a compiled pattern, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 18;

/// A validation exceeded the bounds of its work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("validation takes too much work")]
pub struct TooMuchWork;

/// All mistakes in the document `root`. For our own schemas, which stay within the bounds of work.
pub fn validate(root: &Node, schema: &Json, formats: &[Format]) -> Vec<Mistake> {
    validate_at(root, &Pointer::root(), schema, formats).unwrap_or_default()
}

/// All mistakes in `node`, the value at `here`.
///
/// # Errors
/// The schema takes too much work.
pub fn validate_at(
    node: &Node,
    here: &Pointer,
    schema: &Json,
    formats: &[Format],
) -> Result<Vec<Mistake>, TooMuchWork> {
    let mut validator = Validator {
        schema,
        formats,
        patterns: HashMap::new(),
        steps: Cell::new(0),
        depth: 0,
    };
    let mut mistakes = Vec::new();
    validator.check(node, schema, here, &mut mistakes);
    match validator.steps.get() < MAX_STEPS {
        true => Ok(mistakes),
        false => Err(TooMuchWork),
    }
}

struct Validator<'a> {
    schema: &'a Json,
    formats: &'a [Format],
    /// Each compiled once. None: the regex crate does not support the pattern, or it is too large.
    patterns: HashMap<&'a str, Option<Regex>>,
    /// Steps so far. [`MAX_STEPS`]: the validation is given up.
    steps: Cell<u32>,
    depth: u32,
}

impl<'a> Validator<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, here: &Pointer, out: &mut Vec<Mistake>) {
        // A failed substitution is already reported.
        if node.faulty {
            return;
        }
        match schema {
            Json::Bool(false) => out.push(Mistake::invalid(here.clone(), "no value here")),
            Json::Object(rules) if self.spend() => {
                self.depth += 1;
                self.apply(node, schema, rules, here, out);
                self.depth -= 1;
            }
            _ => {}
        }
    }

    fn apply(
        &mut self,
        node: &Node,
        schema: &'a Json,
        rules: &'a Map<String, Json>,
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        if let Some(reference) = text(rules, "$ref") {
            self.check(node, self.resolve(reference), here, out);
        }
        if !self.is_of_type(node, rules) {
            let expected = self.expectation(schema);
            return out.push(Mistake::invalid(here.clone(), expected).optional_hint(self.hint_for_number(node, rules)));
        }
        if let Some(allowed) = rules::allowed(rules)
            && !allowed.iter().any(|value| scalars::equals(node, value))
        {
            let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
            let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
            return out.push(Mistake::invalid(here.clone(), words::one_of_values(&allowed)).optional_hint(hint));
        }
        for schema in list(rules, "allOf").into_iter().flatten() {
            self.check(node, schema, here, out);
        }
        if let Some(branches) = list(rules, "anyOf") {
            self.any_of(node, branches, here, out);
        }
        if let Some(branches) = list(rules, "oneOf") {
            self.one_of(node, branches, here, out);
        }
        self.conditions(node, rules, here, out);
        match &node.value {
            Value::Object(_) => self.members(node, rules, here, out),
            Value::Array(items) => self.items(items, rules, here, out),
            Value::String(text) => out.extend(self.string(&text.value, rules, here)),
            Value::Number(number) => out.extend(scalars::number(number, rules, here)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A text's length, pattern and format.
    fn string(&mut self, value: &str, rules: &'a Map<String, Json>, here: &Pointer) -> Option<Mistake> {
        if let Some(mistake) = scalars::length(value, rules, here) {
            return Some(mistake);
        }
        let fits = text(rules, "pattern").is_none_or(|pattern| self.matches(pattern, value));
        if !fits {
            return Some(Mistake::invalid(here.clone(), scalars::text_like(rules)));
        }
        self.format(value, rules, here)
    }

    /// Whether `value` matches a pattern. A pattern that cannot be compiled matches everything.
    fn matches(&mut self, pattern: &'a str, value: &str) -> bool {
        let compiled = self.patterns.entry(pattern).or_insert_with(|| {
            let mut builder = RegexBuilder::new(pattern);
            builder
                .size_limit(MAX_COMPILED_BYTES)
                .dfa_size_limit(MAX_COMPILED_BYTES)
                .nest_limit(64);
            (pattern.len() <= MAX_PATTERN_BYTES)
                .then(|| builder.build().ok())
                .flatten()
        });
        compiled.as_ref().is_none_or(|regex| regex.is_match(value))
    }

    fn is_of_type(&self, node: &Node, rules: &Map<String, Json>) -> bool {
        match rules.get("type") {
            None => true,
            Some(Json::Array(types)) => types
                .iter()
                .filter_map(Json::as_str)
                .any(|name| scalars::is_a(node, name)),
            Some(name) => name.as_str().is_none_or(|name| scalars::is_a(node, name)),
        }
    }

    /// The keywords of `schema`, with its references resolved.
    fn rules(&self, schema: &'a Json) -> Option<&'a Map<String, Json>> {
        let mut rules = schema.as_object()?;
        for _ in 0..16 {
            match text(rules, "$ref") {
                Some(reference) => rules = self.resolve(reference).as_object()?,
                None => return Some(rules),
            }
        }
        None
    }

    /// The schema that a reference names. A reference to nothing allows everything.
    fn resolve(&self, reference: &str) -> &'a Json {
        reference
            .strip_prefix('#')
            .and_then(|pointer| self.schema.pointer(pointer))
            .unwrap_or(&Json::Bool(true))
    }

    /// Takes one step, if the bounds allow it.
    fn spend(&self) -> bool {
        let steps = self.steps.get();
        let is_allowed = steps < MAX_STEPS && self.depth < MAX_DEPTH;
        self.steps.set(if is_allowed { steps + 1 } else { MAX_STEPS });
        is_allowed
    }
}

#[cfg(test)]
mod tests;
