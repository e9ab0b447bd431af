//! A bound on how often one place in the code writes to the log. Whoever sends requests can make many places write; no peer can
//! fill a disk by it, or hide other lines.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_telemetry::{failure_log, plugin_log};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that one place may write within [`WINDOW`]. Plugins share one place by level, and may write more.
const LINES: u32 = 50;
const PLUGIN_LINES: u32 = 2000;
const WINDOW: Duration = Duration::from_secs(10);

/// Counts lines by the place that writes them. Lines of the levels `debug` and `trace` are not bounded: an operator has asked for them.
#[derive(Default)]
pub(super) struct RateLimit(Mutex<HashMap<Identifier, Window>>);

struct Window {
    began: Instant,
    lines: u32,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Write,
    /// It is written, and so many before it were not.
    WriteAfter(u32),
    Leave,
}

impl RateLimit {
    fn count(&self, place: Identifier, limit: u32, now: Instant) -> Verdict {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(place).or_insert(Window { began: now, lines: 0 });
        if now.saturating_duration_since(window.began) >= WINDOW {
            let lost = window.lines.saturating_sub(limit);
            *window = Window { began: now, lines: 1 };
            return if lost > 0 {
                Verdict::WriteAfter(lost)
            } else {
                Verdict::Write
            };
        }
        window.lines = window.lines.saturating_add(1);
        if window.lines <= limit {
            Verdict::Write
        } else {
            Verdict::Leave
        }
    }
}

impl<S: Subscriber> Layer<S> for RateLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let limit = match metadata.target() {
            plugin_log::TARGET => PLUGIN_LINES,
            // They are bounded where they are written.
            failure_log::TARGET => return true,
            _ => LINES,
        };
        match self.count(metadata.callsite(), limit, Instant::now()) {
            Verdict::Write => true,
            Verdict::WriteAfter(lines) => {
                let place = metadata.module_path().unwrap_or(metadata.target());
                tracing::warn!(lines, place, "log lines left out: one place wrote too many");
                true
            }
            Verdict::Leave => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_writes_too_much_is_cut_and_says_so_later() {
        let (limit, start) = (RateLimit::default(), Instant::now());
        let place = tracing::callsite::Identifier(&PLACE);
        let verdicts: Vec<_> = (0..5).map(|_| limit.count(place.clone(), 3, start)).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Write,
                Verdict::Write,
                Verdict::Write,
                Verdict::Leave,
                Verdict::Leave
            ]
        );
        assert_eq!(limit.count(place.clone(), 3, start + WINDOW), Verdict::WriteAfter(2));
        assert_eq!(limit.count(place, 3, start + 2 * WINDOW), Verdict::Write);
    }

    struct Place;

    static PLACE: Place = Place;

    impl tracing::Callsite for Place {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &tracing::Metadata<'_> {
            panic!("nobody asks for it")
        }
    }
}
