//! The gateway's lines, made readable: a request with what each plugin took and said, and what else there is to know.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A line of the access log: of a request, or of a TCP connection.
#[derive(Debug, Deserialize)]
pub(super) struct Access {
    #[serde(default)]
    request_id: String,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
    connection: Option<u64>,
    result: Option<String>,
    bytes_in: u64,
    bytes_out: u64,
    duration_us: u64,
    upstream: Option<String>,
    upstream_us: Option<u64>,
    code_details: Option<String>,
    abort_reason: Option<String>,
    plugins: Vec<Times>,
}

/// What a plugin took, in microseconds.
#[derive(Debug, Deserialize)]
struct Times {
    name: String,
    request_us: u64,
    response_us: u64,
}

/// Reads a line of the access log; none if it is something else.
pub(super) fn access(line: &str) -> Option<Access> {
    let access: Access = serde_json::from_str(line).ok()?;
    (access.method.is_some() || access.connection.is_some()).then_some(access)
}

impl Access {
    /// The request's id; empty for a connection.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// What it was, what became of it, and how long it took.
    pub(super) fn headline(&self) -> String {
        let mut told = match (&self.method, self.connection) {
            (Some(method), _) => format!("{method} {}  ", self.path.as_deref().unwrap_or_default()),
            (None, number) => format!("connection {}  ", number.unwrap_or_default()),
        };
        match (self.status, &self.result) {
            (Some(status), _) => told += &status.to_string(),
            (None, Some(result)) => told += result,
            (None, None) => told += "no response",
        }
        let _ = write!(told, ", {}", time(self.duration_us));
        if self.connection.is_some() {
            let _ = write!(told, ", {} bytes in, {} out", self.bytes_in, self.bytes_out);
        }
        if let (Some(upstream), Some(took)) = (&self.upstream, self.upstream_us) {
            let _ = write!(told, ", {upstream} responded in {}", time(took));
        }
        let remarks = [&self.code_details, &self.abort_reason].into_iter().flatten();
        for remark in remarks.filter(|remark| !remark.is_empty()) {
            let _ = write!(told, "; {remark}");
        }
        told
    }

    /// Each plugin, and what it took.
    pub(super) fn plugins(&self) -> impl Iterator<Item = (&str, String)> {
        let (first, second) = match self.connection {
            None => ("request", "response"),
            Some(_) => ("from the client", "from the upstream"),
        };
        self.plugins.iter().map(move |plugin| {
            let (request, response) = (time(plugin.request_us), time(plugin.response_us));
            (plugin.name.as_str(), format!("{first} {request}, {second} {response}"))
        })
    }
}

/// A call of a plugin to the host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) plugin: String,
    /// The callback that it was made in.
    pub(super) phase: String,
    /// Empty for a connection's.
    pub(super) request_id: String,
    /// The call with its arguments and results.
    call: String,
    status: String,
}

impl Call {
    /// Its name without `proxy_`.
    pub(super) fn name(&self) -> &str {
        let name = self.call.split_once('(').map_or(self.call.as_str(), |(name, _)| name);
        name.strip_prefix("proxy_").unwrap_or(name)
    }

    /// Whether it is one of proxy-wasm's, and none of WASI's.
    pub(super) fn is_of_proxy_wasm(&self) -> bool {
        self.call.starts_with("proxy_")
    }

    /// As it is told.
    pub(super) fn text(&self) -> String {
        let call = self.call.strip_prefix("proxy_").unwrap_or(&self.call);
        match self.status.as_str() {
            "OK" | "" => call.to_owned(),
            status => format!("{call} {status}"),
        }
    }
}

/// A line of the gateway's own log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A plugin logged something.
    Plugin { plugin: String, text: String },
    /// A plugin called the host.
    Call(Call),
    /// A listener has begun.
    Listening { listener: String, address: String },
    /// Everything listens and serves.
    Ready,
    /// A change is live.
    Reloaded { milliseconds: u64 },
    /// Something is wrong, or may be.
    Wrong(String),
    /// Nothing that a plugin's author waits for.
    Other,
}

