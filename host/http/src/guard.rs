//! Follows the raw bytes of an HTTP/1 connection from request to request, and refuses what two readers could read differently
//! (RFC 9112, sections 2.2, 3, 5, 6 and 7.1) before the HTTP library sees it: that one mends some of it in silence.
//!
//! A head is handed on when all of it is there and good, so that of a refused one not a byte is. Bodies go on as they come; what is
//! wrong in their chunks stops them. It does no input or output, keeps no bytes and knows nothing of hosts and paths: what can be
//! judged after parsing is judged in [`crate::inbound`].

mod chunks;
mod head;
mod scan;

use chunks::Chunks;
use head::{Head, Length, Step};

use crate::problem::Problem;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Request line, fields and line ends together, in bytes.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// What is not handed on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A whole request, to be answered with this.
    Head(Problem),
    /// The rest of a body whose request is under way. Its end is not known, nor what follows.
    Body,
}

/// How far a stream may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// This many of the bytes may be handed on; the others are to be shown again, with what comes after them.
    pub end: usize,
    /// Why nothing after them ever may be.
    pub refusal: Option<Refusal>,
}

/// Where the stream is.
#[derive(Debug)]
enum State {
    /// Before or in a head.
    Head(Head),
    /// In a body with this many bytes to come.
    Length(u64),
    Chunked(Chunks),
    Refused(Refusal),
}

/// The reader of one connection.
#[derive(Debug)]
pub struct Guard {
    limits: Limits,
    state: State,
    heads: u64,
}

impl Guard {
    /// Before a connection's first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Head(Head::default()),
            heads: 0,
        }
    }

    /// Reads on. `data` begins where the last passage ended.
    pub fn advance(&mut self, data: &[u8]) -> Passage {
        let mut end = 0;
        loop {
            let rest = &data[end..];
            let refusal = match &mut self.state {
                State::Head(head) => match head.read(rest, self.limits) {
                    Ok(Step::Partial) => return Passage { end, refusal: None },
                    Ok(Step::Complete { end: length, body }) => {
                        end += length;
                        self.heads += 1;
                        self.state = match body {
                            Length::Known(0) => State::Head(Head::default()),
                            Length::Known(length) => State::Length(length),
                            Length::Chunked => State::Chunked(Chunks::default()),
                        };
                        None
                    }
                    Err(problem) => Some(Refusal::Head(problem)),
                },
                State::Length(left) => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    end += part;
                    *left -= part as u64;
                    if *left == 0 {
                        self.state = State::Head(Head::default());
                    }
                    None
                }
                State::Chunked(chunks) => match chunks.read(rest) {
                    chunks::Step::Partial => {
                        end = data.len();
                        None
                    }
                    chunks::Step::Complete { end: length } => {
                        end += length;
                        self.state = State::Head(Head::default());
                        None
                    }
                    chunks::Step::Malformed { at } => {
                        end += at;
                        Some(Refusal::Body)
                    }
                },
                State::Refused(refusal) => Some(*refusal),
            };
            if let Some(refusal) = refusal {
                self.state = State::Refused(refusal);
                return Passage {
                    end,
                    refusal: Some(refusal),
                };
            }
            if end == data.len() {
                return Passage { end, refusal: None };
            }
        }
    }

    /// How many heads were good.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// The stream is in a head of which something has come; empty lines before it are nothing.
    pub fn is_amid_head(&self) -> bool {
        matches!(&self.state, State::Head(head) if head.has_begun())
    }

    /// The stream is in a body.
    pub fn is_amid_body(&self) -> bool {
        matches!(self.state, State::Length(_) | State::Chunked(_))
    }
}

#[cfg(test)]
mod tests;
