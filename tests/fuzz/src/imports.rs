//! Files that are imported: whatever they say, the importer writes JSON or refuses them.

use lockgate_import::{Options, Prefixes, Source};

/// The target: a file of Istio's resources. Texts that are not UTF-8 never reach the importer.
pub fn istio(bytes: &[u8]) {
    let source = Source {
        name: "fuzz.yaml".to_owned(),
        text: String::from_utf8_lossy(bytes).into_owned(),
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 8080).into(),
        prefixes: Prefixes::Characters,
        endpoints: Vec::new(),
    };
    let Ok(import) = lockgate_import::istio(&[source], &options) else {
        return;
    };
    assert!(import.gateway.starts_with("{\n") && import.gateway.ends_with("}\n"));
    for loss in &import.losses {
        let text = loss.to_string();
        assert!(
            !text.replace("\n  instead: ", "").contains(char::is_control),
            "a control character reaches the terminal: {text:?}"
        );
    }
}
