//! Descriptions of traps: kind of failure, guest function, last host call.

use wasmtime::{Error, Trap, WasmBacktrace};

use crate::diagnostics::frames;
use crate::hostcalls::Exit;
use crate::report::FailureKind;
use crate::state::State;

/// A trap in words.
pub(crate) struct TrapInfo {
    pub(crate) kind: FailureKind,
    /// One sentence.
    pub(crate) message: String,
    /// The innermost guest function that does not merely carry out a panic.
    pub(crate) function: String,
    /// Guest functions from `function` outwards.
    pub(crate) backtrace: String,
}

/// Frames of a backtrace in the log.
const MAX_FRAMES: usize = 16;

/// Describes the error of a call into the guest.
pub(crate) fn describe(error: &Error, state: &State) -> TrapInfo {
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
