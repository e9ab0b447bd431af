//! The compilation of one module file: reads it, verifies its signature, compiles it. It knows nothing of the other files, so that it can run
//! on a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lockgate_config::model::SigningKey;
use lockgate_sandbox::Engine;

use crate::files::{CompiledModule, Fingerprint, MAX_BYTES};
use crate::signature;

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

/// Opens a regular file for reading. Does not wait for the other end of a FIFO.
///
/// # Errors
/// The system's; `InvalidInput` for what is not a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// The bytes of a module file.
///
/// # Errors
/// Those of [`open`]; `FileTooLarge` above [`MAX_BYTES`].
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_BYTES)).unwrap_or(0));
    // It may grow while it is read.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    let size = size.max(bytes.len() as u64);
    if size > MAX_BYTES {
        let message = format!("the file has {size} bytes, more than the maximum of {MAX_BYTES}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
