//! All mistakes of a file as one report.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Report};
use crate::document::Document;
use crate::mistake::{Mistake, Mistakes};
use crate::pointer::Pointer;

/// The report of all `mistakes` in `document`, in the order of the text.
pub fn report(document: &Document, mistakes: Mistakes) -> Report {
    let mut diagnostics: Vec<Diagnostic> = mistakes
        .0
        .into_iter()
        .map(|mistake| document.diagnose(mistake))
        .collect();
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    Report { diagnostics }
}

/// The report of a file that cannot be read. `reason` continues the sentence "the file …".
pub fn unreadable(path: &Path, reason: String) -> Report {
    let message = format!("the file {reason}");
    Report {
        diagnostics: vec![Document::new(path, String::new(), None).diagnostic("", message, None, None)],
    }
}

/// The report of a file that is not UTF-8, with the position of the first byte that is not.
pub fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Report {
    let valid = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
    let mistake = Mistake::new(Pointer::root(), "found a byte that is not UTF-8").expected("JSON text");
    let document = Document::new(path, text, None);
    Report {
        diagnostics: vec![document.diagnose(mistake.at_byte(valid))],
    }
}
