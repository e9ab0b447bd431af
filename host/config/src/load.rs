//! From a path to a checked model: read, substitute, judge by the schema, check; every mistake of every pass in one report.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::check::check;
use crate::diagnostic::{Diagnostic, Report};
use crate::document::Document;
use crate::model::Model;
use crate::problem::{Place, Problem, Problems};
use crate::reader;
use crate::schema;
use crate::substitute::{Surroundings, substitute};
use crate::validate::validate;

/// A configuration that may be served.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file means.
    pub model: Model,
    /// The file itself, to tell later mistakes at their place.
    pub document: Document,
    /// Every file that was put in by `${file:…}`; absolute. A change in one changes the configuration.
    pub files: Vec<PathBuf>,
}

/// Loads the configuration at `path`, with the process's environment. Blocks on the file system.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    let text = fs::read(path).map_err(|error| unreadable(path, format!("cannot be read: {error}")))?;
    let text = String::from_utf8(text).map_err(|error| not_text(path, &error))?;
    load_text(path, text, &|name| env::var_os(name))
}

/// The same for a text that would stand at `path`, with the environment as a parameter.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load_text(path: &Path, text: String, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, Report> {
    let folder = std::path::absolute(path).map_err(|error| unreadable(path, format!("has no folder: {error}")))?;
    let folder = folder.parent().map(Path::to_owned).unwrap_or_default();
    let surroundings = Surroundings { folder, variable };
    let mut problems = Problems::default();
    let mut root = match reader::read(&text, &mut problems) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return Err(report(&Document::new(path, text, None), problems));
        }
    };
    let files = substitute(&mut root, &surroundings, &mut problems);
    for problem in validate(&root, &schema::strict()) {
        // A missing key is told at the object that misses it, which is otherwise good.
        if problem.place != Place::Around {
            root.mark(problem.pointer.as_str());
        }
        problems.push(problem);
    }
    let model = check(&root, &surroundings, &mut problems);
    let document = Document::new(path, text, Some(root));
    match model {
        Some(model) => Ok(Loaded { model, document, files }),
        None => Err(report(&document, problems)),
    }
}

pub(crate) fn report(document: &Document, problems: Problems) -> Report {
    let mut diagnostics: Vec<Diagnostic> = problems
        .0
        .into_iter()
        .map(|problem| document.diagnose(problem))
        .collect();
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    Report { diagnostics }
}

pub(crate) fn unreadable(path: &Path, reason: String) -> Report {
    let message = format!("the file {reason}");
    Report {
        diagnostics: vec![Document::new(path, String::new(), None).diagnostic("", message, None, None)],
    }
}

/// A file that is not UTF-8, told at its first byte that is not.
pub(crate) fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Report {
    let good = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
    let problem =
        Problem::told(crate::pointer::Pointer::root(), "found a byte that is not UTF-8").expected("JSON text");
    let document = Document::new(path, text, None);
    Report {
        diagnostics: vec![document.diagnose(problem.at_byte(good))],
    }
}
