//! Substitutes `${env:NAME}` and `${file:PATH}` in the strings of a document. `$${` stands for a plain `${`.
//!
//! In the replacement of a path (`to`), `${name}` without a colon is a group of its expression and stays.
//!
//! The tree keeps the written text beside the substituted one, so that no message can show a secret. Keys are not substituted.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Text, Value};

/// Maximum size of an included file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The folder of relative paths, and the environment variables.
pub(crate) struct LoadContext<'a> {
    /// The configuration file's folder; absolute.
    pub(crate) folder: PathBuf,
    /// Returns the environment variable of a name. A parameter, so that tests do not change the process's own.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Files that settings name and whose contents are part of the configuration, as far as they have been read.
    pub(crate) contents: RefCell<Vec<IncludedFile>>,
}

impl LoadContext<'_> {
    /// `path`, relative to the configuration's folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The contents of a small file that a setting names. A change of the file changes the configuration from now on.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(crate) fn contents(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.path(path);
        let contents = read_small(&path);
        let read = contents.as_ref().ok().cloned();
        self.contents.borrow_mut().push(IncludedFile {
            path: path.clone(),
            contents: read,
        });
        contents.map_err(|reason| format!("the file {} {reason}", path.display()))
    }
}

/// A file that `${file:…}` includes in a string of the configuration, or whose contents a setting uses.
#[derive(Clone, PartialEq, Eq)]
pub struct IncludedFile {
    /// Absolute.
    pub path: PathBuf,
    /// What is in it. None: the file cannot be read.
    contents: Option<Vec<u8>>,
}

impl fmt::Debug for IncludedFile {
    /// Without the contents, which may be a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("IncludedFile").field(&self.path).finish()
    }
}

/// Makes every substitution in `root`. A string with a failed one is marked as faulty. Returns the files that were read, or should
/// have been.
pub(crate) fn substitute(root: &mut Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Vec<IncludedFile> {
    let mut pass = Pass {
        context,
        files: Vec::new(),
        mistakes: Vec::new(),
    };
    pass.node(root, &Pointer::root());
    for mistake in pass.mistakes {
        root.mark(mistake.pointer.as_str());
        mistakes.push(mistake);
    }
    pass.files
}

/// Whether `${` before `rest` begins a group of an expression, as the replacements of paths have them: `${name}`, without a colon.
fn is_group(rest: &str) -> bool {
    rest.split_once('}').is_some_and(|(name, _)| !name.contains(':'))
}

struct Pass<'a> {
    context: &'a LoadContext<'a>,
    files: Vec<IncludedFile>,
    mistakes: Vec<Mistake>,
}

impl Pass<'_> {
    fn node(&mut self, node: &mut Node, here: &Pointer) {
        match &mut node.value {
            Value::String(text) if text.value.contains("${") => match self.text(&text.value, here) {
                Ok(replaced) => *text = replaced,
                Err(mistake) => self.mistakes.push(mistake),
            },
            Value::Array(items) => {
                items
                    .iter_mut()
                    .enumerate()
                    .for_each(|(index, item)| self.node(item, &here.index(index)));
            }
            Value::Object(members) => {
                members
                    .iter_mut()
                    .for_each(|member| self.node(&mut member.node, &here.key(&member.name)));
            }
            _ => {}
        }
    }

    /// The text after substitution.
    fn text(&mut self, written: &str, here: &Pointer) -> Result<Text, Mistake> {
        let mut value = String::new();
        let mut replaced = false;
        let mut rest = written;
        let has_groups = here.as_str().ends_with("/rewrite/to") || here.as_str().ends_with("/redirect/to");
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                value.push_str(&rest[..at - 1]);
                value.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            value.push_str(&rest[..at]);
            if has_groups && is_group(&rest[at + 2..]) {
                value.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            let (inside, after) = rest[at + 2..].split_once('}').ok_or_else(|| {
                Mistake::invalid(here.clone(), "\"}\" after \"${\"").hint("for a literal \"${\", write \"$${\"")
            })?;
            value.push_str(&self.replacement(inside, here)?);
            replaced = true;
            rest = after;
        }
        value.push_str(rest);
        Ok(Text {
            value,
            written: replaced.then(|| written.to_owned()),
        })
    }

    /// The replacement for `${inside}`.
    fn replacement(&mut self, inside: &str, here: &Pointer) -> Result<String, Mistake> {
        match inside.split_once(':') {
            Some(("env", name)) => self.variable(name, here),
            Some(("file", path)) => self.file(path, here),
            _ => Err(Mistake::invalid(here.clone(), "${env:NAME} or ${file:PATH}")
                .hint("for a literal \"${\", write \"$${\"")),
        }
    }

    fn variable(&self, name: &str, here: &Pointer) -> Result<String, Mistake> {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
        if !is_name(name) {
            return Err(Mistake::invalid(
                here.clone(),
                "the name of an environment variable after \"env:\"",
            ));
        }
        let value = (self.context.variable)(name).ok_or_else(|| {
            Mistake::new(here.clone(), format!("the environment variable {name} is not set"))
                .hint(format!("set {name} in the gateway's environment"))
        })?;
        value
            .into_string()
            .map_err(|_| Mistake::new(here.clone(), format!("the environment variable {name} is not UTF-8")))
    }

    fn file(&mut self, written: &str, here: &Pointer) -> Result<String, Mistake> {
        if written.is_empty() {
            return Err(Mistake::invalid(here.clone(), "a file path after \"file:\""));
        }
        let path = self.context.path(written);
        let read = read_small(&path).and_then(text_of);
        self.files.push(IncludedFile {
            path: path.clone(),
            // Without a last line end: it changes nothing.
            contents: read.as_ref().ok().map(|text| text.clone().into_bytes()),
        });
        read.map_err(|reason| Mistake::new(here.clone(), format!("the file {} {reason}", path.display())))
    }
}

