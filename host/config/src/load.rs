//! From a path to a checked model: read, substitute, judge by the schema, check; every mistake of every pass in one report.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::check::check;
use crate::diagnostic::{Diagnostic, Report};
use crate::document::Document;
use crate::model::Model;
use crate::pointer::Pointer;
use crate::problem::{Place, Problem, Problems};
use crate::reader;
use crate::schema;
use crate::substitute::{Inserted, Surroundings, substitute};
use crate::tree::Node;
use crate::validate::validate;

/// A configuration that may be served.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file means.
    pub model: Model,
    /// The file itself, to tell later mistakes at their place.
    pub document: Document,
    /// Every file that was put in by `${file:…}`. A change in one changes the configuration.
    pub files: Vec<Inserted>,
}

/// A configuration that may not be served, as far as it could be understood: enough to look for further mistakes.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// The file.
    pub document: Document,
    /// The folder of the plugins' modules, if one is named.
    pub plugin_dir: Option<PathBuf>,
    /// JSON pointers of all plugins, named and inline, each with the module that it names.
    pub plugins: Vec<(String, String)>,
    /// Every file that `${file:…}` names, also those that cannot be put in.
    pub files: Vec<Inserted>,
}

/// Why a configuration may not be served.
#[derive(Debug, Clone)]
pub struct Refused {
    /// All mistakes, in the order of the text.
    pub report: Report,
    /// What there is besides them; nothing of what is no JSON.
    pub sketch: Option<Sketch>,
}

impl From<Report> for Refused {
    fn from(report: Report) -> Refused {
        Refused { report, sketch: None }
    }
}

/// Loads the configuration at `path`, with the process's environment. Blocks on the file system.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_or_sketch(path).map_err(|refused| refused.report)
}

/// The same, and what else is known of a configuration that is refused.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load_or_sketch(path: &Path) -> Result<Loaded, Refused> {
    let text = fs::read(path).map_err(|error| {
        let mut report = unreadable(path, format!("cannot be read: {error}"));
        let told = report.diagnostics.iter_mut();
        told.for_each(|told| told.hint = Some("--config FILE names another gateway.json".to_owned()));
        report
    })?;
    let text = String::from_utf8(text).map_err(|error| not_text(path, &error))?;
    read(path, text, &|name| env::var_os(name))
}

/// The same for a text that would stand at `path`, with the environment as a parameter.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load_text(path: &Path, text: String, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, Report> {
    read(path, text, variable).map_err(|refused| refused.report)
}

fn read(path: &Path, text: String, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, Refused> {
    let folder = std::path::absolute(path).map_err(|error| unreadable(path, format!("has no folder: {error}")))?;
    let folder = folder.parent().map(Path::to_owned).unwrap_or_default();
    let surroundings = Surroundings { folder, variable };
    let mut problems = Problems::default();
    let mut root = match reader::read(&text, &mut problems) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return Err(report(&Document::new(path, text, None), problems).into());
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
    let plugin_dir = root.member("plugin_dir").and_then(Node::text);
    let plugin_dir = plugin_dir.map(|folder| surroundings.path(folder));
    let mut plugins = Vec::new();
    find_plugins(&root, &Pointer::root(), &mut plugins);
    let document = Document::new(path, text, Some(root));
    let Some(model) = model else {
        let report = report(&document, problems);
        let sketch = Sketch {
            document,
            plugin_dir,
            plugins,
            files,
        };
        return Err(Refused {
            report,
            sketch: Some(sketch),
        });
    };
    Ok(Loaded { model, document, files })
}

/// Every plugin in `node`: an object with a module. What a plugin is configured with holds none.
fn find_plugins(node: &Node, here: &Pointer, out: &mut Vec<(String, String)>) {
    if let Some(module) = node.member("module").and_then(Node::text) {
        return out.push((here.to_string(), module.to_owned()));
    }
    for member in node.members() {
        find_plugins(&member.node, &here.key(&member.name), out);
    }
    for (index, item) in node.items().iter().enumerate() {
        find_plugins(item, &here.index(index), out);
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
    let problem = Problem::told(Pointer::root(), "found a byte that is not UTF-8").expected("JSON text");
    let document = Document::new(path, text, None);
    Report {
        diagnostics: vec![document.diagnose(problem.at_byte(good))],
    }
}
