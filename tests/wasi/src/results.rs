//! Results: the same guest, with the same script, in both hosts.

use crate::case::{self, Script};
use crate::differences::{self, Line};
use crate::{Outcome, Preview, lockgate, reference};
use std::collections::BTreeSet;

/// The result of a statement in both hosts.
struct Answer {
    key: String,
    ours: String,
    theirs: String,
}

/// The result of each statement. The statement at which the host ended the guest has the end as its result.
fn results(script: &Script, outcome: &Outcome) -> Vec<String> {
    let Outcome { results, end, .. } = outcome;
    let count = script.keys.len();
    let is_whole = if end.is_some() {
        results.len() < count
    } else {
        results.len() == count
    };
    assert!(
        is_whole,
        "{count} statements have a result in {}: {outcome:?}",
        script.text
    );
    let missing = std::iter::repeat("(not run)".to_owned());
    results
        .iter()
        .cloned()
        .chain(end.clone())
        .chain(missing)
        .take(count)
        .collect()
}

fn answers(script: &Script, ours: &Outcome, theirs: &Outcome) -> Vec<Answer> {
    let [of_ours, of_theirs] = [ours, theirs].map(|outcome| {
        let printed = [&outcome.output, &outcome.errors].map(|lines| lines.join(" | "));
        results(script, outcome).into_iter().chain(printed)
    });
    let printed = ["(standard output)", "(standard error)"].map(str::to_owned);
    let keys = script.keys.iter().cloned().chain(printed);
    keys.zip(of_ours.zip(of_theirs))
        .map(|(key, (ours, theirs))| Answer { key, ours, theirs })
        .collect()
}

fn written((preview, case, line): &Line) -> String {
    format!("{preview:?} [{case}] {line}")
}

#[test]
fn every_result_is_that_of_the_reference_but_for_those_with_a_reason() {
    let cases = case::all();
    let allowed = differences::all(&cases);
    let (mut needed, mut unexplained, mut count) = (BTreeSet::<Line>::new(), Vec::new(), 0);
    for preview in Preview::ALL {
        let (ours, theirs) = (lockgate::Guest::new(preview), reference::Guest::new(preview));
        for case in cases.iter().filter(|case| case.previews.contains(&preview)) {
            for script in case.scripts() {
                for Answer { key, ours, theirs } in answers(&script, &ours.run(&script.text), &theirs.run(&script.text))
                {
                    count += usize::from(!(ours.is_empty() && theirs.is_empty()));
                    if ours == theirs {
                        continue;
                    }
                    let line = (preview, case.name.clone(), differences::line(&key, &ours, &theirs));
                    if !allowed.contains(&line) {
                        unexplained.push(written(&line));
                    }
                    needed.insert(line);
                }
            }
        }
    }
    let stale: Vec<_> = allowed.difference(&needed).map(written).collect();
    assert!(
        unexplained.is_empty() && stale.is_empty(),
        "of {count} results, these differ without a reason:\n{}\nthese lines of differences.txt are not needed:\n{}",
        unexplained.join("\n"),
        stale.join("\n")
    );
    println!("{count} results compared, {} of them differ for a reason", needed.len());
}
