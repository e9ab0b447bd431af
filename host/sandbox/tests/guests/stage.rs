//! What the tests stand on: a scripted outside, an exchange, and a preamble that spares guests their imports.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use lockgate_exchange::{ConnectionInfo, Exchange, RequestHead, Scheme, SharedExchange, StreamInfo};
use lockgate_sandbox::settings::{Capabilities, Isolation, Limits, OnError};
use lockgate_sandbox::{
    Callout, CalloutReply, DrainingVm, Engine, EngineSettings, Failure, GrpcCall, GrpcReply, GrpcStream, Host,
    LoadError, LogLevel, MetricKind, Plugin, PluginSpec, QueueTarget, Refusal, Status, Stream, TickTarget, Vm, VmEvent,
};

/// One engine for all tests, as in a process.
pub(crate) static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly"));

/// Imports, memory (two pages; strings below 1024, the heap from 65536), an allocator, and two ways to speak: `$say` logs
/// a number, `$tell` logs text. `$got` and `$len` are out-pointers for results.
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
  (func $say (param $n i32) (local $at i32)
    (local.set $at (i32.const 1100))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $digits (local.get $n)))
    (drop (call $log (i32.const 2) (local.get $at) (i32.sub (i32.const 1100) (local.get $at)))))
  (func $tell (param $at i32) (param $n i32)
    (drop (call $log (i32.const 2) (local.get $at) (local.get $n))))
  (func $tell_result
    (call $tell (i32.load (global.get $got)) (i32.load (global.get $len))))
"#;

/// An allocator that goes through the second page and grows when that is full.
const ALLOCATOR: &str = r#"
  (func (export "proxy_on_memory_allocate") (param $n i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $n) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16)))
      (then (drop (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))))))
    (local.get $at))
"#;

/// A guest of ABI 0.2.1 around the given functions and data.
pub(crate) fn guest(items: &str) -> Vec<u8> {
    bare(&format!(
        "{PREAMBLE} {ALLOCATOR} (func (export \"proxy_abi_version_0_2_1\")) {items}"
    ))
}

/// As [`guest`], with an allocator of its own.
pub(crate) fn guest_allocating(items: &str) -> Vec<u8> {
    bare(&format!(
        "{PREAMBLE} (func (export \"proxy_abi_version_0_2_1\")) {items}"
    ))
}

/// A module of exactly these items.
pub(crate) fn bare(items: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {items})")).unwrap_or_else(|error| panic!("{error}"))
}

/// A guest whose `proxy_on_request_headers` does this and continues.
pub(crate) fn on_request_headers(body: &str, data: &str) -> Vec<u8> {
    guest(&format!(
        "{data} (func (export \"proxy_on_request_headers\") (param $id i32) (param i32 i32) (result i32)
           {body} (i32.const 0))"
    ))
}

/// A plugin that is being put together.
pub(crate) struct Making {
    pub(crate) spec: PluginSpec,
}

/// Starts from a guest that compiles.
pub(crate) fn plugin(wasm: &[u8]) -> Making {
    let module = ENGINE.compile(wasm).unwrap_or_else(|error| panic!("{error}"));
    let spec = PluginSpec {
        name: "tested".to_owned(),
        module_name: "tested".to_owned(),
        module,
        config: b"the config".to_vec(),
        root_id: "root".to_owned(),
        vm_id: "vm".to_owned(),
        vm_config: b"vm config".to_vec(),
        env: vec![("NAME".to_owned(), "value".to_owned())],
        limits: Limits::default(),
        on_error: OnError::Deny,
        isolation: Isolation::Shared,
        capabilities: Capabilities::default(),
    };
    Making { spec }
}

impl Making {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut PluginSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn link(self) -> Result<Plugin, LoadError> {
        Plugin::link(&ENGINE, self.spec)
    }

    /// A VM of it that has started.
    pub(crate) fn start(self) -> Stage {
        let stage = self.unstarted();
        stage.vm.start().unwrap_or_else(|failure| panic!("{failure}"));
        stage
    }

    pub(crate) fn unstarted(self) -> Stage {
        self.on(&ENGINE)
    }

    /// A VM of it on another engine than the tests' own, not started.
    pub(crate) fn on(self, engine: &Engine) -> Stage {
        let plugin = Plugin::link(engine, self.spec).unwrap_or_else(|error| panic!("{error}"));
        let outside = Rc::new(Scripted::default());
        Stage {
            vm: Vm::new(plugin, outside.clone()),
            outside,
        }
    }
}

/// A VM and its scripted world.
pub(crate) struct Stage {
    pub(crate) vm: Rc<Vm>,
    pub(crate) outside: Rc<Scripted>,
}

