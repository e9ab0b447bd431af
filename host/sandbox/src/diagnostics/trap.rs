//! What an error of wasmtime means for people: what kind of failure, where in the guest, after which host call.

use wasmtime::{Error, Trap, WasmBacktrace};

use crate::diagnostics::frames;
use crate::hostcalls::Exit;
use crate::report::FailureKind;
use crate::state::State;

/// How a guest died.
pub(crate) struct TrapInfo {
    pub(crate) kind: FailureKind,
    /// In a sentence.
    pub(crate) message: String,
    /// The innermost guest function, less those that only carry out a panic.
    pub(crate) function: String,
    /// Guest functions from that one outwards.
    pub(crate) backtrace: String,
}

/// More frames are left out of the log line.
const MAX_FRAMES: usize = 16;

/// Looks at an error that a call into the guest ended with.
pub(crate) fn examine(error: &Error, state: &State) -> TrapInfo {
    let mut frames = error
        .downcast_ref::<WasmBacktrace>()
        .map(frames::names)
        .unwrap_or_default();
    frames.drain(..frames::of_a_panic(&frames));
    frames.truncate(MAX_FRAMES);
    let function = frames.first().cloned().unwrap_or_else(|| "unknown".to_owned());
    let backtrace = frames.join(" < ");
    let (kind, what) = cause(error, state);
    let tail = state.tail();
    let said = if tail.is_empty() {
        String::new()
    } else {
        format!("; last log lines: {tail}")
    };
    let message = format!(
        "{what} in {} at {function}, last host call: {}{said}",
        state.phase.as_str(),
        state.last_call
    );
    TrapInfo {
        kind,
        message,
        function,
        backtrace,
    }
}

fn cause(error: &Error, state: &State) -> (FailureKind, String) {
    if state.budget.exceeded {
        let milliseconds = state.budget.limit().as_millis();
        return (
            FailureKind::Deadline,
            format!("stopped: more than {milliseconds} ms of CPU time"),
        );
    }
    if let Some(Exit(code)) = error.downcast_ref::<Exit>() {
        return (FailureKind::Exit, format!("proc_exit({code})"));
    }
    let trap = error.downcast_ref::<Trap>();
    let what = trap.map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    if state.memory_limit.refused {
        return (
            FailureKind::Memory,
            format!("{what}, after limits.memory had refused it more memory"),
        );
    }
    (FailureKind::Trap, what)
}
