//! The pages for people who change Lockgate name files. Every one of them exists.

use std::fs;
use std::path::Path;

use lockgate_tests::modules::root;

/// What a path from the repository's root starts with.
const FOLDERS: [&str; 8] = [
    "docs/",
    "examples/",
    "host/",
    "packaging/",
    "plugins/",
    "scripts/",
    "sdk/",
    "tests/",
];

#[test]
fn every_path_in_the_pages_for_contributors_exists() {
    let root = root();
    let mut pages = vec![root.join("ARCHITECTURE.md"), root.join("CONTRIBUTING.md")];
    let decisions = fs::read_dir(root.join("docs/decisions")).expect("the folder of decisions");
    let decisions = decisions.map(|entry| entry.expect("an entry of the folder").path());
    pages.extend(decisions.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    let (mut found, mut missing) = (0, Vec::new());
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page is readable");
        for path in paths(&text) {
            found += 1;
            if !root.join(fixed_part(path)).exists() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(found > 200, "only {found} paths were found");
    assert!(missing.is_empty(), "no such file or folder:\n{}", missing.join("\n"));
}

#[test]
fn paths_are_read_from_code_and_checked_up_to_a_placeholder() {
    let text =
        "See `host/a.rs` and host/b.rs, `scripts/c --all`.\n```\n  d   (host/e), sdk/f:\n```\n`tests/g/NAME.txt`";
    let found: Vec<_> = paths(text).collect();
    assert_eq!(found, ["host/a.rs", "scripts/c", "host/e", "sdk/f", "tests/g/NAME.txt"]);
    assert_eq!(fixed_part("tests/g/NAME.txt"), Path::new("tests/g"));
    assert_eq!(fixed_part("plugins/*/cases.json"), Path::new("plugins"));
    assert_eq!(fixed_part("host/a.rs"), Path::new("host/a.rs"));
}

/// The paths in code: between backticks, or in a fenced block.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    let code = text.lines().flat_map(move |line| {
        let is_fence = line.starts_with("```");
        in_block ^= is_fence;
        // Between backticks is every second part; a line of a block is code as a whole.
        let skipped = usize::from(!in_block);
        let parts = line.split('`').skip(if is_fence { usize::MAX } else { skipped });
        parts.step_by(1 + skipped)
    });
    code.flat_map(str::split_whitespace)
        .map(|word| word.trim_matches(['(', ')', ',', ';', ':', '.']))
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
}

/// A path up to its first placeholder or glob.
fn fixed_part(path: &str) -> &Path {
    let is_open = |part: &str| part.starts_with("NAME") || part.starts_with("NOUN") || part.contains('*');
    let open = path.split('/').take_while(|part| !is_open(part));
    let length: usize = open.map(|part| part.len() + 1).sum();
    Path::new(path[..length.min(path.len())].trim_end_matches('/'))
}
