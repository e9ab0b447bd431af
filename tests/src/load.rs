//! A steady load that counts failures, bounded in rate and time. A test changes something while it runs, then takes the result.

use crate::gateway::Gateway;
use crate::http::{Ending, Message, Request, get};
use crate::wire::Wire;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No load runs longer than this, whatever its test does. A test whose load ended by itself has failed: what it did afterwards
/// was not done under load.
const MAX_TIME: Duration = Duration::from_secs(600);

/// A running load.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    result: Arc<Mutex<LoadResult>>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
}

/// Results of the requests.
#[derive(Debug, Default, Clone)]
pub struct LoadResult {
    /// Number of expected responses.
    pub answered: u64,
    /// Reasons of failed requests.
    pub failures: Vec<String>,
    /// The longest time that an answer took.
    pub slowest: Duration,
    /// Requests a second, over the whole run.
    pub rate: f64,
    /// How long each answer took.
    pub times: Vec<Duration>,
}

impl LoadResult {
    /// The time within which such a share of the answers came, 0.99 for the 99th percentile; zero without any.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() as f64 * share) as usize;
        times
            .get(at.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

impl Load {
    /// The requests of a well-behaved neighbour: `/sound` is answered, past a plugin that tags it.
    ///
    /// # Panics
    /// As [`Load::start`].
    #[must_use]
    pub fn sound(gateway: &Gateway) -> Self {
        Self::start(gateway.address(), 100, &get("/sound"), |response| {
            response.status() == 200 && response.header("x-tag") == Some("untagged")
        })
    }

    /// Sends the request over keep-alive connections, so many a second altogether. An answer fails that `wanted` refuses, that
    /// is cut, or that does not come.
    #[must_use]
    pub fn start(
        address: SocketAddr,
        rate: u32,
        request: &Request,
        wanted: impl Fn(&Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        const CONNECTIONS: u32 = 10;
        let (stop, result) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(LoadResult::default())),
        );
        let wanted: Arc<dyn Fn(&Message) -> bool + Send + Sync> = Arc::new(wanted);
        let started = Instant::now();
        let threads = (0..CONNECTIONS)
            .map(|nth| {
                let connection = LoadConnection {
                    address,
                    request: request.clone(),
                    wanted: wanted.clone(),
                    stop: stop.clone(),
                    result: result.clone(),
                };
                let pause = Duration::from_secs(1) * CONNECTIONS / rate;
                thread::spawn(move || connection.run(started + pause * nth / CONNECTIONS, pause))
            })
            .collect();
        Self {
            stop,
            result,
            threads,
            started,
        }
    }

    /// How many were answered so far.
    ///
    /// # Panics
    /// Never: nothing panics while holding the result.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.result.lock().expect("no panic while holding it").answered
    }

    /// Ends it.
    ///
    /// # Panics
    /// When one of its threads has, or when it had ended before.
    #[must_use]
    pub fn finish(self) -> LoadResult {
        let still_ran = self.threads.iter().all(|thread| !thread.is_finished());
        assert!(
            still_ran,
            "the load ended by itself, after {:?}",
            self.started.elapsed()
        );
        self.stop.store(true, Relaxed);
        let seconds = self.started.elapsed().as_secs_f64();
        self.threads
            .into_iter()
            .for_each(|thread| thread.join().expect("the load does not panic"));
        let mut result = self.result.lock().expect("no panic while holding it").clone();
        result.rate = result.answered as f64 / seconds;
        result
    }
}

/// One connection of the load.
struct LoadConnection {
    address: SocketAddr,
    request: Request,
    wanted: Arc<dyn Fn(&Message) -> bool + Send + Sync>,
    stop: Arc<AtomicBool>,
    result: Arc<Mutex<LoadResult>>,
}

impl LoadConnection {
    fn run(&self, mut next: Instant, pause: Duration) {
        let mut wire: Option<Wire> = None;
        let end = Instant::now() + MAX_TIME;
        while !self.stop.load(Relaxed) && Instant::now() < end {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pause;
            let sent = Instant::now();
            let outcome = self.one(&mut wire);
            let mut result = self.result.lock().expect("no panic while holding it");
            match outcome {
                Ok(()) => result.answered += 1,
                Err(reason) => result.failures.push(reason),
            }
            result.times.push(sent.elapsed());
            result.slowest = result.slowest.max(sent.elapsed());
        }
    }

    fn one(&self, idle: &mut Option<Wire>) -> Result<(), String> {
        let mut wire = match idle.take() {
            Some(wire) => wire,
            None => Wire::of(TcpStream::connect(self.address).map_err(|error| format!("connect: {error}"))?),
        };
        let response = wire
            .exchange(&self.request)
            .map_err(|error| format!("no answer: {error}"))?;
        if response.ending != Ending::Whole || !(self.wanted)(&response) {
            return Err(format!("{} {:?} {}", response.start, response.ending, response.text()));
        }
        if !response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            *idle = Some(wire);
        }
        Ok(())
    }
}
