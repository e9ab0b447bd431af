//! Schemas that put others together: alternatives, conditions, negations; and which alternative was meant.

use serde_json::{Map, Value as Json};

use super::rules::{list, names, text};
use super::words::{one_of, unit_hint};
use super::{Validator, scalars};
use crate::diagnostic::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Node, Value};

/// An alternative that does not hold, and why.
type Failed<'a> = (&'a Json, Vec<Problem>);

impl<'a> Validator<'a> {
    /// `not`, and `if` with `then` and `else`.
    pub(super) fn conditions(
        &mut self,
        node: &Node,
        rules: &'a Map<String, Json>,
        here: &Pointer,
        out: &mut Vec<Problem>,
    ) {
        if let Some(schema) = rules.get("not")
            && self.holds(node, schema, here)
        {
            out.push(Problem::unfit(
                here.clone(),
                "another value: the schema excludes this one",
            ));
        }
        if let Some(condition) = rules.get("if") {
            let branch = if self.holds(node, condition, here) {
                "then"
            } else {
                "else"
            };
            if let Some(schema) = rules.get(branch) {
                self.check(node, schema, here, out);
            }
        }
    }

    fn holds(&mut self, node: &Node, schema: &'a Json, here: &Pointer) -> bool {
        let mut problems = Vec::new();
        self.check(node, schema, here, &mut problems);
        problems.is_empty()
    }

    /// One branch must hold, and with `is_exclusive` no other. If only one is meant, its mistakes are the ones to tell.
    pub(super) fn one_of(
        &mut self,
        node: &Node,
        branches: &'a [Json],
        is_exclusive: bool,
        here: &Pointer,
        out: &mut Vec<Problem>,
    ) {
        let mut failed: Vec<Failed<'a>> = Vec::new();
        for branch in branches {
            let mut problems = Vec::new();
            self.check(node, branch, here, &mut problems);
            if problems.is_empty() && !is_exclusive {
                return;
            }
            if !problems.is_empty() {
                failed.push((branch, problems));
            }
        }
        match branches.len() - failed.len() {
            0 => {}
            1 => return,
            _ => {
                return out.push(Problem::unfit(
                    here.clone(),
                    "a value that fits exactly one alternative",
                ));
            }
        }
        if let Some(tag) = self.tag(branches)
            && let Value::Object(_) = &node.value
        {
            return self.by_tag(node, tag, failed, here, out);
        }
        let (meant, others): (Vec<Failed<'a>>, Vec<Failed<'a>>) = failed
            .into_iter()
            .partition(|(branch, _)| self.is_meant(node, branch, 0));
        match self.likeliest(node, meant) {
            Some(problems) => out.extend(problems),
            None => {
                drop(others);
                let names: Vec<&str> = branches.iter().flat_map(|branch| self.names_of(branch, 0)).collect();
                let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
                let number = branches.iter().find_map(|branch| unit_hint(node, self.rules(branch)?));
                let expected = self.expectations(branches, 0);
                out.push(Problem::unfit(here.clone(), expected).hinted(hint.or(number)));
            }
        }
    }

