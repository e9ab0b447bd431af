//! The cases: scripts for the guest, as `cases.txt` has them.
//!
//! ```text
//! # a comment
//! [NAME WORD…]
//! STATEMENT
//! ```
//!
//! The words: `preview1` or `unstable` for a case that runs in that preview alone; `each` for one in which each statement with a result
//! runs in an instance of its own, because the reference ends the guest at some of them.

use crate::Preview;
use std::collections::BTreeMap;

/// One or more scripts, and where they can run.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) previews: Vec<Preview>,
    is_each: bool,
    statements: Vec<String>,
}

/// A script, and the statements in it that have a result.
pub(crate) struct Script {
    /// As the guest reads it.
    pub(crate) text: String,
    /// Each made unique by a number behind those that stand in the case again.
    pub(crate) keys: Vec<String>,
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../cases.txt").lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix('[').and_then(|head| head.strip_suffix(']')) {
            let case = headed(head);
            assert!(
                cases.iter().all(|known| known.name != case.name),
                "two cases are named {head}"
            );
            cases.push(case);
        } else {
            let case = cases.last_mut().expect("a case's name stands before its statements");
            case.statements.push(line.to_owned());
        }
    }
    cases
}

fn headed(head: &str) -> Case {
    let mut words = head.split(' ');
    let mut case = Case {
        name: words.next().unwrap_or_default().to_owned(),
        previews: Preview::ALL.to_vec(),
        is_each: false,
        statements: Vec::new(),
    };
    for word in words {
        match Preview::named(word) {
            Some(preview) => case.previews = vec![preview],
            None if word == "each" => case.is_each = true,
            None => panic!("[{head}]: no case can be {word}"),
        }
    }
    case
}

impl Case {
    /// What is to be run, each in a fresh instance.
    pub(crate) fn scripts(&self) -> Vec<Script> {
        let mut seen = BTreeMap::<&str, usize>::new();
        let (mut scripts, mut text, mut keys) = (Vec::new(), String::new(), Vec::new());
        for statement in &self.statements {
            let is_silent = ["set", "fill"].iter().any(|verb| statement.starts_with(verb));
            if is_silent || !self.is_each {
                text.push_str(statement);
                text.push(';');
            }
            if is_silent {
                continue;
            }
            let times = seen.entry(statement).or_default();
            *times += 1;
            let key = match times {
                1 => statement.clone(),
                times => format!("{statement} #{times}"),
            };
            if self.is_each {
                scripts.push(Script {
                    text: format!("{text}{statement};"),
                    keys: vec![key],
                });
            } else {
                keys.push(key);
            }
        }
        if !self.is_each {
            scripts.push(Script { text, keys });
        }
        scripts
    }

    /// Whether it calls this function.
    pub(crate) fn calls(&self, function: &str) -> bool {
        let verb = |statement: &String| statement.split(' ').next() == Some(function);
        self.statements.iter().any(verb)
    }
}
