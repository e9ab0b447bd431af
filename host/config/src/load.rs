//! From a path to a checked model: read, substitute, judge by the schema, check; every mistake of every pass in one report.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lockgate_json::diagnostic::Report;
use lockgate_json::document::Document;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Place, Problems};
use lockgate_json::reader;
use lockgate_json::report::{not_text, report, unreadable};
use lockgate_json::tree::Node;
use lockgate_json::validate::validate;

use crate::check::check;
use crate::model::Model;
use crate::schema;
use crate::substitute::{Inserted, Surroundings, substitute};

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
