//! [`Kv::watch`]: a notification, once, when a value changes.

use std::sync::Arc;
use std::time::Instant;

use super::Kv;
use super::shard::Removed;

/// Maximum number of watchers of one value.
const MAX_WATCHERS: usize = 4096;

/// Takes notifications, on the thread that has changed the value. It must not block.
pub trait Notify: Send + Sync {
    /// The value that `id` watches was written, removed, or dropped after its expiry.
    fn changed(&self, id: u32);
}

/// Who watches a value, and under which id.
#[derive(Clone)]
pub struct Watcher {
    /// Takes the notification.
    pub notify: Arc<dyn Notify>,
    /// The id for it.
    pub id: u32,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Watcher")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a value is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// It has another version already, or there is no value.
    #[error("the value has been changed already")]
    Changed,
    /// It has too many watchers.
    #[error("too many wait for this value")]
    Full,
}

impl Kv {
    /// Notifies `watcher` once when the value that has this version now is changed. Its expiry alone notifies nobody: whoever waits
    /// knows [`expires_in`](super::Value::expires_in).
    ///
    /// # Errors
    /// [`WatchError`]; nobody will be notified.
    pub fn watch(
        &self,
        namespace: &str,
        key: &str,
        version: u32,
        watcher: Watcher,
        now: Instant,
    ) -> Result<(), WatchError> {
        let mut shard = self.shard_of(namespace, key);
        let entry = shard
            .live_mut(namespace, key, now)
            .filter(|entry| entry.version == version)
            .ok_or(WatchError::Changed)?;
        if entry.watchers.len() >= MAX_WATCHERS {
            return Err(WatchError::Full);
        }
        entry.watchers.push(watcher);
        Ok(())
    }

    /// Notifies nobody under this id any more.
    pub fn unwatch(&self, namespace: &str, key: &str, watcher: &Watcher, now: Instant) {
        let mut shard = self.shard_of(namespace, key);
        if let Some(entry) = shard.live_mut(namespace, key, now) {
            entry
                .watchers
                .retain(|known| known.id != watcher.id || !Arc::ptr_eq(&known.notify, &watcher.notify));
        }
    }
}

/// Notifies those who watched entries that are gone. No lock is held.
pub(super) fn notify(removed: Vec<Removed>) {
    for watcher in removed.into_iter().flat_map(|removed| removed.entry.watchers) {
        watcher.notify.changed(watcher.id);
    }
}
