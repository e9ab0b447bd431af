//! Log lines against their expectations.

use super::{Assertions, Mismatch, quoted, text};
use crate::cases::{LineMatch, LogMatch};
use crate::log_capture::LogLine;

impl Assertions {
    pub(super) fn logs(&mut self, wanted: &[LogMatch], here: &str, lines: &[LogLine]) {
        let mut from = 0;
        for (index, wanted) in wanted.iter().enumerate() {
            let wanted = match wanted {
                LogMatch::Contains(text) => &LineMatch {
                    contains: Some(text.clone()),
                    ..LineMatch::default()
                },
                LogMatch::Line(line) => line,
            };
            let at = |from: usize| {
                lines[from..]
                    .iter()
                    .position(|line| is_like(wanted, line))
                    .map(|at| from + at)
            };
            let found = match (wanted.absent, at(0), at(from)) {
                (true, None, _) => continue,
                (true, Some(at), _) => ("no line", format!("{}: {}", level(&lines[at]), lines[at].text)),
                (false, _, Some(at)) => {
                    from = at + 1;
                    continue;
                }
                (false, Some(_), None) => ("a line", "only before the line expected ahead of it".to_owned()),
                (false, None, None) => ("a line", format!("none among {} lines", lines.len())),
            };
            self.0.push(Mismatch {
                pointer: format!("{here}/{index}"),
                what: "log".to_owned(),
                expected: format!("{} {}", found.0, describe(wanted)),
                found: found.1,
                ..Mismatch::default()
            });
        }
    }
}

fn is_like(wanted: &LineMatch, line: &LogLine) -> bool {
    wanted.level.is_none_or(|level| level == line.level)
        && wanted.contains.as_ref().is_none_or(|text| line.text.contains(text))
        && wanted
            .regex
            .as_ref()
            .is_none_or(|regex| text::matches(regex, &line.text))
}

fn level(line: &LogLine) -> String {
    format!("{:?}", line.level).to_lowercase()
}

fn describe(wanted: &LineMatch) -> String {
    let mut words = Vec::new();
    if let Some(level) = wanted.level {
        words.push(format!("at level {}", format!("{level:?}").to_lowercase()));
    }
    if let Some(text) = &wanted.contains {
        words.push(format!("with {}", quoted(text)));
    }
    if let Some(regex) = &wanted.regex {
        words.push(format!("matching {}", quoted(regex)));
    }
    words.join(" ")
}
