//! A data worker: one thread with its own runtime, sockets, VMs and upstream connections. It takes commands from the
//! control thread and from nobody else.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lockgate_exchange::clock;
use lockgate_sandbox::VmReport;
use lockgate_telemetry::metrics::Registry;
use rustc_hash::FxHashMap;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as Task;

use crate::callouts::host::WorkerHost;
use crate::context::idle_monitor::{Directive, SWEEP};
use crate::context::plugin_starts::StartRetry;
use crate::context::snapshot::Snapshot;
use crate::context::view::View;
use crate::context::{SharedState, WorkerContext, WorkerResources};
use crate::listener::Acceptor;

/// How long idle connections may still send a request after the end was announced. Their clients may be sending right
/// now; the response then announces the close.
const IDLE_GRACE: Duration = Duration::from_millis(750);

/// A listening socket for one worker.
pub struct NewSocket {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Bound and listening.
    pub socket: TcpListener,
}

/// A listener with a new name and the same address.
#[derive(Clone, Debug)]
pub struct RenamedListener {
    /// Its name so far.
    pub from: Arc<str>,
    /// Its name from now on.
    pub to: Arc<str>,
}

/// A command of the control thread.
pub enum Command {
    /// Answer new requests by this snapshot, accept on these sockets too, and stop accepting for `closed` listeners.
    Adopt {
        /// The snapshot that answers from now on.
        snapshot: Arc<Snapshot>,
        /// Addresses that are new.
        sockets: Vec<NewSocket>,
        /// Listeners that have another name now; their sockets stay.
        renamed: Vec<RenamedListener>,
        /// Listeners whose addresses are gone.
        closed: Vec<Arc<str>>,
        /// Answered when it is done.
        done: oneshot::Sender<()>,
    },
    /// Report the plugins' VMs, in the snapshot's order, while this revision is live.
    Report {
        /// The snapshot that is asked about.
        revision: u64,
        /// Dropped without an answer if another snapshot is live.
        reply: oneshot::Sender<Vec<VmReport>>,
    },
    /// Take no more connections, finish what is open within the limit, and end. A second one can only shorten the limit.
    Drain(Duration),
}

/// The control thread's handle on a worker.
pub struct Worker {
    /// Takes commands; closed once the worker has ended.
    pub commands: mpsc::UnboundedSender<Command>,
    /// Ends after a drain.
    pub thread: JoinHandle<()>,
}

/// Starts worker number `index`. It serves nothing before it has adopted a snapshot.
pub fn spawn(index: usize, registry: &Registry, shared: SharedState) -> io::Result<Worker> {
    let (commands, orders) = mpsc::unbounded_channel();
    let registry = registry.clone();
    let runtime = || {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
    };
    let thread = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || match runtime() {
            Ok(runtime) => runtime.block_on(run(index, orders, &registry, shared)),
            Err(error) => tracing::error!(%error, "worker failed to start"),
        })?;
    Ok(Worker { commands, thread })
}

async fn run(index: usize, mut orders: mpsc::UnboundedReceiver<Command>, registry: &Registry, shared: SharedState) {
    let (queue_sender, mut notified) = mpsc::unbounded_channel();
    let resources = WorkerResources::new(&shared);
    let worker = WorkerContext::new(registry.worker(), shared, queue_sender, resources);
    let host = WorkerHost::new(&worker);
    let sweeper = tokio::task::spawn_local(sweep(worker.clone()));
    let mut starts = StartRetry::new(index);
    let mut acceptors = Acceptors {
        worker: worker.clone(),
        open: FxHashMap::default(),
    };
    loop {
        let command = tokio::select! {
            command = orders.recv() => command,
            notification = notified.recv() => {
                notification.into_iter().for_each(|notification| host.deliver(notification));
                continue;
            }
            () = starts.due() => {
                starts.run(&worker);
                continue;
            }
        };
        match command {
            Some(Command::Adopt {
                snapshot,
                sockets,
                renamed,
                closed,
                done,
            }) => {
                let before = worker.current();
                let view = host.view(snapshot, before.as_deref(), &worker.metrics);
                acceptors.close(&closed, before);
                worker.adopt(Rc::new(view));
                acceptors.rename(&renamed);
                sockets.into_iter().for_each(|socket| acceptors.open(socket));
                starts.begin(&worker);
                // Nobody waits any more when the control thread is ending.
                let _ = done.send(());
            }
            Some(Command::Report { revision, reply }) => {
                if let Some(view) = worker.current().filter(|view| view.snapshot.revision == revision) {
                    // The control thread may have timed out.
                    let _ = reply.send(view.handles().map(|handle| handle.vm.report()).collect());
                }
            }
            Some(Command::Drain(limit)) => break drain(&worker, acceptors, limit, &mut orders).await,
            None => break,
        }
    }
    sweeper.abort();
}

