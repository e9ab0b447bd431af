//! CPU profiles: the stacks of a plugin's guests at the end of each epoch of the engine.
//!
//! Without a profile, the end of an epoch costs one look at a flag per running guest. A callback that ends within its epoch costs
//! nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use wasmtime::{AsContext, WasmBacktrace};

use crate::diagnostics::frames;
use crate::engine::epoch::ShortEpochs;
use crate::state::{Phase, State};

/// Distinct stacks of a profile. Further stacks are counted as `_other`.
const MAX_STACKS: usize = 10_000;

/// The samples of all VMs of one plugin.
#[derive(Default)]
pub(crate) struct Profile {
    on: AtomicBool,
    stacks: Mutex<HashMap<String, u64>>,
}

/// A profile in progress. Dropping it ends the sampling.
pub struct Profiling<'a> {
    profile: &'a Profile,
    _short_epochs: ShortEpochs,
}

impl Profile {
    /// Starts sampling. `None` while another profile is in progress.
    pub(crate) fn begin(&self) -> Option<Profiling<'_>> {
        if self.on.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Some(Profiling {
            profile: self,
            _short_epochs: ShortEpochs::begin(),
        })
    }

    /// Takes a sample: an epoch has ended while a guest was running.
    pub(crate) fn sample(&self, context: impl AsContext<Data = State>) {
        if self.on.load(Ordering::Relaxed) {
            self.note(context);
        }
    }

    #[cold]
    fn note(&self, context: impl AsContext<Data = State>) {
        let context = context.as_context();
        let phase: Phase = context.data().phase;
        let mut stack = format!("{};{}", context.data().plugin.name(), phase.as_str());
        let backtrace = WasmBacktrace::force_capture(&context);
        for frame in frames::names(&backtrace).iter().rev() {
            stack.push(';');
            stack.push_str(&frame.replace([';', ' '], "_"));
        }
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        if stacks.len() >= MAX_STACKS && !stacks.contains_key(&stack) {
            "_other".clone_into(&mut stack);
        }
        *stacks.entry(stack).or_default() += 1;
    }
}

impl Profiling<'_> {
    /// Folded stacks for flame graph tools: one per line, outermost function first, number of samples last.
    #[must_use]
    pub fn folded(&self) -> String {
        let stacks = self.profile.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<_> = stacks
            .iter()
            .map(|(stack, count)| format!("{stack} {count}\n"))
            .collect();
        lines.sort();
        lines.concat()
    }
}

impl Drop for Profiling<'_> {
    fn drop(&mut self) {
        self.profile.on.store(false, Ordering::Relaxed);
    }
}
