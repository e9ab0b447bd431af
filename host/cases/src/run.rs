//! The runner of cases files: it reads and checks a file, runs the selected cases, and collects their results.

mod case;
mod connection;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use lockgate_config::FORMATS;
use lockgate_control::EmbeddedLoader;
use lockgate_json::{Document, Report, typed};
use lockgate_sandbox::EngineError;

use crate::assert::Mismatch;
use crate::cases::{Case, Cases, TextMatch};
use crate::cpu::PhaseTime;
use crate::gateway_config;
use crate::log_capture::{LogCapture, LogLine};
use crate::times::{DEFAULT_START, time_of};
use case::CaseSetup;

/// Options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Module under test, instead of the one that a cases file names.
    pub module: Option<PathBuf>,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
}

/// Runs cases files one after the other; modules are compiled once.
pub struct Runner {
    loader: EmbeddedLoader,
    options: Options,
}

/// Results of a file.
#[derive(Debug)]
pub struct FileResult {
    /// The file, for line and column numbers.
    pub document: Document,
    /// Results of the selected cases, in the order of the file.
    pub cases: Vec<CaseResult>,
    /// Duration of the run.
    pub took: Duration,
}

/// Result of a case.
#[derive(Debug)]
pub struct CaseResult {
    /// Name of the case.
    pub name: String,
    /// JSON pointer to the case.
    pub pointer: String,
    /// Reason for skipping the case. None: it ran.
    pub skipped: Option<String>,
    /// Differences, each with the number of its step.
    pub mismatches: Vec<(Option<usize>, Mismatch)>,
    /// For each step without expectations: JSON pointer to its request, and an expectation that its result meets.
    pub recorded: Vec<(String, serde_json::Value)>,
    /// Captured log lines.
    pub logs: Vec<LogLine>,
    /// CPU time of the plugins, by phase.
    pub cpu: Vec<PhaseTime>,
    /// Duration of the run.
    pub took: Duration,
}

impl CaseResult {
    /// Whether there is no difference.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl FileResult {
    /// ConnectionExpect, failed and left out.
    pub fn counts(&self) -> (usize, usize, usize) {
        let skipped = self.cases.iter().filter(|case| case.skipped.is_some()).count();
        let failed = self.cases.iter().filter(|case| !case.passed()).count();
        (self.cases.len() - failed - skipped, failed, skipped)
    }
}

impl Runner {
    /// A runner that has compiled nothing yet.
    ///
    /// # Errors
    /// The WebAssembly engine cannot be set up.
    pub fn new(options: Options) -> Result<Self, EngineError> {
        Ok(Self {
            loader: EmbeddedLoader::new()?,
            options,
        })
    }

    /// Runs the cases in the file at `path`. Blocks.
    ///
    /// # Errors
    /// All mistakes in the file, each at its place. Nothing was run.
    pub fn file(&mut self, path: &Path) -> Result<FileResult, Report> {
        let begun = Instant::now();
        let (cases, document) = typed::read::<Cases>(path, FORMATS)?;
        let diagnostics = crate::check::check(&cases, &document);
        if !diagnostics.is_empty() {
            return Err(Report { diagnostics });
        }
        let mut results = Vec::with_capacity(cases.cases.len());
        for (index, case) in cases.cases.iter().enumerate() {
            let wanted = |filter: &String| case.name.contains(filter.as_str());
            if self.options.filter.as_ref().is_none_or(wanted) {
                results.push(self.case(&cases, &document, index, case)?);
            }
        }
        Ok(FileResult {
            document,
            cases: results,
            took: begun.elapsed(),
        })
    }

    fn case(&mut self, cases: &Cases, document: &Document, index: usize, case: &Case) -> Result<CaseResult, Report> {
        let begun = Instant::now();
        let here = format!("/cases/{index}");
        let mut result = CaseResult {
            name: case.name.clone(),
            pointer: here.clone(),
            skipped: case.skip.clone(),
            mismatches: Vec::new(),
            recorded: Vec::new(),
            logs: Vec::new(),
            cpu: Vec::new(),
            took: Duration::ZERO,
        };
        if case.skip.is_some() {
            return Ok(result);
        }
        let config = gateway_config::generate(cases, document, index, self.options.module.as_deref()).map_err(
            |(pointer, message)| Report {
                diagnostics: vec![document.diagnostic(&pointer, message, None, None)],
            },
        )?;
        for (name, path) in &config.modules {
            self.loader.add_module(name, path);
        }
        let log_capture = LogCapture::default();
        let capture = log_capture.start();
        match self.loader.prepare(document.file(), config.text.clone()) {
            Err(report) => result.mismatches = refusal(case, &here, &config.translate(&report, document)),
            Ok(_) if case.refused.is_some() => result.mismatches.push((None, accepted(&here))),
            Ok(prepared) => {
                let now = case.now.as_ref().or(cases.defaults.now.as_ref());
                let setup = CaseSetup {
                    prepared: &prepared,
                    tested: &config.tested,
                    endpoints: config.endpoints.clone(),
                    scripts: gateway_config::scripts(cases, case, &here),
                    time: time_of(now.map_or(DEFAULT_START, String::as_str)).unwrap_or(SystemTime::UNIX_EPOCH),
                    seed: case.seed.or(cases.defaults.seed).unwrap_or(1),
                    log_capture: &log_capture,
                };
                let outcome = case::run(case, &here, setup).map_err(|error| Report {
                    diagnostics: vec![document.diagnostic(&here, error.to_string(), None, None)],
                })?;
                result.mismatches = outcome.mismatches;
                result.recorded = outcome.recorded;
                result.logs = outcome.logs;
                result.cpu = outcome.cpu;
            }
        }
        result.logs.extend(log_capture.take());
        drop(capture);
        result.took = begun.elapsed();
        Ok(result)
    }
}

/// Compares a refused configuration with the case's `refused`.
fn refusal(case: &Case, here: &str, report: &Report) -> Vec<(Option<usize>, Mismatch)> {
    let text = report.to_string();
    match &case.refused {
        Some(wanted) if matches(wanted, &text) => Vec::new(),
        wanted => vec![(
            None,
            Mismatch {
                pointer: match wanted {
                    Some(_) => format!("{here}/refused"),
                    None => here.to_owned(),
                },
                what: "configuration".to_owned(),
                expected: match wanted {
                    Some(_) => "a refusal with a different message".to_owned(),
                    None => "to be accepted".to_owned(),
                },
                found: "it is refused".to_owned(),
                differences: text.lines().map(str::to_owned).collect(),
                correction: None,
            },
        )],
    }
}

fn accepted(here: &str) -> Mismatch {
    Mismatch {
        pointer: format!("{here}/refused"),
        what: "configuration".to_owned(),
        expected: "to be refused".to_owned(),
        found: "it is accepted".to_owned(),
        ..Mismatch::default()
    }
}

/// Whether a report matches. An exact text is searched for in it, because a report has more lines.
fn matches(wanted: &TextMatch, report: &str) -> bool {
    match wanted {
        TextMatch::Exact(text) => report.contains(text),
        TextMatch::Like(like) => {
            like.contains.as_ref().is_none_or(|text| report.contains(text))
                && like.lacks.as_ref().is_none_or(|text| !report.contains(text))
                && like
                    .regex
                    .as_ref()
                    .is_none_or(|regex| regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(report)))
        }
    }
}
