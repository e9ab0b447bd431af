//! Keywords for arrays.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::Validator;
use super::rules::{bound, list};
use super::words::counted;
use crate::mistake::Mistake;
use crate::pointer::Pointer;
use crate::tree::Node;

impl<'a> Validator<'a> {
    pub(super) fn items(
        &mut self,
        items: &[Node],
        rules: &'a Map<String, Json>,
        here: &Pointer,
        out: &mut Vec<Mistake>,
    ) {
        let count = items.len() as u64;
        if let Some(least) = bound(rules, "minItems").filter(|least| count < *least) {
            out.push(Mistake::invalid(
                here.clone(),
                format!("at least {}", counted(least, "item", "items")),
            ));
        }
        if let Some(most) = bound(rules, "maxItems").filter(|most| count > *most) {
            out.push(Mistake::invalid(
                here.clone(),
                format!("at most {}", counted(most, "item", "items")),
            ));
        }
        let first = list(rules, "prefixItems").unwrap_or_default();
        let others = rules.get("items");
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).or(others) {
                self.check(item, schema, &here.index(index), out);
            }
        }
        if rules.get("uniqueItems") == Some(&Json::Bool(true)) {
            let mut seen = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                if !seen.insert(item.to_json()) {
                    out.push(Mistake::invalid(
                        here.index(index),
                        "a value that is not in the list already",
                    ));
                }
            }
        }
    }
}
