//! What packages take from the binary: its version, the shells' completions, the manual pages.

use lockgate_tests::binary::lockgate;
use lockgate_tests::modules::root;
use std::fs;

/// What a command prints, which must be right.
fn printed(arguments: &[&str]) -> String {
    let output = lockgate(arguments, &root());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed
        .take_while(|line| !line.is_empty())
        // A name is indented by two, what continues a description by more.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .filter(|name| name != "help");
    let names: Vec<String> = names.collect();
    assert!(names.iter().any(|name| name == "completions"), "{help}");
    names
}

#[test]
fn the_version_names_the_commit() {
    let said = printed(&["--version"]);
    let version = said.trim().strip_prefix("lockgate ").expect("it says of what");
    if !root().join(".git").exists() {
        assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{said}");
        return;
    }
    let commit = version
        .strip_prefix(concat!(env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_else(|| panic!("no commit: {said}"));
    assert!(
        commit.len() >= 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{said}"
    );
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not know {command}");
        }
    }
    assert_eq!(lockgate(&["completions", "tcsh"], &root()).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pages = folder.path().join("man1");
    printed(&["man", pages.to_str().expect("it is text")]);
    assert!(pages.join("lockgate.1").is_file());
    for command in commands() {
        let page = fs::read_to_string(pages.join(format!("lockgate-{command}.1"))).expect("there is a page");
        assert!(page.contains("Example:"), "{command}");
    }
    assert!(pages.join("lockgate-new-plugin.1").is_file());
}
