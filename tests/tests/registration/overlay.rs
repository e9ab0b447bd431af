//! The overlay outlives reloads, restarts and kills.

use std::fs;
use std::time::Duration;

use lockgate_tests::endpoint::Endpoint;
use lockgate_tests::upstream::eventually;
use serde_json::{Value, json};

use super::api::{done, file, gateway, on_disk, report, share};

#[test]
fn what_was_turned_survives_a_kill_and_registrations_get_one_ttl_of_grace() {
    let [one, drained, weighted, removed, registered] = std::array::from_fn(|_| Endpoint::start());
    let mut gateway = gateway(&[&one, &drained, &weighted, &removed]);
    assert!(!file(&gateway).exists(), "nothing was turned yet");
    done(&gateway, "PATCH", &drained, &json!({ "draining": true }));
    done(&gateway, "PATCH", &weighted, &json!({ "weight": 5 }));
    done(&gateway, "DELETE", &removed, &Value::Null);
    done(&gateway, "PUT", &registered, &json!({ "ttl": "2s", "weight": 2 }));
    gateway.signal("KILL");
    gateway.ended(Duration::from_secs(5));
    gateway.restart();
    assert_eq!(report(&gateway, &drained)["state"], "draining");
    assert_eq!(report(&gateway, &weighted)["weight"], 5);
    assert_eq!(report(&gateway, &removed), Value::Null);
    assert_eq!(report(&gateway, &registered)["weight"], 2);
    assert_eq!(share(&gateway, &registered, 40), 10);
    eventually("no heartbeat comes", Duration::from_secs(4), || {
        report(&gateway, &registered) == Value::Null
    });
    let overlay = gateway.ask_admin("/api/overlay").json();
    eventually("the registration is gone from the disk", Duration::from_secs(5), || {
        overlay["upstreams"] == on_disk(&gateway)["upstreams"]
    });
    assert_eq!(overlay["file"], file(&gateway).display().to_string());
    assert_eq!(
        overlay["upstreams"]["app"]["endpoints"][drained.address().to_string()],
        json!({ "draining": true })
    );
}

#[test]
fn a_reload_keeps_the_overlay_and_one_that_removes_the_upstream_drops_it() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let (drained, registered) = (Endpoint::start(), Endpoint::start());
    let mut gateway = gateway(&[&one, &drained]);
    done(&gateway, "PATCH", &drained, &json!({ "draining": true }));
    done(&gateway, "PUT", &registered, &json!({}));
    let list: Vec<_> = [&other, &one, &drained]
        .map(|endpoint| endpoint.address().to_string())
        .into();
    gateway.reconfigure(|config| config["upstreams"]["app"]["endpoints"] = json!(list));
    let _ = gateway.logged(&["reloaded"]);
    assert_eq!(report(&gateway, &drained)["state"], "draining");
    assert_eq!(
        (
            share(&gateway, &other, 30),
            share(&gateway, &registered, 30),
            share(&gateway, &drained, 30)
        ),
        (10, 10, 0)
    );
    gateway.reconfigure(|config| {
        let app = config["upstreams"]
            .as_object_mut()
            .expect("an object")
            .remove("app")
            .expect("it is there");
        config["upstreams"]["other"] = app;
    });
    let _ = gateway.logged(&["WARN", "overlay dropped", "app"]);
    eventually("it is dropped on disk", Duration::from_secs(5), || {
        on_disk(&gateway)["upstreams"] == json!({})
    });
}

#[test]
fn a_refused_reload_changes_no_endpoint() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let mut gateway = gateway(&[&one]);
    let list = json!([one.address().to_string(), other.address().to_string()]);
    gateway.reconfigure(|config| {
        config["upstreams"]["app"]["endpoints"] = list;
        // An address that cannot be bound: found when the snapshot is activated.
        config["listeners"]["more"] = json!({ "listen": "192.0.2.1:1" });
    });
    let _ = gateway.logged(&["reload refused"]);
    assert_eq!(report(&gateway, &other), Value::Null);
    assert_eq!(share(&gateway, &one, 10), 10);
}

#[test]
fn a_corrupt_file_is_set_aside_and_the_gateway_starts() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let mut gateway = gateway(&[&one, &other]);
    done(&gateway, "PATCH", &other, &json!({ "draining": true }));
    gateway.stop(Duration::from_secs(10));
    fs::write(file(&gateway), "{ \"upstreams\": { \"app\": ").expect("the folder is writable");
    gateway.restart();
    let _ = gateway.logged(&["ERROR", "the overlay is invalid", "set_aside"]);
    assert_eq!(share(&gateway, &other, 20), 10);
    let aside = fs::read_dir(gateway.folder().join(".lockgate")).expect("the folder is there");
    assert_eq!(aside.count(), 1, "the corrupt file, under another name");
    done(&gateway, "PATCH", &other, &json!({ "weight": 0 }));
    assert_eq!(
        on_disk(&gateway)["upstreams"]["app"]["endpoints"][other.address().to_string()],
        json!({ "weight": 0 })
    );
}

#[test]
fn a_change_that_cannot_be_kept_is_in_force_and_says_so() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&one, &other]);
    fs::write(gateway.folder().join(".lockgate"), "a file in place of the folder").expect("the folder is writable");
    let answer = super::api::call(&gateway, "PATCH", &other, &json!({ "draining": true }));
    assert_eq!((answer.status(), &answer.json()["persisted"]), (200, &json!(false)));
    assert_eq!(share(&gateway, &other, 10), 0);
    assert!(gateway.ask_admin("/api/overlay").json()["error"].is_string());
    let _ = gateway.logged(&["ERROR", "the overlay cannot be written"]);
}

#[test]
fn the_folder_can_be_set() {
    let (one, folder) = (Endpoint::start(), tempfile::tempdir().expect("a folder"));
    let gateway = lockgate_tests::Gateway::start(json!({
        "state_dir": folder.path().join("kept"),
        "upstreams": { "app": { "endpoints": [one.address().to_string()] } },
    }));
    done(&gateway, "PATCH", &one, &json!({ "weight": 7 }));
    assert!(folder.path().join("kept/gateway.overlay.json").is_file());
}
