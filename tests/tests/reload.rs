//! What changes while a thousand requests a second come in: it is in force within a second, and not one of them fails.

use lockgate_tests::gateway::install;
use lockgate_tests::load::Load;
use lockgate_tests::modules::tag;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const RATE: u32 = 1000;
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);

/// One load at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gateway(upstream: &Upstream) -> Gateway {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    install(&folder.path().join("plugins"), "first", &tag("v1"));
    Gateway::start_in(
        folder,
        json!({
            "workers": 2,
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "first": { "module": "first" } },
            "chains": { "default": ["first"] },
            "routes": [ { "name": "all", "match": { "path_prefix": "/" }, "chain": "default", "upstream": "app" } ],
        }),
    )
}

fn load(gateway: &Gateway) -> Load {
    let load = Load::start(gateway.address(), RATE, &get("/"), |response| {
        response.status() == 200 && response.header("x-tag").is_some()
    });
    eventually("the load runs", Duration::from_secs(5), || load.answered() > 200);
    load
}

fn none_failed(load: Load) {
    let account = load.finish();
    assert!(
        account.failures.is_empty(),
        "{} of {} requests failed, the first: {:?}",
        account.failures.len(),
        account.answered,
        account.failures.first()
    );
    assert!(
        account.rate > f64::from(RATE) * 0.7,
        "the load was only {:.0} a second",
        account.rate
    );
}

/// Waits until all of the workers answer with that tag, and then checks that none goes back.
fn in_force(gateway: &Gateway, tag: &str, what: &str) {
    let changed = Instant::now();
    let mut in_a_row = 0;
    eventually(what, IN_FORCE_WITHIN, || {
        in_a_row = if gateway.get("/").header("x-tag") == Some(tag) {
            in_a_row + 1
        } else {
            0
        };
        in_a_row >= 4
    });
    println!("{what}: in force after {:?}", changed.elapsed());
}

#[test]
fn modules_and_configuration_change_under_load_without_a_failed_request() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    let load = load(&gateway);

    gateway.install("first", &tag("v2"));
    in_force(&gateway, "v2", "a module is replaced");

    gateway.install("second", &tag("new"));
    gateway.reconfigure(|config| {
        config["plugins"]["second"] = json!({ "module": "second" });
        config["chains"]["default"] = json!(["second"]);
    });
    in_force(&gateway, "new", "a module is dropped in and the configuration names it");

    gateway.reconfigure(|config| config["chains"]["default"] = json!(["second", "first"]));
    in_force(&gateway, "new", "the chain is longer");

    gateway.reconfigure(|config| config["chains"]["default"] = json!(["first"]));
    in_force(&gateway, "v2", "the chain is another");

    none_failed(load);
}

#[test]
fn a_module_added_first_is_available_when_the_configuration_names_it() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    gateway.reconfigure(|config| {
        config["plugins"]["late"] = json!({ "module": "late" });
        config["chains"]["default"] = json!(["late"]);
    });
    let _ = gateway.logged(&["late"]);
    assert_eq!(
        gateway.get("/").header("x-tag"),
        Some("v1"),
        "a configuration that names a missing module changes nothing"
    );
    gateway.install("late", &tag("late"));
    in_force(
        &gateway,
        "late",
        "the module that the waiting configuration wants comes",
    );
}

#[test]
fn mistakes_under_load_change_nothing_and_are_reported() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    let load = load(&gateway);
    let told = |gateway: &Gateway, place: &str, parts: &[&str]| {
        let _ = gateway.logged(parts);
        assert_eq!(
            gateway.get("/").header("x-tag"),
            Some("v1"),
            "{place}: what served serves on"
        );
    };

    let whole = tag("v3");
    gateway.install("first", &whole[..whole.len() / 2]);
    told(&gateway, "a truncated module", &["first", "unexpected end", "ERROR"]);
    assert!(gateway.plugins().contains("error"), "{}", gateway.plugins());

    gateway.install("first", b"no module at all");
    told(&gateway, "a text file", &["first", "magic", "ERROR"]);

    gateway.install("first", &tag("v1"));
    gateway.write_config("{ \"listeners\": { \"web\": ");
    told(&gateway, "broken JSON", &["gateway.json:1:"]);

    gateway.reconfigure(|config| config["routes"][0]["upstream"] = json!("nowhere"));
    told(&gateway, "an unknown upstream", &["nowhere", "/routes/0/upstream"]);

    gateway.reconfigure(|config| config["routes"][0]["upstream"] = json!("app"));
    gateway.install("first", &tag("v4"));
    in_force(&gateway, "v4", "all is well again");
    none_failed(load);
}

