//! The compilation of one module file: reads it, verifies its signature, compiles it. It knows nothing of the other files, so that it can run
//! on a thread of its own.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use lockgate_config::model::SigningKey;
use lockgate_sandbox::{Engine, Module};

use crate::module_bytes::read;
use crate::signature::{self, SignatureState};

/// Fingerprint of a module's file and of the signature beside it: differs when one of them was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    module: FileFingerprint,
    signature: Option<FileFingerprint>,
}

/// Fingerprint of one file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileFingerprint {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The content of a module file.
#[derive(Clone)]
pub struct CompiledModule {
    /// The module.
    pub module: Module,
    /// The signature of the bytes that were compiled.
    pub signature: SignatureState,
}

/// A file to be compiled.
pub struct Compilation {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) fingerprint: io::Result<Fingerprint>,
    pub(crate) engine: Engine,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) only_signed: bool,
}

/// A compiled file, or why it is refused.
pub struct Compiled {
    pub(crate) of: Compilation,
    pub(crate) result: Result<CompiledModule, Refused>,
}

/// Why a file is refused.
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// The reason is the system's, not the file's content.
    pub(crate) may_pass: bool,
}

impl Refused {
    fn system(what: &str, error: &io::Error) -> Self {
        Self {
            reason: format!("{what} cannot be read: {error}"),
            may_pass: true,
        }
    }

    fn content(reason: String) -> Self {
        Self {
            reason,
            may_pass: false,
        }
    }
}

impl Compilation {
    /// Compiles the file. Blocks; a large module takes seconds.
    pub fn run(self) -> Compiled {
        let result = self.compile();
        Compiled { of: self, result }
    }

    fn compile(&self) -> Result<CompiledModule, Refused> {
        if let Err(error) = &self.fingerprint {
            return Err(Refused::system("the file", error));
        }
        let bytes = read(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput => Refused::content(error.to_string()),
            _ => Refused::system("the file", &error),
        })?;
        let signature = signature::verify(&self.path, &bytes, &self.keys)
            .map_err(|error| Refused::system("its signature", &error))?;
        if self.only_signed {
            signature.check(&self.keys).map_err(Refused::content)?;
        }
        let module = self.engine.compile(&bytes);
        let module = module.map_err(|error| Refused::content(error.to_string()))?;
        Ok(CompiledModule { module, signature })
    }
}

impl Fingerprint {
    /// The fingerprint of a module's file, `with_signature` if signatures matter.
    pub(crate) fn of(module: &Path, with_signature: bool) -> io::Result<Self> {
        Ok(Self {
            module: file_fingerprint(module)?,
            signature: with_signature
                .then(|| file_fingerprint(&signature::path_of(module)).ok())
                .flatten(),
        })
    }
}

fn file_fingerprint(path: &Path) -> io::Result<FileFingerprint> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(path)?;
    Ok(FileFingerprint {
        modified: meta.modified().ok(),
        bytes: meta.len(),
        inode: meta.ino(),
    })
}
