//! The compile cache: it saves compilations, and is never trusted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lockgate_sandbox::{Engine, EngineError, EngineSettings};

use super::test_vm::guest;

fn engine(folder: &Path) -> Engine {
    Engine::new(EngineSettings {
        cache_dir: Some(folder.to_owned()),
    })
    .unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_compiled_module_is_cached_privately_and_used_again() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("deep/cache");
    let wasm = guest("(func (export \"proxy_on_log\") (param i32))");
    engine(&folder).compile(&wasm).unwrap();
    let kept = files(&folder);
    assert_eq!(kept.len(), 1, "no temp file is left: {kept:?}");
    assert_eq!((mode(&folder), mode(&kept[0])), (0o700, 0o600));
    let before = fs::read(&kept[0]).unwrap();
    assert!(engine(&folder).compile(&wasm).unwrap().hooks().finish);
    assert_eq!(
        (files(&folder), fs::read(&kept[0]).unwrap()),
        (kept, before),
        "nothing was written again"
    );
}

#[test]
fn a_damaged_artefact_is_compiled_again_and_repaired() {
    let temp = tempfile::tempdir().unwrap();
    let wasm = guest("");
    engine(temp.path()).compile(&wasm).unwrap();
    let file = files(temp.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut damages: Vec<Vec<u8>> = vec![vec![], whole[..10].to_vec(), whole[..whole.len() - 1].to_vec()];
    for at in [0, 12, 40, 4000, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        damages.push(damaged);
    }
    for damage in damages {
        fs::write(&file, &damage).unwrap();
        engine(temp.path()).compile(&wasm).unwrap();
        assert_ne!(fs::read(&file).unwrap(), damage, "it was replaced");
        assert_eq!(files(temp.path()).len(), 1);
    }
}

#[test]
fn an_artefact_that_others_can_write_or_that_is_a_link_is_not_used() {
    let temp = tempfile::tempdir().unwrap();
    let wasm = guest("");
    engine(temp.path()).compile(&wasm).unwrap();
    let file = files(temp.path()).remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    engine(temp.path()).compile(&wasm).unwrap();
    assert_eq!(mode(&file), 0o600, "it was written anew");
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("artefact");
    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    engine(temp.path()).compile(&wasm).unwrap();
    assert!(
        !fs::symlink_metadata(&file).unwrap().is_symlink(),
        "the link was replaced by a file"
    );
}

#[test]
fn a_folder_of_ours_is_made_private_and_what_is_no_folder_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let open = temp.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    engine(&open);
    assert_eq!(mode(&open), 0o700);
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Engine::new(EngineSettings { cache_dir: Some(file) }).err().unwrap();
    assert!(matches!(error, EngineError::Cache { .. }), "{error}");
}

#[test]
fn the_cache_does_not_grow_without_end() {
    let temp = tempfile::tempdir().unwrap();
    let engine = engine(temp.path());
    fs::write(temp.path().join("stale.tmp"), "").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    fs::File::options()
        .write(true)
        .open(temp.path().join("stale.tmp"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    for index in 0..140 {
        fs::write(temp.path().join(format!("old-{index}")), "").unwrap();
    }
    engine.compile(&guest("")).unwrap();
    assert_eq!(files(temp.path()).len(), 128);
}