#[test]
fn a_hundred_changes_lose_no_request_and_no_memory() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    for nth in 0..10 {
        gateway.install("first", &tag(&format!("w{nth}")));
        in_force(&gateway, &format!("w{nth}"), "a change before the measurement");
    }
    let load = load(&gateway);
    let before = gateway.memory().now;
    for nth in 0..50 {
        gateway.install("first", &tag(&format!("m{nth}")));
        gateway.reconfigure(|config| config["routes"][0]["timeout"] = json!(format!("{}s", 10 + nth)));
        thread::sleep(Duration::from_millis(120));
    }
    in_force(&gateway, "m49", "the last of the changes");
    none_failed(load);
    let grown = gateway.memory().now.saturating_sub(before);
    assert!(grown < 24 << 20, "memory grew by {grown} bytes");
}

#[test]
fn a_removed_module_stays_in_use_with_a_warning() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    fs::remove_file(gateway.folder().join("plugins/first.wasm")).expect("the file is there");
    let _ = gateway.logged(&["first", "WARN"]);
    assert_eq!(gateway.get("/").header("x-tag"), Some("v1"));
}

#[test]
fn sighup_reloads_too() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    gateway.signal("HUP");
    let _ = gateway.logged(&["SIGHUP"]);
    assert_eq!(gateway.get("/").header("x-tag"), Some("v1"));
    gateway.write_config("no configuration at all");
    let refusals = || {
        gateway
            .log()
            .iter()
            .filter(|line| line.contains("gateway.json:1:1"))
            .count()
    };
    eventually("the change is refused", Duration::from_secs(3), || refusals() == 1);
    gateway.signal("HUP");
    eventually("it is read again", Duration::from_secs(3), || refusals() == 2);
}

#[test]
fn after_a_kill_it_is_ready_at_once_and_a_damaged_compile_cache_is_ignored() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    gateway.restart();
    assert_eq!(gateway.get("/").header("x-tag"), Some("v1"));
    let mut damaged = 0;
    let mut folders = vec![gateway.folder().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .components()
                .any(|part| part.as_os_str().to_string_lossy().contains("cache"))
            {
                let mut bytes = fs::read(&path).expect("a file is readable");
                let middle = bytes.len() / 2;
                bytes[middle..].fill(0x5a);
                fs::write(&path, bytes).expect("a file is writable");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "there is a compile cache");
    gateway.restart();
    assert_eq!(gateway.get("/").header("x-tag"), Some("v1"));
}

#[test]
fn a_slowly_written_module_is_loaded_when_it_is_complete() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let whole = tag("v2");
    let path = gateway.folder().join("plugins/first.wasm");
    for part in 1..=10 {
        fs::write(&path, &whole[..whole.len() * part / 10]).expect("the folder is writable");
        assert_eq!(gateway.get("/").status(), 200);
        thread::sleep(Duration::from_millis(60));
    }
    in_force(&gateway, "v2", "the module is whole");
}

/// As Kubernetes mounts a ConfigMap: the files are links through a link `..data`, and that one is switched.
#[test]
fn a_folder_of_symbolic_links_that_is_switched_is_followed() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let plugins = gateway.folder().join("plugins");
    let switch = |version: &str| {
        let data = format!("..{version}");
        fs::create_dir(plugins.join(&data)).expect("the folder is writable");
        fs::write(plugins.join(&data).join("first.wasm"), tag(version)).expect("the folder is writable");
        std::os::unix::fs::symlink(&data, plugins.join("..next")).expect("the folder is writable");
        fs::rename(plugins.join("..next"), plugins.join("..data")).expect("the folder is writable");
    };
    switch("v2");
    std::os::unix::fs::symlink("..data/first.wasm", plugins.join("..link")).expect("the folder is writable");
    fs::rename(plugins.join("..link"), plugins.join("first.wasm")).expect("the folder is writable");
    in_force(&gateway, "v2", "the module has become a link");
    switch("v3");
    in_force(&gateway, "v3", "the links lead elsewhere");
}

#[test]
fn what_is_refused_is_counted() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let failures = || {
        gateway
            .metrics()
            .sum("lockgate_reloads_total", &[("result", "failure")])
    };
    let before = failures();
    gateway.install("first", b"no module at all");
    eventually("a refused module is counted", Duration::from_secs(3), || {
        failures() > before
    });
    let before = failures();
    gateway.write_config("no configuration at all");
    eventually("a refused configuration is counted", Duration::from_secs(3), || {
        failures() > before
    });
}

/// The configuration as it is, with another name for what marks answers.
fn marked(gateway: &Gateway, plugin: &str) -> String {
    let mut config = gateway.config().clone();
    config["chains"]["default"] = json!([plugin]);
    config.to_string()
}

/// A gateway with two modules that a configuration can choose from: it says `v1`, and the other `v2`.
fn with_a_choice(upstream: &Upstream) -> Gateway {
    let mut gateway = gateway(upstream);
    gateway.install("second", &tag("v2"));
    gateway.reconfigure(|config| config["plugins"]["second"] = json!({ "module": "second" }));
    let _ = gateway.logged(&["reloaded"]);
    gateway
}

