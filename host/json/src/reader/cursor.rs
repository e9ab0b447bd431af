//! [`Cursor`]: how far the text has been read, and the syntax errors there.

use crate::mistake::Mistake;
use crate::pointer::Pointer;

/// A position in the text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    /// In bytes; always between two characters.
    pub(super) at: usize,
}

impl Cursor<'_> {
    /// The next byte; none at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips whitespace as JSON defines it.
    pub(super) fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads `byte`, if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The syntax error that something else than `expected` is next.
    pub(super) fn unexpected(&self, expected: &str) -> Mistake {
        let found = match self.text[self.at..].chars().next() {
            None => "the end of the file".to_owned(),
            Some(c) if c.is_control() => format!("the character {}", c.escape_default()),
            Some(c) => format!("'{c}'"),
        };
        let hint = match self.peek() {
            Some(b'/' | b'#') => Some("JSON has no comments".to_owned()),
            Some(b'\'') => Some("JSON knows only double quotes".to_owned()),
            _ => None,
        };
        self.error(format!("not JSON: found {found}"))
            .expected(expected)
            .optional_hint(hint)
    }

    /// A syntax error here.
    pub(super) fn error(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(Pointer::root(), message).at_byte(self.at)
    }
}
