//! [`Tasks`]: one task for each endpoint that is checked, no more and no fewer.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use lockgate_upstream::Health;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::round::{Subject, check_again_and_again};
use super::{CheckedUpstream, MAX_CONCURRENT, ProbeCounter, Prober, Shared};
use crate::check::Check;
use crate::jitter::Jitter;
use crate::subject::{CheckedEndpoint, CheckedGroup};
use crate::tracker::Tracker;

/// The tasks of all upstreams.
pub(super) struct Tasks {
    shared: Rc<Shared>,
    upstreams: HashMap<Rc<str>, Upstream>,
}

struct Upstream {
    check: Rc<Check>,
    group: Box<dyn CheckedGroup>,
    /// The version of the group's endpoints that the tasks are for.
    version: Option<u64>,
    /// What was known of endpoints whose tasks are about to begin anew.
    known: HashMap<Identity, Tracker>,
    tasks: HashMap<Identity, Task>,
}

/// See [`CheckedEndpoint::identity`].
type Identity = usize;

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
                Some(known) if *known.check == check => Upstream {
                    group,
                    version: None,
                    ..known
                },
                // Tasks of another check begin anew, with what is known of the endpoints.
                Some(known) => Upstream {
                    check: Rc::new(check),
                    group,
                    version: None,
                    known: known.trackers(),
                    tasks: HashMap::new(),
                },
                None => Upstream {
                    check: Rc::new(check),
                    group,
                    version: None,
                    known: HashMap::new(),
                    tasks: HashMap::new(),
                },
            };
            self.upstreams.insert(name, upstream);
        }
        for task in previous.into_values().flat_map(|upstream| upstream.tasks.into_values()) {
            // Nobody looks any more: it gets requests like any endpoint without checks.
            task.endpoint.set_health(Health::Unknown, None);
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

    /// Ends the tasks of endpoints that are gone or have another target. Returns those that need a task.
    fn retain(&mut self) -> Vec<Arc<dyn CheckedEndpoint>> {
        let version = self.group.version();
        if self.version.replace(version) == Some(version) {
            return Vec::new();
        }
        let mut there: HashMap<_, _> = self
            .group
            .endpoints()
            .into_iter()
            .map(|endpoint| (endpoint.identity(), endpoint))
            .collect();
        let (known, mut changed) = (&mut self.known, Vec::new());
        self.tasks.retain(|identity, task| match there.remove(identity) {
            Some(endpoint) if endpoint.target() == task.endpoint.target() => true,
            // Its TLS has changed: another task goes on with what is known.
            Some(endpoint) => {
                known.insert(*identity, task.tracker.get());
                changed.push(endpoint);
                false
            }
            None => false,
        });
        changed.extend(there.into_values());
        changed
    }

    /// Starts the task of an endpoint, one of `count` new ones.
    fn start(&mut self, shared: &Rc<Shared>, name: Rc<str>, endpoint: Arc<dyn CheckedEndpoint>, count: usize) {
        let known = self.known.remove(&endpoint.identity());
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
        self.tasks.insert(endpoint.identity(), task);
    }
}