impl Stage {
    pub(crate) fn open(&self, exchange: &SharedExchange) -> Stream {
        self.vm.open(exchange).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Runs one request's headers through a fresh stream, and answers what was logged meanwhile.
    pub(crate) fn request(&self, exchange: &SharedExchange) -> Vec<String> {
        let stream = self.open(exchange);
        self.outside.lines.borrow_mut().clear();
        stream
            .request_headers(true)
            .unwrap_or_else(|failure| panic!("{failure}"));
        self.outside.said()
    }
}

/// Starts a guest, sends it one plain request, and answers what it logged.
pub(crate) fn said_on_request(wasm: &[u8]) -> Vec<String> {
    plugin(wasm).start().request(&exchange())
}

/// `GET /a?b=c` to `example.com`, with `x-user: anna` and a repeated `x-twice`.
pub(crate) fn exchange() -> SharedExchange {
    let mut headers = HeaderMap::new();
    headers.insert("x-user", HeaderValue::from_static("anna"));
    headers.append("x-twice", HeaderValue::from_static("one"));
    headers.append("x-twice", HeaderValue::from_static("two"));
    let request = RequestHead {
        method: Method::GET,
        path: "/a?b=c".parse().expect("a path"),
        authority: HeaderValue::from_static("example.com"),
        scheme: Scheme::Http,
        headers,
    };
    let connection = ConnectionInfo {
        id: 7,
        listener: "web".into(),
        peer: "10.1.2.3:4567".parse().expect("an address"),
        local: "127.0.0.1:8080".parse().expect("an address"),
        tls: None,
        properties: Default::default(),
    };
    let client = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    let info = StreamInfo::new(
        Rc::new(connection),
        client,
        HeaderValue::from_static("r-1"),
        http::Version::HTTP_11,
    );
    Rc::new(RefCell::new(Exchange::new(request, info)))
}

/// Counts how often somebody was woken.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    /// A bell that rings when the exchange's waiter is woken.
    pub(crate) fn on(exchange: &SharedExchange) -> Arc<Self> {
        let bell = Arc::new(Self::default());
        exchange.borrow_mut().register(&Waker::from(bell.clone()));
        bell
    }

    pub(crate) fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Queue = (Vec<Bytes>, Option<QueueTarget>);

/// A gRPC call or stream that a guest has opened.
pub(crate) struct OpenGrpc {
    pub(crate) call: GrpcCall,
    pub(crate) reply: GrpcReply,
    /// What the guest has sent, and how it ended.
    pub(crate) sent: Rc<RefCell<Vec<String>>>,
}

struct Sending(Rc<RefCell<Vec<String>>>);

impl GrpcStream for Sending {
    fn send(&self, message: Bytes, _: bool) -> Result<(), Status> {
        self.0.borrow_mut().push(String::from_utf8_lossy(&message).into_owned());
        Ok(())
    }

    fn close(&self) {
        self.0.borrow_mut().push("closed".to_owned());
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.borrow_mut().push("cancelled".to_owned());
    }
}

/// An outside that remembers everything and does what its script says.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) lines: RefCell<Vec<(LogLevel, String)>>,
    pub(crate) callouts: RefCell<Vec<(Callout, Option<CalloutReply>)>>,
    pub(crate) grpc: RefCell<Vec<OpenGrpc>>,
    /// Answer callouts from within the call.
    pub(crate) eager: Cell<bool>,
    pub(crate) tick: RefCell<Option<(TickTarget, Option<Duration>)>>,
    pub(crate) shared: RefCell<HashMap<(String, String), (Bytes, u32)>>,
    pub(crate) queues: RefCell<Vec<(String, Queue)>>,
    pub(crate) metrics: RefCell<Vec<(MetricKind, String, u64)>>,
    pub(crate) failures: RefCell<Vec<(String, String)>>,
    pub(crate) refusals: RefCell<Vec<(Refusal, u64)>>,
    pub(crate) events: RefCell<Vec<VmEvent>>,
    /// Keep VMs whose plugins are not done.
    pub(crate) keeps_lingering: Cell<bool>,
    pub(crate) lingering: RefCell<Vec<DrainingVm>>,
    /// Dropped from within a foreign function, as a pipeline might.
    pub(crate) victims: RefCell<Vec<Stream>>,
}

impl Scripted {
    /// The text of all lines so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.borrow().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The reply of the n-th callout, once.
    pub(crate) fn reply(&self, index: usize) -> CalloutReply {
        self.callouts.borrow_mut()[index].1.take().expect("not answered yet")
    }

    /// The target and period of the last timer that was set.
    pub(crate) fn tick_target(&self) -> (TickTarget, Option<Duration>) {
        self.tick.borrow().clone().expect("a timer was set")
    }

    /// The kinds of failures so far.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.failures.borrow().iter().map(|(kind, _)| kind.clone()).collect()
    }
}

impl Host for Scripted {
    fn log(&self, _: &Plugin, level: LogLevel, message: &str) {
        self.lines.borrow_mut().push((level, message.to_owned()));
    }

    fn log_level(&self) -> LogLevel {
        LogLevel::Warn
    }

