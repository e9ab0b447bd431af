//! [`Spares`]: guests whose stream has ended, made new again for further streams.
//!
//! A new guest costs a reservation of address space and its page faults; one that is made new again costs the pages that its
//! stream has written. Nothing of a stream remains: memory, globals and state are those of the image, and a module that could
//! change anything else has no image.

use std::cell::RefCell;

use wasmtime::{Global, Store};

use super::{Instance, InstanceStatus};
use crate::engine::pool::PoolSlot;
use crate::guest::exports::Exports;
use crate::state::State;

/// Guests that a VM keeps. Each has some pages of memory.
const MAX_SPARES: usize = 64;

/// A guest without an instance around it.
pub(crate) struct Guest {
    pub(super) store: Store<State>,
    pub(super) exports: Exports,
    pub(super) origin: Option<Origin>,
    /// Its place among the instances of streams, with an instance per stream.
    pub(super) slot: Option<PoolSlot>,
}

/// What makes a guest's image, besides its memory.
pub(crate) struct Origin {
    /// Its mutable globals, in the order of the image's.
    pub(super) globals: Vec<Global>,
}

/// The guests that one VM keeps.
#[derive(Default)]
pub(crate) struct Spares(RefCell<Vec<Guest>>);

impl Spares {
    pub(super) fn take(&self) -> Option<Guest> {
        self.0.borrow_mut().pop()
    }

    fn put(&self, guest: Guest) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < MAX_SPARES {
            spares.push(guest);
        }
    }
}

impl Instance {
    /// The instance has ended. Its guest is made new again, if it began from an image for one stream and has not failed.
    pub(super) fn keep_for_others(&mut self) {
        let is_for_one_stream = self.origin.is_some() && self.slot.is_some();
        if !is_for_one_stream || self.status.get() == InstanceStatus::Failed {
            return;
        }
        let Some(store) = self.store.get_mut().take() else {
            return;
        };
        let guest = Guest {
            store,
            exports: std::mem::take(&mut self.exports),
            origin: self.origin.take(),
            slot: self.slot.take(),
        };
        let renewed = self
            .plugin
            .prepared()
            .image()
            .and_then(|image| guest.renew(image, &self.plugin, &self.host));
        if let Some(guest) = renewed {
            self.counters.spares.put(guest);
        }
    }
}
