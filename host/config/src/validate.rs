//! Judges a tree by the JSON Schema that also goes to editors, and finds every mistake, not the first.
//!
//! Not a general validator: it knows the keywords that our own types produce, and `schema_keywords_are_all_understood`
//! fails when a type brings a new one.

mod rules;
mod scalars;

use std::collections::HashMap;
use std::sync::LazyLock;

use lockgate_units::{Period, Size};
use regex::Regex;
use rules::{bound, list, names, text};
use serde_json::{Map, Value as Json};

use crate::diagnostic::{did_you_mean, listed, nearest};
use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Node, Value};

/// Every keyword that is obeyed here or that only informs a reader.
#[cfg(test)]
pub(crate) const KEYWORDS: &[&str] = &[
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

/// All the mistakes in `root`; empty when it is as `schema` says.
pub(crate) fn validate(root: &Node, schema: &Json) -> Vec<Problem> {
    let mut validator = Validator {
        schema,
        patterns: HashMap::new(),
    };
    let mut problems = Vec::new();
    validator.check(root, schema, &Pointer::root(), &mut problems);
    problems
}

struct Validator<'a> {
    schema: &'a Json,
    /// Compiled once each; none if our regex crate does not know the syntax.
    patterns: HashMap<&'a str, Option<Regex>>,
}

impl<'a> Validator<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, here: &Pointer, out: &mut Vec<Problem>) {
        // A string whose substitution failed was told already.
        if node.faulty {
            return;
        }
        let Json::Object(rules) = schema else { return };
        if let Some(reference) = text(rules, "$ref") {
            return self.check(node, self.follow(reference), here, out);
        }
        if let Some(branches) = list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
            return self.one_of(node, branches, here, out);
        }
        if !self.is_of_type(node, rules) {
            let expected = self.expectation(schema);
            return out.push(Problem::unfit(here.clone(), expected).hinted(unit_hint(node, rules)));
        }
        if let Some(names) = names(rules)
            && !node.text().is_some_and(|text| names.contains(&text))
        {
            let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
            return out.push(Problem::unfit(here.clone(), one_of(&names)).hinted(hint));
        }
        match &node.value {
            Value::Object(_) => self.members(node, rules, here, out),
            Value::Array(items) => self.items(items, rules, here, out),
            Value::String(text) => out.extend(self.string(&text.value, rules, here)),
            Value::Number(number) => out.extend(scalars::number(number, rules, here)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn members(&mut self, node: &Node, rules: &'a Map<String, Json>, here: &Pointer, out: &mut Vec<Problem>) {
        static NONE: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);
        let known: &'a Map<String, Json> = rules.get("properties").and_then(Json::as_object).unwrap_or(&NONE);
        let rest = rules.get("additionalProperties");
        let is_closed = rest == Some(&Json::Bool(false));
        let mut meant = Vec::new();
        for member in node.members() {
            let inside = here.key(&member.name);
            match (known.get(&member.name), rest) {
                (Some(schema), _) => self.check(&member.node, schema, &inside, out),
                (None, Some(schema)) if !is_closed => self.check(&member.node, schema, &inside, out),
                (None, Some(_)) => {
                    let free = || {
                        known
                            .keys()
                            .map(String::as_str)
                            .filter(|name| node.member(name).is_none())
                    };
                    meant.extend(nearest(&member.name, free()));
                    out.push(unknown_key(&member.name, inside, known, free()));
                }
                (None, None) => {}
            }
        }
        for name in list(rules, "required").into_iter().flatten().filter_map(Json::as_str) {
            // A key that is probably meant by an unknown one was told with that one.
            if !node.members().iter().any(|member| member.name == name) && !meant.contains(&name) {
                let problem = Problem::told(here.clone(), format!("the key \"{name}\" is missing")).around();
                out.push(match known.get(name) {
                    Some(schema) => problem.expected(self.expectation(schema)).hinted(purpose(name, schema)),
                    None => problem,
                });
            }
        }
        if (node.members().len() as u64) < bound(rules, "minProperties").unwrap_or(0) {
            out.push(Problem::unfit(here.clone(), "at least one entry"));
        }
    }

    fn items(&mut self, items: &[Node], rules: &'a Map<String, Json>, here: &Pointer, out: &mut Vec<Problem>) {
        if (items.len() as u64) < bound(rules, "minItems").unwrap_or(0) {
            out.push(Problem::unfit(here.clone(), "at least one item"));
        }
        let Some(schema) = rules.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            self.check(item, schema, &here.index(index), out);
        }
    }

    fn string(&mut self, value: &str, rules: &'a Map<String, Json>, here: &Pointer) -> Option<Problem> {
        let fits = match text(rules, "pattern") {
            None => true,
            Some(pattern) => {
                let compiled = self.patterns.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
                compiled.as_ref().is_none_or(|regex| regex.is_match(value))
            }
        };
        let length = value.chars().count() as u64;
        if length < bound(rules, "minLength").unwrap_or(0) {
            return Some(Problem::unfit(here.clone(), "a text that is not empty"));
        }
        if let Some(most) = bound(rules, "maxLength").filter(|most| length > *most) {
            return Some(Problem::unfit(here.clone(), format!("at most {most} characters")));
        }
        (!fits).then(|| Problem::unfit(here.clone(), scalars::text_like(rules)))
    }

    /// One branch must hold. If only one is meant for this kind of value, its mistakes are the ones to tell.
    fn one_of(&mut self, node: &Node, branches: &'a [Json], here: &Pointer, out: &mut Vec<Problem>) {
        let mut meant = Vec::new();
        for branch in branches {
            let mut problems = Vec::new();
            self.check(node, branch, here, &mut problems);
            if problems.is_empty() {
                return;
            }
            if self.is_meant(node, branch) {
                meant.push(problems);
            }
        }
        match meant.len() {
            1 => out.extend(meant.into_iter().flatten()),
            _ => {
                let names: Vec<&str> = branches.iter().flat_map(|branch| self.names_of(branch)).collect();
                let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
                let number = branches.iter().find_map(|branch| unit_hint(node, self.rules(branch)?));
                let expected = self.expectations(branches);
                out.push(Problem::unfit(here.clone(), expected).hinted(hint.or(number)));
            }
        }
    }

    /// Whether `branch` is about values like `node`, right or wrong; a single allowed word is not.
    fn is_meant(&self, node: &Node, branch: &'a Json) -> bool {
        match self.rules(branch) {
            Some(rules) => match list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
                Some(inner) => inner.iter().any(|branch| self.is_meant(node, branch)),
                None => !rules.contains_key("const") && self.is_of_type(node, rules),
            },
            None => false,
        }
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

    /// What `schema` wants, in words.
    fn expectation(&self, schema: &'a Json) -> String {
        let Some(rules) = self.rules(schema) else {
            return "something else".to_owned();
        };
        if let Some(branches) = list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
            return self.expectations(branches);
        }
        match names(rules) {
            Some(names) => one_of(&names),
            None if rules.contains_key("pattern") => scalars::text_like(rules),
            None => scalars::type_names(rules),
        }
    }

    fn expectations(&self, branches: &'a [Json]) -> String {
        let mut words: Vec<String> = Vec::new();
        let names: Vec<&str> = branches.iter().flat_map(|branch| self.names_of(branch)).collect();
        if !names.is_empty() {
            words.push(one_of(&names));
        }
        for branch in branches {
            let is_null = self
                .rules(branch)
                .is_some_and(|rules| text(rules, "type") == Some("null"));
            let expectation = self.expectation(branch);
            if !is_null && self.names_of(branch).is_empty() && !words.contains(&expectation) {
                words.push(expectation);
            }
        }
        words.join(" or ")
    }

    /// The words that `branch` allows, if it allows only words.
    fn names_of(&self, branch: &'a Json) -> Vec<&'a str> {
        let Some(rules) = self.rules(branch) else {
            return Vec::new();
        };
        match list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
            Some(inner) => inner.iter().flat_map(|branch| self.names_of(branch)).collect(),
            None => names(rules).unwrap_or_default(),
        }
    }

    /// The rules of `schema`, its references followed.
    fn rules(&self, schema: &'a Json) -> Option<&'a Map<String, Json>> {
        let rules = schema.as_object()?;
        match text(rules, "$ref") {
            Some(reference) => self.rules(self.follow(reference)),
            None => Some(rules),
        }
    }

    /// Generated references always lead somewhere; one that did not would allow everything.
    fn follow(&self, reference: &str) -> &'a Json {
        reference
            .strip_prefix('#')
            .and_then(|pointer| self.schema.pointer(pointer))
            .unwrap_or(&Json::Bool(true))
    }
}

