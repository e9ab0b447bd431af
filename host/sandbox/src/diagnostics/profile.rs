//! A CPU profile of one plugin: where its guests are when an epoch of the engine ends. While nobody profiles, a sample costs one
//! look at a flag, once per epoch and running guest; a callback that ends within its epoch costs nothing at all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use wasmtime::{AsContext, WasmBacktrace};

use crate::diagnostics::frames;
use crate::engine::epoch::ShortEpochs;
use crate::state::{Phase, State};

/// Stacks that are told apart; what comes after is counted under one name.
const MAX_STACKS: usize = 10_000;

/// The samples of one plugin, from all its VMs.
#[derive(Default)]
pub(crate) struct Profile {
    on: AtomicBool,
    stacks: Mutex<HashMap<String, u64>>,
}

/// A profile that is being taken. Dropping it stops the sampling.
pub struct Profiling<'a> {
    profile: &'a Profile,
    _short_epochs: ShortEpochs,
}

impl Profile {
    /// Begins sampling; `None` while somebody else does.
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

    /// An epoch has ended while a guest was running.
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
    /// Folded stacks, one a line, the outermost function first and the number of samples last, as flame graph tools take them.
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
