//! `docs/configuration.md` says what the binary's own schema says; `make docs` writes it anew. The paths in the other pages exist.

mod page;
mod paths;

use std::path::Path;
use std::{env, fs};

use lockgate_tests::binary::lockgate;
use lockgate_tests::modules::root;

#[test]
fn the_page_of_settings_follows_the_schema() {
    let output = lockgate(&["schema"], Path::new("."));
    assert!(output.status.success(), "`lockgate schema` answers");
    let schema = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let (file, text) = (root().join("docs/configuration.md"), page::of(&schema));
    if env::var_os("RECORD").is_some() {
        fs::write(file, text).expect("the page is writable");
        return;
    }
    let kept = fs::read_to_string(file).unwrap_or_default();
    for (line, (kept, found)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(
            kept,
            found,
            "line {} is not current: `make docs` writes the page anew",
            line + 1
        );
    }
    assert_eq!(
        kept.len(),
        text.len(),
        "the page has another length: `make docs` writes it anew"
    );
}
