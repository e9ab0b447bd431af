//! [`TrialMemory`]: the shared data, queues and metrics that a guest in a trial has written, so that it reads them back.
//!
//! A guest that checks its own writes must not be refused by its trial. What it writes is gone with the trial.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use lockgate_abi::{MetricKind, Status};
use rustc_hash::FxHashMap;

/// Maximum bytes of all names and values. A trial lasts as long as a start, and fills no host.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum bytes of an entry besides its name and value.
const ENTRY: usize = 64;

/// What a guest has written.
#[derive(Default)]
pub(super) struct TrialMemory {
    bytes: Cell<usize>,
    shared: RefCell<FxHashMap<(String, String), (Bytes, u32)>>,
    queues: RefCell<Vec<Queue>>,
    metrics: RefCell<Vec<Metric>>,
}

struct Queue {
    scope: String,
    name: String,
    values: VecDeque<Bytes>,
}

struct Metric {
    kind: MetricKind,
    name: String,
    value: u64,
}

/// Ids count from 1, as a host's do.
fn id(index: usize) -> Result<u32, Status> {
    u32::try_from(index + 1).map_err(|_| Status::InternalFailure)
}

fn index(id: u32) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

impl TrialMemory {
    fn charge(&self, bytes: usize) -> Result<(), Status> {
        let bytes = self.bytes.get().saturating_add(bytes).saturating_add(ENTRY);
        if bytes > MAX_BYTES {
            return Err(Status::InternalFailure);
        }
        self.bytes.set(bytes);
        Ok(())
    }

    pub(super) fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.shared.borrow().get(&(vm_id.to_owned(), key.to_owned())).cloned()
    }

    pub(super) fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut shared = self.shared.borrow_mut();
        let place = (vm_id.to_owned(), key.to_owned());
        let version = shared.get(&place).map_or(0, |known| known.1);
        if cas != 0 && version != 0 && cas != version {
            return Err(Status::CasMismatch);
        }
        self.charge(vm_id.len() + key.len() + value.len())?;
        shared.insert(place, (Bytes::copy_from_slice(value), version.wrapping_add(1).max(1)));
        Ok(())
    }

    pub(super) fn register_queue(&self, scope: &str, name: &str) -> Result<u32, Status> {
        if let Some(known) = self.resolve_queue(scope, name) {
            return Ok(known);
        }
        self.charge(scope.len() + name.len())?;
        let mut queues = self.queues.borrow_mut();
        queues.push(Queue {
            scope: scope.to_owned(),
            name: name.to_owned(),
            values: VecDeque::new(),
        });
        id(queues.len() - 1)
    }

    pub(super) fn resolve_queue(&self, scope: &str, name: &str) -> Option<u32> {
        let queues = self.queues.borrow();
        let at = queues
            .iter()
            .position(|queue| queue.scope == scope && queue.name == name)?;
        id(at).ok()
    }

    pub(super) fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status> {
        let mut queues = self.queues.borrow_mut();
        let queue = index(queue).and_then(|at| queues.get_mut(at)).ok_or(Status::NotFound)?;
        self.charge(value.len())?;
        queue.values.push_back(value);
        Ok(())
    }

    pub(super) fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        let mut queues = self.queues.borrow_mut();
        let queue = index(queue).and_then(|at| queues.get_mut(at)).ok_or(Status::NotFound)?;
        queue.values.pop_front().ok_or(Status::Empty)
    }

    pub(super) fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        let known = metrics
            .iter()
            .position(|metric| metric.kind == kind && metric.name == name);
        if let Some(known) = known {
            return id(known);
        }
        self.charge(name.len())?;
        metrics.push(Metric {
            kind,
            name: name.to_owned(),
            value: 0,
        });
        id(metrics.len() - 1)
    }

    pub(super) fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.change_metric(metric, |metric| match metric.kind {
            MetricKind::Counter if offset >= 0 => Some(metric.value.saturating_add(offset.unsigned_abs())),
            MetricKind::Gauge => Some(metric.value.saturating_add_signed(offset)),
            _ => None,
        })
    }

    pub(super) fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.change_metric(metric, |metric| match metric.kind {
            MetricKind::Counter => Some(metric.value.saturating_add(value)),
            MetricKind::Gauge | MetricKind::Histogram => Some(value),
        })
    }

    pub(super) fn metric(&self, metric: u32) -> Result<u64, Status> {
        let metrics = self.metrics.borrow();
        let metric = index(metric).and_then(|at| metrics.get(at)).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Histogram => Err(Status::BadArgument),
            _ => Ok(metric.value),
        }
    }

    fn change_metric(&self, metric: u32, change: impl FnOnce(&Metric) -> Option<u64>) -> Result<(), Status> {
        let mut metrics = self.metrics.borrow_mut();
        let metric = index(metric)
            .and_then(|at| metrics.get_mut(at))
            .ok_or(Status::NotFound)?;
        metric.value = change(metric).ok_or(Status::BadArgument)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let memory = TrialMemory::default();
        assert_eq!(memory.shared_data("vm", "k"), None);
        memory.set_shared_data("vm", "k", b"one", 0).unwrap();
        assert_eq!(memory.shared_data("vm", "k"), Some((Bytes::from_static(b"one"), 1)));
        assert_eq!(memory.set_shared_data("vm", "k", b"two", 7), Err(Status::CasMismatch));
        memory.set_shared_data("vm", "k", b"two", 1).unwrap();
        assert_eq!(memory.shared_data("vm", "k"), Some((Bytes::from_static(b"two"), 2)));

        assert_eq!(memory.enqueue(1, Bytes::from_static(b"x")), Err(Status::NotFound));
        let queue = memory.register_queue("vm", "q").unwrap();
        assert_eq!(
            (memory.register_queue("vm", "q"), memory.resolve_queue("other", "q")),
            (Ok(queue), None)
        );
        memory.enqueue(queue, Bytes::from_static(b"x")).unwrap();
        assert_eq!(memory.dequeue(queue), Ok(Bytes::from_static(b"x")));
        assert_eq!(memory.dequeue(queue), Err(Status::Empty));

        let counter = memory.define_metric(MetricKind::Counter, "m").unwrap();
        let gauge = memory.define_metric(MetricKind::Gauge, "m").unwrap();
        assert_ne!(counter, gauge);
        memory.increment_metric(counter, 5).unwrap();
        memory.record_metric(counter, 2).unwrap();
        memory.record_metric(gauge, 9).unwrap();
        assert_eq!((memory.metric(counter), memory.metric(gauge)), (Ok(7), Ok(9)));
        assert_eq!(memory.increment_metric(counter, -1), Err(Status::BadArgument));
    }

    #[test]
    fn a_trial_fills_no_host() {
        let memory = TrialMemory::default();
        let value = vec![0; MAX_BYTES / 2];
        memory.set_shared_data("vm", "a", &value, 0).unwrap();
        assert_eq!(
            memory.set_shared_data("vm", "b", &value, 0),
            Err(Status::InternalFailure)
        );
    }
}
