//! [`KvWatches`]: which VM of a worker watches which value.
//!
//! A value is changed on any worker. Its watchers learn of it on their own: the store sends their ids to the worker's channel, and the
//! worker hands each to [`KvWatches::complete`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lockgate_sandbox::ForeignTarget;
use lockgate_store::{Kv, Notify, WatchError, Watcher};

/// Maximum number of watches of one worker.
const MAX_WATCHES: usize = 1 << 16;
/// Number of watches after which those of VMs that are gone are looked for.
const MANY: usize = 1024;

/// Takes the ids of watches whose values have changed, from any thread, to their worker.
pub type WatchSender = Arc<dyn Notify>;

/// The watches of one worker.
pub struct KvWatches {
    sender: WatchSender,
    open: RefCell<HashMap<u32, Watch>>,
    last: Cell<u32>,
    /// The number of open watches at which dead ones are looked for.
    sweep_at: Cell<usize>,
}

struct Watch {
    caller: ForeignTarget,
    namespace: Box<str>,
    key: Box<str>,
}

impl KvWatches {
    /// No watches. Ids of changed values go to `sender`.
    pub fn new(sender: WatchSender) -> Self {
        Self {
            sender,
            open: RefCell::default(),
            last: Cell::new(0),
            sweep_at: Cell::new(MANY),
        }
    }

    /// The value behind the watch `id` has changed: the VM that watches it learns of it, once.
    pub fn complete(&self, id: u32) {
        // Nothing is borrowed while the guest runs.
        let watch = self.open.borrow_mut().remove(&id);
        if let Some(watch) = watch {
            watch.caller.complete(id);
        }
    }

    /// Watches the version of a value. `None` if it has changed already.
    pub(super) fn watch(
        &self,
        kv: &Kv,
        namespace: &str,
        key: &str,
        version: u32,
        caller: &ForeignTarget,
        now: Instant,
    ) -> Result<Option<u32>, WatchError> {
        self.sweep(kv, now);
        let mut open = self.open.borrow_mut();
        if open.len() >= MAX_WATCHES {
            return Err(WatchError::Full);
        }
        let id = self.next_id(&open);
        match kv.watch(namespace, key, version, self.watcher(id), now) {
            Ok(()) => {}
            Err(WatchError::Changed) => return Ok(None),
            Err(WatchError::Full) => return Err(WatchError::Full),
        }
        let watch = Watch {
            caller: caller.clone(),
            namespace: namespace.into(),
            key: key.into(),
        };
        open.insert(id, watch);
        Ok(Some(id))
    }

    /// Ends a watch of the caller's VM.
    pub(super) fn unwatch(&self, kv: &Kv, id: u32, caller: &ForeignTarget, now: Instant) {
        let mut open = self.open.borrow_mut();
        if open.get(&id).is_some_and(|watch| watch.caller.is(caller))
            && let Some(watch) = open.remove(&id)
        {
            kv.unwatch(&watch.namespace, &watch.key, &self.watcher(id), now);
        }
    }

    fn watcher(&self, id: u32) -> Watcher {
        Watcher {
            notify: self.sender.clone(),
            id,
        }
    }

    fn next_id(&self, open: &HashMap<u32, Watch>) -> u32 {
        loop {
            let id = self.last.get().wrapping_add(1);
            self.last.set(id);
            if id != 0 && !open.contains_key(&id) {
                return id;
            }
        }
    }

    /// Ends the watches of VMs that are gone, once there are many.
    fn sweep(&self, kv: &Kv, now: Instant) {
        let mut open = self.open.borrow_mut();
        if open.len() < self.sweep_at.get() {
            return;
        }
        open.retain(|&id, watch| {
            let is_live = watch.caller.is_live();
            if !is_live {
                kv.unwatch(&watch.namespace, &watch.key, &self.watcher(id), now);
            }
            is_live
        });
        self.sweep_at.set((open.len() * 2).max(MANY));
    }
}
