//! The bytes of module and signature files. Only regular files are read: whoever opens a FIFO waits for its other end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Maximum bytes of a module file. Larger files are not read.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

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
