//! Keywords for objects: allowed members, required members, and their values.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

use super::Validator;
use super::rules::{bound, list};
use super::words::{counted, purpose, unknown_key};
use crate::diagnostic::nearest;
use crate::mistake::Mistake;
use crate::pointer::Pointer;
use crate::tree::{Node, Value};

impl<'a> Validator<'a> {
    pub(super) fn members(
        &mut self,
        node: &Node,
        rules: &'a Map<String, Json>,
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        static NONE: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);
        let map = |key: &str| rules.get(key).and_then(Json::as_object).unwrap_or(&NONE);
        let (known, by_pattern): (&'a Map<String, Json>, &'a Map<String, Json>) =
            (map("properties"), map("patternProperties"));
        let rest = rules.get("additionalProperties");
        let mut misspelt = Vec::new();
        for member in node.members() {
            let inside = here.key(&member.name);
            let mut is_known = false;
            if let Some(schema) = known.get(&member.name) {
                is_known = true;
                self.check(&member.node, schema, &inside, out);
            }
            for (pattern, schema) in by_pattern {
                if self.matches(pattern, &member.name) {
                    is_known = true;
                    self.check(&member.node, schema, &inside, out);
                }
            }
            match rest {
                _ if is_known => {}
                Some(Json::Bool(false)) => {
                    let names = known.keys().map(String::as_str);
                    let free = names.filter(|name| node.members().iter().all(|member| member.name != *name));
                    misspelt.extend(nearest(&member.name, free.clone()));
                    out.push(unknown_key(&member.name, inside, known, free));
                }
                Some(schema) => self.check(&member.node, schema, &inside, out),
                None => {}
            }
            if let Some(names) = rules.get("propertyNames") {
                self.name(&member.name, member.at, names, &here.key(&member.name), out);
            }
        }
        self.required(node, rules, known, &misspelt, here, out);
        let count = node.members().len() as u64;
        if let Some(least) = bound(rules, "minProperties").filter(|least| count < *least) {
            out.push(Mistake::invalid(
                here.clone(),
                format!("at least {}", counted(least, "entry", "entries")),
            ));
        }
        if let Some(most) = bound(rules, "maxProperties").filter(|most| count > *most) {
            out.push(Mistake::invalid(
                here.clone(),
                format!("at most {}", counted(most, "entry", "entries")),
            ));
        }
    }

    /// `propertyNames`: validates a member's name as a text.
    fn name(&mut self, name: &str, at: usize, schema: &'a Json, here: &Pointer, out: &mut Vec<Mistake>) {
        let text = crate::tree::Text {
            value: name.to_owned(),
            written: None,
        };
        let mut mistakes = Vec::new();
        self.check(&Node::new(at, Value::String(text)), schema, here, &mut mistakes);
        out.extend(mistakes.into_iter().map(|mistake| {
            let message = mistake.message.unwrap_or_else(|| format!("found the name \"{name}\""));
            Mistake {
                message: Some(message),
                ..mistake
            }
            .at_key()
        }));
    }

    /// `required` and `dependentRequired`. Keys in `misspelt` are already reported, as the hint of an unknown key.
    fn required(
        &mut self,
        node: &Node,
        rules: &'a Map<String, Json>,
        known: &'a Map<String, Json>,
        misspelt: &[&str],
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        let is_there = |name: &str| node.members().iter().any(|member| member.name == name);
        let always = list(rules, "required").into_iter().flatten().filter_map(Json::as_str);
        let dependent = rules.get("dependentRequired").and_then(Json::as_object);
        let because = dependent.into_iter().flatten().filter(|(name, _)| is_there(name));
        let because = because
            .filter_map(|(_, names)| names.as_array())
            .flatten()
            .filter_map(Json::as_str);
        for name in always.chain(because) {
            if is_there(name) || misspelt.contains(&name) {
                continue;
            }
            let mistake = Mistake::missing_key(here.clone(), name);
            out.push(match known.get(name) {
                Some(schema) => mistake
                    .expected(self.expectation(schema))
                    .optional_hint(purpose(name, schema)),
                None => mistake,
            });
        }
    }
}