    fn callout(&self, _: &Plugin, callout: Callout, reply: CalloutReply) -> Result<(), Status> {
        if callout.upstream != "known" {
            return Err(Status::BadArgument);
        }
        if self.eager.get() {
            reply.deliver(Err(lockgate_sandbox::CalloutFailure::Failed));
            return Ok(());
        }
        self.callouts.borrow_mut().push((callout, Some(reply)));
        Ok(())
    }

    fn grpc(&self, _: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        if call.upstream != "known" {
            return Err(Status::ParseFailure);
        }
        let sent = Rc::<RefCell<Vec<String>>>::default();
        self.grpc.borrow_mut().push(OpenGrpc {
            call,
            reply,
            sent: sent.clone(),
        });
        Ok(Box::new(Sending(sent)))
    }

    fn set_tick(&self, target: TickTarget, period: Option<Duration>) {
        *self.tick.borrow_mut() = Some((target, period));
    }

    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.shared.borrow().get(&(vm_id.to_owned(), key.to_owned())).cloned()
    }

    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut shared = self.shared.borrow_mut();
        let entry = shared
            .entry((vm_id.to_owned(), key.to_owned()))
            .or_insert((Bytes::new(), 0));
        if cas != 0 && cas != entry.1 {
            return Err(Status::CasMismatch);
        }
        *entry = (Bytes::copy_from_slice(value), entry.1 + 1);
        Ok(())
    }

    fn register_queue(&self, _: &str, name: &str, ready: QueueTarget) -> Result<u32, Status> {
        let mut queues = self.queues.borrow_mut();
        queues.push((name.to_owned(), (Vec::new(), Some(ready))));
        Ok(queues.len() as u32)
    }

    fn resolve_queue(&self, _: &str, name: &str) -> Option<u32> {
        self.queues
            .borrow()
            .iter()
            .position(|(known, _)| known == name)
            .map(|index| index as u32 + 1)
    }

    fn enqueue(&self, queue: u32, value: &[u8]) -> Result<(), Status> {
        let ready = {
            let mut queues = self.queues.borrow_mut();
            let index = (queue as usize).checked_sub(1).ok_or(Status::NotFound)?;
            let (_, (values, ready)) = queues.get_mut(index).ok_or(Status::NotFound)?;
            values.push(Bytes::copy_from_slice(value));
            ready.clone()
        };
        // From within the call: the callback must wait until the guest has returned.
        assert!(ready.is_none_or(|ready| ready.ready(queue)));
        Ok(())
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        let mut queues = self.queues.borrow_mut();
        let index = (queue as usize).checked_sub(1).ok_or(Status::NotFound)?;
        let (_, (values, _)) = queues.get_mut(index).ok_or(Status::NotFound)?;
        if values.is_empty() {
            Err(Status::Empty)
        } else {
            Ok(values.remove(0))
        }
    }

    fn define_metric(&self, _: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((kind, name.to_owned(), 0));
        Ok(metrics.len() as u32)
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        let mut metrics = self.metrics.borrow_mut();
        let index = (metric as usize).checked_sub(1).ok_or(Status::NotFound)?;
        let metric = metrics.get_mut(index).ok_or(Status::NotFound)?;
        metric.2 = metric.2.checked_add_signed(offset).ok_or(Status::BadArgument)?;
        Ok(())
    }

    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        let index = (metric as usize).checked_sub(1).ok_or(Status::NotFound)?;
        self.metrics.borrow_mut().get_mut(index).ok_or(Status::NotFound)?.2 = value;
        Ok(())
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        let index = (metric as usize).checked_sub(1).ok_or(Status::NotFound)?;
        self.metrics
            .borrow()
            .get(index)
            .map(|metric| metric.2)
            .ok_or(Status::NotFound)
    }

    fn foreign(
        &self,
        _: &Plugin,
        name: &str,
        argument: &[u8],
        exchange: Option<&SharedExchange>,
    ) -> Result<Vec<u8>, Status> {
        match name {
            "echo" => Ok(argument.to_vec()),
            "path" => Ok(exchange
                .ok_or(Status::BadArgument)?
                .borrow()
                .request
                .path
                .to_string()
                .into_bytes()),
            "drop" => {
                self.victims.take();
                Ok(Vec::new())
            }
            _ => Err(Status::NotFound),
        }
    }

    fn check_property(&self, _: &Plugin, name: &str, value: &[u8]) -> Result<(), Status> {
        if name == "lockgate.upstream" && value != b"known" {
            Err(Status::BadArgument)
        } else {
            Ok(())
        }
    }

    fn refused(&self, _: &Plugin, what: Refusal, times: u64) {
        self.refusals.borrow_mut().push((what, times));
    }

    fn vm_event(&self, _: &Plugin, event: VmEvent) {
        self.events.borrow_mut().push(event);
    }

    fn drain(&self, vm: DrainingVm) {
        if self.keeps_lingering.get() {
            self.lingering.borrow_mut().push(vm);
        }
    }

    fn failed(&self, _: &Plugin, failure: &Failure, phase: &str) {
        self.failures
            .borrow_mut()
            .push((failure.kind.as_str().to_owned(), phase.to_owned()));
    }
}
