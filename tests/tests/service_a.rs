//! The case that an import has to carry to the letter: a prefix, one weight, round robin, and one error that ejects for three minutes. It
//! runs as imported, with Python's `requests` as its client: `examples/service-a`, and the files in `LOCKGATE_VECTORS` that it follows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lockgate_tests::binary::lockgate;
use lockgate_tests::modules::root;
use lockgate_tests::setup::installed;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};

/// A file that is not part of the repository. Without it, the test says so.
fn vector(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LOCKGATE_VECTORS").filter(|folder| !folder.is_empty());
    let file = folder.map(|folder| Path::new(&folder).join(name));
    if file.is_none() {
        eprintln!("!! LOCKGATE_VECTORS is not set: nothing is tried with {name}");
    }
    file
}

/// The gateway.json of a file, with these endpoints for service A.
fn imported(file: &Path, endpoints: &[&Upstream]) -> Value {
    let addresses: Vec<String> = endpoints
        .iter()
        .map(|upstream| upstream.address().to_string())
        .collect();
    let endpoint = format!("servicea={}", addresses.join(","));
    let file = file.to_str().expect("its path is text");
    let output = lockgate(&["import", "istio", "--endpoint", &endpoint, file], &root());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains("lockgate check"), "check takes it: {told}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// Starts the gateway with an imported configuration, on free ports.
fn started(mut config: Value, workers: u64) -> Gateway {
    config["listeners"]["web"] = json!({});
    config["workers"] = json!(workers);
    Gateway::start(config)
}

/// Runs a client of service A in Python. None: there is no `requests`, which is said.
fn python(arguments: &[&str]) -> Option<Output> {
    let python = match installed("requests") {
        Ok(python) => python,
        Err(error) => {
            eprintln!("!! Python's requests cannot be installed here, so its client is not tried: {error}");
            return None;
        }
    };
    let run = Command::new(python).args(arguments).stdin(Stdio::null()).output();
    Some(run.expect("Python runs"))
}

#[test]
fn the_example_is_in_order_and_its_client_gets_a_response() {
    let folder = root().join("examples/service-a");
    let checked = lockgate(&["check", "--strict", "--config", "gateway.json"], &folder);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = started(imported(&folder.join("istio.yaml"), &[&one, &two]), 1);
    let url = format!("http://{}/serviceA", gateway.address());
    let client = folder.join("client.py");
    let client = client.to_str().expect("its path is text");
    let mut contents = Vec::new();
    for _ in 0..2 {
        let Some(output) = python(&[client, &url]) else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.starts_with("status: 200\n"), "{said}");
        contents.push(said.replace("status: 200\ncontent: ", ""));
    }
    contents.sort();
    assert_eq!(contents, ["one\n", "two\n"], "in turn");
    assert_eq!(one.requests()[0].target(), "/serviceA?param1=value1&param2=value2");
}

#[test]
fn the_prefix_is_istios() {
    let one = Upstream::fixed("one");
    let gateway = started(imported(&root().join("examples/service-a/istio.yaml"), &[&one]), 1);
    for (target, status) in [
        ("/serviceA", 200),
        ("/serviceA?a=b", 200),
        ("/serviceA/x", 200),
        ("/serviceAB", 200),
        ("/servicea", 404),
        ("/service", 404),
        ("/", 404),
        ("/x/serviceA", 404),
    ] {
        assert_eq!(gateway.get(target).status(), status, "{target}");
    }
}

/// The founding case itself, with its own client, whose port is replaced by a free one.
#[test]
fn the_founding_case_and_its_client_work_as_they_are() {
    let (Some(file), Some(client)) = (vector("istio-servicea.yaml"), vector("servicea.py")) else {
        return;
    };
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = started(imported(&file, &[&one, &two]), 1);
    let client = fs::read_to_string(&client).unwrap_or_else(|error| panic!("{}: {error}", client.display()));
    assert!(client.contains("localhost:8080"), "{client}");
    let client = client.replace("localhost:8080", &gateway.address().to_string());
    let Some(output) = python(&["-c", &client]) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("Response status code: 200\n"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(one.requests().len() + two.requests().len(), 1);
}

/// An upstream of service A that answers 503.
fn failing() -> Upstream {
    Upstream::answering(503, &[], "out of order")
}

/// Forty requests, one after the other, each on a connection of its own: how many of them failed, and when the last one did.
fn forty(gateway: &Gateway) -> (usize, Option<usize>) {
    let statuses: Vec<u16> = (0..40)
        .map(|_| gateway.get("/serviceA?param1=value1").status())
        .collect();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 503)),
        "{statuses:?}"
    );
    let failed = statuses.iter().filter(|status| **status == 503).count();
    (failed, statuses.iter().rposition(|status| *status == 503))
}

fn one_error_ejects(file: &Path) {
    for workers in [1, 2] {
        let (good, bad) = (Upstream::fixed("good"), failing());
        let config = imported(file, &[&good, &bad]);
        let detection = &config["upstreams"]["servicea"]["outlier_detection"];
        assert_eq!(
            *detection,
            json!({ "consecutive_5xx": 0, "consecutive_gateway_errors": 1, "interval": "1s", "base_ejection_time": "3m", "max_ejection_percent": 100 })
        );
        let gateway = started(config, workers);
        let (failed, last) = forty(&gateway);
        assert!(
            (1..=workers as usize).contains(&failed),
            "{failed} of 40 failed with {workers} workers"
        );
        assert!(
            last < Some(2 * workers as usize + 2),
            "the last failure was request {last:?}"
        );
        assert_eq!(bad.requests().len(), failed, "the ejected endpoint gets nothing");
        assert_eq!(forty(&gateway).0, 0, "and none fails after that");
    }
}

#[test]
fn one_error_ejects_an_endpoint_of_the_example() {
    one_error_ejects(&root().join("examples/service-a/istio.yaml"));
}

#[test]
fn one_error_ejects_an_endpoint_of_the_founding_case() {
    if let Some(file) = vector("istio-servicea.yaml") {
        one_error_ejects(&file);
    }
}
