//! An endpoint that can be killed, hung, made ill and brought back, always at the same address.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::upstream::answer;
use crate::wire::Wire;

/// What an endpoint does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers with this status.
    Answer(u16),
    /// Answers with 200 after this time.
    Slow(Duration),
    /// Reads it, and never answers.
    Hang,
}

/// An endpoint. Its path `/healthz` is for probes: requests of it are counted apart.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mutex<Mode>,
    is_up: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    requests: AtomicU64,
    probes: AtomicU64,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::start()
    }
}

impl Endpoint {
    /// An endpoint that answers every request with 200 and its own address.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let endpoint = Self {
            address: listener.local_addr().expect("a bound socket has an address"),
            shared: Arc::new(Shared {
                mode: Mutex::new(Mode::Answer(200)),
                is_up: AtomicBool::new(false),
                open: Mutex::default(),
                requests: AtomicU64::new(0),
                probes: AtomicU64::new(0),
            }),
        };
        endpoint.listen(listener);
        endpoint
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this with requests from now on.
    ///
    /// # Panics
    /// Never: nothing panics while holding the mode.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().expect("no panic while holding it") = mode;
    }

    /// Closes its listener and all its connections.
    ///
    /// # Panics
    /// Never: nothing panics while holding the connections.
    pub fn kill(&self) {
        self.shared.is_up.store(false, SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the thread that accepts
        for stream in self.shared.open.lock().expect("no panic while holding it").drain(..) {
            // The other side may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again.
    ///
    /// # Panics
    /// When somebody else has taken its port.
    pub fn revive(&self) {
        let listener = (0..100).find_map(|_| {
            let bound = TcpListener::bind(self.address);
            bound.inspect_err(|_| thread::sleep(Duration::from_millis(10))).ok()
        });
        self.listen(listener.expect("its port is free"));
    }

    /// Number of requests so far, without those for probes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(SeqCst)
    }

    /// Number of requests for `/healthz` so far.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.shared.probes.load(SeqCst)
    }

    fn listen(&self, listener: TcpListener) {
        self.shared.is_up.store(true, SeqCst);
        let (shared, address) = (self.shared.clone(), self.address);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !shared.is_up.load(SeqCst) {
                    return;
                }
                if let Ok(clone) = stream.try_clone() {
                    shared.open.lock().expect("no panic while holding it").push(clone);
                }
                let shared = shared.clone();
                thread::spawn(move || shared.serve(&mut Wire::of(stream), address));
            }
        });
    }
}

impl Shared {
    fn serve(&self, wire: &mut Wire, address: SocketAddr) {
        while let Ok(Some(request)) = wire.request() {
            let counter = if request.target() == "/healthz" {
                &self.probes
            } else {
                &self.requests
            };
            counter.fetch_add(1, SeqCst);
            let mode = *self.mode.lock().expect("no panic while holding it");
            let status = match mode {
                Mode::Answer(status) => status,
                Mode::Slow(pause) => {
                    thread::sleep(pause);
                    200
                }
                Mode::Hang => {
                    // Until the other side gives up.
                    let _ = wire.some(&mut [0]);
                    return;
                }
            };
            let headers = if request.target() == "/healthz" {
                &[("connection", "close")][..]
            } else {
                &[]
            };
            if answer(wire, status, headers, address.to_string()).is_err() || !headers.is_empty() {
                return;
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}
