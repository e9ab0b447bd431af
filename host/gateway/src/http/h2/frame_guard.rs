//! The guard of an HTTP/2 connection: the frames that come, before the library reads them. The rules are those of HTTP/1.
//!
//! It finds what the library repairs in silence, times heads, and counts frames that carry nothing. A client that sends too many of them
//! has its connection ended.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lockgate_http::guard::header_block::HeaderBlocks;
use lockgate_http::problem::{Malformed, Problem};

use super::framed_stream::{DATA, FrameReader, Part};
use crate::body::stream::BadTrailers;
use crate::context::idle_monitor::ActivityMonitor;

/// Length of what the client sends before its first frame.
const PREFACE: usize = 24;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// What a client may spend on frames that carry nothing, at once. It gets back [`REFILL`] a second, and some for each frame that carries
/// something.
const ALLOWANCE: u32 = 2000;
const REFILL: u32 = 50;
/// The price of an answer to a ping that was never sent, of which no client sends more than one by mistake.
const STRAY_ACK: u32 = 100;
/// What a request, and a piece of a body in either direction, give back.
const REQUEST_CREDIT: u32 = 10;
const DATA_CREDIT: u32 = 3;

/// Maximum verdicts that wait for their streams. More: the streams are none that the library serves.
const MAX_VERDICTS: usize = 1000;

/// What the guard found.
#[derive(Default)]
pub(super) struct Verdicts {
    heads: RefCell<Vec<(u32, Problem)>>,
    trailers: BadTrailers,
    is_flooded: Cell<bool>,
}

impl Verdicts {
    /// Why the request on a stream is refused, if it is.
    pub(super) fn take_head(&self, stream: u32) -> Option<Problem> {
        let mut heads = self.heads.borrow_mut();
        let found = heads.iter().position(|(bad, _)| *bad == stream)?;
        Some(heads.swap_remove(found).1)
    }

    /// Streams whose trailers are malformed.
    pub(super) fn bad_trailers(&self) -> &BadTrailers {
        &self.trailers
    }

    /// The client has sent too much that carries nothing.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.get()
    }
}

/// Limits of a request's head.
#[derive(Clone, Copy)]
pub(super) struct HeadLimits {
    /// Maximum bytes of the section, decoded.
    pub(super) bytes: usize,
    /// Maximum number of fields.
    pub(super) fields: usize,
}

/// The guard of one connection.
pub(super) struct FrameGuard {
    verdicts: Rc<Verdicts>,
    activity: Rc<ActivityMonitor>,
    limits: HeadLimits,
    preface: usize,
    frames: FrameReader,
    /// None once a block could not be read; the library ends the connection then.
    blocks: Option<HeaderBlocks>,
    /// What has come of the current block, from `frame_start` on of the current frame.
    block: Vec<u8>,
    frame_start: usize,
    /// The stream of the current block, and whether it is a request's head.
    head: (u32, bool),
    /// The highest stream of a request.
    last_stream: u32,
    spent: u32,
    refilled: std::time::Instant,
}

impl FrameGuard {
    /// A guard for a new connection.
    pub(super) fn new(verdicts: Rc<Verdicts>, activity: Rc<ActivityMonitor>, limits: HeadLimits) -> Self {
        Self {
            refilled: activity.now(),
            verdicts,
            activity,
            limits,
            preface: 0,
            frames: FrameReader::default(),
            blocks: Some(HeaderBlocks::default()),
            block: Vec::new(),
            frame_start: 0,
            head: (0, false),
            last_stream: 0,
            spent: 0,
        }
    }

    /// Looks at bytes that have come.
    pub(super) fn look(&mut self, data: &[u8]) {
        let part = data.len().min(PREFACE - self.preface);
        self.preface += part;
        let mut data = &data[part..];
        // The reader is taken out, because the parts are judged by the guard.
        let mut frames = std::mem::take(&mut self.frames);
        while let Some(part) = frames.next(&mut data) {
            self.judge(&part);
        }
        self.frames = frames;
    }

