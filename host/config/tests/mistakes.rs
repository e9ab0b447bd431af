//! Mistakes that people make, each with its exact message. Every case changes one thing in the example of the documentation
//! (`gateway.json` beside this file), so there must be no other message.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;

use lockgate_config::{Loaded, load, load_text};
use lockgate_json::Report;
use tempfile::TempDir;

#[path = "mistakes/table.rs"]
mod table;

/// The documentation's example.
const EXAMPLE: &str = include_str!("gateway.json");

/// A folder with the files that the example names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    for file in ["api.pem", "api.key"] {
        fs::write(folder.path().join(file), "PEM").unwrap();
    }
    folder
}

/// Loads `text` as gateway.json of such a folder, with `token` in the environment.
fn load_with(text: &str, token: &str) -> Result<Loaded, Report> {
    let variable = |name: &str| match name {
        "LOCKGATE_ADMIN_TOKEN" => Some(token.into()),
        "EMPTY" => Some("".into()),
        _ => None,
    };
    load_text(&folder().path().join("gateway.json"), text.to_owned(), &variable).map_err(Report::from)
}

/// The report on `text`, without the folder; empty if it loads.
fn printed(text: &str) -> String {
    match load_with(text, "hunter2") {
        Ok(_) => String::new(),
        Err(report) => {
            let folder = report.diagnostics[0].file.parent().map(Path::to_owned).unwrap();
            report.to_string().replace(&format!("{}/", folder.display()), "")
        }
    }
}

#[test]
fn every_mistake_is_reported_at_its_position_and_nothing_else_is() {
    assert_eq!(printed(EXAMPLE), "");
    for mistake in table::MISTAKES {
        assert_eq!(
            EXAMPLE.matches(mistake.instead_of).count(),
            1,
            "{} is not one change",
            mistake.title
        );
        let text = EXAMPLE.replace(mistake.instead_of, mistake.wrote);
        assert_eq!(printed(&text), mistake.report, "{}", mistake.title);
    }
}

#[test]
fn six_mistakes_in_one_file_are_six_errors() {
    let text = r#"{
  "listeners": { "web": { "listen": "localhost:8080", "protocl": "http" } },
  "upstreams": {
    "orders": { "endpoints": [ "127.0.0.1:9001" ], "balance": "round-robin" }
  },
  "routes": [
    { "name": "a", "match": { "path_regex": "/a(" }, "upstream": "order", "timeout": 5 }
  ]
}"#;
    let expected = r#"gateway.json:2:37: /listeners/web/listen: found "localhost:8080", expected an IP address and port, like "127.0.0.1:8080" or "[::]:8080"
  help: host names are not resolved here; write "127.0.0.1:8080"
gateway.json:2:55: /listeners/web/protocl: unknown key "protocl", expected "ambiguous_names", "chain", "escaped_slashes", "limits", "listen", "protocol", "tls", "trailers", "trusted_proxies", "unsafe_characters" or "upstream"
  help: did you mean "protocol"?
gateway.json:4:63: /upstreams/orders/balance: found "round-robin", expected one of "round_robin", "random", "least_request", "peak_ewma"
  help: did you mean "round_robin"?
gateway.json:7:45: /routes/0/match/path_regex: found "/a(", expected a regular expression: unclosed group
gateway.json:7:66: /routes/0/upstream: found "order", expected the name of an upstream: "orders"
  help: did you mean "orders"?
gateway.json:7:86: /routes/0/timeout: found 5, expected a duration with its unit, like "250ms", "5s" or "3m"
  help: write "5s" for seconds, "5ms" for milliseconds"#;
    assert_eq!(printed(text), expected);
}

#[test]
fn all_mistakes_at_once_are_all_reported() {
    // Mistakes in different parts of the file: each has the same message as alone.
    let alone = [
        "an unknown key at the top",
        "another such name",
        "an unknown chain",
        "a method in lower case",
    ];
    let chosen: Vec<_> = table::MISTAKES
        .iter()
        .filter(|mistake| alone.contains(&mistake.title))
        .collect();
    assert_eq!(chosen.len(), alone.len());
    let text = chosen.iter().fold(EXAMPLE.to_owned(), |text, mistake| {
        text.replace(mistake.instead_of, mistake.wrote)
    });
    let all = printed(&text);
    for mistake in chosen {
        for line in mistake.report.lines() {
            // Earlier changes on the same line move the column, which is not compared.
            let (_, what) = line.split_once(": ").unwrap();
            assert!(all.contains(what), "{line} is missing in\n{all}");
        }
    }
}

#[test]
fn several_upstreams_need_routes() {
    let text = r#"{ "listeners": { "web": { "listen": "127.0.0.1:0" } },
  "upstreams": { "a": { "endpoints": ["127.0.0.1:1"] }, "b": { "endpoints": ["127.0.0.1:2"] } } }"#;
    assert_eq!(
        printed(text),
        "gateway.json:1:1: the key \"routes\" is missing, and there are 2 upstreams, expected routes that assign \
         requests to upstreams\n  help: \"routes\" may be omitted only with a single upstream"
    );
}

#[test]
fn a_secret_is_never_shown_wherever_it_is() {
    let secrets = [
        "hunter2",
        "http://hunter2:80/x",
        "hunter2.wasm",
        "Hunter2:80",
        "/hunter2//x",
        "hunter2:99999",
        "(hunter2",
    ];
    let parts: Vec<&str> = EXAMPLE.split('"').collect();
    let mut mistakes = 0;
    for position in (1..parts.len()).step_by(2) {
        // Every string in turn, values and keys alike. Keys are not substituted, but reported as unknown.
        let mut changed = parts.clone();
        changed[position] = "${env:LOCKGATE_ADMIN_TOKEN}";
        for secret in secrets {
            if let Err(report) = load_with(&changed.join("\""), secret) {
                mistakes += 1;
                let shown = format!("{report} {report:?}").to_lowercase();
                assert!(
                    !shown.contains("hunter2"),
                    "{secret} instead of {:?}: {shown}",
                    parts[position]
                );
            }
        }
    }
    assert!(mistakes > 100, "only {mistakes} mistakes were made");
}

#[test]
fn a_file_that_is_not_text_is_reported_by_its_name() {
    let folder = folder();
    let path = folder.path().join("gateway.json");
    let report = |path: &Path| load(path).unwrap_err().to_string();
    assert!(
        report(&path).contains("gateway.json:1:1: the file cannot be read: No such file"),
        "{}",
        report(&path)
    );
    fs::write(&path, b"{\n  \"\xff\": 1}").unwrap();
    assert!(
        report(&path).contains("gateway.json:2:4: found a byte that is not UTF-8"),
        "{}",
        report(&path)
    );
    fs::write(&path, "").unwrap();
    assert!(
        report(&path).ends_with("1:1: not JSON: found the end of the file, expected a value"),
        "{}",
        report(&path)
    );
    fs::write(&path, "[]").unwrap();
    assert!(
        report(&path).ends_with("1:1: found an empty array, expected an object"),
        "{}",
        report(&path)
    );
}
