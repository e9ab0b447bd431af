//! [`Entry`]: a name in use, with its record and how its lookups went.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use lockgate_client::HostRecord;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Time without use after which a name is forgotten.
pub(crate) const MAX_UNUSED: Duration = Duration::from_secs(600);
/// Time after a failed lookup in which a name without addresses is not looked up again, whoever asks.
const MIN_RETRY: Duration = Duration::from_secs(1);

/// How the lookups of a name went.
#[derive(Clone, Debug, Default)]
pub struct NameState {
    /// Number of lookups that have ended.
    pub lookups: u64,
    /// When the last one ended.
    pub ended: Option<Instant>,
    /// When the last one that gave addresses ended.
    pub succeeded: Option<Instant>,
    /// Why the last one gave none; none if it did.
    pub error: Option<Arc<str>>,
}

/// A name in use.
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) record: Arc<HostRecord>,
    pub(crate) state: watch::Sender<NameState>,
    /// Wakes the task that looks the name up.
    pub(crate) wake: Notify,
    pub(crate) is_looked_up: AtomicBool,
    /// The next lookup is due, whatever the TTL.
    pub(crate) is_due: AtomicBool,
    /// The configuration names it.
    pub(crate) is_pinned: AtomicBool,
    watches: Mutex<Vec<Weak<Refresh>>>,
    began: Instant,
    /// Milliseconds from `began` to the last use.
    used: AtomicU64,
}

/// How often a [`HostWatch`] wants the name to be looked up.
struct Refresh(Option<Duration>);

impl Entry {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            record: Arc::default(),
            state: watch::channel(NameState::default()).0,
            wake: Notify::new(),
            is_looked_up: AtomicBool::new(true),
            is_due: AtomicBool::new(false),
            is_pinned: AtomicBool::new(false),
            watches: Mutex::default(),
            began: Instant::now(),
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn touch(&self) {
        self.used
            .store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether nobody has used it for long, and nobody wants it to be current.
    pub(crate) fn is_unused(&self) -> bool {
        let used = self.began + Duration::from_millis(self.used.load(Ordering::Relaxed));
        // Connections to the name hold its record.
        let is_held = Arc::strong_count(&self.record) > 1 || self.is_pinned.load(Ordering::Relaxed);
        !is_held && used.elapsed() >= MAX_UNUSED && self.refresh().is_none()
    }

    /// The shortest time between lookups that a watch wants; none if there is no watch, the longest if none says.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|watch| watch.strong_count() > 0);
        let wanted = watches.iter().filter_map(Weak::upgrade);
        wanted.map(|refresh| refresh.0.unwrap_or(Duration::MAX)).min()
    }

    /// The record, once it has addresses.
    ///
    /// # Errors
    /// The lookup failed.
    pub(crate) async fn resolved(&self) -> io::Result<Arc<HostRecord>> {
        let mut state = self.state.subscribe();
        let before = state.borrow_and_update().clone();
        let is_recent = before.ended.is_some_and(|ended| ended.elapsed() < MIN_RETRY);
        if !self.is_looked_up.load(Ordering::Acquire) && !is_recent {
            self.look_up_now();
        }
        if self.is_looked_up.load(Ordering::Acquire) || !is_recent {
            let ended = state.wait_for(|state| state.lookups > before.lookups).await;
            ended.map_err(|_| io::Error::other("the resolver has ended"))?;
        }
        if !self.record.addresses().is_empty() {
            return Ok(Arc::clone(&self.record));
        }
        let error = self.state.borrow().error.clone();
        let reason = error.as_deref().unwrap_or("no answer yet");
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("host name {:?} has no address: {reason}", &*self.name),
        ))
    }

    /// Makes the next lookup due.
    pub(crate) fn look_up_now(&self) {
        self.is_due.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn watch(self: &Arc<Self>, refresh: Option<Duration>) -> HostWatch {
        let refresh = Arc::new(Refresh(refresh));
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.push(Arc::downgrade(&refresh));
        drop(watches);
        if self.state.borrow().lookups > 0 {
            // The next lookup may be due later than this watch wants.
            self.wake.notify_one();
        }
        HostWatch {
            state: self.state.subscribe(),
            entry: Arc::clone(self),
            _refresh: refresh,
        }
    }
}

/// A name that is kept current, and how its lookups go.
pub struct HostWatch {
    entry: Arc<Entry>,
    state: watch::Receiver<NameState>,
    _refresh: Arc<Refresh>,
}

impl HostWatch {
    /// Waits for the end of the next lookup that was not reported yet, and returns its state. Cancel-safe.
    pub async fn looked_up(&mut self) -> NameState {
        match self.state.wait_for(|state| state.lookups > 0).await {
            Ok(_) => {}
            Err(_) => return std::future::pending().await,
        }
        self.state.borrow_and_update().clone()
    }

    /// Waits for the end of another lookup. Cancel-safe.
    pub async fn changed(&mut self) -> NameState {
        if self.state.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.state.borrow_and_update().clone()
    }

    /// The addresses of the last lookup that gave some.
    pub fn addresses(&self) -> Arc<Vec<IpAddr>> {
        self.entry.record.addresses()
    }
}
