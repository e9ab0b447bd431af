//! The parser of one chunked body (RFC 9112, section 7.1). Data is skipped by count; everything else is checked byte by byte.

use super::scan;

/// Maximum number of hexadecimal digits in a size, leading zeros included: those of a `u64`.
const MAX_DIGITS: u8 = 16;

/// What a read has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkProgress {
    /// All of the data belongs to the body, which is incomplete.
    Partial,
    /// The body ends before `end`.
    Complete { end: usize },
    /// The byte at `at` is not allowed there.
    Malformed { at: usize },
}

/// What the parser has read last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The line end before a size, or nothing yet.
    #[default]
    Start,
    Size,
    /// Blanks that only an extension can follow.
    Blank,
    /// The semicolon before an extension.
    Semicolon,
    Name,
    /// Blanks after an extension's name.
    AfterName,
    /// The equals sign before an extension's value.
    Equals,
    Word,
    Quoted,
    Backslash,
    Unquoted,
    /// The carriage return after a size and its extensions.
    SizeReturn,
    /// A part of the data; this many bytes are left.
    Data(u64),
    /// All of the data.
    DataEnd,
    DataReturn,
    /// The line end before a trailer or the end.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerReturn,
    LastReturn,
    End,
}

/// State of the parser.
#[derive(Debug, Default)]
pub(super) struct ChunkParser {
    state: State,
    size: u64,
    digits: u8,
}

impl ChunkParser {
    /// Reads on. `data` begins where the last one ended.
    pub(super) fn read(&mut self, data: &[u8]) -> ChunkProgress {
        let mut at = 0;
        while at < data.len() {
            if let State::Data(left) = self.state {
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(data.len() - at);
                at += part;
                let left = left - part as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                continue;
            }
            match self.after(data[at]) {
                Some(State::End) => return ChunkProgress::Complete { end: at + 1 },
                Some(state) => self.state = state,
                None => return ChunkProgress::Malformed { at },
            }
            at += 1;
        }
        ChunkProgress::Partial
    }

    /// The state after `byte`. None: the byte is not allowed here.
    fn after(&mut self, byte: u8) -> Option<State> {
        let state = match (self.state, byte) {
            (State::Size | State::Name | State::Word | State::Unquoted, b'\r') => State::SizeReturn,
            (State::Size | State::Blank | State::Name | State::AfterName | State::Word | State::Unquoted, b';') => {
                State::Semicolon
            }
            (State::Size | State::Blank | State::Word | State::Unquoted, b' ' | b'\t') => State::Blank,
            (State::Start | State::Size, digit) => self.add(digit)?,
            (State::Semicolon | State::Equals, b' ' | b'\t') => self.state,
            (State::Name | State::AfterName, b' ' | b'\t') => State::AfterName,
            (State::Name | State::AfterName, b'=') => State::Equals,
            (State::Semicolon | State::Name, byte) if scan::is_token(byte) => State::Name,
            (State::Equals, b'"') | (State::Backslash, b'"' | b'\\') => State::Quoted,
            (State::Equals | State::Word, byte) if scan::is_token(byte) => State::Word,
            (State::Quoted, b'"') => State::Unquoted,
            (State::Quoted, b'\\') => State::Backslash,
            (State::Quoted | State::Backslash, byte) if !scan::is_control(byte) => State::Quoted,
            (State::SizeReturn, b'\n') => self.end_size(),
            (State::DataEnd, b'\r') => State::DataReturn,
            (State::DataReturn, b'\n') => State::Start,
            (State::Trailer, b'\r') => State::LastReturn,
            (State::Trailer | State::TrailerName, byte) if scan::is_token(byte) => State::TrailerName,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerReturn,
            (State::TrailerValue, byte) if !scan::is_control(byte) => State::TrailerValue,
            (State::TrailerReturn, b'\n') => State::Trailer,
            (State::LastReturn, b'\n') => State::End,
            _ => return None,
        };
        Some(state)
    }

    fn add(&mut self, digit: u8) -> Option<State> {
        let value = char::from(digit).to_digit(16)?;
        if self.digits == MAX_DIGITS {
            return None;
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(value);
        Some(State::Size)
    }

    fn end_size(&mut self) -> State {
        self.digits = 0;
        match std::mem::take(&mut self.size) {
            0 => State::Trailer,
            size => State::Data(size),
        }
    }
}
