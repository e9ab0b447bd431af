//! Every function of the SDK returns an error that names the host call, for every status of the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lockgate_sdk::metrics::{Counter, Family, Gauge, Histogram};
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_NAME, Property, RESPONSE_CODE};
use lockgate_sdk::template::Template;
use lockgate_sdk::testing::{self, Gateway, STATUSES};
use lockgate_sdk::{Status, cache, counter, foreign, now, shared, tick_every};

/// A plugin whose request hook is the test's.
struct Any;

thread_local! {
    static HOOK: std::cell::RefCell<Hook> = std::cell::RefCell::new(Box::new(|_| Ok(())));
}

type Hook = Box<dyn FnMut(&mut Request) -> Result<()>>;

#[plugin]
impl Plugin for Any {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Any)
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        HOOK.with_borrow_mut(|hook| hook(request)).map(|()| Flow::Continue)
    }
}

/// Runs `hook` in a request while `call` fails, and returns its result.
fn failing(
    call: &'static str,
    status: Status,
    mut hook: impl FnMut(&mut Request) -> Result<()> + 'static,
) -> Result<()> {
    let gateway = Gateway::<Any>::configured("").expect("no configuration is needed");
    testing::fail(call, status);
    let result = std::rc::Rc::new(std::cell::RefCell::new(Ok(())));
    let kept = result.clone();
    HOOK.set(Box::new(move |request| {
        let outcome = hook(request);
        *kept.borrow_mut() = outcome.clone();
        outcome
    }));
    let exchange = gateway.get("/path?query").header("cookie", "a=b").send();
    let outcome = result.borrow().clone();
    assert_eq!(
        exchange.is_paused(),
        outcome.is_err(),
        "an error does not let the request pass"
    );
    outcome
}

/// Asserts that for every status but those in `fine`, `hook` fails and names the call.
fn check(call: &'static str, fine: &[Status], hook: fn(&mut Request) -> Result<()>) {
    for status in STATUSES {
        match failing(call, status, hook) {
            Ok(()) => assert!(fine.contains(&status), "{call} passes over {status:?}"),
            Err(error) => {
                assert!(!fine.contains(&status), "{call} fails over {status:?}");
                let is_named = match &error {
                    Error::Host {
                        call: named,
                        status: returned,
                    } => *named == call && *returned == status,
                    Error::Malformed(_) | Error::Unsupported(_) => status == Status::NotFound,
                    _ => false,
                };
                assert!(is_named, "{call} with {status:?}: {error:?}");
            }
        }
    }
}

const ABSENT: &[Status] = &[Status::NotFound];

#[test]
fn headers() {
    check("proxy_get_header_map_value", ABSENT, |request| {
        request.header("x").map(drop)
    });
    check("proxy_get_header_map_value", ABSENT, |request| {
        request.cookie("x").map(drop)
    });
    check("proxy_get_header_map_value", &[], |request| request.path().map(drop));
    check("proxy_get_header_map_value", &[], |request| {
        request.query("x").map(drop)
    });
    check("proxy_get_header_map_pairs", ABSENT, |request| {
        request.headers().list().map(drop)
    });
    check("proxy_get_header_map_pairs", ABSENT, |request| {
        request.headers().all("x").map(drop)
    });
    check("proxy_set_header_map_pairs", &[], |request| {
        request.headers().replace(&[("x", "y")])
    });
    check("proxy_replace_header_map_value", &[], |request| {
        request.set_header("x", "y")
    });
    check("proxy_replace_header_map_value", &[], |request| {
        request.remove_query("query")
    });
    check("proxy_add_header_map_value", &[], |request| {
        request.add_header("x", "y")
    });
    check("proxy_remove_header_map_value", ABSENT, |request| {
        request.remove_header("x")
    });
    check("proxy_remove_header_map_value", ABSENT, |request| {
        request.remove_cookie("a")
    });
}

#[test]
fn properties() {
    check("proxy_get_property", ABSENT, |_| CONSUMER_NAME.value().map(drop));
    check("proxy_get_property", ABSENT, |request| {
        request.client_address().map(drop)
    });
    check("proxy_set_property", &[], |_| CONSUMER_NAME.set(&"alice".to_owned()));
    let template = || Template::parse("{consumer}").map_err(Error::Plugin);
    assert!(
        failing("proxy_get_property", Status::NotFound, move |_| template()?
            .render()
            .map(drop))
        .is_ok()
    );
    assert!(
        failing("proxy_get_property", Status::InternalFailure, move |_| template()?
            .render()
            .map(drop))
        .is_err()
    );
}

#[test]
fn a_property_of_another_type_is_malformed() {
    let outcome = failing("none", Status::NotFound, |_| {
        Property::<String>::new("response\0code").set(&"200".to_owned())?;
        RESPONSE_CODE.value().map(drop)
    });
    assert_eq!(outcome, Err(Error::Malformed("proxy_get_property")));
}

#[test]
fn time_and_metrics() {
    check("proxy_get_current_time_nanoseconds", &[], |_| {
        now().map(|now| assert!(now > SystemTime::UNIX_EPOCH))
    });
    check("proxy_set_tick_period_milliseconds", &[], |_| {
        tick_every(Duration::from_secs(1))
    });
    check("proxy_define_metric", &[], |_| Counter::define("c").map(drop));
    check("proxy_increment_metric", &[], |_| Counter::define("c")?.increase(1));
    check("proxy_increment_metric", &[], |_| Gauge::define("g")?.change(-1));
    check("proxy_record_metric", &[], |_| Gauge::define("g")?.set(1));
    check("proxy_record_metric", &[], |_| Histogram::define("h")?.record(1));
    check("proxy_get_metric", &[], |_| Counter::define("c")?.value().map(drop));
}

