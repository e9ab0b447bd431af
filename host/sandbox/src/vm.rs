//! stub
use std::rc::Rc;
use std::time::Duration;
use lockgate_abi::Action;
use crate::exchange::SharedExchange;
use crate::failure::{Failure, LoadError};
use crate::outside::Outside;
use crate::plugin::{Plugin, PluginSpec};
use crate::engine::Engine;
impl Plugin {
    /// Resolves the imports.
    pub fn link(_engine: &Engine, _spec: PluginSpec) -> Result<Plugin, LoadError> { unimplemented!() }
}
/// A plugin on one worker.
pub struct Vm;
/// What a VM is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmState {
    /// Not started yet.
    Idle,
    /// Serving.
    Running,
    /// Failed, and not tried again before some time has gone by.
    BackingOff,
}
impl VmState {
    /// A label.
    pub const fn as_str(self) -> &'static str { match self { Self::Idle => "idle", Self::Running => "running", Self::BackingOff => "backing_off" } }
}
/// How a VM is, for an operator.
#[derive(Clone, Debug)]
pub struct VmReport {
    /// What it is doing.
    pub state: VmState,
    /// Since the current instance was started.
    pub age: Duration,
    /// Linear memory, bytes.
    pub memory: u64,
    /// Open stream contexts.
    pub streams: usize,
    /// Failures that ended an instance, since the VM was made.
    pub traps: u64,
    /// The last failure's message.
    pub last_failure: Option<String>,
}
impl Vm {
    /// A VM that is not started yet.
    pub fn new(_plugin: Plugin, _outside: Rc<dyn Outside>) -> Rc<Vm> { unimplemented!() }
    /// Instantiates and configures.
    pub fn start(self: &Rc<Self>) -> Result<(), Failure> { unimplemented!() }
    /// A stream context for an exchange.
    pub fn open(self: &Rc<Self>, _exchange: &SharedExchange) -> Result<Stream, Failure> { unimplemented!() }
    /// How it is.
    pub fn report(&self) -> VmReport { unimplemented!() }
    /// The plugin.
    pub fn plugin(&self) -> &Plugin { unimplemented!() }
}
/// One stream context.
pub struct Stream;
impl Stream {
    /// The plugin.
    pub fn plugin(&self) -> &Plugin { unimplemented!() }
    /// A callback.
    pub fn request_headers(&self, _end_of_stream: bool) -> Result<Action, Failure> { unimplemented!() }
    /// A callback.
    pub fn request_body(&self, _end_of_stream: bool) -> Result<Action, Failure> { unimplemented!() }
    /// A callback.
    pub fn request_trailers(&self) -> Result<Action, Failure> { unimplemented!() }
    /// A callback.
    pub fn response_headers(&self, _end_of_stream: bool) -> Result<Action, Failure> { unimplemented!() }
    /// A callback.
    pub fn response_body(&self, _end_of_stream: bool) -> Result<Action, Failure> { unimplemented!() }
    /// A callback.
    pub fn response_trailers(&self) -> Result<Action, Failure> { unimplemented!() }
    /// Whether its VM trapped meanwhile.
    pub fn is_lost(&self) -> bool { unimplemented!() }
    /// done, log, delete; once.
    pub fn finish(&mut self) { unimplemented!() }
}
