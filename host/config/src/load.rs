//! From a path to a checked model, in four passes: read, substitute, validate by the schema, check. One report has the mistakes of
//! all passes.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lockgate_json::diagnostic::Report;
use lockgate_json::document::Document;
use lockgate_json::mistake::{Anchor, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::reader;
use lockgate_json::report::{not_text, report, unreadable};
use lockgate_json::tree::Node;
use lockgate_json::validate::validate;

use crate::check::check;
use crate::formats::FORMATS;
use crate::model::Model;
use crate::schema;
use crate::substitute::{IncludedFile, LoadContext, substitute};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked configuration.
    pub model: Model,
    /// The file itself, for the position of later mistakes.
    pub document: Document,
    /// Files that `${file:…}` included, and others whose contents settings use. A change in one changes the configuration.
    pub files: Vec<IncludedFile>,
}

/// What is known of an invalid configuration: enough to look for further mistakes.
#[derive(Debug, Clone)]
pub struct PartialConfig {
    /// The file.
    pub document: Document,
    /// The folder of modules, if the file names one; absolute.
    pub plugin_dir: Option<PathBuf>,
    /// All plugins, named and inline: JSON pointer, and the module's name.
    pub plugins: Vec<(String, String)>,
    /// Files that `${file:…}` names, those that cannot be read among them.
    pub files: Vec<IncludedFile>,
}

/// An invalid configuration.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{report}")]
pub struct LoadError {
    /// All mistakes, in the order of the text.
    pub report: Report,
    /// What else is known. None: the text is not JSON.
    pub partial: Option<PartialConfig>,
}

impl From<Report> for LoadError {
    fn from(report: Report) -> LoadError {
        LoadError { report, partial: None }
    }
}

impl From<LoadError> for Report {
    fn from(error: LoadError) -> Report {
        error.report
    }
}

/// Loads the configuration at `path`, with the process's environment. Blocks on the file system.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = fs::read(path).map_err(|error| {
        let mut report = unreadable(path, format!("cannot be read: {error}"));
        for diagnostic in &mut report.diagnostics {
            diagnostic.hint = Some("--config FILE names another gateway.json".to_owned());
        }
        report
    })?;
    let text = String::from_utf8(text).map_err(|error| not_text(path, &error))?;
    load_text(path, text, &|name| env::var_os(name))
}

/// Loads the text of a configuration at `path`. `variable` returns an environment variable.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn load_text(path: &Path, text: String, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, LoadError> {
    let folder = std::path::absolute(path).map_err(|error| unreadable(path, format!("has no folder: {error}")))?;
    let folder = folder.parent().map(Path::to_owned).unwrap_or_default();
    let context = LoadContext {
        folder,
        variable,
        contents: RefCell::default(),
    };
    let mut mistakes = Mistakes::default();
    let mut root = match reader::read(&text, &mut mistakes) {
        Ok(root) => root,
        Err(mistake) => {
            mistakes.push(mistake);
            return Err(report(&Document::new(path, text, None), mistakes).into());
        }
    };
    let mut files = substitute(&mut root, &context, &mut mistakes);
    for mistake in validate(&root, &schema::strict(), FORMATS) {
        // What an object with a missing key has is valid.
        if mistake.anchor != Anchor::Owner {
            root.mark(mistake.pointer.as_str());
        }
        mistakes.push(mistake);
    }
    let model = check(&root, &context, &mut mistakes);
    files.append(&mut context.contents.borrow_mut());
    let plugin_dir = root.member("plugin_dir").and_then(Node::text);
    let plugin_dir = plugin_dir.map(|folder| context.path(folder));
    let mut plugins = Vec::new();
    find_plugins(&root, &Pointer::root(), &mut plugins);
    let document = Document::new(path, text, Some(root));
    let Some(model) = model else {
        let report = report(&document, mistakes);
        let partial = PartialConfig {
            document,
            plugin_dir,
            plugins,
            files,
        };
        return Err(LoadError {
            report,
            partial: Some(partial),
        });
    };
    Ok(Loaded { model, document, files })
}

/// Adds every plugin in `node`: an object with a `module`. Inside a plugin there is none.
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
