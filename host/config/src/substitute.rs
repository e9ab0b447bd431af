//! Puts `${env:NAME}` and `${file:PATH}` into the strings of a document. `$${` stands for a plain `${`.
//!
//! The tree keeps what was written beside what was put in, so that no message can show a secret. Keys are left alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Text, Value};

/// A larger file is surely not meant to stand inside a string.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What a document is read in: the folder of relative paths, and the environment.
pub(crate) struct Surroundings<'a> {
    /// Absolute.
    pub(crate) folder: PathBuf,
    /// The environment variable of a name; a parameter, so that tests need not change the process's own.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Surroundings<'_> {
    /// `path`, from the configuration's folder if it is relative.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// A file that a string of the configuration wants to hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Inserted {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// What was put in; none if it cannot be.
    text: Option<String>,
}

impl fmt::Debug for Inserted {
    /// Without the text, which may be a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Inserted").field(&self.path).finish()
    }
}

/// Replaces every substitution in `root`; strings where one fails are marked faulty. Returns the files that were looked at.
pub(crate) fn substitute(root: &mut Node, surroundings: &Surroundings<'_>, problems: &mut Problems) -> Vec<Inserted> {
    let mut pass = Pass {
        surroundings,
        files: Vec::new(),
        faults: Vec::new(),
    };
    pass.node(root, &Pointer::root());
    for fault in pass.faults {
        root.mark(fault.pointer.as_str());
        problems.push(fault);
    }
    pass.files
}

struct Pass<'a> {
    surroundings: &'a Surroundings<'a>,
    files: Vec<Inserted>,
    faults: Vec<Problem>,
}

impl Pass<'_> {
    fn node(&mut self, node: &mut Node, here: &Pointer) {
        match &mut node.value {
            Value::String(text) if text.value.contains("${") => match self.text(&text.value, here) {
                Ok(replaced) => *text = replaced,
                Err(fault) => self.faults.push(fault),
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

    fn text(&mut self, written: &str, here: &Pointer) -> Result<Text, Problem> {
        let mut value = String::new();
        let mut replaced = false;
        let mut rest = written;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                value.push_str(&rest[..at - 1]);
                value.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            value.push_str(&rest[..at]);
            let (inside, after) = rest[at + 2..].split_once('}').ok_or_else(|| {
                Problem::unfit(here.clone(), "\"}\" after \"${\"").hint("for a literal \"${\", write \"$${\"")
            })?;
            value.push_str(&self.source(inside, here)?);
            replaced = true;
            rest = after;
        }
        value.push_str(rest);
        Ok(Text {
            value,
            written: replaced.then(|| written.to_owned()),
        })
    }

    /// What stands for `${inside}`.
    fn source(&mut self, inside: &str, here: &Pointer) -> Result<String, Problem> {
        match inside.split_once(':') {
            Some(("env", name)) => self.variable(name, here),
            Some(("file", path)) => self.file(path, here),
            _ => {
                Err(Problem::unfit(here.clone(), "${env:NAME} or ${file:PATH}")
                    .hint("for a literal \"${\", write \"$${\""))
            }
        }
    }

    fn variable(&self, name: &str, here: &Pointer) -> Result<String, Problem> {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
        if !is_name(name) {
            return Err(Problem::unfit(
                here.clone(),
                "the name of an environment variable after \"env:\"",
            ));
        }
        let value = (self.surroundings.variable)(name).ok_or_else(|| {
            Problem::told(here.clone(), format!("the environment variable {name} is not set"))
                .hint(format!("set {name} in the gateway's environment"))
        })?;
        value
            .into_string()
            .map_err(|_| Problem::told(here.clone(), format!("the environment variable {name} is not UTF-8")))
    }

    fn file(&mut self, written: &str, here: &Pointer) -> Result<String, Problem> {
        if written.is_empty() {
            return Err(Problem::unfit(here.clone(), "a file path after \"file:\""));
        }
        let path = self.surroundings.path(written);
        let read = read_small(&path);
        self.files.push(Inserted {
            path: path.clone(),
            text: read.as_ref().ok().cloned(),
        });
        read.map_err(|reason| Problem::told(here.clone(), format!("the file {} {reason}", path.display())))
    }
}

/// The file's text without its last line end: tools that write secrets to files like to add one.
fn read_small(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let size = fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("has {size} bytes, more than the maximum of {MAX_FILE_BYTES}"));
    }
    let mut text = String::from_utf8(fs::read(path).map_err(cannot)?).map_err(|_| "is not UTF-8".to_owned())?;
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

    /// The document after substitution, with A=alpha in its environment and `folder` around it.
    fn run(text: &str, folder: &Path) -> (Node, Problems, Vec<Inserted>) {
        let mut problems = Problems::default();
        let mut root = reader::read(text, &mut problems).unwrap();
        let variable = |name: &str| (name == "A").then(|| OsString::from("alpha"));
        let surroundings = Surroundings {
            folder: folder.to_owned(),
            variable: &variable,
        };
        let files = substitute(&mut root, &surroundings, &mut problems);
        (root, problems, files)
    }

    #[test]
    fn variables_and_files_are_put_in_and_a_doubled_dollar_is_left_plain() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "s3cret\r\n").unwrap();
        let (root, problems, files) = run(
            r#"["<${env:A}|${file:secret}>", "$${env:A} $5 $$", "$$${env:A}", {"${env:A}": 1}]"#,
            folder.path(),
        );
        assert!(problems.0.is_empty());
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
    fn what_cannot_be_put_in_is_told_by_name_and_left_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        let text = r#"{"a":"${env:GONE}","b":"${file:gone.txt}","c":"${vault:x}","d":"${A}","e":"${env:A","f":"${file:binary}","g":"${env:}"}"#;
        let (root, problems, files) = run(text, folder.path());
        let told = |index: usize| {
            let problem: &Problem = &problems.0[index];
            format!("{} {:?} {:?}", problem.pointer, problem.message, problem.expected)
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
            assert!(parts.iter().all(|part| told(index).contains(part)), "{}", told(index));
        }
        assert_eq!(problems.0.len(), 7);
        let looked_at: Vec<_> = files.iter().filter_map(|file| file.path.file_name()).collect();
        assert_eq!(
            looked_at,
            ["gone.txt", "binary"],
            "if they were other, so might the problems be"
        );
        assert!(root.member("a").is_none());
    }
}
