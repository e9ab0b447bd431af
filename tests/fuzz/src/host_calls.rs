//! Every host call with arbitrary arguments, in every callback of a stream. The guest gets a status, the VM survives, and no
//! context outlives its stream.

use std::rc::Rc;

use http::StatusCode;
use lockgate_exchange::{ResponseHead, SharedExchange};
use lockgate_sandbox::interface::{self, HostFunction, Parameter};
use lockgate_sandbox::testing::{MemoryHost, RecordedFailure, configured_plugin_spec};
use lockgate_sandbox::{CalloutFailure, Engine, EngineSettings, FailureKind, Host, Plugin, Stream, Vm};
use lockgate_units::Period;

use crate::bytes::Bytes;
use crate::guest::{self, DICTIONARY, END, MEMORY, RECORD, RECORDS, SCRIPT};
use crate::host::{callout_response, exchange, headers, host};

/// Inputs per VM. A new VM after this number makes an input reproducible from its number.
const INPUTS_OF_A_VM: u64 = 4096;

/// Words with a meaning for some call. An input selects one by its number, as a pointer and a length.
const WORDS: &[&[u8]] = &[
    b"x-a",
    b"X-Twice",
    b":path",
    b":status",
    b":authority",
    b":method",
    b"content-length",
    b"",
    b"known",
    b"unknown",
    b"script",
    b"echo",
    b"200",
    b"/a%2fb?x",
    b"value",
    b"request\0headers\0x-a",
    b"request",
    b"connection\0id",
    b"response\0code",
    b"lockgate\0upstream",
    b"source.address",
    b"my\0own\0property",
    b"vm",
    b"queue",
    // One pair; `:method`, `:path` and `:authority` of a callout; wrong counts.
    b"\x01\0\0\0\x03\0\0\0\x01\0\0\0x-b\0v\0",
    b"\x03\0\0\0\x07\0\0\0\x03\0\0\0\x05\0\0\0\x02\0\0\0\x0a\0\0\0\x01\0\0\0:method\0GET\0:path\0/x\0:authority\0a\0",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x02\0\0\0\x03\0\0\0",
    b"\0\xff\r\n",
];

/// The fuzzed VM.
pub struct HostCalls {
    plugin: Plugin,
    functions: Vec<HostFunction>,
    host: Rc<MemoryHost>,
    vm: Rc<Vm>,
    dictionary: Vec<u8>,
    /// Address and length of each word.
    words: Vec<(u32, u32)>,
    inputs: u64,
}

impl Default for HostCalls {
    fn default() -> Self {
        Self::new()
    }
}

