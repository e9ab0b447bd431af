//! Runs proxy-wasm modules: engine, modules, VMs, contexts, host calls, limits.
//!
//! A [`Module`] is compiled code; a [`Plugin`] is a module with a configuration, linked and ready; a [`Vm`] is one running
//! instance of a plugin on one worker; a [`Stream`] is one request's context in it. What a guest needs from the world
//! comes through [`Host`]. There are no sockets, no configuration files and no HTTP implementation here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod backoff;
mod calls;
mod engine;
mod epoch;
mod exports;
mod failure;
mod frames;
mod guest;
mod headers;
mod hostcalls;
mod incident;
mod inspect;
mod instance;
pub mod interface;
mod link;
pub mod manifest;
mod memory;
mod module;
mod os;
mod outside;
mod plugin;
mod profile;
mod properties;
mod report;
pub mod settings;
mod state;
mod stream;
mod suspects;
mod trace;
mod trap;
mod vm;

pub use engine::{Engine, EngineSettings};
pub use failure::{EngineError, Failure, FailureKind, LoadError};
pub use hostcalls::FOREIGN_FUNCTIONS;
pub use incident::{Refusal, VmEvent};
pub use inspect::Hooks;
pub use lockgate_abi::{AbiVersion, Action, LogLevel, MetricKind, PeerType, Status};
pub use module::Module;
pub use os::{process_cpu_time, random};
pub use outside::{
    Callout, CalloutFailure, CalloutReply, CalloutResponse, CalloutResult, DrainingVm, GrpcCall, GrpcEvent, GrpcKind,
    GrpcReply, GrpcStream, Host, QueueTarget, TickTarget,
};
pub use plugin::{Plugin, PluginSpec};
pub use profile::Profiling;
pub use report::{HostCallStats, TrapReport};
pub use state::Phase;
pub use stream::Stream;
pub use trace::{CallTrace, Payloads};
pub use vm::{Vm, VmReport, VmState};
