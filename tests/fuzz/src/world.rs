//! The outside of fuzzed VMs: it answers everything from memory, keeps little, and is never wrong about it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lockgate_exchange::{ConnectionInfo, Exchange, RequestHead, Scheme, SharedExchange, StreamInfo};
use lockgate_sandbox::{
    Callout, CalloutReply, CalloutResponse, CalloutResult, Failure, Host, LogLevel, MetricKind, Plugin, QueueTarget,
    Status, TickTarget,
};

/// No table grows past this.
const BOUND: usize = 64;

/// What the guests of a fuzzed VM see of the world.
#[derive(Default)]
pub(crate) struct World {
    /// What the foreign function `script` answers.
    pub(crate) script: RefCell<Vec<u8>>,
    pub(crate) callouts: RefCell<Vec<CalloutReply>>,
    pub(crate) tick: RefCell<Option<TickTarget>>,
    pub(crate) failure: RefCell<Option<String>>,
    /// Bytes that were logged.
    pub(crate) logged: Cell<usize>,
    shared: RefCell<BTreeMap<String, (Bytes, u32)>>,
    queues: RefCell<Vec<Queue>>,
    metrics: RefCell<Vec<(MetricKind, String, u64)>>,
}

struct Queue {
    name: String,
    items: VecDeque<Bytes>,
    ready: QueueTarget,
}

impl World {
    /// Tells the registrants of queues that something is there, as the gateway does later.
    pub(crate) fn rouse(&self) {
        let waiting: Vec<_> = {
            let queues = self.queues.borrow();
            let full = queues.iter().enumerate().filter(|(_, queue)| !queue.items.is_empty());
            full.map(|(nth, queue)| (number(nth), queue.ready.clone())).collect()
        };
        for (id, ready) in waiting {
            let _alive = ready.ready(id);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        // Replies answer when they are dropped, and that may come back here.
        let replies = self.callouts.take();
        drop(replies);
        self.tick.take();
        self.shared.take();
        self.queues.take();
        self.metrics.take();
    }

    fn change_metric(
        &self,
        id: u32,
        change: impl FnOnce(&mut (MetricKind, String, u64)) -> Option<()>,
    ) -> Result<(), Status> {
        let mut metrics = self.metrics.borrow_mut();
        let metric = index(id)
            .and_then(|index| metrics.get_mut(index))
            .ok_or(Status::NotFound)?;
        change(metric).ok_or(Status::BadArgument)
    }
}

/// Ids count from 1.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("tables are small")
}

fn index(id: u32) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

impl Host for World {
    fn log(&self, _: &Plugin, _: LogLevel, message: &str) {
        self.logged.set(self.logged.get().wrapping_add(message.len()));
    }

    fn log_level(&self) -> LogLevel {
        LogLevel::Warn
    }

    fn callout(&self, _: &Plugin, callout: Callout, reply: CalloutReply) -> Result<(), Status> {
        let mut callouts = self.callouts.borrow_mut();
        match callout.upstream.as_str() {
            "known" if callouts.len() < BOUND => callouts.push(reply),
            "known" => return Err(Status::InternalFailure),
            _ => return Err(Status::BadArgument),
        }
        Ok(())
    }

    fn set_tick(&self, target: TickTarget, period: Option<Duration>) {
        *self.tick.borrow_mut() = period.map(|_| target);
    }

    fn shared_data(&self, _: &str, key: &str) -> Option<(Bytes, u32)> {
        self.shared.borrow().get(key).cloned()
    }

    fn set_shared_data(&self, _: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut shared = self.shared.borrow_mut();
        let version = shared.get(key).map_or(0, |known| known.1);
        if cas != 0 && version != 0 && cas != version {
            return Err(Status::CasMismatch);
        }
        if version == 0 && shared.len() >= BOUND {
            return Err(Status::InternalFailure);
        }
        let value = Bytes::copy_from_slice(&value[..value.len().min(1024)]);
        shared.insert(key.to_owned(), (value, version.wrapping_add(1).max(1)));
        Ok(())
    }

