//! The header block of an HTTP/2 request, as it is on the wire (RFC 7541): a look at what the HTTP library repairs or hides.
//!
//! The library cuts a fragment off a path, drops pseudo-header fields in trailers, and keeps blanks around values. What comes out of it
//! does not show that any more. So the block is read before the library reads it: not into fields, only into [`BlockFacts`]. Of the dynamic
//! table, too, only facts are kept.

mod huffman;

use std::collections::VecDeque;

/// Lengths of the names in the static table.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4,
    4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];
/// The size of the dynamic table at the start, and the largest one that the gateway allows: the default of the standard.
const TABLE_BYTES: usize = 4096;
/// What an entry of the table costs besides its name and value.
const ENTRY_BYTES: usize = 32;

/// The block is not one of HPACK. The library closes the connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBlock;

/// What a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// Number of fields. Pseudo-header fields do not count, and all cookies count as one: HTTP/2 allows to split a cookie.
    pub fields: usize,
    /// A pseudo-header field.
    pub has_pseudo: bool,
    /// A `#` in the path.
    pub has_fragment: bool,
    /// A blank before or after a value.
    pub has_outer_blank: bool,
}

/// The reader of a connection's blocks, in their order.
#[derive(Debug)]
pub struct HeaderBlocks {
    /// The newest entry first.
    table: VecDeque<Entry>,
    bytes: usize,
    max_bytes: usize,
    text: Vec<u8>,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    name: Name,
    value: Value,
}

#[derive(Clone, Copy, Debug, Default)]
struct Name {
    length: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Field,
    Cookie,
    Path,
    /// Another pseudo-header field.
    Pseudo,
}

#[derive(Clone, Copy, Debug, Default)]
struct Value {
    length: usize,
    has_hash: bool,
    has_outer_blank: bool,
}

impl Default for HeaderBlocks {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            bytes: 0,
            max_bytes: TABLE_BYTES,
            text: Vec::new(),
        }
    }
}

impl HeaderBlocks {
    /// Reads the next block of the connection.
    ///
    /// # Errors
    /// The block is malformed; nothing that follows on the connection can be read.
    pub fn read(&mut self, block: &[u8]) -> Result<BlockFacts, BrokenBlock> {
        let mut facts = BlockFacts::default();
        let mut has_cookie = false;
        let mut rest = block;
        while let Some(&first) = rest.first() {
            let field = match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    self.entry(index)?
                }
                0x20..0x40 => {
                    let size = integer(&mut rest, 5)?;
                    if size > TABLE_BYTES {
                        return Err(BrokenBlock);
                    }
                    self.max_bytes = size;
                    self.evict(0);
                    continue;
                }
                _ => {
                    let is_indexed = first & 0x40 != 0;
                    let index = integer(&mut rest, if is_indexed { 6 } else { 4 })?;
                    let name = match index {
                        0 => self.string(&mut rest, name)?,
                        index => self.entry(index)?.name,
                    };
                    let value = self.string(&mut rest, value)?;
                    let field = Entry { name, value };
                    if is_indexed {
                        self.insert(field);
                    }
                    field
                }
            };
            match field.name.kind {
                Kind::Field => facts.fields += 1,
                Kind::Cookie => has_cookie = true,
                Kind::Path | Kind::Pseudo => facts.has_pseudo = true,
            }
            facts.has_fragment |= field.name.kind == Kind::Path && field.value.has_hash;
            facts.has_outer_blank |= field.value.has_outer_blank;
        }
        facts.fields += usize::from(has_cookie);
        Ok(facts)
    }

    fn entry(&self, index: usize) -> Result<Entry, BrokenBlock> {
        let Some(nth) = index.checked_sub(1) else {
            return Err(BrokenBlock);
        };
        match STATIC_NAMES.get(nth) {
            Some(&length) => Ok(Entry {
                name: Name {
                    length: length.into(),
                    kind: match index {
                        4 | 5 => Kind::Path,
                        ..15 => Kind::Pseudo,
                        32 => Kind::Cookie,
                        _ => Kind::Field,
                    },
                },
                value: Value::default(),
            }),
            None => self.table.get(nth - STATIC_NAMES.len()).copied().ok_or(BrokenBlock),
        }
    }

    fn insert(&mut self, entry: Entry) {
        let bytes = entry.bytes();
        self.evict(bytes);
        if bytes <= self.max_bytes {
            self.bytes += bytes;
            self.table.push_front(entry);
        }
    }

    /// Makes room for `bytes`; without enough of it, the table is empty.
    fn evict(&mut self, bytes: usize) {
        while self.bytes + bytes > self.max_bytes {
            let Some(oldest) = self.table.pop_back() else { return };
            self.bytes -= oldest.bytes();
        }
    }

    /// What `read` makes of a string, once it is decoded.
    fn string<T>(&mut self, rest: &mut &[u8], read: fn(&[u8]) -> T) -> Result<T, BrokenBlock> {
        let is_coded = rest.first().ok_or(BrokenBlock)? & 0x80 != 0;
        let length = integer(rest, 7)?;
        let (text, after) = rest.split_at_checked(length).ok_or(BrokenBlock)?;
        *rest = after;
        if !is_coded {
            return Ok(read(text));
        }
        self.text.clear();
        huffman::decode(text, &mut self.text)?;
        Ok(read(&self.text))
    }
}

impl Entry {
    fn bytes(self) -> usize {
        self.name.length + self.value.length + ENTRY_BYTES
    }
}

fn name(text: &[u8]) -> Name {
    Name {
        length: text.len(),
        kind: match text {
            b":path" => Kind::Path,
            [b':', ..] => Kind::Pseudo,
            b"cookie" => Kind::Cookie,
            _ => Kind::Field,
        },
    }
}

fn value(text: &[u8]) -> Value {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    Value {
        length: text.len(),
        has_hash: text.contains(&b'#'),
        has_outer_blank: is_blank(text.first()) || is_blank(text.last()),
    }
}

/// An integer whose first byte has a prefix of `bits` bits for it (RFC 7541, section 5.1).
fn integer(rest: &mut &[u8], bits: u8) -> Result<usize, BrokenBlock> {
    let mut next = || {
        let (first, after) = rest.split_first().ok_or(BrokenBlock)?;
        *rest = after;
        Ok(usize::from(*first))
    };
    let mask = (1 << bits) - 1;
    let mut value = next()? & mask;
    if value < mask {
        return Ok(value);
    }
    // Longer ones are larger than any block.
    for shift in [0, 7, 14, 21] {
        let byte = next()?;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(BrokenBlock)
}

#[cfg(test)]
mod tests;
