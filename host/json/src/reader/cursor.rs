//! A place in the text, and the errors that are told there.

use crate::pointer::Pointer;
use crate::problem::Problem;

/// How far the text has been read.
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

    /// Goes past what JSON calls whitespace.
    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past `byte`, if it stands here.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// What stands here is not what should.
    pub(super) fn unexpected(&self, expected: &str) -> Problem {
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
        self.fault(format!("not JSON: found {found}"))
            .expected(expected)
            .hinted(hint)
    }

    /// A syntax error here.
    pub(super) fn fault(&self, message: impl Into<String>) -> Problem {
        Problem::told(Pointer::root(), message).at_byte(self.at)
    }
}
