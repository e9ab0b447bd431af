//! What a command prints to stdout.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints one thing and a line's end. A reader that has seen enough (`lockgate schema | head`) is no error.
pub(crate) fn print(what: impl fmt::Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{what}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