/// Sweeps over connections, timers and draining VMs for as long as the worker lives.
pub(crate) async fn sweep(worker: Rc<WorkerContext>) {
    let mut interval = tokio::time::interval(SWEEP);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        worker.idle_monitor.sweep(clock::now());
        worker.draining_vms.sweep(clock::now());
    }
}

/// Drains: requests run to their end, and connections close behind them.
async fn drain(
    worker: &Rc<WorkerContext>,
    acceptors: Acceptors,
    limit: Duration,
    orders: &mut mpsc::UnboundedReceiver<Command>,
) {
    let end = Cell::new(clock::now() + limit);
    let shortened = async {
        while let Some(command) = orders.recv().await {
            if let Command::Drain(limit) = command {
                end.set(end.get().min(clock::now() + limit));
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = drain_until(worker, acceptors, limit, &end) => {}
        () = shortened => {}
    }
}

async fn drain_until(worker: &Rc<WorkerContext>, acceptors: Acceptors, limit: Duration, end: &Cell<Instant>) {
    let is_over = || clock::now() >= end.get();
    worker.draining.set(true);
    let accepting = acceptors.close_all();
    let is_accepting = || accepting.iter().any(|task| !task.is_finished());
    let grace = clock::now() + IDLE_GRACE.min(limit / 2);
    let mut retired = false;
    while (is_accepting() || worker.idle_monitor.open_connections() > 0) && !is_over() {
        if !retired && clock::now() >= grace {
            retired = true;
            worker.idle_monitor.set_all(Directive::Retire);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = worker.idle_monitor.open_connections();
    if left > 0 {
        tracing::warn!(
            connections = left,
            "drain_timeout reached; closing the remaining connections"
        );
        worker.idle_monitor.set_all(Directive::Close);
        tokio::task::yield_now().await;
    }
    // A plugin that is not done yet has the rest of the drain time.
    worker.retire();
    while worker.draining_vms.count() > 0 && !is_over() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        worker.draining_vms.sweep(clock::now());
    }
    worker.draining_vms.clear();
}

/// The listeners that this worker accepts for.
struct Acceptors {
    worker: Rc<WorkerContext>,
    open: FxHashMap<Arc<str>, OpenListener>,
}

/// A socket that this worker accepts on.
struct OpenListener {
    acceptor: Rc<Acceptor>,
    /// Accepting ends when this is dropped.
    stop: oneshot::Sender<()>,
    task: Task<()>,
}

impl Acceptors {
    fn open(&mut self, socket: NewSocket) {
        let NewSocket { listener, socket } = socket;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            // Dropping the sender says the same as sending.
            let _ = stopped.await;
        };
        let acceptor = Rc::new(Acceptor {
            worker: self.worker.clone(),
            name: RefCell::new(listener.clone()),
            last: RefCell::new(None),
        });
        let accepting = acceptor.clone();
        let task = tokio::task::spawn_local(async move { accepting.run(socket, stopped).await });
        self.open.insert(listener, OpenListener { acceptor, stop, task });
    }

    /// Renames all at once: two listeners may have swapped their names.
    fn rename(&mut self, renamed: &[RenamedListener]) {
        let taken: Vec<_> = renamed
            .iter()
            .filter_map(|name| Some((name.to.clone(), self.open.remove(&name.from)?)))
            .collect();
        for (name, listener) in taken {
            listener.acceptor.name.replace(name.clone());
            self.open.insert(name, listener);
        }
    }

    /// Stops accepting. What is in the queues is served by the listener as it is in `view`.
    fn close(&mut self, names: &[Arc<str>], view: Option<Rc<View>>) {
        for listener in names.iter().filter_map(|name| self.open.remove(name)) {
            let name = listener.acceptor.name.borrow().clone();
            let last = view
                .as_ref()
                .and_then(|view| Some((view.clone(), view.listener(&name)?.clone())));
            listener.acceptor.last.replace(last);
        }
    }

    /// Stops accepting. The tasks end once they have taken what clients had opened by then.
    fn close_all(self) -> Vec<Task<()>> {
        let close = |listener: OpenListener| {
            drop(listener.stop);
            listener.task
        };
        self.open.into_values().map(close).collect()
    }
}
