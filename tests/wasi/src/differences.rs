//! Where the sandbox's results differ from the reference's on purpose: `differences.txt` has the exact pairs, each under its reason.
//! There are no patterns: a result that changes on either side is a difference without a reason, and a line that no case needs any
//! more fails the test.
//!
//! ```text
//! # why that is better, or at least no worse
//! [CASE] or [CASE preview1] or [CASE unstable]
//! STATEMENT = WHAT THE SANDBOX ANSWERS <> WHAT THE REFERENCE ANSWERS
//! ```
//!
//! A difference without a preview is one in every preview that the case runs in.

use crate::Preview;
use crate::case::Case;
use std::collections::BTreeSet;

/// A preview, a case, and one of its lines.
pub(crate) type Line = (Preview, String, String);

/// How the file writes a difference.
pub(crate) fn line(key: &str, ours: &str, theirs: &str) -> String {
    let [ours, theirs] = [ours, theirs].map(|result| if result.is_empty() { "(empty)" } else { result });
    format!("{key} = {ours} <> {theirs}")
}

/// All deliberate differences.
pub(crate) fn all(cases: &[Case]) -> BTreeSet<Line> {
    let (mut all, mut head, mut has_reason) = (BTreeSet::new(), None, false);
    for line in include_str!("../differences.txt")
        .lines()
        .filter(|line| !line.is_empty())
    {
        if line.starts_with("# ") {
            (head, has_reason) = (None, true);
        } else if let Some(name) = line.strip_prefix('[').and_then(|head| head.strip_suffix(']')) {
            let (name, word) = name.split_once(' ').unwrap_or((name, ""));
            let case = cases.iter().find(|case| case.name == name);
            let case = case.unwrap_or_else(|| panic!("there is no case {name}"));
            head = Some((
                name,
                Preview::named(word).map_or(case.previews.clone(), |preview| vec![preview]),
            ));
        } else {
            let is_pair = line.contains(" = ") && line.contains(" <> ");
            assert!(is_pair && has_reason, "no pair under a reason: {line}");
            let (name, previews) = head.as_ref().expect("a case's name stands before its differences");
            for preview in previews {
                let is_new = all.insert((*preview, (*name).to_owned(), line.to_owned()));
                assert!(is_new, "[{name}] has this twice: {line}");
            }
        }
    }
    all
}
