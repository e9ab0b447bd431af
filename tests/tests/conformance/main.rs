//! The same modules and the same requests, here and in Envoy 1.40: every answer is laid side by side. What may differ stands in
//! `differences/*.txt`, each exact pair of answers with its reason. `envoy-1.40.txt` keeps what Envoy answered, so that the comparison can be made
//! (and read) where Envoy cannot be had; where it can, it is run, and the record must be true. `docs/conformance.md` tells the
//! outcome. `RECORD=1` writes both anew.

mod case;
mod compare;
mod crate_cases;
mod current;
mod differences;
mod document;
mod hosts;
mod observe;
mod streams;
mod upstreams;

use case::Case;
use compare::Answer;
use current::same;
use differences::ALLOWED;
use hosts::Host;
use lockgate_tests::envoy;
use lockgate_tests::modules::root;
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

/// Both hosts, run once for all tests of this file. Nothing is run a second time: a case whose answers vary is mended, or its host is.
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
    let all = |host: &Host| cases.iter().map(|case| (case.run_name(), timed(case, host))).collect();
    let (ours, envoys) = beside(
        || all(&Host::lockgate(&cases)),
        envoy
            .as_ref()
            .map(|binary| || all(&Host::envoy(binary.clone(), &cases))),
    );
    let mut runs = laid_out(cases.clone(), &ours, envoys.as_ref().unwrap_or(&recorded));
    let (ours, envoys) = beside(
        streams::in_lockgate,
        envoy.as_ref().map(|binary| || streams::in_envoy(binary.clone())),
    );
    runs.extend(laid_out(streams::cases(), &ours, envoys.as_ref().unwrap_or(&recorded)));
    runs
});

/// What both hosts tell, which run at the same time; nothing of Envoy where there is none.
fn beside(
    ours: impl FnOnce() -> Observed,
    envoys: Option<impl FnOnce() -> Observed + Send>,
) -> (Observed, Option<Observed>) {
    thread::scope(|scope| {
        let reference = envoys.map(|envoys| scope.spawn(envoys));
        let ours = ours();
        let joined = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (ours, reference.map(joined))
    })
}

/// Every case with its answers side by side.
fn laid_out(cases: Vec<Case>, ours: &Observed, envoys: &Observed) -> Vec<Run> {
    let of = |side: &Observed, name: &str| {
        let found = side.iter().find(|(known, _)| known == name);
        found.map(|(_, lines)| lines.clone()).unwrap_or_default()
    };
    let run = |case: Case| {
        let (ours, envoys) = (of(ours, &case.run_name()), of(envoys, &case.run_name()));
        let answers = compare::side_by_side(&case.name, &ours, &envoys);
        Run { case, answers, envoys }
    };
    cases.into_iter().map(run).collect()
}

/// `TIMES=1` tells which cases take long.
fn timed(case: &Case, host: &Host) -> Vec<String> {
    let started = Instant::now();
    let lines = host.observe(case);
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
fn the_record_of_envoys_results_is_current() {
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
fn every_module_gets_the_same_results_as_in_envoy() {
    let unexplained: Vec<_> = RUNS
        .iter()
        .flat_map(|run| run.answers.iter().map(move |answer| (&run.case, answer)))
        .filter(|(_, answer)| answer.is_unexplained())
        .map(|(case, answer)| format!("[{}]\n{}", case.name, differences::line(answer)))
        .collect();
    assert!(
        unexplained.is_empty(),
        "{} answers differ without a reason, as `differences/*.txt` would write them:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}

#[test]
fn every_reason_for_a_difference_is_still_needed() {
    let answers = |run: &'static Run| run.answers.iter().map(|answer| (run.case.name.as_str(), answer));
    let stale = ALLOWED.stale(RUNS.iter().flat_map(answers));
    assert!(stale.is_empty(), "allowed, but not what was answered: {stale:#?}");
}

#[test]
fn the_document_shows_the_results_of_both_hosts() {
    let (file, text) = (document_file(), document::document(&RUNS));
    if !case::FROM_NPM.into_iter().all(case::is_built) {
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
