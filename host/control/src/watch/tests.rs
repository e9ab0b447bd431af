//! Which events are reported, and when.

use std::fs;
use std::io::Write;

use super::*;

async fn within(limit: Duration, watch: &mut Watch) -> bool {
    tokio::time::timeout(limit, watch.changed()).await.is_ok()
}

#[tokio::test]
async fn a_change_is_reported_after_the_debounce_and_reading_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watch = Watch::new().expect("inotify");
    watch.set([], [folder.path()]);
    let file = folder.path().join("a.wasm");
    fs::write(&file, b"1").expect("write");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    fs::read(&file).expect("read");
    assert!(!within(Duration::from_millis(300), &mut watch).await);
    fs::write(folder.path().join("run.log"), b"a line").expect("write");
    assert!(!within(Duration::from_millis(300), &mut watch).await);
    fs::rename(&file, folder.path().join("b.wasm")).expect("rename");
    assert!(within(Duration::from_secs(2), &mut watch).await);
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watch = Watch::new().expect("inotify");
    watch.set([], [folder.path()]);
    let mut file = fs::File::create(folder.path().join("a.wasm")).expect("create");
    file.write_all(b"half").expect("write");
    assert!(!within(Duration::from_millis(700), &mut watch).await);
    file.write_all(b"whole").expect("write");
    drop(file);
    // The first call was given up while it waited; the close is an event of its own.
    assert!(within(Duration::from_secs(1), &mut watch).await);
}

#[tokio::test]
async fn a_file_that_is_being_written_delays_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watch = Watch::new().expect("inotify");
    watch.set([], [folder.path()]);
    let (slow, other) = (folder.path().join("slow.wasm"), folder.path().join("other.wasm"));
    let mut file = fs::File::create(&slow).expect("create");
    for _ in 0..3 {
        file.write_all(b"some").expect("write");
        fs::write(&other, b"whole").expect("write");
        assert!(
            within(Duration::from_millis(500), &mut watch).await,
            "the other one is complete"
        );
        let half_written = watch.half_written();
        assert!(half_written.contains(&slow) && !half_written.contains(&other));
    }
    assert!(
        !within(Duration::from_millis(300), &mut watch).await,
        "the slow one is not"
    );
    drop(file);
    assert!(within(Duration::from_millis(500), &mut watch).await);
    assert!(!watch.half_written().contains(&slow));
}

#[tokio::test]
async fn a_change_that_was_seen_by_an_abandoned_call_is_reported_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watch = Watch::new().expect("inotify");
    watch.set([], [folder.path()]);
    fs::write(folder.path().join("a.wasm"), b"1").expect("write");
    while watch.changes.is_none() {
        within(Duration::from_millis(1), &mut watch).await;
    }
    assert!(within(Duration::from_secs(1), &mut watch).await);
}

#[tokio::test]
async fn a_folder_or_a_link_on_the_path_that_is_replaced_is_watched_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    for version in ["v1", "v2"] {
        fs::create_dir(place(version)).expect("a folder");
        fs::write(place(version).join("gateway.json"), version).expect("write");
    }
    let link = |target: &str| {
        std::os::unix::fs::symlink(target, place("next")).expect("link");
        fs::rename(place("next"), place("current")).expect("rename");
    };
    link("v1");
    let config = place("current/gateway.json");
    let mut watch = Watch::new().expect("inotify");
    assert!(watch.set([&*config], []));
    assert!(!watch.set([&*config], []), "nothing is new");
    link("v2");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    assert!(watch.set([&*config], []), "another folder has the name");
    fs::write(place("v2/gateway.json"), b"v3").expect("write");
    assert!(within(Duration::from_secs(2), &mut watch).await);

    fs::remove_dir_all(place("v2")).expect("remove");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    watch.set([&*config], []);
    fs::create_dir(place("v2")).expect("a folder");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    assert!(watch.set([&*config], []), "it is there again");
    fs::write(&config, b"v4").expect("write");
    assert!(within(Duration::from_secs(2), &mut watch).await);

    let deep = place("a/b/c/token");
    watch.set([&*deep], []);
    fs::create_dir(place("a")).expect("a folder");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    assert!(watch.set([&*deep], []), "it is nearer now");
    fs::create_dir_all(place("a/b/c")).expect("a folder");
    assert!(within(Duration::from_secs(2), &mut watch).await);
    assert!(watch.set([&*deep], []), "all of it is there");
    fs::write(&deep, b"secret").expect("write");
    assert!(within(Duration::from_secs(2), &mut watch).await);
}
