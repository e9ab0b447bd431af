//! Reads strict JSON (RFC 8259) into a tree with positions. A syntax error ends the reading; a duplicate key does not.
//!
//! It checks syntax only. We have our own because other parsers either lose positions or accept more than JSON.

mod cursor;
mod scalars;

use std::collections::HashSet;

use cursor::Cursor;

use crate::mistake::{Mistake, Mistakes};
use crate::pointer::Pointer;
use crate::tree::{Member, Node, Value};

/// Maximum nesting: the passes over the tree recurse.
const MAX_DEPTH: usize = 100;

/// Reads `text`. A duplicate key is added to `mistakes`, and its first value is used.
///
/// # Errors
/// The first syntax error.
pub fn read(text: &str, mistakes: &mut Mistakes) -> Result<Node, Mistake> {
    // A byte order mark is not part of the text (RFC 8259, section 8.1).
    let at = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut reader = Reader {
        cursor: Cursor { text, at },
        mistakes,
    };
    reader.cursor.skip_whitespace();
    let node = reader.value(&Pointer::root(), 0)?;
    reader.cursor.skip_whitespace();
    match reader.cursor.peek() {
        None => Ok(node),
        Some(_) => Err(reader.cursor.unexpected("the end of the file")),
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn value(&mut self, here: &Pointer, depth: usize) -> Result<Node, Mistake> {
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let at = self.cursor.at;
        let value = match self.cursor.peek() {
            Some(b'{') => Value::Object(self.members(here, depth)?),
            Some(b'[') => Value::Array(self.items(here, depth)?),
            Some(b'"') => self.cursor.string_value()?,
            Some(b'-' | b'0'..=b'9') => self.cursor.number()?,
            _ => self.cursor.word()?,
        };
        Ok(Node::new(at, value))
    }

    fn members(&mut self, here: &Pointer, depth: usize) -> Result<Vec<Member>, Mistake> {
        let opened = self.cursor.at;
        let mut members: Vec<Member> = Vec::new();
        let mut names = HashSet::new();
        self.cursor.at += 1;
        self.cursor.skip_whitespace();
        if self.cursor.take(b'}') {
            return Ok(members);
        }
        loop {
            let at = self.cursor.at;
            if self.cursor.peek() != Some(b'"') {
                return Err(self.in_list(opened, b'}', "a key in double quotes", !members.is_empty()));
            }
            let name = self.cursor.string()?;
            self.cursor.skip_whitespace();
            if !self.cursor.take(b':') {
                return Err(self.cursor.unexpected(&format!("a colon after the key \"{name}\"")));
            }
            self.cursor.skip_whitespace();
            let inside = here.key(&name);
            let node = self.value(&inside, depth + 1)?;
            match names.insert(name.clone()) {
                false => self.mistakes.push(
                    Mistake::new(inside, format!("duplicate key \"{name}\""))
                        .hint("remove one of the two")
                        .at_byte(at),
                ),
                true => members.push(Member { name, at, node }),
            }
            self.cursor.skip_whitespace();
            if self.cursor.take(b'}') {
                return Ok(members);
            }
            self.comma(opened, b'}')?;
        }
    }

    fn items(&mut self, here: &Pointer, depth: usize) -> Result<Vec<Node>, Mistake> {
        let opened = self.cursor.at;
        let mut items = Vec::new();
        self.cursor.at += 1;
        self.cursor.skip_whitespace();
        if self.cursor.take(b']') {
            return Ok(items);
        }
        loop {
            if matches!(self.cursor.peek(), None | Some(b']' | b',')) {
                return Err(self.in_list(opened, b']', "a value", !items.is_empty()));
            }
            items.push(self.value(&here.index(items.len()), depth + 1)?);
            self.cursor.skip_whitespace();
            if self.cursor.take(b']') {
                return Ok(items);
            }
            self.comma(opened, b']')?;
        }
    }

    /// Reads the comma between two entries of the list that begins at `opened`.
    fn comma(&mut self, opened: usize, close: u8) -> Result<(), Mistake> {
        if self.cursor.take(b',') {
            self.cursor.skip_whitespace();
            return Ok(());
        }
        let expected = format!("a comma or \"{}\"", char::from(close));
        Err(self.in_list(opened, close, &expected, false))
    }

    /// A syntax error in place of a list's entry. `is_after_comma`: a comma precedes it.
    fn in_list(&self, opened: usize, close: u8, expected: &str, is_after_comma: bool) -> Mistake {
        let mistake = self.cursor.unexpected(expected);
        if self.cursor.peek() == Some(close) && is_after_comma {
            return mistake.hint("remove the comma before the closing bracket");
        }
        if self.cursor.peek().is_none() {
            let line = self.cursor.text[..opened].matches('\n').count() + 1;
            let bracket = char::from(self.cursor.text.as_bytes()[opened]);
            return mistake.hint(format!("the \"{bracket}\" in line {line} is not closed"));
        }
        mistake
    }
}

#[cfg(test)]
mod tests;
