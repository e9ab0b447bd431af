//! The check of a configuration without running it.

pub(crate) mod warnings;

use std::fmt;
use std::path::Path;

use lockgate_json::{Diagnostic, Report};

use crate::engine::engine;
use crate::load::Loader;

/// The contents of a valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSummary {
    /// Number of listeners.
    pub listeners: usize,
    /// Number of routes.
    pub routes: usize,
    /// Number of upstreams.
    pub upstreams: usize,
    /// Number of plugins, each configured in a trial VM.
    pub plugins: usize,
    /// Remarks for the operator: capabilities that modules declare and their plugins are not granted.
    pub remarks: Vec<Diagnostic>,
    /// What is valid and likely a mistake.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for CheckSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        write!(
            out,
            "{}, {}, {}, {}",
            count(self.listeners, "listener"),
            count(self.routes, "route"),
            count(self.upstreams, "upstream"),
            count(self.plugins, "plugin")
        )
    }
}

/// Checks a configuration as a start would: reads it, compiles its modules, and configures every plugin in a trial VM.
///
/// # Errors
/// Every mistake, at its place.
pub fn check(config: &Path) -> Result<CheckSummary, Report> {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(error) => {
            let diagnostic = Diagnostic {
                file: config.to_owned(),
                line: 1,
                column: 1,
                pointer: String::new(),
                message: error.to_string(),
                expected: None,
                hint: None,
            };
            return Err(Report {
                diagnostics: vec![diagnostic],
            });
        }
    };
    let mut loader = Loader::new(engine);
    let loaded = loader.load(config)?;
    // Modules that nobody uses: what is wrong with one is logged, as when the gateway runs.
    let modules = loader.modules_mut();
    while let Some(rest) = modules.next_rest() {
        modules.adopt(rest.run());
    }
    let model = &loaded.snapshot.model;
    Ok(CheckSummary {
        listeners: model.listeners.len(),
        routes: model.routes.len(),
        upstreams: model.upstreams.len(),
        plugins: model.plugins.len(),
        warnings: warnings::warnings(&loaded.snapshot, &loaded.document),
        remarks: loaded.remarks,
    })
}
