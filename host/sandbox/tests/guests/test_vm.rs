//! [`TestVm`]: a VM with a host in memory, and guests in WebAssembly's text format with a preamble for their imports.

use std::rc::Rc;
use std::sync::LazyLock;

use lockgate_exchange::SharedExchange;
use lockgate_sandbox::settings::PluginSettings;
use lockgate_sandbox::testing::{MemoryHost, configured_plugin_spec};
use lockgate_sandbox::{
    Engine, EngineSettings, FailureKind, Host, LoadError, LogLevel, Module, NoEffectHost, Plugin, PluginSpec,
    StartMode, Stream, Vm,
};

pub(crate) use lockgate_sandbox::testing::{WakeCounter, exchange};

/// Whether VMs begin from the image of a trial: in the tests of `from_image.rs`.
pub(crate) const FROM_IMAGE: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"from_image");

/// One engine for all tests, as in a gateway.
pub(crate) static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly"));

/// Imports, memory (two pages; strings below 1024, the heap from 65536), an allocator, and two ways to log: `$log_number` logs a
/// number, `$log_text` text. `$got` and `$len` are out-pointers for results.
const PREAMBLE: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_log_level" (func $log_level (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $map_size (param i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call"
    (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream"
    (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_close" (func $grpc_close (param i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))
  (import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_effective (param i32) (result i32)))
  (import "env" "proxy_done" (func $proxy_done (result i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (global $got i32 (i32.const 2000))
  (global $len i32 (i32.const 2004))
  (func $log_number (param $n i32) (local $at i32)
    (local.set $at (i32.const 1100))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $digits (local.get $n)))
    (drop (call $log (i32.const 2) (local.get $at) (i32.sub (i32.const 1100) (local.get $at)))))
  (func $log_text (param $at i32) (param $n i32)
    (drop (call $log (i32.const 2) (local.get $at) (local.get $n))))
  (func $log_result
    (call $log_text (i32.load (global.get $got)) (i32.load (global.get $len))))
"#;

/// An allocator that fills the second page and grows after that.
const ALLOCATOR: &str = r#"
  (func (export "proxy_on_memory_allocate") (param $n i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $n) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16)))
      (then (drop (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))))))
    (local.get $at))
"#;

/// A guest of ABI 0.2.1 with these functions and data.
pub(crate) fn guest(items: &str) -> Vec<u8> {
    bare(&text_of_guest(items))
}

/// The items of such a guest, behind which further imports may not come.
pub(crate) fn text_of_guest(items: &str) -> String {
    format!("{PREAMBLE} {ALLOCATOR} (func (export \"proxy_abi_version_0_2_1\")) {items}")
}

/// A guest of ABI 0.2.1 with an allocator of its own.
pub(crate) fn guest_allocating(items: &str) -> Vec<u8> {
    bare(&format!(
        "{PREAMBLE} (func (export \"proxy_abi_version_0_2_1\")) {items}"
    ))
}

/// A module of exactly these items.
pub(crate) fn bare(items: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {items})")).unwrap_or_else(|error| panic!("{error}"))
}

/// A guest with this body of `proxy_on_request_headers`, which continues.
pub(crate) fn on_request_headers(body: &str, data: &str) -> Vec<u8> {
    guest(&format!(
        "{data} (func (export \"proxy_on_request_headers\") (param $id i32) (param i32 i32) (result i32)
           {body} (i32.const 0))"
    ))
}

/// A plugin under construction.
pub(crate) struct TestPlugin {
    pub(crate) spec: PluginSpec,
}

/// A plugin of a guest, with default limits.
pub(crate) fn plugin(wasm: &[u8]) -> TestPlugin {
    let module = ENGINE.compile(wasm).unwrap_or_else(|error| panic!("{error}"));
    TestPlugin {
        spec: configured_plugin_spec("tested", module),
    }
}

impl TestPlugin {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut PluginSettings)) -> Self {
        change(&mut self.spec.settings);
        self
    }

    pub(crate) fn with_module(mut self, module: Module) -> Self {
        self.spec.module = module;
        self
    }

    pub(crate) fn link(self) -> Result<Plugin, LoadError> {
        Plugin::link(&ENGINE, self.spec)
    }

    /// A started VM.
    pub(crate) fn start(self) -> TestVm {
        let test = self.unstarted();
        test.vm.start().unwrap_or_else(|failure| panic!("{failure}"));
        test
    }

    /// A VM that begins from the image of a trial.
    pub(crate) fn start_from_image(self) -> TestVm {
        let plugin = self.link().unwrap_or_else(|error| panic!("{error}"));
        plugin
            .prepare(&trial_host())
            .unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(plugin.start_mode(), StartMode::Image);
        let host = Rc::new(MemoryHost::default());
        let vm = Vm::new(plugin, host.clone());
        vm.start().unwrap_or_else(|failure| panic!("{failure}"));
        TestVm { vm, host }
    }

    pub(crate) fn unstarted(self) -> TestVm {
        self.on(&ENGINE)
    }

    /// A VM on another engine, not started.
    pub(crate) fn on(self, engine: &Engine) -> TestVm {
        let plugin = Plugin::link(engine, self.spec).unwrap_or_else(|error| panic!("{error}"));
        let host = Rc::new(MemoryHost::default());
        if FROM_IMAGE {
            // Its log is the trial's, too. A guest whose trial fails is started as it is, so that its test sees the failure.
            if plugin.prepare(&(host.clone() as Rc<dyn Host>)).is_err() {
                host.lines.borrow_mut().clear();
                host.failures.borrow_mut().clear();
            }
        }
        TestVm {
            vm: Vm::new(plugin, host.clone()),
            host,
        }
    }
}

/// The host of a trial: nothing has an effect.
pub(crate) fn trial_host() -> Rc<dyn Host> {
    Rc::new(NoEffectHost::new(LogLevel::Trace, |_, _, _| {}))
}

/// A VM and its host.
pub(crate) struct TestVm {
    pub(crate) vm: Rc<Vm>,
    pub(crate) host: Rc<MemoryHost>,
}

impl TestVm {
    pub(crate) fn open(&self, exchange: &SharedExchange) -> Stream {
        self.vm.open(exchange).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Runs the headers of one request through a new stream, and returns the lines that it logged.
    pub(crate) fn request(&self, exchange: &SharedExchange) -> Vec<String> {
        let stream = self.open(exchange);
        self.host.lines.borrow_mut().clear();
        stream
            .request_headers(true)
            .unwrap_or_else(|failure| panic!("{failure}"));
        self.host.text_lines()
    }
}

impl TestVm {
    /// [`TestVm::request`], and whether the plugin has failed for the request because the host has refused what it did.
    pub(crate) fn refused_request(&self, exchange: &SharedExchange) -> (Vec<String>, bool) {
        let stream = self.open(exchange);
        self.host.lines.borrow_mut().clear();
        let refused = match stream.request_headers(true) {
            Ok(_) => false,
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
                assert!(stream.is_lost());
                true
            }
        };
        (self.host.text_lines(), refused)
    }
}

/// The lines that a guest logs in a request for which it fails, because the host has refused what it did.
pub(crate) fn log_of_refused_request(wasm: &[u8]) -> Vec<String> {
    let (lines, refused) = plugin(wasm).start().refused_request(&exchange());
    assert!(refused, "{lines:?}");
    lines
}

/// Starts a guest, sends it one request, and returns the lines that it logged.
pub(crate) fn log_of_request(wasm: &[u8]) -> Vec<String> {
    plugin(wasm).start().request(&exchange())
}
