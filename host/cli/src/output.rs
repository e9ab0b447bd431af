//! Output of commands on stdout.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints a text and a line end. A closed pipe (`lockgate schema | head`) is no error.
pub(crate) fn print(text: impl fmt::Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
