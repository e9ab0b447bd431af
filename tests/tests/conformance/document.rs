//! `docs/conformance.md`: what both hosts answered, for people.

use crate::Run;
use crate::case::{BY_HAND, CRATE};
use crate::compare::Answer;
use crate::differences::ALLOWED;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How the guests came to be, by the names of their plugins.
pub(crate) const LANGUAGES: &[(&str, &str, &str)] = &[
    (CRATE, "Rust, `proxy-wasm` crate", "tests/guests/conformance"),
    ("raw", "Rust, no SDK", "tests/guests/raw"),
    ("c", "C (ABI 0.2.0)", "tests/languages/c"),
    ("c-0.1.0", "C (ABI 0.1.0)", "tests/languages/c"),
    (
        "assemblyscript",
        "AssemblyScript, `proxy-wasm-sdk-as`",
        "tests/languages/assemblyscript",
    ),
    (
        "proxy-runtime",
        "AssemblyScript, `proxy-runtime`",
        "tests/languages/proxy-runtime",
    ),
    ("streams", "Rust, `proxy-wasm` crate", "tests/guests/streams"),
    ("wat-*", "WebAssembly text", "tests/languages/wat"),
];

/// The language of a guest.
pub(crate) fn language(guest: &str) -> &'static str {
    let guest = if guest.starts_with(BY_HAND) { "wat-*" } else { guest };
    let found = LANGUAGES.iter().find(|(known, _, _)| *known == guest);
    found
        .unwrap_or_else(|| panic!("the language of {guest} is not told in LANGUAGES"))
        .1
}

const INTRODUCTION: &str = "\
# Conformance

The same modules and the same requests, run in Lockgate and in Envoy 1.40's Wasm filter, with every answer side by side: what
each host call returned, what the client saw, what the upstreams saw, and which callbacks ran in which order.

This page is written by `make conformance` from a run of both hosts; `make test` runs them again and fails when an answer has
changed, or when one differs from Envoy's without a reason. The cases stand in `tests/tests/conformance`; how to add one is told
in [CONTRIBUTING.md](../CONTRIBUTING.md).

A line `request_headers.get_header_map_value 0 'x' >text` reads: in the callback `proxy_on_request_headers`, the guest called
`proxy_get_header_map_value` for map 0 and the name `x`. The answer is the status (0 is OK, 1 not found, 2 bad argument, 6
invalid memory, 7 empty, 8 compare-and-swap mismatch, 10 internal failure, 12 unimplemented) with what came along.
A case whose name begins with `tcp` is a TCP connection, here through a listener for bytes, in Envoy through its network Wasm
filter in front of its TCP proxy; its lines are what the guest wrote to the log.
`=` in the column of Envoy means that it answered the same. Lines that say little and are alike in both are only counted.

";

/// The whole document.
pub(crate) fn document(runs: &[Run]) -> String {
    let mut out = INTRODUCTION.to_string();
    summary(&mut out, runs);
    reasons(&mut out, runs);
    let mut topics: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        let topic = run.case.name.split('.').next().unwrap_or_default();
        let topic = topic.split('@').next().unwrap_or_default();
        topics.entry(topic).or_default().push(run);
    }
    for (topic, runs) in topics {
        let _ = write!(out, "## {topic}\n\n");
        for same in alike(&runs) {
            case(&mut out, &same);
        }
    }
    out
}

fn summary(out: &mut String, runs: &[Run]) {
    let names = |runs: &[&Run]| {
        runs.iter()
            .map(|run| run.case.name.as_str())
            .collect::<BTreeSet<_>>()
            .len()
    };
    let row = |out: &mut String, label: &str, runs: &[&Run]| {
        let answers = runs.iter().flat_map(|run| &run.answers);
        let (total, differing) = answers.fold((0, 0), |(total, differing), answer| {
            (total + 1, differing + usize::from(!answer.is_same()))
        });
        let with = runs
            .iter()
            .filter(|run| run.answers.iter().any(|answer| !answer.is_same()))
            .count();
        let _ = writeln!(
            out,
            "| {label} | {} | {} | {total} | {differing}, in {with} runs |",
            names(runs),
            runs.len()
        );
    };
    out.push_str(
        "| guests | cases | runs | answers compared | that differ, each for a reason |\n|---|---|---|---|---|\n",
    );
    let languages: BTreeSet<_> = runs.iter().map(|run| language(&run.case.guest)).collect();
    for known in languages {
        let of: Vec<_> = runs.iter().filter(|run| language(&run.case.guest) == known).collect();
        row(out, known, &of);
    }
    row(out, "all", &runs.iter().collect::<Vec<_>>());
    out.push('\n');
}

fn reasons(out: &mut String, runs: &[Run]) {
    out.push_str("## Why answers differ\n\n| | reason | answers |\n|---|---|---|\n");
    for (nth, reason) in ALLOWED.reasons.iter().enumerate() {
        let answers = runs.iter().flat_map(|run| &run.answers);
        let count = answers.filter(|answer| answer.because == Some(nth)).count();
        let _ = writeln!(out, "| <a id=\"r{0}\"></a>{0} | {reason} | {count} |", nth + 1);
    }
    out.push('\n');
}

/// The runs of a case, those with the same answers together.
fn alike<'a>(runs: &[&'a Run]) -> Vec<Vec<&'a Run>> {
    let mut groups: Vec<Vec<&Run>> = Vec::new();
    let told = |run: &Run| -> Vec<(String, String, String)> {
        let answers = run.answers.iter();
        answers
            .map(|answer| (answer.key.clone(), answer.ours.clone(), answer.envoys.clone()))
            .collect()
    };
    for run in runs {
        let fitting = groups
            .iter_mut()
            .find(|group| group[0].case.name == run.case.name && told(group[0]) == told(run));
        match fitting {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups
}

fn case(out: &mut String, same: &[&Run]) {
    let run = same[0];
    let languages: Vec<_> = same.iter().map(|run| language(&run.case.guest)).collect();
    let _ = write!(out, "### {}\n\n{}", run.case.name, languages.join("; "));
    if !run.case.what.is_empty() {
        let _ = write!(out, ". {}", run.case.what);
    }
    out.push_str("\n\n");
    out.push_str(&table(&run.answers));
}

/// A case's answers, side by side.
pub(crate) fn table(answers: &[Answer]) -> String {
    let mut out = "| asked | here | Envoy |\n|---|---|---|\n".to_string();
    let (shown, dull): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| says_something(answer));
    for answer in shown {
        let envoys = if answer.is_same() {
            "=".to_string()
        } else {
            let because = answer.because.map(|nth| format!("[{0}](#r{0})", nth + 1));
            format!("{} {}", code(&answer.envoys), because.unwrap_or_default())
        };
        let key = answer.key.strip_prefix("guest.").unwrap_or(&answer.key);
        let _ = writeln!(out, "| {} | {} | {envoys} |", code(key), code(&answer.ours));
    }
    if !dull.is_empty() {
        let _ = writeln!(out, "| and {} more | | = |", dull.len());
    }
    out.push('\n');
    out
}

/// Whether a line is worth showing: it differs, or it is an answer to the case's own question.
fn says_something(answer: &Answer) -> bool {
    let dull = ["done.called", "log.called", "delete.called", "request_headers.called"];
    let key = answer.key.strip_prefix("guest.");
    !answer.is_same()
        || key.is_some_and(|key| !dull.contains(&key))
        || ["client.status", "client.body"].contains(&answer.key.as_str())
        || answer.key == "client.headers" && !answer.ours.is_empty()
}

/// As code in a table's cell.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = text.replace('|', "\\|");
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}
