//! Drives one connection from both its ends, and tells what each of them and the guest saw.

use super::scripts::{Script, Step};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// For how long nothing more is told when a step has settled.
const SETTLE: Duration = Duration::from_millis(60);

/// How long a step is waited for of which the guest tells nothing.
const SILENT: Duration = Duration::from_millis(300);

/// How long the end of a case is waited for.
const MAX_WAIT: Duration = Duration::from_millis(700);

/// Goes through the steps, and answers a line `WHO.WHAT = VALUE` for each thing that was seen.
pub(super) fn drive(
    script: &Script,
    listener: SocketAddr,
    upstream: Option<&TcpListener>,
    log: &impl Fn() -> Vec<String>,
) -> Vec<String> {
    let mut client = End::new(TcpStream::connect(listener).ok());
    let mut server = End::new(None);
    let accept = || {
        let listener = upstream?;
        listener.set_nonblocking(true).expect("a fresh socket takes options");
        let started = Instant::now();
        while started.elapsed() < MAX_WAIT {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).expect("a fresh socket takes options");
                return Some(stream);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    };
    settle(script, log, 0);
    for step in script.steps {
        let before = notes(script, log).len();
        if server.socket.is_none() && step.is_the_upstreams() {
            server = End::new(accept());
        }
        match step {
            Step::Client(text) => client.send(text),
            Step::Upstream(text) => server.send(text),
            Step::ClientEnds => client.end(),
            Step::UpstreamEnds => server.end(),
            Step::ClientResets => client.reset(),
            Step::UpstreamResets => server.reset(),
            Step::Wait(milliseconds) => thread::sleep(Duration::from_millis(*milliseconds)),
        }
        settle(script, log, before);
    }
    if server.socket.is_none() && !server.gone {
        server = End::new(accept());
    }
    let mut lines = Vec::new();
    lines.extend(client.seen("client"));
    lines.extend(server.seen("upstream"));
    // What is still open is closed by both now.
    drop((client, server));
    lines.extend(last_notes(script, log));
    lines
}

/// Waits until the guest has told more than it had, and then nothing for a while.
fn settle(script: &Script, log: &impl Fn() -> Vec<String>, before: usize) {
    let begun = Instant::now();
    let (mut count, mut since) = (before, begun);
    loop {
        let now = notes(script, log).len();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        let enough = if count > before { SETTLE } else { SILENT };
        if since.elapsed() > enough {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// One end of the connection.
struct End {
    socket: Option<TcpStream>,
    gone: bool,
}

impl End {
    fn new(socket: Option<TcpStream>) -> Self {
        if let Some(socket) = &socket {
            socket.set_nodelay(true).expect("a fresh socket takes options");
        }
        Self { socket, gone: false }
    }

    fn send(&mut self, text: &str) {
        if let Some(socket) = &mut self.socket {
            // Whether it arrives is what the case is about.
            let _ = socket.write_all(text.as_bytes());
        }
    }

    fn end(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            let told = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
            told.expect("a socket takes options");
            self.gone = true;
        }
    }

    /// What came, and how it ended.
    fn seen(&mut self, who: &str) -> Vec<String> {
        let Some(socket) = &mut self.socket else {
            let why = if self.gone { "it had reset" } else { "never connected" };
            return vec![format!("{who}.end = {why}")];
        };
        socket
            .set_read_timeout(Some(Duration::from_millis(150)))
            .expect("a socket takes options");
        let (mut bytes, mut some) = (Vec::new(), [0; 65536]);
        let end = loop {
            match socket.read(&mut some) {
                Ok(0) => break "closed",
                Ok(count) => bytes.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break "open",
                Err(_) => break "reset",
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let text = match text.len() {
            0..=100 => format!("{text:?}"),
            long => format!("{:?}... {long} bytes", &text[..40]),
        };
        vec![format!("{who}.received = {text}"), format!("{who}.end = {end}")]
    }
}

/// What the guest has written about this case.
fn notes(script: &Script, log: &impl Fn() -> Vec<String>) -> Vec<String> {
    let plugins: Vec<_> = script.plugins().collect();
    let note = |line: &String| {
        let (_, rest) = line.split_once("l4|")?;
        let (case, what) = rest.split_once('|')?;
        if !plugins.contains(&case) {
            return None;
        }
        let who = if plugins.len() > 1 {
            format!("{case}.")
        } else {
            String::new()
        };
        Some(format!("guest.{who}{}", keyed(what)))
    };
    log().iter().filter_map(note).collect()
}

/// The same, once its connection was deleted.
fn last_notes(script: &Script, log: &impl Fn() -> Vec<String>) -> Vec<String> {
    let started = Instant::now();
    loop {
        let notes = notes(script, log);
        let ended = notes.iter().filter(|line| line.ends_with("delete")).count();
        if ended >= script.plugins().count() || started.elapsed() > MAX_WAIT {
            return notes;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// `WHAT: VALUE`, or a word and its value.
fn keyed(what: &str) -> String {
    match what.split_once(": ").or_else(|| what.split_once(' ')) {
        Some((key, value)) => format!("{key} = {value}"),
        None => what.to_string(),
    }
}
