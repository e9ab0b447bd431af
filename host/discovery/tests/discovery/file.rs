//! A file of endpoints: changes, mistakes, and a file that is replaced by a link.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::lists::{Lists, eventually};

#[test]
fn a_changed_file_takes_effect_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.json");
    fs::write(
        &path,
        r#"["10.0.0.2:80", { "address": "10.0.0.1:80", "weight": 3 }, "10.0.0.2:80"]"#,
    )
    .expect("written");
    let lists = Lists::of(&format!(r#"{{ "type": "file", "path": {path:?} }}"#));
    lists.becomes(&["10.0.0.1:80*3", "10.0.0.2:80*1"]);
    fs::write(&path, r#"["10.0.0.3:80"]"#).expect("written");
    assert!(lists.becomes(&["10.0.0.3:80*1"]) < Duration::from_secs(2));
    fs::write(&path, r#"["10.0.0.4:80", "nonsense"]"#).expect("written");
    lists.fails("orders.json: \"nonsense\" has no port from 1 to 65535");
    assert_eq!(lists.list().expect("kept"), ["10.0.0.3:80*1"]);
    fs::remove_file(&path).expect("removed");
    lists.fails("No such file");
    // As orchestrators do: a link to a folder that changes as a whole.
    for (name, last) in [("v1", 5), ("v2", 6)] {
        fs::create_dir(folder.path().join(name)).expect("made");
        fs::write(
            folder.path().join(name).join("orders.json"),
            format!(r#"["10.0.0.{last}:80"]"#),
        )
        .expect("written");
        let link = folder.path().join("new");
        symlink(folder.path().join(name).join("orders.json"), &link).expect("linked");
        fs::rename(&link, &path).expect("renamed");
        lists.becomes(&[&format!("10.0.0.{last}:80*1")]);
    }
    fs::write(&path, "[]").expect("written");
    lists.becomes(&[]);
    assert!(eventually(|| lists.status().last_error.is_none()).is_some());
}
