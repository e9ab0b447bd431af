//! Scripted upstreams: each is a thread in the test's own process that records its requests.

use crate::http::Message;
use crate::wire::Wire;
use serde_json::json;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next request may come.
    KeepAlive,
    /// It is closed.
    Close,
}

/// A listening upstream; it stops listening when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<Message>>,
    begun: AtomicUsize,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Upstream {
    /// Answers each request, once it is read, by a script that may write what it likes.
    #[must_use]
    pub fn scripted(script: impl Fn(&Message, &mut Wire) -> io::Result<Then> + Send + Sync + 'static) -> Self {
        Self::scripted_at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// The same, on this address.
    ///
    /// # Panics
    /// When it is in use.
    #[must_use]
    pub fn scripted_at(
        address: SocketAddr,
        script: impl Fn(&Message, &mut Wire) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, move |wire, seen| {
            while let Ok(Some(mut request)) = wire.head() {
                seen.begun.fetch_add(1, SeqCst);
                wire.request_body(&mut request);
                seen.requests
                    .lock()
                    .expect("no panic while holding it")
                    .push(request.clone());
                if !matches!(script(&request, wire), Ok(Then::KeepAlive)) {
                    break;
                }
            }
        })
    }

    /// Hands each connection to a script before anything is read; the requests are not kept.
    #[must_use]
    pub fn raw(script: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), move |wire, _| {
            drop(script(wire));
        })
    }

    /// Answers 200 with the request as JSON: `method`, `path`, `headers` as pairs, `body`, `trailers`.
    #[must_use]
    pub fn echo() -> Self {
        Self::scripted(|request, wire| {
            let echoed = json!({
                "method": request.method(), "path": request.target(), "headers": request.headers,
                "body": request.text(), "trailers": request.trailers,
            });
            answer(wire, 200, &[("content-type", "application/json")], echoed.to_string())
        })
    }

    /// Always the same 200.
    #[must_use]
    pub fn fixed(body: &'static str) -> Self {
        Self::answering(200, &[], body)
    }

    /// Always the same answer.
    #[must_use]
    pub fn answering(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Self {
        Self::scripted(move |_, wire| answer(wire, status, headers, body))
    }

    /// A named upstream that responds with the request's facts, cacheable if the request asks for it.
    #[must_use]
    pub fn version(name: &'static str) -> Self {
        Self::scripted(move |request, wire| {
            let mut headers = vec![("x-version-is", name)];
            if request.target().contains("cache=") {
                headers.push(("cache-control", "max-age=60"));
            }
            if request.target().contains("vary=") {
                headers.push(("vary", "accept-language"));
            }
            let text = format!(
                "{name} {} {}",
                request.target(),
                request.header("accept-language").unwrap_or("none")
            );
            answer(wire, 200, &headers, if request.method() == "HEAD" { "" } else { &text })
        })
    }

    /// Answers with its name, on this address.
    ///
    /// # Panics
    /// When the address is in use.
    #[must_use]
    pub fn named_at(address: SocketAddr, name: &'static str) -> Self {
        Self::scripted_at(address, move |_, wire| answer(wire, 200, &[], name))
    }

    /// 200 after a pause.
    #[must_use]
    pub fn slow(pause: Duration) -> Self {
        Self::scripted(move |_, wire| {
            thread::sleep(pause);
            answer(wire, 200, &[], "at last")
        })
    }

    /// Always the same bytes, whatever they mean, and then the end of the connection.
    #[must_use]
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::scripted(move |_, wire| {
            wire.write(&bytes)?;
            Ok(Then::Close)
        })
    }

    /// An address where nobody listens, and where nobody will by accident: below the ports that the kernel gives to listeners
    /// without a wish and to clients. None is given out twice in a process.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn nobody() -> SocketAddr {
        const FIRST: u32 = 10_000;
        const COUNT: u32 = 22_000;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Processes begin at different places.
        let begin = std::process::id().wrapping_mul(997);
        (0..COUNT)
            .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, SeqCst)) % COUNT)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).expect("the range ends below 65536"))))
            .find(|address| TcpListener::bind(address).is_ok())
            .expect("loopback has a free port")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that were read, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<Message> {
        self.seen.requests.lock().expect("no panic while holding it").clone()
    }

    /// How many requests have begun: their heads were read. All of them will be among [`Upstream::requests`], once they have been
    /// read or cut.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.seen.begun.load(SeqCst)
    }

    /// The last of them.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last_request(&self) -> Message {
        self.requests().pop().expect("the upstream has seen a request")
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    fn serve(address: SocketAddr, script: impl Fn(&mut Wire, &Seen) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("loopback has this port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Seen::default());
        let (script, shared) = (Arc::new(script), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, SeqCst);
                let (script, seen) = (script.clone(), shared.clone());
                thread::spawn(move || script(&mut Wire::of(stream), &seen));
            }
        });
        Self { address, seen }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.seen.stopped.store(true, SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the thread that accepts
    }
}

/// Writes a whole answer with its Content-Length.
///
/// # Errors
/// The socket's.
pub fn answer(wire: &mut Wire, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> io::Result<Then> {
    let body = body.as_ref();
    let mut out = format!("HTTP/1.1 {status} Said\r\n").into_bytes();
    for (name, value) in headers {
        out.extend(format!("{name}: {value}\r\n").bytes());
    }
    if status != 204 && status != 304 {
        out.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    out.extend(b"\r\n");
    out.extend(body);
    wire.write(out)?;
    Ok(Then::KeepAlive)
}

/// Writes a chunked answer with trailers, a chunk a write; the first of them comes with the head, so that whoever waits for the
/// one has the other.
///
/// # Errors
/// The socket's.
pub fn answer_chunked(
    wire: &mut Wire,
    headers: &[(&str, &str)],
    chunks: &[&str],
    trailers: &[(&str, &str)],
) -> io::Result<Then> {
    let fields = |fields: &[(&str, &str)]| {
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect::<String>()
    };
    let mut head = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{}\r\n",
        fields(headers)
    );
    for chunk in chunks {
        wire.write(format!("{}{:x}\r\n{chunk}\r\n", std::mem::take(&mut head), chunk.len()))?;
        thread::sleep(Duration::from_millis(20)); // so that the chunks arrive apart
    }
    wire.write(format!("{head}0\r\n{}\r\n", fields(trailers)))?;
    Ok(Then::KeepAlive)
}

/// Waits until something holds.
///
/// # Panics
/// When it does not within the time, with `what`.
pub fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    loop {
        if holds() {
            return started.elapsed();
        }
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
