//! Judges a tree by the JSON Schema that also goes to editors, and finds every mistake, not the first.
//!
//! The schema may be ours, made from the types that read the file, or a plugin's, made by anybody: it knows the keywords
//! of JSON Schema (2020-12) that people write, leaves others aside, and bounds its own work, so that no schema can keep it
//! busy. `schema_keywords_are_all_understood` fails when one of our own types brings a keyword that is not obeyed here.
//!
//! Not obeyed: `unevaluatedProperties`, `unevaluatedItems`, `contains`, `dependentSchemas`, references to other documents,
//! patterns with look-around or back references, and formats other than `ipv4`, `ipv6` and those of durations and sizes.

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
use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Node, Value};

/// Every keyword of our own schema that is obeyed here or that only informs a reader.
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
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];

/// How many schemas are applied to values before a judgement is given up.
const MOST_STEPS: u32 = 200_000;

/// How deeply schemas may lie in each other, references included.
const DEEPEST: u32 = 160;

/// How large a pattern may be, and what it compiles to; in bytes.
const LONGEST_PATTERN: usize = 4_096;
const LARGEST_PATTERN: usize = 1 << 18;

/// All the mistakes in `root`; empty when it is as `schema` says.
pub fn validate(root: &Node, schema: &Json) -> Vec<Problem> {
    judge(root, schema, &Pointer::root()).unwrap_or_default()
}

/// All the mistakes in `node`, which stands at `here`; none if the schema asks for more work than it is worth.
pub fn judge(node: &Node, schema: &Json, here: &Pointer) -> Option<Vec<Problem>> {
    let mut validator = Validator {
        schema,
        patterns: HashMap::new(),
        steps: Cell::new(0),
        depth: 0,
    };
    let mut problems = Vec::new();
    validator.check(node, schema, here, &mut problems);
    (validator.steps.get() < MOST_STEPS).then_some(problems)
}

struct Validator<'a> {
    schema: &'a Json,
    /// Compiled once each; none if our regex crate does not know the syntax, or it would become too large.
    patterns: HashMap<&'a str, Option<Regex>>,
    /// What was done so far. [`MOST_STEPS`]: it was too much.
    steps: Cell<u32>,
    depth: u32,
}

impl<'a> Validator<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, here: &Pointer, out: &mut Vec<Problem>) {
        // A string whose substitution failed was told already.
        if node.faulty {
            return;
        }
        match schema {
            Json::Bool(false) => out.push(Problem::unfit(here.clone(), "no value here")),
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
        out: &mut Vec<Problem>,
    ) {
        if let Some(reference) = text(rules, "$ref") {
            self.check(node, self.follow(reference), here, out);
        }
        if !self.is_of_type(node, rules) {
            let expected = self.expectation(schema);
            return out.push(Problem::unfit(here.clone(), expected).hinted(words::unit_hint(node, rules)));
        }
        if let Some(allowed) = rules::allowed(rules)
            && !allowed.iter().any(|value| scalars::equals(node, value))
        {
            let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
            let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
            return out.push(Problem::unfit(here.clone(), words::values(&allowed)).hinted(hint));
        }
        for schema in list(rules, "allOf").into_iter().flatten() {
            self.check(node, schema, here, out);
        }
        if let Some(branches) = list(rules, "anyOf") {
            self.one_of(node, branches, false, here, out);
        }
        if let Some(branches) = list(rules, "oneOf") {
            self.one_of(node, branches, true, here, out);
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

    fn string(&mut self, value: &str, rules: &'a Map<String, Json>, here: &Pointer) -> Option<Problem> {
        if let Some(problem) = scalars::length(value, rules, here) {
            return Some(problem);
        }
        let fits = text(rules, "pattern").is_none_or(|pattern| self.matches(pattern, value));
        if !fits {
            return Some(Problem::unfit(here.clone(), scalars::text_like(rules)));
        }
        scalars::format(value, rules, here)
    }

    /// Whether a pattern is found in `value`. One that cannot be used is found in everything.
    fn matches(&mut self, pattern: &'a str, value: &str) -> bool {
        let compiled = self.patterns.entry(pattern).or_insert_with(|| {
            let mut builder = RegexBuilder::new(pattern);
            builder
                .size_limit(LARGEST_PATTERN)
                .dfa_size_limit(LARGEST_PATTERN)
                .nest_limit(64);
            (pattern.len() <= LONGEST_PATTERN)
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

    /// The rules of `schema`, its references followed.
    fn rules(&self, schema: &'a Json) -> Option<&'a Map<String, Json>> {
        let mut rules = schema.as_object()?;
        for _ in 0..16 {
            match text(rules, "$ref") {
                Some(reference) => rules = self.follow(reference).as_object()?,
                None => return Some(rules),
            }
        }
        None
    }

    /// Generated references always lead somewhere; one that does not allows everything.
    fn follow(&self, reference: &str) -> &'a Json {
        reference
            .strip_prefix('#')
            .and_then(|pointer| self.schema.pointer(pointer))
            .unwrap_or(&Json::Bool(true))
    }

    /// Whether one more step is allowed.
    fn spend(&self) -> bool {
        let steps = self.steps.get();
        let is_allowed = steps < MOST_STEPS && self.depth < DEEPEST;
        self.steps.set(if is_allowed { steps + 1 } else { MOST_STEPS });
        is_allowed
    }
}

#[cfg(test)]
mod tests;
