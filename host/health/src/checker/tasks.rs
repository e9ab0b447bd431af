//! [`Tasks`]: one task for each endpoint that is checked, no more and no fewer.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::round::{Subject, check_again_and_again};
use super::{CheckedUpstream, MAX_CONCURRENT, ProbeCounter, Prober, Shared};
use crate::check::Check;
use crate::jitter::Jitter;
use crate::subject::{CheckedEndpoint, CheckedGroup};
use crate::tracker::{Health, Tracker};

/// The tasks of all upstreams.
pub(super) struct Tasks {
    shared: Rc<Shared>,
    upstreams: HashMap<Rc<str>, Upstream>,
}

struct Upstream {
    check: Rc<Check>,
    group: Box<dyn CheckedGroup>,
    /// What was known of endpoints whose tasks are about to begin anew.
    known: HashMap<Identity, Tracker>,
    tasks: HashMap<Identity, Task>,
}

/// An endpoint's object. No other can have the same while a task holds the object.
type Identity = *const ();

/// The task of an endpoint. It ends when this is dropped.
struct Task {
    endpoint: Arc<dyn CheckedEndpoint>,
    tracker: Rc<Cell<Tracker>>,
    running: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Tasks {
    pub(super) fn new(prober: impl Prober + 'static, counter: impl ProbeCounter + 'static, jitter: Jitter) -> Self {
        Self {
            shared: Rc::new(Shared {
                prober: Box::new(prober),
                counter: Box::new(counter),
                jitter,
                permits: Semaphore::new(MAX_CONCURRENT),
            }),
            upstreams: HashMap::new(),
        }
    }

    /// Checks these upstreams, and no others. Where nothing has changed, the tasks go on.
    pub(super) fn set(&mut self, wanted: Vec<CheckedUpstream>) {
        let mut previous = std::mem::take(&mut self.upstreams);
        for CheckedUpstream { check, group } in wanted {
            let name: Rc<str> = group.name().into();
            let upstream = match previous.remove(&name) {
                Some(known) if *known.check == check => Upstream { group, ..known },
                // Tasks of another check begin anew, with what is known of the endpoints.
                Some(known) => Upstream {
                    check: Rc::new(check),
                    group,
                    known: known.trackers(),
                    tasks: HashMap::new(),
                },
                None => Upstream {
                    check: Rc::new(check),
                    group,
                    known: HashMap::new(),
                    tasks: HashMap::new(),
                },
            };
            self.upstreams.insert(name, upstream);
        }
        for task in previous.into_values().flat_map(|upstream| upstream.tasks.into_values()) {
            // Nobody looks any more: it gets requests like any endpoint without checks.
            task.endpoint.set_unhealthy(None);
        }
        self.refresh();
    }

    /// Starts and ends tasks, by what the groups have now.
    pub(super) fn refresh(&mut self) {
        let mut new = Vec::new();
        for (name, upstream) in &mut self.upstreams {
            let added = upstream.retain();
            new.extend(added.into_iter().map(|endpoint| (name.clone(), endpoint)));
        }
        let count = new.len();
        for (name, endpoint) in new {
            if let Some(upstream) = self.upstreams.get_mut(&name) {
                upstream.start(&self.shared, name, endpoint, count);
            }
        }
    }
}

impl Upstream {
    /// What is known of its endpoints. The results of another check do not count on.
    fn trackers(&self) -> HashMap<Identity, Tracker> {
        let tracker = |task: &Task| Tracker::new(task.tracker.get().health());
        self.tasks
            .iter()
            .map(|(identity, task)| (*identity, tracker(task)))
            .collect()
    }

    /// Ends the tasks of endpoints that are gone. Returns those that are new.
    fn retain(&mut self) -> Vec<Arc<dyn CheckedEndpoint>> {
        let mut there: HashMap<_, _> = self
            .group
            .endpoints()
            .into_iter()
            .map(|endpoint| (identity(&endpoint), endpoint))
            .collect();
        self.tasks.retain(|identity, _| there.remove(identity).is_some());
        there.into_values().collect()
    }

    /// Starts the task of an endpoint, one of `count` new ones.
    fn start(&mut self, shared: &Rc<Shared>, name: Rc<str>, endpoint: Arc<dyn CheckedEndpoint>, count: usize) {
        let known = self.known.remove(&identity(&endpoint));
        let tracker = Rc::new(Cell::new(known.unwrap_or(Tracker::new(Health::Unknown))));
        let subject = Subject {
            upstream: name,
            check: self.check.clone(),
            endpoint: endpoint.clone(),
            tracker: tracker.clone(),
        };
        let delay = shared.jitter.first(count, self.check.interval);
        let running = tokio::task::spawn_local(check_again_and_again(shared.clone(), subject, delay));
        let running = running.abort_handle();
        let task = Task {
            endpoint: endpoint.clone(),
            tracker,
            running,
        };
        self.tasks.insert(identity(&endpoint), task);
    }
}

fn identity(endpoint: &Arc<dyn CheckedEndpoint>) -> Identity {
    Arc::as_ptr(endpoint).cast()
}