/// Reads a line of the log in JSON. What is no JSON comes from a panic or a library, and is told as it is.
pub(super) fn log(line: &str) -> Line {
    let Ok(Value::Object(mut event)) = serde_json::from_str(line) else {
        return Line::Wrong(line.to_owned());
    };
    let mut take = |name: &str| match event.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (level, message, target) = (take("level").to_lowercase(), take("message"), take("target"));
    if target == "plugin" {
        return Line::Plugin {
            plugin: take("plugin"),
            text: format!("{level}: {message}"),
        };
    }
    if target == "trace" {
        return Line::Call(Call {
            plugin: take("plugin"),
            phase: take("phase"),
            request_id: take("request_id"),
            status: take("status"),
            call: message,
        });
    }
    match message.as_str() {
        "listening" => Line::Listening {
            listener: take("listener"),
            address: take("address"),
        },
        "ready" => Line::Ready,
        "reloaded" => Line::Reloaded {
            milliseconds: take("took_ms").parse().unwrap_or(0),
        },
        _ if matches!(level.as_str(), "warn" | "error") => {
            drop(take("timestamp"));
            Line::Wrong(format!("{level}: {message}{}", fields(&event)))
        }
        _ => Line::Other,
    }
}

fn fields(event: &Map<String, Value>) -> String {
    let mut told = String::new();
    for (name, value) in event {
        let _ = match value {
            Value::String(text) if text.contains('\n') => write!(told, "\n{text}"),
            Value::String(text) => write!(told, "\n  {name}: {text}"),
            other => write!(told, "\n  {name}: {other}"),
        };
    }
    told
}

/// Microseconds, as people read them.
fn time(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{microseconds} µs"),
        10_000..10_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_with_what_each_plugin_took() {
        let line = r#"{"time":"2026-01-31T23:59:59.000001Z","request_id":"1","listener":"web","client":"127.0.0.1","method":"GET","host":"a","path":"/orders","protocol":"HTTP/1.1","status":200,"route":"all","upstream":"demo","endpoint":"127.0.0.1:9000","attempts":1,"bytes_in":0,"bytes_out":9,"duration_us":812,"upstream_us":301,"code_details":null,"abort_reason":null,"plugins":[{"name":"demo","request_us":24,"response_us":11}]}"#;
        let access = super::access(line).expect("a request");
        assert_eq!(access.headline(), "GET /orders  200, 812 µs, demo answered in 301 µs");
        let plugins: Vec<_> = access.plugins().collect();
        assert_eq!(plugins, [("demo", "request 24 µs, response 11 µs".to_owned())]);
        assert!(super::access("{}").is_none());
    }

    #[test]
    fn lines_of_the_log_are_told_by_what_they_mean() {
        let plugin = r#"{"timestamp":"t","level":"INFO","message":"refused","plugin":"demo","target":"plugin"}"#;
        let (plugin_name, text) = ("demo".to_owned(), "info: refused".to_owned());
        assert_eq!(
            log(plugin),
            Line::Plugin {
                plugin: plugin_name,
                text
            }
        );
        let reloaded = r#"{"timestamp":"t","level":"INFO","message":"reloaded","revision":2,"took_ms":7,"target":"lockgate_control::control"}"#;
        assert_eq!(log(reloaded), Line::Reloaded { milliseconds: 7 });
        let wrong =
            r#"{"timestamp":"t","level":"ERROR","message":"it trapped","plugin":"demo","target":"lockgate_sandbox"}"#;
        assert_eq!(log(wrong), Line::Wrong("error: it trapped\n  plugin: demo".to_owned()));
        let other = r#"{"timestamp":"t","level":"INFO","message":"admin API","target":"x"}"#;
        assert_eq!(log(other), Line::Other);
        assert_eq!(log("thread panicked"), Line::Wrong("thread panicked".to_owned()));
    }
}
