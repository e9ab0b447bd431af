//! Runs proxy-wasm modules: engine, modules, VMs, contexts, host calls, limits.
//!
//! A [`Module`] is compiled code. A [`Plugin`] is a module with a configuration and limits, linked. A [`Vm`] runs a plugin on one
//! worker. A [`Stream`] is the context of one request in a VM. [`Host`] is what the embedder provides. There are no sockets, no
//! configuration files and no HTTP implementation here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod budget;
mod calls;
mod diagnostics;
mod engine;
mod guest;
mod host;
mod hostcalls;
mod image;
mod link;
mod memory;
mod module;
mod os;
mod plugin;
mod report;
pub mod settings;
mod state;
pub mod testing;
mod view;
mod vm;

pub use budget::{CpuBudget, OutOfTime};
pub use calls::trace::{CALL_TARGET, CallTrace, Payloads};
pub use diagnostics::Profiling;
pub use engine::{Engine, EngineSettings};
pub use host::{
    Callout, CalloutFailure, CalloutReply, CalloutResponse, CalloutResult, DrainingVm, ForeignTarget, GrpcCall,
    GrpcEvent, GrpcKind, GrpcReply, GrpcStream, Guard, Host, NoEffectHost, QueueTarget, TickTarget,
};
pub use hostcalls::FOREIGN_FUNCTIONS;
pub use link::interface;
pub use lockgate_abi::{AbiVersion, Action, LogLevel, MetricKind, PeerType, Status};
pub use module::{Hooks, Module, manifest};
pub use os::{process_cpu_time, raise_descriptor_limit, random};
pub use plugin::{Plugin, PluginSpec};
pub use report::{EngineError, Failure, FailureKind, HostCallStats, LoadError, Refusal, TrapReport, VmEvent};
pub use state::Phase;
pub use vm::{StartMode, Stream, Vm, VmReport, VmState};
