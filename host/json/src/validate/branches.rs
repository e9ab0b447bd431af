//! Keywords that combine schemas: `anyOf`, `oneOf`, `not`, `if`. Of several alternatives, they find the intended one.

use serde_json::{Map, Value as Json};

use super::rules::{list, names, text};
use super::words::one_of_names;
use super::{Validator, scalars};
use crate::diagnostic::did_you_mean;
use crate::mistake::Mistake;
use crate::pointer::Pointer;
use crate::tree::{Node, Value};

/// An alternative that the value does not match, and its mistakes.
type FailedBranch<'a> = (&'a Json, Vec<Mistake>);

impl<'a> Validator<'a> {
    /// `not`, and `if` with `then` and `else`.
    pub(super) fn conditions(
        &mut self,
        node: &Node,
        rules: &'a Map<String, Json>,
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        if let Some(schema) = rules.get("not")
            && self.holds(node, schema, here)
        {
            out.push(Mistake::invalid(
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

    /// Whether `node` is valid against `schema`.
    fn holds(&mut self, node: &Node, schema: &'a Json, here: &Pointer) -> bool {
        let mut mistakes = Vec::new();
        self.check(node, schema, here, &mut mistakes);
        mistakes.is_empty()
    }

    /// `anyOf`: at least one branch must hold.
    pub(super) fn any_of(&mut self, node: &Node, branches: &'a [Json], here: &Pointer, out: &mut Vec<Mistake>) {
        let mut failed: Vec<FailedBranch<'a>> = Vec::new();
        for branch in branches {
            let mut mistakes = Vec::new();
            self.check(node, branch, here, &mut mistakes);
            if mistakes.is_empty() {
                return;
            }
            failed.push((branch, mistakes));
        }
        self.no_branch_holds(node, branches, failed, here, out);
    }

    /// `oneOf`: exactly one branch must hold.
    pub(super) fn one_of(&mut self, node: &Node, branches: &'a [Json], here: &Pointer, out: &mut Vec<Mistake>) {
        let mut failed: Vec<FailedBranch<'a>> = Vec::new();
        for branch in branches {
            let mut mistakes = Vec::new();
            self.check(node, branch, here, &mut mistakes);
            if !mistakes.is_empty() {
                failed.push((branch, mistakes));
            }
        }
        match branches.len() - failed.len() {
            0 => self.no_branch_holds(node, branches, failed, here, out),
            1 => {}
            _ => out.push(Mistake::invalid(
                here.clone(),
                "a value that fits exactly one alternative",
            )),
        }
    }

    /// Reports the mistakes of the intended branch; without one, that the value is none of the alternatives.
    fn no_branch_holds(
        &self,
        node: &Node,
        branches: &'a [Json],
        failed: Vec<FailedBranch<'a>>,
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        if let Some(tag) = self.tag(branches)
            && let Value::Object(_) = &node.value
        {
            return self.by_tag(node, tag, failed, here, out);
        }
        let intended = failed
            .into_iter()
            .filter(|(branch, _)| self.is_intended(node, branch, 0))
            .collect();
        match self.most_likely(node, intended) {
            Some(mistakes) => out.extend(mistakes),
            None => {
                let names: Vec<&str> = branches.iter().flat_map(|branch| self.names_of(branch, 0)).collect();
                let hint = node.text().and_then(|text| did_you_mean(text, names.iter().copied()));
                let number = branches
                    .iter()
                    .find_map(|branch| self.hint_for_number(node, self.rules(branch)?));
                let expected = self.expectations(branches, 0);
                out.push(Mistake::invalid(here.clone(), expected).optional_hint(hint.or(number)));
            }
        }
    }

    /// The mistakes of the alternative that has most of the value's members, if there is a single one.
    fn most_likely(&self, node: &Node, mut intended: Vec<FailedBranch<'a>>) -> Option<Vec<Mistake>> {
        let known = |branch: &'a Json| {
            let properties = self
                .rules(branch)
                .and_then(|rules| rules.get("properties")?.as_object());
            let is_known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
            node.members().iter().filter(|member| is_known(&member.name)).count()
        };
        if intended.len() > 1 {
            let most = intended.iter().map(|(branch, _)| known(branch)).max().unwrap_or(0);
            intended.retain(|(branch, _)| most > 0 && known(branch) == most);
        }
        match intended.len() {
            1 => intended.pop().map(|(_, mistakes)| mistakes),
            _ => None,
        }
    }

    /// The member whose constant value tells the alternatives apart, if all of them have one.
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

    /// Reports the mistakes of the alternative that the tag names.
    fn by_tag(&self, node: &Node, tag: &str, failed: Vec<FailedBranch<'a>>, here: &Pointer, out: &mut Vec<Mistake>) {
        let value = |branch: &'a Json| self.rules(branch)?.get("properties")?.get(tag)?.get("const")?.as_str();
        let values: Vec<&str> = failed.iter().filter_map(|(branch, _)| value(branch)).collect();
        let found = node.members().iter().find(|member| member.name == tag);
        let Some(found) = found else {
            return out.push(Mistake::missing_key(here.clone(), tag).expected(one_of_names(&values)));
        };
        let written = found.node.text();
        match failed
            .into_iter()
            .find(|(branch, _)| value(branch).is_some() && value(branch) == written)
        {
            Some((_, mistakes)) => out.extend(mistakes),
            None => {
                let hint = written.and_then(|text| did_you_mean(text, values.iter().copied()));
                out.push(Mistake::invalid(here.key(tag), one_of_names(&values)).optional_hint(hint));
            }
        }
    }

    /// Whether `branch` is about values of the type of `node`, valid or not. A branch with a single allowed value is not.
    fn is_intended(&self, node: &Node, branch: &'a Json, depth: u32) -> bool {
        if depth > 8 || !self.spend() {
            return false;
        }
        match self.rules(branch) {
            Some(rules) => match list(rules, "anyOf").or_else(|| list(rules, "oneOf")) {
                Some(inner) => inner.iter().any(|branch| self.is_intended(node, branch, depth + 1)),
                // Names without a type are about texts.
                None if !rules.contains_key("type") && names(rules).is_some() => {
                    node.text().is_some() && !rules.contains_key("const")
                }
                None => !rules.contains_key("const") && self.is_of_type(node, rules),
            },
            None => false,
        }
    }

    /// What `schema` expects, in words.
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
            Some(names) if !names.is_empty() => one_of_names(&names),
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
            words.push(one_of_names(&names));
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

    /// The names that `branch` allows, if it allows only names.
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