    fn register_queue(&self, _: &str, name: &str, ready: QueueTarget) -> Result<u32, Status> {
        let mut queues = self.queues.borrow_mut();
        if let Some(at) = queues.iter().position(|queue| queue.name == name) {
            queues[at].ready = ready;
            return Ok(number(at));
        }
        if queues.len() >= BOUND {
            return Err(Status::InternalFailure);
        }
        queues.push(Queue {
            name: name.to_owned(),
            items: VecDeque::new(),
            ready,
        });
        Ok(number(queues.len() - 1))
    }

    fn resolve_queue(&self, _: &str, name: &str) -> Option<u32> {
        self.queues
            .borrow()
            .iter()
            .position(|queue| queue.name == name)
            .map(number)
    }

    fn enqueue(&self, queue: u32, value: &[u8]) -> Result<(), Status> {
        let mut queues = self.queues.borrow_mut();
        let queue = index(queue)
            .and_then(|index| queues.get_mut(index))
            .ok_or(Status::NotFound)?;
        if queue.items.len() >= BOUND {
            return Err(Status::InternalFailure);
        }
        queue
            .items
            .push_back(Bytes::copy_from_slice(&value[..value.len().min(1024)]));
        Ok(())
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        let mut queues = self.queues.borrow_mut();
        let queue = index(queue)
            .and_then(|index| queues.get_mut(index))
            .ok_or(Status::NotFound)?;
        queue.items.pop_front().ok_or(Status::Empty)
    }

    fn define_metric(&self, _: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        if let Some(at) = metrics.iter().position(|metric| metric.1 == name) {
            return if metrics[at].0 == kind {
                Ok(number(at))
            } else {
                Err(Status::BadArgument)
            };
        }
        if metrics.len() >= BOUND {
            return Err(Status::InternalFailure);
        }
        metrics.push((kind, name.to_owned(), 0));
        Ok(number(metrics.len() - 1))
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.change_metric(metric, |metric| {
            metric.2 = metric.2.checked_add_signed(offset)?;
            Some(())
        })
    }

    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.change_metric(metric, |metric| {
            metric.2 = value;
            Some(())
        })
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        let metrics = self.metrics.borrow();
        index(metric)
            .and_then(|index| metrics.get(index))
            .map(|metric| metric.2)
            .ok_or(Status::NotFound)
    }

    fn foreign(&self, _: &Plugin, name: &str, argument: &[u8], _: Option<&SharedExchange>) -> Result<Vec<u8>, Status> {
        match name {
            "script" => Ok(self.script.borrow().clone()),
            "echo" => Ok(argument.to_vec()),
            _ => Err(Status::NotFound),
        }
    }

    fn check_property(&self, _: &Plugin, _: &str, value: &[u8]) -> Result<(), Status> {
        if value.len() > 100 {
            Err(Status::BadArgument)
        } else {
            Ok(())
        }
    }

    fn failed(&self, _: &Plugin, failure: &Failure, phase: &str) {
        *self.failure.borrow_mut() = Some(format!("{} in {phase}: {}", failure.kind.as_str(), failure.message));
    }
}

/// A request on its way in.
pub(crate) fn exchange() -> SharedExchange {
    let request = RequestHead {
        method: Method::GET,
        path: "/a?b=c".parse().expect("a path"),
        authority: HeaderValue::from_static("example.com"),
        scheme: Scheme::Http,
        headers: headers(),
    };
    let connection = ConnectionInfo {
        id: 7,
        listener: "web".into(),
        peer: "10.1.2.3:4567".parse().expect("an address"),
        local: "127.0.0.1:8080".parse().expect("an address"),
        tls: None,
        properties: RefCell::default(),
    };
    let client = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    let info = StreamInfo::new(
        Rc::new(connection),
        client,
        HeaderValue::from_static("r-1"),
        http::Version::HTTP_11,
    );
    Rc::new(RefCell::new(Exchange::new(request, info)))
}

/// A few headers, one of them twice.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static("anna"));
    headers.append("x-twice", HeaderValue::from_static("one"));
    headers.append("x-twice", HeaderValue::from_static("two"));
    headers
}

/// A callout's good end.
pub(crate) fn answer() -> CalloutResult {
    Ok(CalloutResponse {
        status: StatusCode::OK,
        headers: headers(),
        body: Bytes::from_static(b"answer"),
        trailers: Some(headers()),
    })
}
