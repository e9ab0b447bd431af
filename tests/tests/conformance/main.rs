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
use hosts::Host;
use lockgate_tests::envoy;
use lockgate_tests::modules::root;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The name of a run (a case in a guest) and what came of it.
type Observed = Vec<(String, Vec<String>)>;

/// A case in a guest, and what both hosts answered.
struct Run {
    case: Case,
    answers: Vec<Answer>,
    /// What Envoy answered, as it came.
    envoys: Vec<String>,
}

/// How often a case is run again whose answers are not those that were written down. What is a matter of timing in both hosts
/// (how much of a body has come by) is rarely otherwise; what is wrong stays wrong.
const TRIES: usize = 3;

/// Both hosts, run once for all tests of this file.
static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
    let cases = case::all();
    let recorded = recorded();
    let envoy = match envoy::binary() {
        Ok(binary) => Some(binary),
        Err(reason) => {
            eprintln!("\n########## ENVOY CANNOT BE INSTALLED: compared with its record only ##########\n{reason}");
            None
        }
    };
    let all = |host: &Host| cases.iter().map(|case| timed(case, host)).collect::<Vec<_>>();
    let ((lockgate, ours), lived) = thread::scope(|scope| {
        let reference = envoy.clone().map(|binary| {
            scope.spawn(|| {
                let host = Host::envoy(binary, &cases);
                let lines = all(&host);
                (host, lines)
            })
        });
        let host = Host::lockgate(&cases);
        let ours = all(&host);
        let joined = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        ((host, ours), reference.map(joined))
    });
    let document = fs::read_to_string(document_file()).unwrap_or_default();
    let binary = envoy;
    let (envoy, mut envoys) = lived.map_or((None, Vec::new()), |(host, lines)| (Some(host), lines));
    envoys.resize(cases.len(), Vec::new());
    let mut runs = Vec::new();
    for ((case, mut ours), mut envoys) in cases.into_iter().zip(ours).zip(envoys) {
        let name = case.run_name();
        let kept = recorded
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, lines)| lines);
        if envoy.is_none() {
            envoys = kept.cloned().unwrap_or_default();
        }
        let mut answers = compare::side_by_side(&case.name, &ours, &envoys);
        for attempt in 1..TRIES {
            let is_as_written = document.contains(&document::table(&answers)) && kept == Some(&envoys);
            if is_recording() || is_as_written && !answers.iter().any(Answer::is_unexplained) {
                break;
            }
            ours = lockgate.observe(&case, attempt);
            if let Some(envoy) = &envoy {
                envoys = envoy.observe(&case, attempt);
            }
            answers = compare::side_by_side(&case.name, &ours, &envoys);
        }
        runs.push(Run { case, answers, envoys });
    }
    runs.extend(connections(binary.as_ref(), &recorded));
    runs
});

/// The cases of TCP connections; all again where one is not as it was written down.
fn connections(binary: Option<&PathBuf>, recorded: &Observed) -> Vec<Run> {
    let of = |side: &Observed, name: &str| {
        let found = side.iter().find(|(known, _)| known == name);
        found.map(|(_, lines)| lines.clone()).unwrap_or_default()
    };
    let once = || {
        let (ours, envoys) = thread::scope(|scope| {
            let reference = binary.map(|binary| scope.spawn(|| streams::in_envoy(binary.clone())));
            let ours = streams::in_lockgate();
            let joined = |handle: thread::ScopedJoinHandle<'_, _>| {
                handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            (ours, reference.map_or_else(|| recorded.clone(), joined))
        });
        let run = |case: Case| {
            let envoys = of(&envoys, &case.run_name());
            let answers = compare::side_by_side(&case.name, &of(&ours, &case.run_name()), &envoys);
            Run { case, answers, envoys }
        };
        streams::cases().into_iter().map(run).collect::<Vec<_>>()
    };
    let is_as_written = |run: &Run| {
        (is_recording() || of(recorded, &run.case.run_name()) == run.envoys)
            && !run.answers.iter().any(Answer::is_unexplained)
    };
    let mut runs = once();
    for _ in 1..TRIES {
        if runs.iter().all(is_as_written) {
            break;
        }
        // Each case keeps the run in which it was as it should be.
        for (kept, again) in runs.iter_mut().zip(once()) {
            if !is_as_written(kept) {
                *kept = again;
            }
        }
    }
    runs
}

/// `TIMES=1` tells which cases take long.
fn timed(case: &Case, host: &Host) -> Vec<String> {
    let started = Instant::now();
    let lines = host.observe(case, 0);
    if env::var_os("TIMES").is_some() && started.elapsed() > Duration::from_millis(100) {
        eprintln!("{:?} for {} in {}", started.elapsed(), case.run_name(), host.name());
    }
    lines
}

fn is_recording() -> bool {
    env::var_os("RECORD").is_some()
}

fn document_file() -> PathBuf {
    root().join("docs/conformance.md")
}

#[test]
fn the_record_of_envoys_answers_is_true() {
    let lived: Observed = RUNS
        .iter()
        .map(|run| (run.case.run_name(), run.envoys.clone()))
        .collect();
    if is_recording() {
        fs::write(record(), written(&lived)).expect("the record is writable");
    } else {
        let mut kept = recorded();
        kept.retain(|(name, _)| lived.iter().any(|(ran, _)| ran == name));
        same("the record of Envoy's answers", &written(&kept), &written(&lived));
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
    let (file, text) = (document_file(), document::document(&RUNS));
    if !case::is_built(case::FROM_NPM) {
        eprintln!("########## the document is not compared: cases were skipped ##########");
        return;
    }
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
