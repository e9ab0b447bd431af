//! The guard of an HTTP/1 connection: a check of its raw bytes, request by request, before the HTTP library sees them. It refuses what
//! two readers could read differently (RFC 9112, sections 2.2, 3, 5, 6 and 7.1). The library would repair some of that in silence.
//!
//! A head passes when it is complete and valid; of a refused head, no byte passes. Body bytes pass as they arrive, up to the first
//! malformed byte of a chunked body. Behind a request that asks for an upgrade nothing passes before it is decided whether HTTP goes on
//! there; its head passes alone, when everything before it is answered. The guard does no input or output, stores no bytes and knows no hosts and paths. What can be
//! checked after parsing is checked in [`crate::inbound`].

mod chunk_parser;
mod head_parser;
pub mod header_block;
mod scan;

use std::ops::Range;

use chunk_parser::{ChunkParser, ChunkProgress};
use head_parser::{BodyLength, HeadParser, HeadProgress};

use crate::problem::Problem;

pub use scan::escaped;

/// Limits of a request's head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of request line, fields and line ends together, in bytes.
    pub bytes: usize,
    /// Maximum number of fields.
    pub fields: usize,
}

/// Why bytes do not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardRefusal {
    /// The request's head is refused; the client gets this problem.
    Head(Problem),
    /// The body of a request under way is malformed. Its end is unknown, and so is what follows.
    Body,
}

/// How much of a stream passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardProgress {
    /// Number of bytes that pass. The caller shows the others again, together with what arrives after them.
    pub end: usize,
    /// Why nothing after these bytes will ever pass.
    pub refusal: Option<GuardRefusal>,
    /// A request target behind `end`, counted from there, that passes once it is [`escaped`]. The caller replaces it and shows the bytes
    /// from `end` on again.
    pub unsafe_target: Option<Range<usize>>,
}

impl GuardProgress {
    fn passed(end: usize) -> Self {
        Self {
            end,
            refusal: None,
            unsafe_target: None,
        }
    }
}

/// The part of a message that comes next.
#[derive(Debug)]
enum State {
    /// Before or in a head.
    Head(HeadParser),
    /// In a body, with this many bytes left.
    Length(u64),
    Chunked(ChunkParser),
    /// Before a complete head of this length that asks for an upgrade.
    Upgrade(usize),
    /// Behind such a head. What comes is not HTTP if the request gets what it asks for.
    Undecided,
    Refused(GuardRefusal),
}

/// The guard of one connection.
#[derive(Debug)]
pub struct Guard {
    limits: Limits,
    escapes: bool,
    state: State,
    heads: u64,
}

impl Guard {
    /// A guard for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            escapes: false,
            state: State::Head(HeadParser::default()),
            heads: 0,
        }
    }

    /// The guard, which asks for escapes in a request target where it would refuse it without.
    #[must_use]
    pub fn escaping(self, escapes: bool) -> Self {
        Self { escapes, ..self }
    }

    /// Checks more bytes. `data` begins where the last call's `end` was.
    pub fn advance(&mut self, data: &[u8]) -> GuardProgress {
        let mut end = 0;
        loop {
            let rest = &data[end..];
            let refusal = match &mut self.state {
                State::Head(head) => match head.read(rest, self.limits, self.escapes) {
                    Ok(HeadProgress::Partial) => return GuardProgress::passed(end),
                    Ok(HeadProgress::Complete {
                        end: length,
                        is_upgrade: true,
                        ..
                    }) => {
                        self.state = State::Upgrade(length);
                        return GuardProgress::passed(end);
                    }
                    Ok(HeadProgress::Complete { end: length, body, .. }) => {
                        end += length;
                        self.heads += 1;
                        self.state = match body {
                            BodyLength::Known(0) => State::Head(HeadParser::default()),
                            BodyLength::Known(length) => State::Length(length),
                            BodyLength::Chunked => State::Chunked(ChunkParser::default()),
                        };
                        None
                    }
                    Ok(HeadProgress::Unsafe { target }) => {
                        return GuardProgress {
                            unsafe_target: Some(target),
                            ..GuardProgress::passed(end)
                        };
                    }
                    Err(problem) => Some(GuardRefusal::Head(problem)),
                },
                State::Length(left) => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    end += part;
                    *left -= part as u64;
                    if *left == 0 {
                        self.state = State::Head(HeadParser::default());
                    }
                    None
                }
                State::Chunked(chunks) => match chunks.read(rest) {
                    ChunkProgress::Partial => {
                        end = data.len();
                        None
                    }
                    ChunkProgress::Complete { end: length } => {
                        end += length;
                        self.state = State::Head(HeadParser::default());
                        None
                    }
                    ChunkProgress::Malformed { at } => {
                        end += at;
                        Some(GuardRefusal::Body)
                    }
                },
                State::Upgrade(_) | State::Undecided => return GuardProgress::passed(end),
                State::Refused(refusal) => Some(*refusal),
            };
            if let Some(refusal) = refusal {
                self.state = State::Refused(refusal);
                return GuardProgress {
                    refusal: Some(refusal),
                    ..GuardProgress::passed(end)
                };
            }
            if end == data.len() {
                return GuardProgress::passed(end);
            }
        }
    }

    /// Number of heads that have passed.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the stream is within a head, or before a complete one that is held. Empty lines before a head do not count.
    pub fn is_in_head(&self) -> bool {
        match &self.state {
            State::Head(head) => head.has_begun(),
            State::Upgrade(_) => true,
            _ => false,
        }
    }

    /// Whether a complete head is held because it asks for an upgrade: it passes with [`Guard::pass_upgrade`], alone.
    pub fn holds_upgrade(&self) -> bool {
        matches!(self.state, State::Upgrade(_))
    }

    /// Lets the held head pass, and nothing behind it; its length.
    pub fn pass_upgrade(&mut self) -> usize {
        let State::Upgrade(length) = self.state else { return 0 };
        self.state = State::Undecided;
        self.heads += 1;
        length
    }

    /// Whether the bytes behind the last head are held until its request is answered.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// The request got no upgrade: what comes is HTTP.
    pub fn refuse_upgrade(&mut self) {
        if self.is_undecided() {
            self.state = State::Head(HeadParser::default());
        }
    }

    /// Whether the stream is within a body.
    pub fn is_in_body(&self) -> bool {
        matches!(self.state, State::Length(_) | State::Chunked(_))
    }
}

#[cfg(test)]
mod tests;