/// The bytes of a regular file that is not too large.
fn read_small(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let found = fs::metadata(path).map_err(cannot)?;
    // Whoever opens a FIFO waits for its other end.
    if !found.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let size = found.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("has {size} bytes, more than the maximum of {MAX_FILE_BYTES}"));
    }
    fs::read(path).map_err(cannot)
}

/// The text without its last line end, which tools that write secrets often add.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_json::reader;

    /// The document after substitution, with A=alpha in the environment and files from `folder`.
    fn run(text: &str, folder: &Path) -> (Node, Mistakes, Vec<IncludedFile>) {
        let mut mistakes = Mistakes::default();
        let mut root = reader::read(text, &mut mistakes).unwrap();
        let variable = |name: &str| (name == "A").then(|| OsString::from("alpha"));
        let context = LoadContext {
            contents: RefCell::default(),
            folder: folder.to_owned(),
            variable: &variable,
        };
        let files = substitute(&mut root, &context, &mut mistakes);
        (root, mistakes, files)
    }

    #[test]
    fn variables_and_files_are_substituted_and_a_doubled_dollar_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "s3cret\r\n").unwrap();
        let (root, mistakes, files) = run(
            r#"["<${env:A}|${file:secret}>", "$${env:A} $5 $$", "$$${env:A}", {"${env:A}": 1}]"#,
            folder.path(),
        );
        assert!(mistakes.0.is_empty());
        assert_eq!(
            root.to_json(),
            r#"["<alpha|s3cret>","${env:A} $5 $$","$${env:A}",{"${env:A}":1}]"#
        );
        assert_eq!((&files[0].path, files.len()), (&folder.path().join("secret"), 1));
        assert!(!format!("{files:?}").contains("s3cret"));
        assert_eq!(
            root.items()[0].shown(),
            r#""<${env:A}|${file:secret}>" (its value is not shown)"#
        );
        assert!(root.items()[0].is_secret() && !root.items()[1].is_secret());
    }

    #[test]
    fn a_failed_substitution_is_reported_by_name_and_its_member_is_faulty() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        let text = r#"{"a":"${env:GONE}","b":"${file:gone.txt}","c":"${vault:x}","d":"${A}","e":"${env:A","f":"${file:binary}","g":"${env:}"}"#;
        let (root, mistakes, files) = run(text, folder.path());
        let shown = |index: usize| {
            let mistake: &Mistake = &mistakes.0[index];
            format!("{} {:?} {:?}", mistake.pointer, mistake.message, mistake.expected)
        };
        for (index, parts) in [
            (0, ["/a ", "GONE is not set"]),
            (1, ["/b ", "gone.txt cannot be read"]),
            (2, ["/c ", "${env:NAME} or ${file:PATH}"]),
            (3, ["/d ", "${env:NAME} or ${file:PATH}"]),
            (4, ["/e ", "after"]),
            (5, ["/f ", "is not UTF-8"]),
            (6, ["/g ", "the name of an environment variable"]),
        ] {
            assert!(parts.iter().all(|part| shown(index).contains(part)), "{}", shown(index));
        }
        assert_eq!(mistakes.0.len(), 7);
        let names: Vec<_> = files.iter().filter_map(|file| file.path.file_name()).collect();
        assert_eq!(names, ["gone.txt", "binary"], "a change in one may change the mistakes");
        assert!(root.member("a").is_none());
    }
}
