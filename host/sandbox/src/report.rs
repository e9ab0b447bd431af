//! What callers and operators learn from the sandbox: errors, refusals, events, traps. Plain data.

mod error;
mod incident;
mod trap;

pub use error::{EngineError, Failure, FailureKind, LoadError};
pub(crate) use incident::RequestFault;
pub use incident::{Refusal, VmEvent};
pub use trap::{HostCallStats, TrapReport};
