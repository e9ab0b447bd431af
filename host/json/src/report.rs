//! What is wrong with a whole file, as one report.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Report};
use crate::document::Document;
use crate::pointer::Pointer;
use crate::problem::{Problem, Problems};

/// Everything that is wrong with `document`, in the order of its text.
pub fn report(document: &Document, problems: Problems) -> Report {
    let mut diagnostics: Vec<Diagnostic> = problems
        .0
        .into_iter()
        .map(|problem| document.diagnose(problem))
        .collect();
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    Report { diagnostics }
}

/// A file that cannot be read, and why.
pub fn unreadable(path: &Path, reason: String) -> Report {
    let message = format!("the file {reason}");
    Report {
        diagnostics: vec![Document::new(path, String::new(), None).diagnostic("", message, None, None)],
    }
}

/// A file that is not UTF-8, told at its first byte that is not.
pub fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Report {
    let good = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
    let problem = Problem::told(Pointer::root(), "found a byte that is not UTF-8").expected("JSON text");
    let document = Document::new(path, text, None);
    Report {
        diagnostics: vec![document.diagnose(problem.at_byte(good))],
    }
}
