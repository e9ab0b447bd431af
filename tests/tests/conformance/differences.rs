//! Where the gateway answers a module otherwise than Envoy 1.40 does, on purpose: `differences/*.txt` tell the exact pair of
//! answers, each under its reason. There are no patterns: an answer that changes on either side is a difference without a reason,
//! and a line that no run needs any more fails the test.
//!
//! ```text
//! # why that is better, or at least no worse
//! [CASE CASE]
//! [CASE]
//! KEY = WHAT THE GATEWAY ANSWERS <> WHAT ENVOY ANSWERS
//! ```
//!
//! The lines hold for all cases of the heads that stand above them without a line between. Nothing is written `(empty)`.

use crate::compare::Answer;
use lockgate_tests::modules::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

/// What is written for an answer of no characters.
const EMPTY: &str = "(empty)";

/// All deliberate differences.
pub(crate) struct Differences {
    /// Why answers differ, in the order in which the document tells it.
    pub(crate) reasons: Vec<String>,
    /// Where in [`Differences::reasons`] the reason of each line of a case stands.
    lines: BTreeMap<(String, String), usize>,
}

/// As the files tell them.
pub(crate) static ALLOWED: LazyLock<Differences> = LazyLock::new(|| {
    let folder = root().join("tests/tests/conformance/differences");
    let entries = fs::read_dir(&folder).expect("the folder of the differences is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    files.sort();
    let mut all = Differences {
        reasons: Vec::new(),
        lines: BTreeMap::new(),
    };
    for file in files {
        let text = fs::read_to_string(&file).expect("a file of differences is readable");
        if let Err(wrong) = all.read(&text) {
            panic!("{}: {wrong}", file.display());
        }
    }
    all
});

/// How the files write a difference.
pub(crate) fn line(answer: &Answer) -> String {
    let [here, envoy] = [&answer.ours, &answer.envoys].map(|told| if told.is_empty() { EMPTY } else { told });
    format!("{} = {here} <> {envoy}", answer.key)
}

impl Differences {
    /// The place of the reason for which exactly these two answers may differ.
    pub(crate) fn reason(&self, case: &str, answer: &Answer) -> Option<usize> {
        self.lines.get(&(case.to_string(), line(answer))).copied()
    }

    /// The lines that none of these answers needs, each behind its case. Cases that did not run need theirs.
    pub(crate) fn stale<'a>(&self, answers: impl Iterator<Item = (&'a str, &'a Answer)>) -> Vec<String> {
        let (mut ran, mut needed) = (BTreeSet::new(), BTreeSet::new());
        for (case, answer) in answers {
            ran.insert(case);
            needed.insert((case.to_string(), line(answer)));
        }
        let unneeded = |known: &&(String, String)| ran.contains(known.0.as_str()) && !needed.contains(known);
        let stale = self.lines.keys().filter(unneeded);
        stale.map(|(case, line)| format!("[{case}] {line}")).collect()
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        let (mut cases, mut is_head): (Vec<&str>, bool) = (Vec::new(), false);
        for told in text.lines().filter(|line| !line.is_empty()) {
            if let Some(reason) = told.strip_prefix("# ") {
                if self.reasons.iter().any(|known| known == reason) {
                    return Err(format!("a reason that is there already: {reason}"));
                }
                self.reasons.push(reason.to_string());
                cases.clear();
            } else if let Some(head) = told.strip_prefix('[').and_then(|head| head.strip_suffix(']')) {
                if !is_head {
                    cases.clear();
                }
                cases.extend(head.split_whitespace());
            } else if !told.contains(" <> ") || cases.is_empty() || self.reasons.is_empty() {
                return Err(format!("not under a case and a reason, or no pair of answers: {told}"));
            } else {
                for case in &cases {
                    let place = (case.to_string(), told.to_string());
                    if self.lines.insert(place, self.reasons.len() - 1).is_some() {
                        return Err(format!("[{case}] has this twice: {told}"));
                    }
                }
            }
            is_head = told.starts_with('[');
        }
        Ok(())
    }
}
