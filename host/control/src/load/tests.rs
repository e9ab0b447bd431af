//! Loading twice: which plugins a reload reuses, and which mistakes a refused configuration has.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::engine::engine;
use crate::watch::HalfWritten;

/// A module that accepts every configuration and does nothing.
const IDLE: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;

/// A folder with the module `idle` and this configuration.
fn folder(config: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    fs::write(folder.path().join("plugins/idle.wasm"), wat::parse_str(IDLE).unwrap()).unwrap();
    let path = folder.path().join("gateway.json");
    fs::write(&path, config).unwrap();
    (folder, path)
}

fn loader() -> Loader {
    Loader::new(engine().unwrap())
}

fn printed(report: &Report, folder: &Path) -> String {
    report.to_string().replace(&format!("{}/", folder.display()), "")
}

/// A configuration whose route `app` has an inline plugin, after the routes `before`.
fn config_with(before: &str) -> String {
    format!(
        r#"{{ "plugin_dir": "plugins", "listeners": {{ "web": {{ "listen": "127.0.0.1:0" }} }},
  "upstreams": {{ "up": {{ "endpoints": ["127.0.0.1:1"] }} }},
  "routes": [{before}
    {{ "name": "app", "chain": [{{ "module": "idle", "config": {{ "a": 1 }} }}], "upstream": "up" }}
  ] }}"#
    )
}

#[test]
fn a_route_inserted_above_an_inline_plugin_keeps_the_plugin_and_its_vms() {
    for name in [r#""name": "app", "#, ""] {
        let config_with = |before: &str| config_with(before).replace(r#""name": "app", "#, name);
        let (folder, path) = folder(&config_with(""));
        let mut loader = loader();
        let first = loader.load(&path).unwrap().snapshot;

        let route = r#"{ "match": { "path": "/new" }, "upstream": "up" },"#;
        fs::write(&path, config_with(route)).unwrap();
        let second = loader
            .reload(&path, &first, &Attempt::default())
            .unwrap()
            .unwrap()
            .snapshot;
        assert_eq!(second.model.routes.len(), 2);
        assert!(
            Arc::ptr_eq(&first.plugins[0], &second.plugins[0]),
            "VMs belong to a loaded plugin"
        );
        assert_eq!(second.plugins[0].version, 1);

        // The invalid module alone is refused, not the configuration that moves the plugin back.
        fs::write(folder.path().join("plugins/idle.wasm"), "not a module").unwrap();
        fs::write(&path, config_with("")).unwrap();
        let third = loader
            .reload(&path, &second, &Attempt::default())
            .unwrap()
            .unwrap()
            .snapshot;
        assert!(Arc::ptr_eq(&first.plugins[0], &third.plugins[0]));
    }
}

#[test]
fn a_plugin_with_another_configuration_is_another_plugin() {
    let (_folder, path) = folder(&config_with(""));
    let mut loader = loader();
    let first = loader.load(&path).unwrap().snapshot;
    fs::write(&path, config_with("").replace(r#""a": 1"#, r#""a": 2"#)).unwrap();
    let second = loader
        .reload(&path, &first, &Attempt::default())
        .unwrap()
        .unwrap()
        .snapshot;
    assert!(!Arc::ptr_eq(&first.plugins[0], &second.plugins[0]));
    assert_eq!(second.plugins[0].version, 2);
}

#[test]
fn a_missing_module_is_named_when_its_folder_is_missing_too() {
    let (folder, path) = folder(&config_with(""));
    fs::remove_dir_all(folder.path().join("plugins")).unwrap();
    let Err(report) = loader().load(&path) else {
        panic!("a configuration without its modules was loaded")
    };
    assert_eq!(
        printed(&report, folder.path()),
        "gateway.json:1:17: /plugin_dir: found \"plugins\", expected a readable folder: No such file or directory (os error 2)\n  \
         help: relative paths start at the folder of the configuration file\n\
         gateway.json:4:44: /routes/0/chain/0/module: module \"idle\" (idle.wasm in plugin_dir): the file does not exist\n  \
         help: plugin_dir holds no .wasm file; build the plugin and copy it there"
    );
}

#[test]
fn a_half_written_configuration_holds_back_no_module_and_a_half_written_module_no_configuration() {
    let (folder, path) = folder(&config_with(""));
    let mut loader = loader();
    let first = loader.load(&path).unwrap().snapshot;
    let module = folder.path().join("plugins/idle.wasm");
    let writing = |file: &Path| Attempt {
        half_written: HalfWritten::of([file]),
        ..Attempt::default()
    };

    fs::write(&path, &config_with("")[..40]).unwrap();
    let other = IDLE.replace("(i32.const 0)", "(i32.const 8)");
    fs::write(&module, wat::parse_str(&other).unwrap()).unwrap();
    let second = loader.reload(&path, &first, &writing(&path)).unwrap().unwrap().snapshot;
    assert_eq!(second.text, first.text);
    assert_ne!(second.plugins[0].identity.sha256, first.plugins[0].identity.sha256);

    fs::write(&module, "half a mod").unwrap();
    let route = r#"{ "name": "new", "match": { "path": "/new" }, "upstream": "up" },"#;
    fs::write(&path, config_with(route)).unwrap();
    let third = loader
        .reload(&path, &second, &writing(&module))
        .unwrap()
        .unwrap()
        .snapshot;
    assert_eq!(third.model.routes.len(), 2);
    assert!(Arc::ptr_eq(&third.plugins[0], &second.plugins[0]));
    assert_eq!(loader.refused_alone(), 0, "nobody has looked at the half of it");
}