    /// A piece of a response has been written.
    pub(super) fn sent_data(&mut self) {
        self.credit(DATA_CREDIT);
    }

    fn judge(&mut self, part: &Part<'_>) {
        let frame = part.frame;
        if matches!(frame.kind, HEADERS | CONTINUATION) {
            return self.judge_block(part);
        }
        if !part.is_first {
            return;
        }
        match frame.kind {
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => self.credit(DATA_CREDIT),
            PING if frame.flags & ACK != 0 => self.spend(STRAY_ACK),
            SETTINGS if frame.flags & ACK != 0 => {}
            SETTINGS => self.spend(10),
            WINDOW_UPDATE if frame.stream == 0 => self.spend(1),
            _ => self.spend(1),
        }
    }

    fn judge_block(&mut self, part: &Part<'_>) {
        let frame = part.frame;
        if part.is_first {
            self.frame_start = self.block.len();
            if frame.kind == HEADERS {
                self.block.clear();
                self.frame_start = 0;
                self.head = (frame.stream, frame.stream > self.last_stream);
                self.last_stream = self.last_stream.max(frame.stream);
                self.activity.head_begun();
            } else {
                self.spend(1);
            }
        }
        self.block.extend_from_slice(part.piece);
        // A code can be longer than what it stands for, by less than a factor of four.
        if self.block.len() > 4 * self.limits.bytes + (1 << 14) {
            self.block.clear();
            self.blocks = None;
            return self.flooded();
        }
        if !part.is_last {
            return;
        }
        if frame.kind == HEADERS {
            self.strip(frame.flags);
        }
        if frame.flags & END_HEADERS != 0 {
            self.activity.head_complete();
            self.end_block();
        }
    }

    /// Takes padding and priority off the frame that has just ended.
    fn strip(&mut self, flags: u8) {
        let mut end = self.block.len();
        let mut start = self.frame_start;
        if flags & PADDED != 0
            && let Some(&padding) = self.block.get(start)
        {
            start += 1;
            end = end.saturating_sub(padding.into()).max(start);
        }
        if flags & PRIORITY != 0 {
            start = (start + 5).min(end);
        }
        self.block.truncate(end);
        self.block.drain(self.frame_start..start);
    }

    fn end_block(&mut self) {
        let facts = self.blocks.as_mut().map(|blocks| blocks.read(&self.block));
        self.block.clear();
        self.block.shrink_to(1 << 12);
        let facts = match facts {
            Some(Ok(facts)) => facts,
            Some(Err(_)) => return self.blocks = None,
            None => return,
        };
        let (stream, is_head) = self.head;
        if !is_head {
            if facts.has_pseudo || facts.has_outer_blank || facts.fields > self.limits.fields {
                self.verdicts.trailers.add(stream);
            }
            return;
        }
        self.credit(REQUEST_CREDIT);
        let problem = if facts.fields > self.limits.fields {
            Problem::HeadersTooLarge
        } else if facts.has_fragment {
            Malformed::Fragment.into()
        } else if facts.has_outer_blank {
            Malformed::OuterBlank.into()
        } else {
            return;
        };
        let mut heads = self.verdicts.heads.borrow_mut();
        heads.push((stream, problem));
        if heads.len() > MAX_VERDICTS {
            drop(heads);
            self.flooded();
        }
    }

    fn spend(&mut self, price: u32) {
        self.spent += price;
        if self.spent > ALLOWANCE {
            let now = self.activity.now();
            let seconds = now.saturating_duration_since(self.refilled).as_secs();
            if seconds > 0 {
                self.refilled = now;
                self.credit(REFILL.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX)));
            }
            if self.spent > ALLOWANCE {
                self.flooded();
            }
        }
    }

    fn credit(&mut self, amount: u32) {
        self.spent = self.spent.saturating_sub(amount);
    }

    fn flooded(&self) {
        self.verdicts.is_flooded.set(true);
    }
}
