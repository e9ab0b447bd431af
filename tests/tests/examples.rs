//! What the pages of the examples say: their configurations are in order, their commands name what is there, and each request that
//! they show, behind a `$`, comes back as shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lockgate_tests::binary::{binary, lockgate};
use lockgate_tests::config::filled;
use lockgate_tests::modules::{built, root};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use serde_json::Value;
use tempfile::TempDir;

/// An example's folder, its page and its configuration.
struct Example {
    folder: PathBuf,
    page: String,
    config: Value,
}

/// A demo upstream, ended when dropped.
struct Echo(Child);

impl Echo {
    /// Serves at an address, and is ready.
    fn at(address: &str) -> Self {
        let mut command = Command::new(binary());
        command.args(["echo", "--listen", address]).stderr(Stdio::null());
        let echo = Self(command.spawn().expect("the binary is there"));
        eventually("the demo upstream listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(address).is_ok()
        });
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A folder with the modules that a configuration names, as they ship: guests of the tests have some of their names, too.
fn with_modules(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let modules = folder.path().join("plugins");
    fs::create_dir(&modules).expect("the folder is writable");
    for plugin in config["plugins"].as_object().expect("it has plugins").values() {
        let name = format!("{}.wasm", plugin["module"].as_str().expect("a plugin has a module"));
        let built = built("LOCKGATE_PLUGINS", "plugins").join(&name);
        fs::copy(&built, modules.join(&name)).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    }
    folder
}

fn examples() -> Vec<Example> {
    let folders = fs::read_dir(root().join("examples")).expect("there are examples");
    let folders = folders.map(|entry| entry.expect("it can be read").path());
    let with_module = folders.filter(|folder| folder.join("cases.json").is_file());
    let read = |file: PathBuf| fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let examples = with_module.map(|folder| Example {
        page: read(folder.join("README.md")),
        config: serde_json::from_str(&read(folder.join("gateway.json"))).expect("it is JSON"),
        folder,
    });
    let examples: Vec<_> = examples.collect();
    assert!(examples.len() >= 9, "all of them are found");
    examples
}

impl Example {
    fn name(&self) -> &str {
        self.folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name")
    }

    fn is_built(&self) -> bool {
        // AssemblyScript wants npm, which not every machine has; its build says so loudly.
        self.name() != "assemblyscript" || root().join("target/plugins/assemblyscript.wasm").is_file()
    }

