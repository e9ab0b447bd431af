//! Runs cases files: reads, checks, plays every case that is asked for, and keeps what came of each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use lockgate_config::FORMATS;
use lockgate_control::EmbeddedLoader;
use lockgate_json::{Document, Report, typed};
use lockgate_sandbox::EngineError;

use crate::cases::{Case, Cases, TextMatch};
use crate::compose;
use crate::judge::Mismatch;
use crate::logbook::{Line, Logbook};
use crate::play::{self, Setup};
use crate::times::{NEW_YEAR, time_of};

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The module to test, instead of the one that a cases file names.
    pub module: Option<PathBuf>,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
}

/// Runs cases files one after the other; modules are compiled once.
pub struct Runner {
    loader: EmbeddedLoader,
    options: Options,
}

/// What came of a file.
#[derive(Debug)]
pub struct FileResult {
    /// The file, to tell places in it.
    pub document: Document,
    /// Cases that were asked for, in the order of the file.
    pub cases: Vec<CaseResult>,
    /// How long it took.
    pub took: Duration,
}

/// What came of a case.
#[derive(Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// JSON pointer to it.
    pub pointer: String,
    /// Why it was left out.
    pub skipped: Option<String>,
    /// What is not as it must be, each with the number of its step.
    pub mismatches: Vec<(Option<usize>, Mismatch)>,
    /// Steps without expectations: where their request stands, and what came of it.
    pub unjudged: Vec<(String, serde_json::Value)>,
    /// What was logged.
    pub logs: Vec<Line>,
    /// How long it took.
    pub took: Duration,
}

impl CaseResult {
    /// Nothing is other than it must be.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl FileResult {
    /// Passed, failed and left out.
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
    /// What is wrong with the file, all of it at its place; nothing was run then.
    pub fn file(&mut self, path: &Path) -> Result<FileResult, Report> {
        let begun = Instant::now();
        let (cases, document) = typed::read::<Cases>(path, FORMATS)?;
        let told = crate::check::check(&cases, &document);
        if !told.is_empty() {
            return Err(Report { diagnostics: told });
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
            unjudged: Vec::new(),
            logs: Vec::new(),
            took: Duration::ZERO,
        };
        if case.skip.is_some() {
            return Ok(result);
        }
        let composition = compose::compose(cases, document, index, self.options.module.as_deref()).map_err(
            |(pointer, message)| Report {
                diagnostics: vec![document.diagnostic(&pointer, message, None, None)],
            },
        )?;
        for (name, path) in &composition.modules {
            self.loader.add_module(name, path);
        }
        let logbook = Logbook::default();
        let written = logbook.open();
        match self.loader.prepare(document.file(), composition.text.clone()) {
            Err(report) => result.mismatches = refusal(case, &here, &composition.translate(&report, document)),
            Ok(_) if case.refused.is_some() => result.mismatches.push((None, accepted(&here))),
            Ok(scene) => {
                let now = case.now.as_ref().or(cases.defaults.now.as_ref());
                let setup = Setup {
                    scene: &scene,
                    tested: &composition.tested,
                    endpoints: composition.endpoints.clone(),
                    scripts: compose::scripts(cases, case, &here),
                    time: time_of(now.map_or(NEW_YEAR, String::as_str)).unwrap_or(SystemTime::UNIX_EPOCH),
                    seed: case.seed.or(cases.defaults.seed).unwrap_or(1),
                    logbook: &logbook,
                };
                let played = play::play(case, &here, setup).map_err(|error| Report {
                    diagnostics: vec![document.diagnostic(&here, error.to_string(), None, None)],
                })?;
                result.mismatches = played.mismatches;
                result.unjudged = played.unjudged;
                result.logs = played.logs;
            }
        }
        result.logs.extend(logbook.take());
        drop(written);
        result.took = begun.elapsed();
        Ok(result)
    }
}

/// The plugins' configuration was refused: what of that is not as the case wants it.
fn refusal(case: &Case, here: &str, report: &Report) -> Vec<(Option<usize>, Mismatch)> {
    let told = report.to_string();
    match &case.refused {
        Some(wanted) if is_told(wanted, &told) => Vec::new(),
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
                differences: told.lines().map(str::to_owned).collect(),
                right: None,
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

/// A refusal is told in many words: a text is looked for among them.
fn is_told(wanted: &TextMatch, told: &str) -> bool {
    match wanted {
        TextMatch::Exact(text) => told.contains(text),
        TextMatch::Like(like) => {
            like.contains.as_ref().is_none_or(|text| told.contains(text))
                && like.lacks.as_ref().is_none_or(|text| !told.contains(text))
                && like
                    .regex
                    .as_ref()
                    .is_none_or(|regex| regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(told)))
        }
    }
}
