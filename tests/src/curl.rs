//! curl, for what a hand-written client should not be trusted with: HTTP/2 and TLS.

use crate::http::Fields;
use std::process::Command;

/// What curl got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `1.1` or `2`.
    pub version: String,
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Fields,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The first field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        crate::http::field(&self.headers, name)
    }
}

/// Runs curl with the arguments; its answer, or what it said on failing.
///
/// # Errors
/// Curl's own message, with its exit code.
///
/// # Panics
/// When curl is not installed.
pub fn curl(arguments: &[&str]) -> Result<Answer, String> {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--include",
            "--write-out",
            "\n%{http_version} %{http_code}",
        ])
        .args(arguments)
        .output()
        .expect("curl is installed");
    if !output.status.success() {
        return Err(format!(
            "{} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(answer(&String::from_utf8_lossy(&output.stdout)))
}

fn answer(text: &str) -> Answer {
    let (text, facts) = text.rsplit_once('\n').expect("curl writes the facts last");
    let (version, status) = facts.split_once(' ').expect("there are two facts");
    let (mut head, mut body) = text.split_once("\r\n\r\n").expect("a head ends in an empty line");
    while head.split(' ').nth(1).is_some_and(|code| code.starts_with('1')) {
        (head, body) = body
            .split_once("\r\n\r\n")
            .expect("after an interim answer comes another"); // 100 Continue
    }
    let field = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_string()))
    };
    Answer {
        version: version.to_string(),
        status: status.parse().expect("curl's status is a number"),
        headers: head.lines().filter_map(field).collect(),
        body: body.to_string(),
    }
}