    /// Requests that the page shows, each with the lines that follow it.
    fn shown(&self) -> Vec<(String, Vec<String>)> {
        let mut shown: Vec<(String, Vec<String>)> = Vec::new();
        for line in self.page.lines() {
            match (line.strip_prefix("    $ "), line.strip_prefix("    "), shown.last_mut()) {
                (Some(command), _, _) => shown.push((command.to_owned(), Vec::new())),
                (None, Some(answer), Some((_, lines))) => lines.push(answer.trim_end().to_owned()),
                _ => {}
            }
        }
        shown.retain(|(command, _)| command.starts_with("curl "));
        shown
    }
}

#[test]
fn each_example_has_a_configuration_in_order_and_commands_that_name_what_is_there() {
    let manifest = |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    for example in examples().iter().filter(|example| example.is_built()) {
        let name = example.name();
        check(filled(example.config.clone()), name);
        let is_crate = example.folder.join("Cargo.toml").is_file();
        for words in example.page.split_whitespace().collect::<Vec<_>>().windows(2) {
            if words[0] == "-p" && is_crate {
                let wanted = format!("name = \"{}\"", words[1].trim_matches(['`', '.', ')']));
                assert!(
                    manifest(&example.folder).contains(&wanted),
                    "{name}: no package of {wanted}"
                );
            }
            let file = words[1].trim_matches(['`', '.']);
            if matches!(words[0], "test" | "--config") && file.starts_with("examples/") {
                assert!(root().join(file).is_file(), "{name}: there is no {file}");
            }
        }
        let built = example
            .page
            .split_whitespace()
            .find_map(|word| word.strip_prefix("target/wasm32-wasip1/plugin/"));
        if let Some(built) = built {
            let library = manifest(&example.folder);
            let library = library
                .split("[lib]")
                .nth(1)
                .and_then(|lib| lib.split('"').find(|word| !word.contains(['=', '\n', '['])));
            let stem = built.trim_end_matches(".wasm");
            assert!(
                stem.replace('_', "-") == name || library == Some(stem),
                "{name}: no build leaves {built}"
            );
        }
    }
}

/// What a page shows as JSON.
fn json_on(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let blocks = text.split("```json\n").skip(1);
    blocks
        .filter_map(|block| Some(block.split_once("```")?.0.to_owned()))
        .collect()
}

/// Asks whether a configuration is in order, with the modules that this repository builds.
fn check(mut config: Value, of: &str) {
    config["plugin_dir"] = root().join("target/plugins").to_string_lossy().into();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = config.to_string().replace("${env:TOKEN_SECRET}", "secret");
    fs::write(folder.path().join("gateway.json"), text).expect("the folder is writable");
    let output = lockgate(&["check"], folder.path());
    assert!(
        output.status.success(),
        "{of}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn configurations_on_the_pages_of_plugins_and_on_the_first_page_are_in_order() {
    let folders = fs::read_dir(root().join("plugins")).expect("there are plugins");
    let pages = folders.map(|entry| entry.expect("it can be read").path().join("README.md"));
    let mut tried = 0;
    for page in pages.filter(|page| page.is_file()) {
        for block in json_on(&page) {
            let mut config: Value =
                serde_json::from_str(&format!("{{{block}}}")).expect("the page's JSON is well-formed");
            let nobody = serde_json::json!({ "endpoints": ["127.0.0.1:1"] });
            config["upstreams"] = serde_json::json!({ "orders": nobody, "orders-v2": nobody });
            config["routes"] =
                serde_json::json!([{ "name": "all", "match": { "path_prefix": "/" }, "upstream": "orders" }]);
            check(filled(config), &page.display().to_string());
            tried += 1;
        }
    }
    assert!(tried >= 6, "only {tried} pages show a configuration");
    let first = json_on(&root().join("README.md")).remove(0);
    let hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let config = serde_json::from_str(&first.replace("sha256:…", hash)).expect("the page's JSON is well-formed");
    check(config, "README.md");
}

#[test]
fn each_request_on_an_examples_page_comes_back_as_shown() {
    let mut tried = 0;
    for example in examples().iter().filter(|example| example.is_built()) {
        let shown = example.shown();
        if shown.is_empty() {
            continue;
        }
        let mut config = example.config.clone();
        config.as_object_mut().expect("it is an object").remove("plugin_dir");
        config["listeners"]["web"]
            .as_object_mut()
            .expect("it has a listener web")
            .remove("listen");
        let mut echoes = Vec::new();
        for upstream in config["upstreams"]
            .as_object_mut()
            .expect("it has upstreams")
            .values_mut()
        {
            let address = Upstream::nobody().to_string();
            echoes.push(Echo::at(&address));
            upstream["endpoints"] = serde_json::json!([address]);
        }
        let gateway = Gateway::start_in(with_modules(&config), config);
        let address = gateway.address().to_string();
        for (command, expected) in shown {
            let output = Command::new("bash")
                .args(["-c", &command.replace("127.0.0.1:8080", &address)])
                .output();
            let said = String::from_utf8_lossy(&output.expect("bash is there").stdout).replace('\r', "");
            let is_whole = !expected.iter().any(|line| line.ends_with('…'));
            assert!(
                !is_whole || said.lines().eq(expected.iter()),
                "{}: {command}\nshows\n{said}",
                example.name()
            );
            let mut lines = said.lines();
            for expected in expected.iter().filter(|line| *line != "…") {
                let (whole, part) = (expected.as_str(), expected.strip_suffix('…'));
                let is_there = lines.any(|line| line == whole || part.is_some_and(|part| line.starts_with(part)));
                assert!(
                    is_there,
                    "{}: {command}\nshould show {expected:?} and shows\n{said}",
                    example.name()
                );
            }
            tried += 1;
        }
    }
    assert!(tried >= 8, "only {tried} requests were found");
}