impl HostCalls {
    /// Compiles and starts the guest.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn new() -> Self {
        let engine = Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly");
        let host = host();
        let vm_host: Rc<dyn Host> = host.clone();
        let bare = plugin(
            &engine,
            "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_2_1\")))",
        );
        let mut functions = interface::host_functions(&bare, &vm_host).expect("host functions are linkable");
        // It ends the VM, as it should.
        functions.retain(|function| function.name != "proc_exit");
        functions.sort_by(|one, other| (&one.module, &one.name).cmp(&(&other.module, &other.name)));
        let plugin = plugin(&engine, &guest::text(&functions));
        let (mut dictionary, mut words) = (Vec::new(), Vec::new());
        for word in WORDS {
            let at = DICTIONARY + u32::try_from(dictionary.len()).expect("words are few");
            words.push((at, u32::try_from(word.len()).expect("words are short")));
            dictionary.extend_from_slice(word);
        }
        let vm = started(&plugin, &host);
        Self {
            plugin,
            functions,
            host,
            vm,
            dictionary,
            words,
            inputs: 0,
        }
    }

    /// The host functions that are called.
    #[must_use]
    pub fn functions(&self) -> &[HostFunction] {
        &self.functions
    }

    /// Runs one input: a stream from its first callback to its last.
    ///
    /// # Panics
    /// The guest has failed, which is a fault of the host; or a context has outlived its stream.
    pub fn run(&mut self, input: &[u8]) {
        if self.inputs % INPUTS_OF_A_VM == INPUTS_OF_A_VM - 1 {
            self.renew();
        }
        self.inputs += 1;
        let mut bytes = Bytes::new(input);
        let course = bytes.byte();
        self.host.script.replace(self.script(bytes));
        self.stream(course);
        self.host.lines.take();
        self.host.refusals.take();
        self.host.events.take();
        let failures = self.host.failures.take();
        for RecordedFailure { kind, phase, message } in &failures {
            // A limit may be exceeded, an answer or a write may be refused, and on a busy machine a callback may exceed its CPU
            // time. Everything else is a fault.
            let is_bounded = matches!(
                kind,
                FailureKind::Deadline | FailureKind::LimitExceeded | FailureKind::Refused
            );
            assert!(is_bounded, "the guest failed: {kind} in {phase}: {message}");
        }
        // A refusal is the request's alone: the VM goes on, with all that other inputs have left in it.
        if failures.iter().any(|failure| failure.kind != FailureKind::Refused) {
            self.renew();
        }
    }

    fn renew(&mut self) {
        self.host.clear();
        self.vm = started(&self.plugin, &self.host);
        assert_eq!(self.vm.report().streams, 0, "no context outlives its VM");
    }

    /// Runs a stream. The bits of `course` select its callbacks.
    fn stream(&self, course: u8) {
        let exchange = exchange();
        let bit = |nth: u8| course >> nth & 1 == 1;
        let Ok(stream) = self.vm.open(&exchange) else { return };
        let _action = stream.request_headers(bit(0));
        self.between(bit(1));
        if !bit(0) {
            body(&exchange, |exchange| &mut exchange.request_body);
            let _action = stream.request_body(bit(2));
            exchange.borrow_mut().request_body.take();
            exchange.borrow_mut().request_trailers = Some(headers());
            let _action = stream.request_trailers();
        }
        if bit(3) {
            self.response(&stream, &exchange, bit(4));
        }
        if bit(5) {
            self.between(bit(6));
        }
        exchange.borrow_mut().pending = Default::default();
        if bit(7) {
            stream.finish();
            self.between(bit(6));
        }
        drop(stream);
    }

    fn response(&self, stream: &Stream, exchange: &SharedExchange, end: bool) {
        exchange.borrow_mut().response = Some(ResponseHead {
            status: StatusCode::OK,
            headers: headers(),
        });
        let _action = stream.response_headers(end);
        if !end {
            body(exchange, |exchange| &mut exchange.response_body);
            let _action = stream.response_body(true);
            exchange.borrow_mut().response_trailers = Some(headers());
            let _action = stream.response_trailers();
        }
    }

    /// Callbacks outside of the stream: callout responses, ticks, queues.
    fn between(&self, good: bool) {
        for (_, reply) in self.host.callouts.take() {
            let Some(reply) = reply else { continue };
            if good {
                reply.deliver(callout_response());
            } else {
                reply.deliver(Err(CalloutFailure::Timeout));
            }
        }
        let tick = self.host.tick.borrow().clone();
        if let Some((target, Some(_))) = tick {
            let _is_usable = target.tick();
        }
        self.host.notify_queues();
    }

    /// Turns an input into the guest's script, followed by the dictionary and the input's own bytes.
    fn script(&self, mut bytes: Bytes<'_>) -> Vec<u8> {
        let own = bytes.clone().take(256).to_vec();
        let mut script = Vec::with_capacity(20 * 1024);
        while !bytes.is_empty() && script.len() < RECORD * RECORDS {
            let mut record = [0; RECORD];
            let which = bytes.byte();
            if which >= 0xE0 {
                record[..4].copy_from_slice(&END.to_le_bytes());
                record[8] = which & 1;
            } else {
                let nth = usize::from(which) % self.functions.len();
                record[..4].copy_from_slice(&u32::try_from(nth).expect("functions are few").to_le_bytes());
                self.arguments(&mut bytes, &self.functions[nth].parameters, &mut record[8..]);
            }
            script.extend_from_slice(&record);
        }
        // The unused part of the script ends callbacks.
        script.resize((DICTIONARY - SCRIPT) as usize, 0xFF);
        script.extend_from_slice(&self.dictionary);
        script.extend_from_slice(&own);
        script
    }

    fn arguments(&self, bytes: &mut Bytes<'_>, parameters: &[Parameter], record: &mut [u8]) {
        let mut set = |nth: usize, value: u64| {
            if let Some(place) = record.get_mut(8 * nth..8 * nth + 8) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        };
        let mut nth = 0;
        while nth < parameters.len() {
            let kind = bytes.byte();
            if kind >= 0x60 && parameters[nth..].starts_with(&[Parameter::I32, Parameter::I32]) {
                let (at, length) = self.words[usize::from(kind) % self.words.len()];
                set(nth, at.into());
                set(nth + 1, length.into());
                nth += 2;
            } else {
                set(nth, self.number(kind, bytes));
                nth += 1;
            }
        }
    }

    /// A number: a small one, a pointer to a known place, the end of a range, or any.
    fn number(&self, kind: u8, bytes: &mut Bytes<'_>) -> u64 {
        const ODD: [u32; 8] = [
            u32::MAX,
            i32::MAX as u32,
            1 << 31,
            MEMORY,
            MEMORY - 4,
            65_535,
            65_536,
            u32::MAX - 3,
        ];
        match kind % 8 {
            0 => (kind >> 3).into(),
            1 => bytes.byte().into(),
            // Addresses of results.
            2 | 3 => 4096 + 8 * u64::from(bytes.byte()),
            4 => (DICTIONARY + u32::from(bytes.byte())).into(),
            5 => ODD[usize::from(bytes.byte()) % ODD.len()].into(),
            6 => (MEMORY - u32::from(bytes.byte())).into(),
            _ => u64::from(bytes.number()) | u64::from(bytes.number()) << 32,
        }
    }
}

fn body(exchange: &SharedExchange, which: fn(&mut lockgate_exchange::Exchange) -> &mut lockgate_exchange::BodyBuffer) {
    let mut exchange = exchange.borrow_mut();
    which(&mut exchange).push(bytes::Bytes::from_static(b"0123456789"));
    which(&mut exchange).push(bytes::Bytes::from_static(b"abc"));
}

fn plugin(engine: &Engine, text: &str) -> Plugin {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let module = engine.compile(&wasm).unwrap_or_else(|error| panic!("{error}"));
    let mut spec = configured_plugin_spec("fuzzed", module);
    spec.settings.limits.deadline = Period::seconds(5);
    Plugin::link(engine, spec).unwrap_or_else(|error| panic!("{error}"))
}

fn started(plugin: &Plugin, host: &Rc<MemoryHost>) -> Rc<Vm> {
    let vm = Vm::new(plugin.clone(), host.clone());
    vm.start().unwrap_or_else(|failure| panic!("{failure}"));
    vm
}