#[test]
fn a_log_line_that_the_host_refuses_is_lost_and_nothing_else() {
    for status in STATUSES {
        for call in ["proxy_log", "proxy_get_log_level"] {
            testing::fail(call, status);
            let outcome = failing(call, status, |_| {
                log::error!("a line");
                Ok(())
            });
            assert_eq!(outcome, Ok(()), "{call} {status:?}");
        }
    }
}

/// The list of host calls comes from their declarations.
#[test]
fn every_host_call_is_tested_with_every_status() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host");
    let parts = fs::read_dir(source.join("ffi")).expect("the imports have parts");
    let files = parts.map(|part| part.expect("a folder can be read").path());
    let imports: String = files.chain([source.join("ffi.rs")]).map(read).collect();
    let tests = ["statuses.rs", "waiting_statuses.rs", "grpc_streams.rs"];
    let tests = tests
        .map(|name| read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)))
        .concat();
    let declared = imports
        .lines()
        .filter_map(|line| line.strip_prefix("    fn ")?.split_once('('));
    let calls: Vec<_> = declared
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("proxy_") || *name == "random_get")
        .collect();
    assert!(calls.len() > 35, "{calls:?}");
    for call in calls {
        assert!(
            tests.contains(&format!("\"{call}\"")),
            "no test has {call} answer with a wrong status"
        );
    }
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).expect("the sources are there")
}

#[test]
fn shared_data() {
    check("proxy_get_shared_data", ABSENT, |_| shared::value("k").map(drop));
    check("proxy_set_shared_data", &[], |_| shared::set("k", b"v"));
    check("proxy_set_shared_data", &[], |_| {
        shared::update("k", |_| Vec::new()).map(drop)
    });
    let outcome = failing("none", Status::NotFound, |_| {
        shared::update("k", |value| {
            value.map_or_else(|| b"1".to_vec(), |value| [value, b"1"].concat())
        })?;
        shared::update("k", |value| {
            value.map_or_else(|| b"1".to_vec(), |value| [value, b"1"].concat())
        })?;
        assert_eq!(shared::value("k")?.as_deref(), Some(&b"11"[..]));
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn the_functions_of_lockgate_are_unsupported_elsewhere() {
    for status in [Status::NotFound, Status::Unimplemented] {
        let call = "proxy_call_foreign_function";
        let count = failing(call, status, |_| counter::take(&[]).map(drop));
        assert_eq!(count, Err(Error::Unsupported("lockgate.counter")));
        let hooks: [fn(&mut Request) -> Result<()>; 4] = [
            |_| cache::lookup("k").map(drop),
            |_| cache::serve("k", &[]).map(drop),
            |_| cache::store("k", 1, &[]).map(drop),
            |_| cache::purge("k").map(drop),
        ];
        for hook in hooks {
            assert_eq!(failing(call, status, hook), Err(Error::Unsupported("lockgate.cache")));
        }
    }
    let broken = failing("proxy_call_foreign_function", Status::InternalFailure, |_| {
        foreign::call("f", b"").map(drop)
    });
    assert_eq!(
        broken,
        Err(Error::Host {
            call: "f",
            status: Status::InternalFailure
        })
    );
}

#[test]
fn a_result_of_another_form_is_malformed() {
    let gateway = Gateway::<Any>::configured("").expect("no configuration is needed");
    for text in ["", "{}", "[]", r#"{"allowed":1,"rules":[]}"#, "\u{0}"] {
        testing::define_foreign_function("lockgate.counter", move |_| Ok(text.as_bytes().to_vec()));
        HOOK.set(Box::new(|_| counter::take(&[]).map(drop)));
        let exchange = gateway.get("/").send();
        assert_eq!(exchange.status(), Some(500), "{text:?}");
    }
    assert!(
        testing::log()[0].contains("lockgate.counter is malformed"),
        "{:?}",
        testing::log()
    );
}

#[test]
fn a_reply_that_the_host_refuses_still_holds_the_request() {
    let gateway = Gateway::<Any>::configured("").expect("no configuration is needed");
    for status in STATUSES {
        testing::fail("proxy_send_local_response", status);
        HOOK.set(Box::new(|_| Err(Error::Plugin("no".to_owned()))));
        let exchange = gateway.get("/").send();
        assert!(exchange.is_paused(), "{status:?}");
        assert_eq!(exchange.status(), None, "{status:?}");
    }
}

#[test]
fn labels_distinguish_metrics_and_are_limited() {
    let outcome = failing("none", Status::NotFound, |_| {
        let refused = Family::<Counter>::new("refused");
        for status in ["401", "403", "401"] {
            refused.of(&[("method", "GET"), ("status", status)])?.increase(1)?;
        }
        (0..100).try_for_each(|number| refused.of(&[("path", &number.to_string())])?.increase(1))
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(testing::metric(r#"refused{method="GET",status="401"}"#), Some(2));
    assert_eq!(testing::metric(r#"refused{method="GET",status="403"}"#), Some(1));
    assert_eq!(testing::metric(r#"refused{path="61"}"#), Some(1));
    assert_eq!(testing::metric(r#"refused{path="_other"}"#), Some(2));
    check("proxy_define_metric", &[], |_| {
        Family::<Gauge>::new("g").of(&[]).map(drop)
    });
}