    /// Of several alternatives for this kind of value, the one that knows most of its members.
    fn likeliest(&self, node: &Node, mut meant: Vec<Failed<'a>>) -> Option<Vec<Problem>> {
        let known = |branch: &'a Json| {
            let properties = self
                .rules(branch)
                .and_then(|rules| rules.get("properties")?.as_object());
            let is_known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
            node.members().iter().filter(|member| is_known(&member.name)).count()
        };
        if meant.len() > 1 {
            let most = meant.iter().map(|(branch, _)| known(branch)).max().unwrap_or(0);
            meant.retain(|(branch, _)| most > 0 && known(branch) == most);
        }
        match meant.len() {
            1 => meant.pop().map(|(_, problems)| problems),
            _ => None,
        }
    }

    /// The member whose only value says which alternative an object is, if all of them have one.
    fn tag(&self, branches: &'a [Json]) -> Option<&'a str> {
        let mut objects = branches
            .iter()
            .filter_map(|branch| self.rules(branch)?.get("properties")?.as_object());
        let first = objects.next()?;
        let is_tag = |properties: &Map<String, Json>, name: &str| {
            properties
                .get(name)
                .is_some_and(|schema| schema.get("const").is_some_and(Json::is_string))
        };
        let others: Vec<_> = objects.collect();
        let mut names = first.keys().map(String::as_str);
        names.find(|name| is_tag(first, name) && !others.is_empty() && others.iter().all(|other| is_tag(other, name)))
    }

    fn by_tag(&self, node: &Node, tag: &str, failed: Vec<Failed<'a>>, here: &Pointer, out: &mut Vec<Problem>) {
        let value = |branch: &'a Json| self.rules(branch)?.get("properties")?.get(tag)?.get("const")?.as_str();
        let values: Vec<&str> = failed.iter().filter_map(|(branch, _)| value(branch)).collect();
        let found = node.members().iter().find(|member| member.name == tag);
        let Some(found) = found else {
            let problem = Problem::told(here.clone(), format!("the key \"{tag}\" is missing")).around();
            return out.push(problem.expected(one_of(&values)));
        };
        let meant = found.node.text();
        match failed
            .into_iter()
            .find(|(branch, _)| value(branch).is_some() && value(branch) == meant)
        {
            Some((_, problems)) => out.extend(problems),
            None => {
                let hint = meant.and_then(|text| did_you_mean(text, values.iter().copied()));
                out.push(Problem::unfit(here.key(tag), one_of(&values)).hinted(hint));
            }
        }
    }

    /// Whether `branch` is about values like `node`, right or wrong; a single allowed word is not.
    fn is_meant(&self, node: &Node, branch: &'a Json, depth: u32) -> bool {
        if depth > 8 || !self.spend() {
            return false;
        }
        match self.rules(branch) {
            Some(rules) => match list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
                Some(inner) => inner.iter().any(|branch| self.is_meant(node, branch, depth + 1)),
                // Words without a type are about texts.
                None if !rules.contains_key("type") && names(rules).is_some() => {
                    node.text().is_some() && !rules.contains_key("const")
                }
                None => !rules.contains_key("const") && self.is_of_type(node, rules),
            },
            None => false,
        }
    }

    /// What `schema` wants, in words.
    pub(super) fn expectation(&self, schema: &'a Json) -> String {
        self.expected(schema, 0)
    }

    fn expected(&self, schema: &'a Json, depth: u32) -> String {
        let rules = if depth > 8 || !self.spend() {
            None
        } else {
            self.rules(schema)
        };
        let Some(rules) = rules else {
            return "something else".to_owned();
        };
        if let Some(branches) = list(rules, "anyOf").or_else(|| list(rules, "oneOf"))
            && !rules.contains_key("title")
        {
            return self.expectations(branches, depth + 1);
        }
        match names(rules) {
            Some(names) if !names.is_empty() => one_of(&names),
            _ if rules.contains_key("pattern") => scalars::text_like(rules),
            _ => scalars::type_names(rules),
        }
    }

    fn expectations(&self, branches: &'a [Json], depth: u32) -> String {
        let mut words: Vec<String> = Vec::new();
        let names: Vec<&str> = branches
            .iter()
            .flat_map(|branch| self.names_of(branch, depth))
            .collect();
        if !names.is_empty() {
            words.push(one_of(&names));
        }
        for branch in branches {
            let is_null = self
                .rules(branch)
                .is_some_and(|rules| text(rules, "type") == Some("null"));
            let expectation = self.expected(branch, depth + 1);
            if !is_null && self.names_of(branch, depth).is_empty() && !words.contains(&expectation) {
                words.push(expectation);
            }
        }
        words.join(" or ")
    }

    /// The words that `branch` allows, if it allows only words.
    fn names_of(&self, branch: &'a Json, depth: u32) -> Vec<&'a str> {
        if depth > 8 || !self.spend() {
            return Vec::new();
        }
        let Some(rules) = self.rules(branch) else {
            return Vec::new();
        };
        match list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
            Some(inner) => inner
                .iter()
                .flat_map(|branch| self.names_of(branch, depth + 1))
                .collect(),
            None => names(rules).unwrap_or_default(),
        }
    }
}
