//! [`Groups`]: the living groups of a process, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::Notify;

use crate::group::{Group, now};

/// The living groups of a process, by name. The control side owns it; a clone shares it. A group lives as long as somebody refers to it:
/// a snapshot that names its upstream, or a request that such a snapshot answers.
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    groups: Mutex<BTreeMap<Arc<str>, Weak<Group>>>,
    wake: Arc<Notify>,
}

impl Groups {
    /// The group of this name: the living one, else a new one without endpoints.
    pub fn join(&self, name: &Arc<str>) -> Arc<Group> {
        let mut groups = self.lock();
        if let Some(group) = groups.get(name).and_then(Weak::upgrade) {
            return group;
        }
        groups.retain(|_, group| group.strong_count() > 0);
        let group = Arc::new(Group::new(name.clone(), self.0.wake.clone()));
        groups.insert(name.clone(), Arc::downgrade(&group));
        group
    }

    /// The living group of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Group>> {
        self.lock().get(name).and_then(Weak::upgrade)
    }

    /// All living groups, sorted by name.
    pub fn all(&self) -> Vec<Arc<Group>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Keeps the lists of all groups up to date: ends ejections in time, and leaves out of the cycle who takes no requests. It never ends;
    /// one task of the process runs it, away from the workers.
    pub async fn maintain(&self) {
        loop {
            let changed = self.0.wake.notified();
            match self.maintain_now(now()) {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due.into(), changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn maintain_now(&self, now: Instant) -> Option<Instant> {
        self.all().iter().filter_map(|group| group.maintain(now)).min()
    }

    /// A poisoned lock has whole data: each change is one insertion.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Weak<Group>>> {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
