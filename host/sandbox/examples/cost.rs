//! What a plugin costs: nanoseconds per stream of one that does nothing, and per header read and written.
//!
//! Run it on an otherwise quiet core: `taskset -c 0 cargo run --release -p lockgate-sandbox --example cost`.
//! Figures are the best of several rounds, in thread CPU time as the kernel counts it.

#![allow(clippy::unwrap_used, reason = "an example that measures stops at the first surprise")]

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lockgate_exchange::{ConnectionInfo, Exchange, RequestHead, ResponseHead, Scheme, SharedExchange, StreamInfo};
use lockgate_sandbox::settings::{Capabilities, Isolation, Limits, OnError};
use lockgate_sandbox::{
    Callout, CalloutReply, Engine, EngineSettings, Failure, Host, LogLevel, MetricKind, Plugin, PluginSpec,
    QueueTarget, Status, TickTarget, Vm,
};

const ROUNDS: usize = 7;
const STREAMS: u32 = 200_000;

/// Every lifecycle and header callback, and nothing in them.
const IDLE: &str = r#"(module
  (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))"#;

/// Reads one header and sets another, a hundred times per stream, so that the stream's own cost disappears.
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
    let idle = Vm::new(plugin(&engine, IDLE, Isolation::Shared), Rc::new(Nothing));
    let isolated = Vm::new(plugin(&engine, IDLE, Isolation::Stream), Rc::new(Nothing));
    let headers = Vm::new(plugin(&engine, HEADERS, Isolation::Shared), Rc::new(Nothing));
    let exchange = exchange();
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

/// Nanoseconds per run, in the best of some rounds.
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

fn plugin(engine: &Engine, text: &str, isolation: Isolation) -> Plugin {
    let spec = PluginSpec {
        name: "measured".to_owned(),
        module_name: "measured".to_owned(),
        module: engine.compile(&wat::parse_str(text).unwrap()).unwrap(),
        config: Vec::new(),
        root_id: String::new(),
        vm_id: String::new(),
        vm_config: Vec::new(),
        env: Vec::new(),
        limits: Limits::default(),
        on_error: OnError::Deny,
        isolation,
        capabilities: Capabilities::default(),
    };
    Plugin::link(engine, spec).unwrap()
}

fn exchange() -> SharedExchange {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "curl/8.0"),
        ("accept", "*/*"),
        ("x-request-id", "0123456789abcdef"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let authority = HeaderValue::from_static("example.com");
    let request = RequestHead {
        method: Method::GET,
        path: "/a".parse().unwrap(),
        authority,
        scheme: Scheme::Http,
        headers,
    };
    let local = "127.0.0.1:8080".parse().unwrap();
    let connection = ConnectionInfo {
        id: 1,
        listener: "web".into(),
        peer: local,
        local,
        tls: None,
        properties: Default::default(),
    };
    let id = HeaderValue::from_static("r");
    let info = StreamInfo::new(
        Rc::new(connection),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        id,
        http::Version::HTTP_11,
    );
    let mut exchange = Exchange::new(request, info);
    exchange.response = Some(ResponseHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    });
    Rc::new(RefCell::new(exchange))
}

/// An outside that has nothing and does nothing.
struct Nothing;

impl Host for Nothing {
    fn log(&self, _: &Plugin, _: LogLevel, _: &str) {}

    fn log_level(&self) -> LogLevel {
        LogLevel::Critical
    }

    fn callout(&self, _: &Plugin, _: Callout, _: CalloutReply) -> Result<(), Status> {
        Err(Status::BadArgument)
    }

    fn set_tick(&self, _: TickTarget, _: Option<Duration>) {}

    fn shared_data(&self, _: &str, _: &str) -> Option<(Bytes, u32)> {
        None
    }

    fn set_shared_data(&self, _: &str, _: &str, _: &[u8], _: u32) -> Result<(), Status> {
        Err(Status::InternalFailure)
    }

    fn register_queue(&self, _: &str, _: &str, _: QueueTarget) -> Result<u32, Status> {
        Err(Status::InternalFailure)
    }

    fn resolve_queue(&self, _: &str, _: &str) -> Option<u32> {
        None
    }

    fn enqueue(&self, _: u32, _: &[u8]) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn dequeue(&self, _: u32) -> Result<Bytes, Status> {
        Err(Status::NotFound)
    }

    fn define_metric(&self, _: &Plugin, _: MetricKind, _: &str) -> Result<u32, Status> {
        Err(Status::InternalFailure)
    }

    fn increment_metric(&self, _: u32, _: i64) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn record_metric(&self, _: u32, _: u64) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn metric(&self, _: u32) -> Result<u64, Status> {
        Err(Status::NotFound)
    }

    fn foreign(&self, _: &Plugin, _: &str, _: &[u8], _: Option<&SharedExchange>) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }

    fn check_property(&self, _: &Plugin, _: &str, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }

    fn failed(&self, _: &Plugin, _: &Failure, _: &str) {}
}