/// Puts a link in the place of whatever is there, in one step.
fn relink(link: &Path, target: &Path) {
    let next = link.with_file_name("..next");
    std::os::unix::fs::symlink(target, &next).expect("the folder is writable");
    fs::rename(next, link).expect("the folder is writable");
}

#[test]
fn a_rewritten_configuration_is_loaded_when_it_is_complete() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let gateway = with_a_choice(&upstream);
    let load = load(&gateway);
    let file = gateway.folder().join("gateway.json");

    // An editor that truncates, and takes its time.
    let text = marked(&gateway, "second");
    let mut slow = fs::File::create(&file).expect("the file is writable");
    for half in [&text[..text.len() / 2], &text[text.len() / 2..]] {
        slow.write_all(half.as_bytes()).expect("the file is writable");
        thread::sleep(Duration::from_millis(300));
    }
    drop(slow);
    in_force(&gateway, "v2", "it was written in two halves");
    let refusals = gateway
        .metrics()
        .sum("lockgate_reloads_total", &[("result", "failure")]);
    assert_eq!(refusals, 0.0, "nobody has looked at the first half");

    fs::remove_file(&file).expect("the file is there");
    let _ = gateway.logged(&["reload refused", "No such file"]);
    assert_eq!(gateway.get("/").header("x-tag"), Some("v2"));
    fs::write(&file, marked(&gateway, "first")).expect("the folder is writable");
    in_force(&gateway, "v1", "it was deleted and put back");

    // As Kubernetes mounts a ConfigMap.
    let switch = |version: &str, plugin: &str| {
        let data = gateway.folder().join(format!("..{version}"));
        fs::create_dir(&data).expect("the folder is writable");
        fs::write(data.join("gateway.json"), marked(&gateway, plugin)).expect("the folder is writable");
        relink(&gateway.folder().join("..data"), &data);
    };
    switch("1", "second");
    relink(&file, Path::new("..data/gateway.json"));
    in_force(&gateway, "v2", "it has become a link");
    switch("2", "first");
    in_force(&gateway, "v1", "the link on the way to it leads elsewhere");
    fs::remove_dir_all(gateway.folder().join("..1")).expect("it is of no use any more");
    fs::write(gateway.folder().join("..2/gateway.json"), marked(&gateway, "second")).expect("the folder is writable");
    in_force(&gateway, "v2", "it changes where the links lead");
    none_failed(load);
}

#[test]
fn a_plugin_dir_that_is_a_link_or_comes_back_is_followed() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    let load = load(&gateway);
    let folder = gateway.folder().to_owned();
    let release = |version: &str| {
        let release = folder.join(format!("releases/{version}"));
        fs::create_dir_all(&release).expect("the folder is writable");
        install(&release, "first", &tag(version));
        release
    };
    relink(&folder.join("current"), &release("v2"));
    gateway.reconfigure(|config| config["plugin_dir"] = json!("current"));
    in_force(&gateway, "v2", "the configuration names a link");
    relink(&folder.join("current"), &release("v3"));
    in_force(&gateway, "v3", "the link leads elsewhere");
    install(&folder.join("releases/v3"), "first", &tag("v4"));
    in_force(&gateway, "v4", "a module changes where it leads");

    gateway.reconfigure(|config| config["plugin_dir"] = json!("plain"));
    let _ = gateway.logged(&["reload refused", "/plugin_dir"]);
    release("v5");
    fs::rename(folder.join("releases/v5"), folder.join("plain")).expect("the folder is writable");
    in_force(&gateway, "v5", "the folder that a refused configuration names is there");
    fs::rename(folder.join("plain"), folder.join("gone")).expect("the folder is writable");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(gateway.get("/").header("x-tag"), Some("v5"));
    release("v6");
    fs::rename(folder.join("releases/v6"), folder.join("plain")).expect("the folder is writable");
    in_force(&gateway, "v6", "the folder was another for a while");
    none_failed(load);
}

#[test]
fn unchanged_files_cause_no_reload() {
    let _alone = alone();
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream);
    let reloads = |gateway: &Gateway| {
        gateway
            .metrics()
            .sum("lockgate_reloads_total", &[("result", "success")])
    };
    let secret = gateway.folder().join("secret");
    gateway.reconfigure(|config| config["plugins"]["first"]["config"] = json!("${file:secret}"));
    let _ = gateway.logged(&["reload refused", "secret", "No such file"]);
    fs::write(&secret, "one").expect("the folder is writable");
    eventually("the file that it waited for is put in", IN_FORCE_WITHIN, || {
        reloads(&gateway) == 1.0
    });
    for _ in 0..2 {
        fs::write(&secret, "one\n").expect("the folder is writable");
        gateway.signal("HUP");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(reloads(&gateway), 1.0, "its contents mean the same");
    fs::write(&secret, "two").expect("the folder is writable");
    eventually("another secret is another configuration", IN_FORCE_WITHIN, || {
        reloads(&gateway) == 2.0
    });
}
