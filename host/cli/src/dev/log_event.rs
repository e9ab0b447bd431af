//! Lines of the gateway's log in JSON, parsed into events. Targets and messages are those of [`log_lines`], never module paths.

use std::fmt::Write;

use lockgate_control::log_lines;
use serde_json::{Map, Value};

/// A traced host call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TracedCall {
    pub(super) plugin: String,
    /// The callback in which it was made.
    pub(super) phase: String,
    /// Empty: a connection's.
    pub(super) request_id: String,
    /// The call with arguments and results.
    call: String,
    status: String,
}

impl TracedCall {
    /// Name without `proxy_`.
    pub(super) fn name(&self) -> &str {
        let name = self.call.split_once('(').map_or(self.call.as_str(), |(name, _)| name);
        name.strip_prefix("proxy_").unwrap_or(name)
    }

    /// Whether it is a call of proxy-wasm, not of WASI.
    pub(super) fn is_of_proxy_wasm(&self) -> bool {
        self.call.starts_with("proxy_")
    }

    /// The call for people.
    pub(super) fn text(&self) -> String {
        let call = self.call.strip_prefix("proxy_").unwrap_or(&self.call);
        match self.status.as_str() {
            "OK" | "" => call.to_owned(),
            status => format!("{call} {status}"),
        }
    }
}

/// An event of the gateway's log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogEvent {
    /// A plugin logged something.
    Plugin { plugin: String, text: String },
    /// A plugin called the host.
    Call(TracedCall),
    /// A listener listens.
    Listening { listener: String, address: String },
    /// All listeners listen.
    Ready,
    /// A reload has succeeded.
    Reloaded { milliseconds: u64 },
    /// A warning, an error, or a line in another format.
    Problem(String),
    /// Any other event.
    Other,
}

/// Parses a line of the log. A line that is not JSON comes from a panic or a library, and stays as it is.
pub(super) fn parse(line: &str) -> LogEvent {
    let Ok(Value::Object(mut event)) = serde_json::from_str(line) else {
        return LogEvent::Problem(line.to_owned());
    };
    let mut take = |name: &str| match event.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (level, message, target) = (take("level").to_lowercase(), take("message"), take("target"));
    if target == log_lines::PLUGIN_TARGET {
        return LogEvent::Plugin {
            plugin: take("plugin"),
            text: format!("{level}: {message}"),
        };
    }
    if target == log_lines::CALL_TARGET {
        return LogEvent::Call(TracedCall {
            plugin: take("plugin"),
            phase: take("phase"),
            request_id: take("request_id"),
            status: take("status"),
            call: message,
        });
    }
    match message.as_str() {
        log_lines::LISTENING => LogEvent::Listening {
            listener: take("listener"),
            address: take("address"),
        },
        log_lines::READY => LogEvent::Ready,
        log_lines::RELOADED => LogEvent::Reloaded {
            milliseconds: take("took_ms").parse().unwrap_or(0),
        },
        _ if matches!(level.as_str(), "warn" | "error") => {
            drop(take("timestamp"));
            LogEvent::Problem(format!("{level}: {message}{}", fields(&event)))
        }
        _ => LogEvent::Other,
    }
}

fn fields(event: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in event {
        let _ = match value {
            Value::String(value) if value.contains('\n') => write!(text, "\n{value}"),
            Value::String(value) => write!(text, "\n  {name}: {value}"),
            other => write!(text, "\n  {name}: {other}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events() {
        let plugin = r#"{"timestamp":"t","level":"INFO","message":"refused","plugin":"demo","target":"plugin"}"#;
        let (plugin_name, text) = ("demo".to_owned(), "info: refused".to_owned());
        assert_eq!(
            parse(plugin),
            LogEvent::Plugin {
                plugin: plugin_name,
                text
            }
        );
        let reloaded = r#"{"timestamp":"t","level":"INFO","message":"reloaded","revision":2,"took_ms":7,"target":"lockgate_control::control"}"#;
        assert_eq!(parse(reloaded), LogEvent::Reloaded { milliseconds: 7 });
        let wrong =
            r#"{"timestamp":"t","level":"ERROR","message":"it trapped","plugin":"demo","target":"lockgate_sandbox"}"#;
        assert_eq!(
            parse(wrong),
            LogEvent::Problem("error: it trapped\n  plugin: demo".to_owned())
        );
        let other = r#"{"timestamp":"t","level":"INFO","message":"admin API","target":"x"}"#;
        assert_eq!(parse(other), LogEvent::Other);
        assert_eq!(
            parse("thread panicked"),
            LogEvent::Problem("thread panicked".to_owned())
        );
    }
}