fn unknown_key<'a>(
    name: &str,
    inside: Pointer,
    known: &Map<String, Json>,
    free: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    let problem = Problem::told(inside, format!("unknown key \"{name}\"")).at_name();
    match known.is_empty() {
        true => problem,
        false => {
            let all = listed(known.keys().map(String::as_str).filter(|key| !key.starts_with('$')));
            problem.expected(all).hinted(did_you_mean(name, free))
        }
    }
}

/// A bare number where a unit is needed: what it may have been meant to be.
fn unit_hint(node: &Node, rules: &Map<String, Json>) -> Option<String> {
    let Value::Number(number) = &node.value else {
        return None;
    };
    match text(rules, "title") {
        Some(Period::EXPECTED) => Some(format!(
            "write \"{number}s\" for seconds, \"{number}ms\" for milliseconds"
        )),
        Some(Size::EXPECTED) => Some(format!(
            "write \"{number}B\" for bytes, \"{number}KiB\" for units of 1024 bytes"
        )),
        _ => None,
    }
}

/// What a missing key is for, by the first sentence of its description.
fn purpose(name: &str, schema: &Json) -> Option<String> {
    let description = text(schema.as_object()?, "description")?;
    let text = description.replace('\n', " ");
    let sentence = text.split([';', ':']).next().and_then(|part| part.split(". ").next());
    sentence.map(|sentence| format!("\"{name}\": {}", sentence.trim_end_matches('.')))
}

/// `one of "a", "b"`, or the only one.
fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("\"{only}\""),
        names => format!("one of {}", listed(names.iter().copied()).replace(" or ", ", ")),
    }
}

#[cfg(test)]
mod tests;
