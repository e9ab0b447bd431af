//! The cost of a plugin: nanoseconds per stream of an idle one, and per header read and written.
//!
//! Run it on a quiet core: `taskset -c 0 cargo run --release -p lockgate-sandbox --example cost`. Figures are the best of several
//! rounds, in the kernel's CPU time of the thread.

#![allow(clippy::unwrap_used, reason = "an example that measures stops at the first surprise")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::{ResponseHead, SharedExchange};
use lockgate_sandbox::settings::Isolation;
use lockgate_sandbox::testing::{exchange, plugin_spec};
use lockgate_sandbox::{Engine, EngineSettings, Host, LogLevel, NoEffectHost, Plugin, StartMode, Vm};

const ROUNDS: usize = 7;
const STREAMS: u32 = 200_000;

/// Every lifecycle and header callback, all empty.
const IDLE: &str = r#"(module
  (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))"#;

/// Reads one header and sets another, a hundred times per stream, so that the cost of the stream itself does not matter.
const HEADERS: &str = r#"(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
  (data (i32.const 0) "user-agent") (data (i32.const 16) "x-plugin") (data (i32.const 32) "value")
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $n i32)
    (loop $again
      (drop (call $get (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 64) (i32.const 68)))
      (drop (call $set (i32.const 0) (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 5)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 100))))
    (i32.const 0)))"#;

fn main() {
    let engine = Engine::new(EngineSettings::default()).unwrap();
    let idle = vm(&engine, IDLE, Isolation::Shared);
    let isolated = vm(&engine, IDLE, Isolation::Stream);
    let headers = vm(&engine, HEADERS, Isolation::Shared);
    let imaged = prepared(&engine, IDLE, Isolation::Stream);
    let successor = prepared(&engine, IDLE, Isolation::Shared);
    let exchange = measured_exchange();
    let stream = |vm: &Rc<Vm>| {
        let stream = vm.open(&exchange).unwrap();
        stream.request_headers(true).unwrap();
        stream.response_headers(true).unwrap();
    };
    println!(
        "idle plugin, six calls per stream: {:>7.0} ns",
        best(STREAMS, || stream(&idle))
    );
    println!(
        "the same with a VM per stream:     {:>7.0} ns",
        best(STREAMS / 20, || stream(&isolated))
    );
    println!(
        "the same from the trial's image:    {:>7.0} ns",
        best(STREAMS / 20, || stream(&imaged))
    );
    println!(
        "a VM from the image, and its end:   {:>7.0} ns",
        best(STREAMS / 100, || successor.start().unwrap())
    );
    let pairs = best(STREAMS / 50, || {
        headers.open(&exchange).unwrap().request_headers(true).unwrap();
    });
    println!("one header read and one set:       {:>7.0} ns", pairs / 100.0);
    let before = Instant::now();
    drop(engine.compile(&wat::parse_str(HEADERS).unwrap()).unwrap());
    println!(
        "compiling a tiny module:           {:>7.0} us",
        before.elapsed().as_secs_f64() * 1e6
    );
}

/// Nanoseconds per run in the best round.
fn best(runs: u32, mut what: impl FnMut()) -> f64 {
    let round = |what: &mut dyn FnMut()| {
        let before = cpu_time();
        (0..runs).for_each(|_| what());
        (cpu_time() - before).as_nanos() as f64 / f64::from(runs)
    };
    (0..ROUNDS).map(|_| round(&mut what)).fold(f64::INFINITY, f64::min)
}

fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// A VM that begins from the image of a trial.
fn prepared(engine: &Engine, text: &str, isolation: Isolation) -> Rc<Vm> {
    let vm = vm(engine, text, isolation);
    vm.plugin().prepare(&host()).unwrap();
    assert_eq!(vm.plugin().start_mode(), StartMode::Image);
    vm
}

fn host() -> Rc<dyn Host> {
    Rc::new(NoEffectHost::new(LogLevel::Critical, |_, _, _| {}))
}

fn vm(engine: &Engine, text: &str, isolation: Isolation) -> Rc<Vm> {
    let module = engine.compile(&wat::parse_str(text).unwrap()).unwrap();
    let mut spec = plugin_spec("measured", module);
    spec.settings.isolation = isolation;
    Vm::new(Plugin::link(engine, spec).unwrap(), host())
}

/// A request with three headers, and a response.
fn measured_exchange() -> SharedExchange {
    let exchange = exchange();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "curl/8.0"),
        ("accept", "*/*"),
        ("x-request-id", "0123456789abcdef"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    exchange.borrow_mut().request.headers = headers;
    exchange.borrow_mut().response = Some(ResponseHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    });
    exchange
}
