//! Log lines of the guest, and warnings of the host about it. Both are cut before they are looked at, and limited in rate.

use std::fmt::{self, Write};

use http::HeaderValue;
use lockgate_abi::LogLevel;

use super::State;
use super::log_limiter::Verdict;
use crate::report::Refusal;

/// Log lines of a start that are repeated in the message of its failure.
const MAX_TAIL_LINES: usize = 5;
/// Maximum bytes of a guest's line. The rest is cut off.
const MAX_LINE: usize = 8 * 1024;
/// Maximum bytes of a warning, which may quote what a guest wrote.
const MAX_WARNING: usize = 512;

impl State {
    /// Logs a line of the guest, of bytes as it wrote them.
    pub(crate) fn log_guest_line(&mut self, level: LogLevel, message: &[u8]) {
        let bytes = message.len().min(MAX_LINE);
        match self.log_limiter.line(self.host.now(), bytes) {
            Verdict::Drop => return self.refuse(Refusal::Log),
            Verdict::Pass { dropped: 0 } => {}
            Verdict::Pass { dropped } => {
                let notice = format!("{dropped} log lines dropped: limits.log_lines or limits.log_bytes exceeded");
                self.host.log(&self.plugin, None, LogLevel::Warn, &notice);
            }
        }
        let message = text(message, MAX_LINE);
        if let Some(tail) = &mut self.tail {
            if tail.len() == MAX_TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(message.clone());
        }
        self.host.log(&self.plugin, self.request_id().as_ref(), level, &message);
    }

    /// Logs a warning of the host about the guest. It counts as one of the guest's lines, so that it cannot flood the log.
    pub(crate) fn warn(&mut self, what: fmt::Arguments<'_>) {
        if self.log_limiter.line(self.host.now(), 0) != Verdict::Drop {
            let mut warning = Bounded(String::new());
            // Its only error is that the rest is cut off.
            let _ = warning.write_fmt(what);
            let (plugin, phase, call) = (self.plugin.name(), self.phase.as_str(), self.last_call);
            let request_id = self.request_id();
            let request_id = request_id.as_ref().and_then(|id| id.to_str().ok());
            tracing::warn!(%plugin, request_id, phase, call, "{}", warning.0);
        }
    }

    /// The id of the request that the guest works for.
    pub(crate) fn request_id(&self) -> Option<HeaderValue> {
        self.request_id_in(self.charged_context())
    }

    /// The id of the request of a stream context.
    pub(crate) fn request_id_in(&self, context: u32) -> Option<HeaderValue> {
        let exchange = self.contexts.get(context)?.exchange.try_borrow().ok()?;
        let id = &exchange.info.request_id;
        (!id.is_empty()).then(|| id.clone())
    }

    /// The last lines that the guest logged while it started.
    pub(crate) fn tail(&self) -> String {
        self.tail
            .iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" | ")
    }
}

/// At most `max` bytes of text out of a guest's bytes, of which no more are looked at.
pub(crate) fn text(bytes: &[u8], max: usize) -> String {
    // The longest character has four bytes: one that is cut here begins behind `max`.
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(max + 3)]).into_owned();
    text.truncate(text.floor_char_boundary(max));
    text
}

/// Text up to [`MAX_WARNING`] bytes. Formatting stops there.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_WARNING - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(text(b"plain", 10), "plain");
        assert_eq!(text("äöü".as_bytes(), 5), "äö");
        assert_eq!(text("äöü".as_bytes(), 4), "äö");
        assert_eq!(text("a😀😀".as_bytes(), 4), "a");
        assert_eq!(text(&[0xff; 100], 7), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_warning_ends_at_its_bound() {
        let mut warning = Bounded(String::new());
        let long = "é".repeat(10_000);
        assert!(write!(warning, "the name {long:?} is refused").is_err());
        assert_eq!(warning.0.len(), MAX_WARNING);
        assert!(warning.0.starts_with("the name \"éé"));
    }
}
