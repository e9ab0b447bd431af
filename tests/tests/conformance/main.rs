//! The same modules and the same requests, here and in Envoy 1.40: every answer is laid side by side. What may differ stands in
//! `differences.rs`, each line with its reason. `envoy-1.40.txt` keeps what Envoy answered, so that the comparison can be made
//! (and read) where Envoy cannot be had; where it can, it is run, and the record must be true. `docs/conformance.md` tells the
//! outcome. `RECORD=1` writes both anew.

mod case;
mod compare;
mod crate_cases;
mod differences;
mod document;
mod hosts;
mod observe;
mod streams;
mod upstreams;

use case::Case;
use compare::Answer;
use differences::ALLOWED;
use lockgate_tests::envoy;
use lockgate_tests::modules::root;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, thread};

/// The name of a run (a case in a guest) and what came of it.
type Observed = Vec<(String, Vec<String>)>;

/// A case in a guest, and what both hosts answered.
struct Run {
    case: Case,
    answers: Vec<Answer>,
}

/// Both hosts, run once for all tests of this file.
static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
    let (cases, connections) = (case::all(), streams::cases());
    let (ours, reference) = thread::scope(|scope| {
        let ours = scope.spawn(|| [hosts::in_lockgate(&cases), streams::in_lockgate()].concat());
        let reference = scope.spawn(|| reference(&cases));
        let joined = |result: thread::Result<Observed>| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (joined(ours.join()), joined(reference.join()))
    });
    let none = Vec::new();
    cases
        .into_iter()
        .chain(connections)
        .map(|case| {
            let name = case.run_name();
            let lines = |side: &Observed| {
                let found = side.iter().find(|(known, _)| *known == name);
                found.map_or(&none, |(_, lines)| lines).clone()
            };
            let answers = compare::side_by_side(&case.name, &lines(&ours), &lines(&reference));
            Run { case, answers }
        })
        .collect()
});

fn is_recording() -> bool {
    env::var_os("RECORD").is_some()
}

/// Envoy's answers: from a living one if there is one.
fn reference(cases: &[Case]) -> Observed {
    let recorded = recorded();
    match envoy::binary() {
        Ok(binary) => {
            let lived = [hosts::in_envoy(binary.clone(), cases), streams::in_envoy(binary)].concat();
            if is_recording() {
                fs::write(record(), written(&lived)).expect("the record is writable");
            } else {
                same("the record of Envoy's answers", &written(&recorded), &written(&lived));
            }
            lived
        }
        Err(reason) => {
            eprintln!("\n########## ENVOY CANNOT BE INSTALLED: compared with its record only ##########\n{reason}");
            recorded
        }
    }
}

#[test]
fn every_module_gets_the_same_answers_as_in_envoy() {
    let unexplained: Vec<_> = RUNS
        .iter()
        .flat_map(|run| run.answers.iter().map(move |answer| (&run.case, answer)))
        .filter(|(_, answer)| answer.is_unexplained())
        .map(|(case, answer)| {
            format!(
                "{}: {}\n    here:     {}\n    in Envoy: {}",
                case.run_name(),
                answer.key,
                answer.ours,
                answer.envoys
            )
        })
        .collect();
    assert!(
        unexplained.is_empty(),
        "{} answers differ without a reason:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}

#[test]
fn every_reason_for_a_difference_is_still_needed() {
    let answers = RUNS.iter().flat_map(|run| &run.answers);
    let used: BTreeSet<_> = answers.flat_map(|answer| &answer.because).collect();
    let stale: Vec<_> = (0..ALLOWED.len())
        .filter(|nth| !used.contains(nth))
        .map(|nth| &ALLOWED[nth])
        .collect();
    assert!(
        stale.is_empty(),
        "allowed, but nothing differs there any more: {stale:#?}"
    );
}

#[test]
fn the_document_tells_what_the_hosts_answered() {
    let (file, text) = (root().join("docs/conformance.md"), document::document(&RUNS));
    if is_recording() {
        fs::create_dir_all(root().join("docs"))
            .and_then(|()| fs::write(file, text))
            .expect("the document is writable");
    } else {
        same(
            "docs/conformance.md",
            &fs::read_to_string(file).unwrap_or_default(),
            &text,
        );
    }
}

/// Two texts, of which the first was written down and the second has just been found.
fn same(what: &str, kept: &str, found: &str) {
    let differing = kept.lines().zip(found.lines()).find(|(kept, found)| kept != found);
    if let Some((kept, found)) = differing {
        panic!("{what} is not current (`make conformance` writes it anew):\n    written: {kept}\n    found:   {found}");
    }
    assert_eq!(
        kept.lines().count(),
        found.lines().count(),
        "{what} is not current (`make conformance` writes it anew)"
    );
}

fn record() -> PathBuf {
    root().join("tests/tests/conformance/envoy-1.40.txt")
}

fn written(observed: &Observed) -> String {
    observed
        .iter()
        .map(|(case, lines)| format!("[{case}]\n{}\n\n", lines.join("\n")))
        .collect()
}

fn recorded() -> Observed {
    let text = fs::read_to_string(record()).unwrap_or_default();
    let case = |part: &str| {
        let mut lines = part.lines();
        let name = lines.next()?.trim_matches(['[', ']']).to_string();
        Some((name, lines.map(String::from).collect()))
    };
    text.split("\n\n").filter_map(case).collect()
}
