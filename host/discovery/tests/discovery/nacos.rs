//! Nacos: polling, log-in, and a server that withdraws the token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lists::Lists;
use crate::registry::{Registry, answer};

fn instance(last: u8, is_healthy: bool) -> Value {
    json!({ "ip": format!("10.0.0.{last}"), "port": 80, "weight": 1.0, "healthy": is_healthy, "enabled": true })
}

#[test]
fn instances_are_polled_with_a_token_that_is_renewed_when_it_is_refused() {
    let hosts = Arc::new(Mutex::new((vec![instance(1, true), instance(2, false)], "t1")));
    let shared = Arc::clone(&hosts);
    let registry = Registry::start(move |request, stream| {
        let (hosts, token) = shared.lock().expect("no panic").clone();
        if request.path == "/nacos/v1/auth/login" {
            assert_eq!(request.body, "username=me&password=p%26w");
            let body = json!({ "accessToken": token, "tokenTtl": 18000 });
            return answer(stream, 200, "", &body.to_string());
        }
        assert_eq!(request.path, "/nacos/v1/ns/instance/list");
        assert_eq!(request.query["serviceName"], "orders");
        assert_eq!(request.query["groupName"], "DEFAULT_GROUP");
        if request.query.get("accessToken").map(String::as_str) != Some(token) {
            return answer(stream, 403, "", "token invalid");
        }
        answer(stream, 200, "", &json!({ "hosts": hosts }).to_string())
    });
    let source = format!(
        r#"{{ "type": "nacos", "service": "orders", "url": "{}", "username": "me", "password": "p&w", "refresh": "200ms" }}"#,
        registry.url()
    );
    let lists = Lists::of(&source);
    lists.becomes(&["10.0.0.1:80*1"]);
    hosts.lock().expect("no panic").0 = vec![instance(2, true)];
    assert!(lists.becomes(&["10.0.0.2:80*1"]) < Duration::from_secs(2));
    {
        let mut hosts = hosts.lock().expect("no panic");
        hosts.1 = "t2";
        hosts.0 = vec![instance(3, true)];
    }
    lists.fails("answered 403: token invalid");
    lists.becomes(&["10.0.0.3:80*1"]);
    hosts.lock().expect("no panic").0 = Vec::new();
    lists.becomes(&[]);
}
