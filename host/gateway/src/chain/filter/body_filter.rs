//! One plugin's state for one message's body: what it holds, and the tap behind it.

use std::time::Instant;

use lockgate_exchange::{BodyBuffer, BodySink};

/// How much of the message is known behind a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum PartEnd {
    /// More may come.
    #[default]
    Open,
    /// This was the last byte, and no trailers follow.
    Last,
    /// Trailers follow; they lie in the exchange.
    Trailers,
}

/// A piece of a body on its way.
#[derive(Default)]
pub(super) struct Part {
    pub(super) data: BodyBuffer,
    pub(super) end: PartEnd,
}

impl Part {
    /// True when it carries neither bytes nor an end.
    pub(super) fn is_nothing(&self) -> bool {
        self.data.is_empty() && self.end == PartEnd::Open
    }
}

/// One plugin's state for this message's body.
pub(super) struct BodyFilter {
    /// Its place in the chain.
    pub(super) position: usize,
    /// It exports a body or trailers callback for this direction.
    pub(super) reads_body: bool,
    /// It asked to wait in a body or trailers callback.
    pub(super) paused: bool,
    /// Since when it holds the body of a message whose head has passed it.
    pub(super) since: Option<Instant>,
    /// What it holds while it waits.
    pub(super) held: Part,
    /// A copy of the body behind it goes here.
    pub(super) tap: Option<Box<dyn BodySink>>,
}

impl BodyFilter {
    pub(super) fn new(position: usize, reads_body: bool) -> Self {
        Self {
            position,
            reads_body,
            paused: false,
            since: None,
            held: Part::default(),
            tap: None,
        }
    }

    /// Lets go of what it holds.
    pub(super) fn release(&mut self) -> Part {
        self.paused = false;
        std::mem::take(&mut self.held)
    }

    /// Shows a piece that leaves this plugin to the tap behind it.
    pub(super) fn copy_to_tap(&mut self, part: &Part) {
        let Some(sink) = self.tap.as_mut() else { return };
        for chunk in part.data.chunks() {
            sink.chunk(chunk);
        }
        if part.end != PartEnd::Open
            && let Some(sink) = self.tap.take()
        {
            // What ends in trailers is not complete without them, and a tap takes only data.
            sink.end(part.end == PartEnd::Last);
        }
    }
}
