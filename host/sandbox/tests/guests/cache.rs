//! The compile cache: it saves compilations, and is never trusted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lockgate_sandbox::{Engine, EngineError, EngineSettings};

use super::test_vm::guest;

fn engine(folder: &Path) -> Engine {
    Engine::new(EngineSettings {
        cache_dir: Some(folder.to_owned()),
        ..EngineSettings::default()
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
fn a_folder_that_others_can_write_to_and_what_is_no_folder_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let open = temp.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    for folder in [&open, &file] {
        let settings = EngineSettings {
            cache_dir: Some(folder.clone()),
            ..EngineSettings::default()
        };
        let error = Engine::new(settings).err().unwrap();
        assert!(matches!(error, EngineError::Cache { .. }), "{error}");
    }
    assert_eq!(mode(&open), 0o777, "nobody has asked for another mode");
}

#[test]
fn files_of_others_in_the_folder_stay_and_own_temporary_files_of_a_crash_go() {
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let engine = engine(temp.path());
    let own = format!("{}-{}.77-0.tmp", "a".repeat(64), "b".repeat(16));
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let foreign = (0..140).map(|index| format!("old-{index}"));
    for name in foreign.chain(["stale.tmp".to_owned(), own.clone()]) {
        let path = temp.path().join(name);
        fs::write(&path, "").unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(old).unwrap();
    }
    engine.compile(&guest("")).unwrap();
    assert!(!temp.path().join(own).exists());
    assert_eq!(files(temp.path()).len(), 140 + 1 + 1, "the foreign ones and the module");
    assert_eq!(mode(temp.path()), 0o755);
}
