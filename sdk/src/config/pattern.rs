//! Regular expressions for `#[config(pattern = "…")]`, with a small engine, as every module that has a pattern carries
//! it.
//!
//! Supported are literals, `.`, classes with ranges, `\d` `\w` `\s` and their opposites, anchors, groups, alternatives
//! and repetitions. Not supported are look-around, back references and Unicode classes. A search that exceeds its
//! limits of steps or depth finds no match.

mod parser;

pub(crate) use parser::parse;
use parser::{Node, Pattern};

/// The maximum number of steps of a search.
const MAX_STEPS: u32 = 200_000;

/// The maximum recursion of a search: a guest's stack is small.
const MAX_DEPTH: u32 = 1_000;

/// Whether a text contains a match of a pattern.
pub(crate) fn is_found(pattern: &Pattern, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut search = Search {
        text: &text,
        steps: 0,
        depth: 0,
    };
    (0..=text.len()).any(|at| search.any(pattern, at, &mut |_, _| true))
}

struct Search<'t> {
    text: &'t [char],
    steps: u32,
    depth: u32,
}

/// The continuation of a search, called with the offset that was reached.
type Continuation<'c, 't> = &'c mut dyn FnMut(&mut Search<'t>, usize) -> bool;

impl<'t> Search<'t> {
    fn any(&mut self, pattern: &[Vec<Node>], at: usize, then: Continuation<'_, 't>) -> bool {
        pattern.iter().any(|sequence| self.sequence(sequence, at, &mut *then))
    }

    fn sequence(&mut self, nodes: &[Node], at: usize, then: Continuation<'_, 't>) -> bool {
        let Some((first, rest)) = nodes.split_first() else {
            return then(self, at);
        };
        self.node(first, at, &mut |search, at| search.sequence(rest, at, &mut *then))
    }

    fn node(&mut self, node: &Node, at: usize, then: Continuation<'_, 't>) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.depth > MAX_DEPTH {
            return false;
        }
        self.depth += 1;
        let found = match node {
            Node::Start => at == 0 && then(self, at),
            Node::End => at == self.text.len() && then(self, at),
            Node::Class { .. } => self.is_in_class(node, at) && then(self, at + 1),
            Node::Group(pattern) => self.any(pattern, at, then),
            Node::Repeat { inner, min, max } if matches!(**inner, Node::Class { .. }) => {
                self.repeat_class(inner, *min, *max, at, then)
            }
            Node::Repeat { inner, min, max } => self.repeat(inner, *min, *max, at, then),
        };
        self.depth -= 1;
        found
    }

    fn is_in_class(&self, node: &Node, at: usize) -> bool {
        match (node, self.text.get(at)) {
            (Node::Class { ranges, is_negated }, Some(found)) => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&found)) != *is_negated
            }
            _ => false,
        }
    }

    /// Repeats a class greedily. It needs no recursion for the characters.
    fn repeat_class(&mut self, class: &Node, min: u32, max: u32, at: usize, then: Continuation<'_, 't>) -> bool {
        let (min, max) = (min as usize, max as usize);
        let mut count = 0;
        while count < max && self.is_in_class(class, at + count) {
            count += 1;
        }
        while count >= min {
            if then(self, at + count) {
                return true;
            }
            self.steps += 1;
            if count == 0 || self.steps > MAX_STEPS {
                break;
            }
            count -= 1;
        }
        false
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: u32, at: usize, then: Continuation<'_, 't>) -> bool {
        let once_more = max > 0
            && self.node(inner, at, &mut |search, next| {
                // An empty match is not repeated forever.
                (next > at || min > 0) && search.repeat(inner, min.saturating_sub(1), max - 1, next, &mut *then)
            });
        once_more || (min == 0 && then(self, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        is_found(&parse(pattern).expect(pattern), text)
    }

    #[test]
    fn patterns_match_as_with_the_regex_crate() {
        let patterns = [
            "^[a-z0-9]+(-[a-z0-9]+)*$",
            "^(a|b|)c?$",
            "a{2,3}b",
            "^\\d{3}-\\w+\\s?$",
            "[^x]y",
            "^.{2}$",
            "x*",
            "(ab)+c",
            "^(?:foo|ba[rz]){2}$",
            "\\.",
            "^[\\w.-]+@[\\w-]+\\.[a-z]{2,}$",
            "^(a*)*$",
            "a+?b",
            "^$",
            "\\D",
            "[\\d_-]+$",
            "(|a)+b",
        ];
        let texts = [
            "",
            "a",
            "c",
            "ac",
            "bc",
            "aab",
            "aaaab",
            "abc",
            "ababc",
            "123-x",
            "123-x ",
            "xy",
            "yy",
            "ab\n",
            "foobar",
            "bazbaz",
            "a.b",
            "me@example.com",
            "a-b-c",
            "a--b",
            "-",
            "äy",
            "ää",
            "_1-",
            "b",
        ];
        for pattern in patterns {
            let theirs = regex::Regex::new(pattern).expect(pattern);
            for text in texts {
                assert_eq!(found(pattern, text), theirs.is_match(text), "{pattern} in {text:?}");
            }
        }
    }

    #[test]
    fn a_search_ends_and_does_not_overflow_the_stack() {
        let long = "a".repeat(20_000);
        assert!(found("^a*$", &long));
        assert!(!found("^(a+)+b$", &long));
        assert!(!found("(a|aa)*b", &long));
    }
}
