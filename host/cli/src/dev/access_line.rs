//! Lines of the gateway's access log, parsed and formatted for people.

use std::fmt::Write;

use serde::Deserialize;

/// A line of the access log, of a request or of a TCP connection.
#[derive(Debug, Deserialize)]
pub(super) struct AccessLine {
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
    plugins: Vec<PluginTimes>,
}

/// The time that a plugin took, in microseconds.
#[derive(Debug, Deserialize)]
struct PluginTimes {
    name: String,
    request_us: u64,
    response_us: u64,
}

/// Parses a line of the access log. None: the line is something else.
pub(super) fn parse(line: &str) -> Option<AccessLine> {
    let access: AccessLine = serde_json::from_str(line).ok()?;
    (access.method.is_some() || access.connection.is_some()).then_some(access)
}

impl AccessLine {
    /// The request id. Empty: a connection.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Request or connection, result and duration.
    pub(super) fn headline(&self) -> String {
        let mut text = match (&self.method, self.connection) {
            (Some(method), _) => format!("{method} {}  ", self.path.as_deref().unwrap_or_default()),
            (None, number) => format!("connection {}  ", number.unwrap_or_default()),
        };
        match (self.status, &self.result) {
            (Some(status), _) => text += &status.to_string(),
            (None, Some(result)) => text += result,
            (None, None) => text += "no response",
        }
        let _ = write!(text, ", {}", time(self.duration_us));
        if self.connection.is_some() {
            let _ = write!(text, ", {} bytes in, {} out", self.bytes_in, self.bytes_out);
        }
        if let (Some(upstream), Some(took)) = (&self.upstream, self.upstream_us) {
            let _ = write!(text, ", {upstream} responded in {}", time(took));
        }
        let details = [&self.code_details, &self.abort_reason].into_iter().flatten();
        for detail in details.filter(|detail| !detail.is_empty()) {
            let _ = write!(text, "; {detail}");
        }
        text
    }

    /// The plugins, each with the time that it took.
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

/// A duration for people.
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
    fn a_request_is_shown_with_the_time_of_each_plugin() {
        let line = r#"{"time":"2026-01-31T23:59:59.000001Z","request_id":"1","listener":"web","client":"127.0.0.1","method":"GET","host":"a","path":"/orders","protocol":"HTTP/1.1","status":200,"route":"all","upstream":"demo","endpoint":"127.0.0.1:9000","attempts":1,"bytes_in":0,"bytes_out":9,"duration_us":812,"upstream_us":301,"code_details":null,"abort_reason":null,"plugins":[{"name":"demo","request_us":24,"response_us":11}]}"#;
        let access = parse(line).expect("a request");
        assert_eq!(access.headline(), "GET /orders  200, 812 µs, demo responded in 301 µs");
        let plugins: Vec<_> = access.plugins().collect();
        assert_eq!(plugins, [("demo", "request 24 µs, response 11 µs".to_owned())]);
        assert!(parse("{}").is_none());
    }
}
