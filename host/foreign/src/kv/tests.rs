//! The promises of `lockgate.kv`.

use std::sync::Arc;

use lockgate_store::{KvLimits, Notify, Store, StoreSettings};
use serde_json::{Value, json};

use super::*;

struct Nobody;

impl Notify for Nobody {
    fn changed(&self, _: u32) {}
}

struct Test {
    store: Store,
    watches: KvWatches,
}

impl Test {
    fn new(namespace: usize) -> Test {
        let kv = KvLimits {
            namespace,
            ..KvLimits::default()
        };
        Test {
            store: Store::new(StoreSettings {
                kv,
                ..StoreSettings::default()
            }),
            watches: KvWatches::new(Arc::new(Nobody)),
        }
    }

    fn of(&self, names: (&str, &str), argument: &Value) -> Result<Value, Status> {
        let argument = argument.to_string();
        let caller = ForeignTarget::default();
        let result = call(self.store.kv(), &self.watches, names, argument.as_bytes(), &caller)?;
        Ok(serde_json::from_slice(&result).unwrap())
    }

    fn call(&self, argument: &Value) -> Result<Value, Status> {
        self.of(("plugin", "plugin"), argument)
    }
}

#[test]
fn each_operation_says_what_it_did() {
    let test = Test::new(1 << 20);
    let call = |argument: Value| test.call(&argument).unwrap();
    assert_eq!(call(json!({"op":"get","key":"k"})), json!({"found": false}));
    assert_eq!(
        call(json!({"op":"set","key":"k","value":"one"})),
        json!({"written": true, "version": 1})
    );
    assert_eq!(
        call(json!({"op":"get","key":"k"})),
        json!({"found": true, "value": "one", "version": 1})
    );
    assert_eq!(
        call(json!({"op":"add","key":"k","value":"two"})),
        json!({"written": false, "version": 1})
    );
    assert_eq!(
        call(json!({"op":"cas","key":"k","value":"two","version":9})),
        json!({"written": false, "version": 1})
    );
    assert_eq!(
        call(json!({"op":"cas","key":"k","value":"two","version":1})),
        json!({"written": true, "version": 2})
    );
    assert_eq!(
        call(json!({"op":"cas","key":"absent","value":"two","version":1})),
        json!({"written": false, "version": null})
    );
    assert_eq!(call(json!({"op":"list"})), json!({"keys": ["k"], "more": false}));
    assert_eq!(
        call(json!({"op":"watch","key":"k","version":1})),
        json!({"watch": null})
    );
    assert_eq!(call(json!({"op":"watch","key":"k","version":2})), json!({"watch": 2}));
    assert_eq!(call(json!({"op":"unwatch","watch":2})), json!({}));
    assert_eq!(
        call(json!({"op":"delete","key":"k","version":1})),
        json!({"deleted": false})
    );
    assert_eq!(call(json!({"op":"delete","key":"k"})), json!({"deleted": true}));
    assert_eq!(call(json!({"op":"delete","key":"k"})), json!({"deleted": false}));
}

#[test]
fn values_that_are_no_text_and_times_to_live_pass_in_both_directions() {
    let test = Test::new(1 << 20);
    let set = json!({"op":"set","key":"a \"quoted\" key\n","base64":"/wAB","ttl_ms":60_000});
    test.call(&set).unwrap();
    let found = test.call(&json!({"op":"get","key":"a \"quoted\" key\n"})).unwrap();
    assert_eq!((&found["base64"], &found["value"]), (&json!("/wAB"), &Value::Null));
    assert!(
        (59_000..=60_000).contains(&found["ttl_ms"].as_u64().unwrap()),
        "{found}"
    );
}

#[test]
fn plugins_share_values_only_where_both_want_it() {
    let test = Test::new(1 << 20);
    let (one, two, other) = (("one", "both"), ("two", "both"), ("both", "other"));
    let set = |shared: bool| json!({"op":"set","key":"k","value":"v","shared":shared});
    let get = |shared: bool| json!({"op":"get","key":"k","shared":shared});
    test.of(one, &set(false)).unwrap();
    for (names, shared) in [(two, false), (two, true), (one, true), (other, false), (other, true)] {
        assert_eq!(
            test.of(names, &get(shared)).unwrap()["found"],
            false,
            "{names:?} {shared}"
        );
    }
    test.of(one, &set(true)).unwrap();
    assert_eq!(test.of(two, &get(true)).unwrap()["found"], true);
    // A plugin whose name is another's `vm_id` does not reach what that one shares.
    assert_eq!(test.of(other, &get(false)).unwrap()["found"], false);
}

#[test]
fn a_full_store_and_a_value_that_is_too_large_are_errors() {
    let test = Test::new(2000);
    let set = |key: &str, size: usize| test.call(&json!({"op":"set","key":key,"value":"x".repeat(size)}));
    assert_eq!(set("a", 1000).unwrap()["written"], true);
    assert_eq!(set("b", 1000), Err(Status::InternalFailure));
    assert_eq!(set("b", (1 << 20) + 1), Err(Status::BadArgument));
    assert_eq!(set(&"k".repeat(5000), 1), Err(Status::BadArgument));
    assert_eq!(test.call(&json!({"op":"get","key":"b"})).unwrap()["found"], false);
}

#[test]
fn a_list_is_bounded_and_can_be_continued() {
    let test = Test::new(1 << 20);
    for index in 0..300 {
        test.call(&json!({"op":"set","key":format!("k{index:03}"),"value":""}))
            .unwrap();
    }
    let first = test.call(&json!({"op":"list","prefix":"k","limit":100_000})).unwrap();
    assert_eq!(
        (first["keys"].as_array().unwrap().len(), &first["more"]),
        (256, &json!(true))
    );
    let rest = test.call(&json!({"op":"list","prefix":"k","after":"k255"})).unwrap();
    assert_eq!(
        (rest["keys"].as_array().unwrap().len(), &rest["more"]),
        (44, &json!(false))
    );
}

#[test]
fn a_malformed_call_is_a_bad_argument() {
    let test = Test::new(1 << 20);
    for argument in [
        json!({}),
        json!({"op":"take","key":"k"}),
        json!({"op":"get"}),
        json!({"op":"get","key":"k","ttl":5}),
        json!({"op":"get","key":"k","ttl_ms":5}),
        json!({"op":"get","key":7}),
        json!({"op":"set","key":"k"}),
        json!({"op":"set","key":"k","value":"a","base64":"YQ=="}),
        json!({"op":"set","key":"k","base64":"?"}),
        json!({"op":"set","key":"k","value":"a","ttl_ms":0}),
        json!({"op":"set","key":"k","value":"a","ttl_ms":-1}),
        json!({"op":"cas","key":"k","value":"a"}),
        json!({"op":"cas","key":"k","value":"a","version":-1}),
        json!({"op":"watch","key":"k"}),
        json!({"op":"unwatch"}),
        json!({"op":"list","key":"k"}),
    ] {
        assert_eq!(test.call(&argument), Err(Status::BadArgument), "{argument}");
    }
}
