//! Log lines of plugins: events of this process with the target `plugin`, at the guest's level.

use std::borrow::Cow;

use lockgate_sandbox::LogLevel;
use tracing::level_filters::LevelFilter;

/// Target of these events.
pub const TARGET: &str = "plugin";

/// Writes a guest's line, with the id of the request that it was written for. `critical` is an error with the field `critical`. A guest's text may hold what a client sent: control
/// characters are escaped, so that no part of it looks like a line of its own.
pub fn write(plugin: &str, request_id: Option<&str>, level: LogLevel, message: &str) {
    let message = one_line(message);
    match level {
        LogLevel::Trace => tracing::trace!(target: TARGET, plugin, request_id, "{message}"),
        LogLevel::Debug => tracing::debug!(target: TARGET, plugin, request_id, "{message}"),
        LogLevel::Info => tracing::info!(target: TARGET, plugin, request_id, "{message}"),
        LogLevel::Warn => tracing::warn!(target: TARGET, plugin, request_id, "{message}"),
        LogLevel::Error => tracing::error!(target: TARGET, plugin, request_id, "{message}"),
        LogLevel::Critical => tracing::error!(target: TARGET, plugin, request_id, critical = true, "{message}"),
    }
}

/// The lowest level that is written.
pub fn level() -> LogLevel {
    match LevelFilter::current() {
        LevelFilter::TRACE => LogLevel::Trace,
        LevelFilter::DEBUG => LogLevel::Debug,
        LevelFilter::INFO => LogLevel::Info,
        LevelFilter::WARN => LogLevel::Warn,
        LevelFilter::ERROR => LogLevel::Error,
        _ => LogLevel::Critical,
    }
}

/// The text without control characters other than tabs; they are written as Rust does: `\n`, `\r`, `\u{1b}`.
fn one_line(text: &str) -> Cow<'_, str> {
    let is_control =
        |character: char| character.is_control() && character != '\t' || matches!(character, '\u{2028}' | '\u{2029}');
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_control(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_guest_s_text_is_one_line() {
        assert_eq!(one_line("plain\ttext, \u{e9}"), "plain\ttext, \u{e9}");
        assert_eq!(
            one_line("a\nERROR b\r\x1b[2J\u{85}\u{2028}c"),
            "a\\nERROR b\\r\\u{1b}[2J\\u{85}\\u{2028}c"
        );
        assert_eq!(one_line("ends with one\n"), "ends with one");
    }
}
