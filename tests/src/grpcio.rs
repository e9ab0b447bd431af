//! gRPC's own implementation (PyPI `grpcio`), as a server to call and a client to be called by: `tests/grpcio`.

use crate::modules::root;
use crate::setup::installed;
use crate::upstream::eventually;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The interpreter that has it, installed from PyPI when it is not there yet; or why there is none.
///
/// # Errors
/// What the set-up printed.
pub fn interpreter() -> Result<PathBuf, String> {
    installed("grpcio")
}

/// A running server. It ends when this is dropped, or when a call of `Die` makes it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its end is the server's.
    _stdin: Option<ChildStdin>,
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts it on a port of its own.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(interpreter: &PathBuf) -> Self {
        Self::start_at(interpreter, "127.0.0.1:0")
    }

    /// Starts it where one has been that has ended.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_again(interpreter: &PathBuf, ended: &Self) -> Self {
        Self::start_at(interpreter, &ended.address.to_string())
    }

    fn start_at(interpreter: &PathBuf, address: &str) -> Self {
        let mut child = Command::new(interpreter)
            .arg(root().join("tests/grpcio/server.py"))
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let mut output = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
        let port = output.next().and_then(Result::ok).and_then(|line| line.parse().ok());
        let port: u16 = port.expect("the server tells its port first");
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = lines.clone();
        thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                kept.lock().expect("nobody panics with the lines").push(line);
            }
        });
        Self {
            _stdin: child.stdin.take(),
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            lines,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has said this.
    ///
    /// # Panics
    /// When it does not within five seconds.
    pub fn says(&self, line: &str) {
        eventually(line, Duration::from_secs(5), || {
            let lines = self.lines.lock().expect("nobody panics with the lines");
            lines.iter().any(|said| said == line)
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the client printed of its calls to an address.
///
/// # Panics
/// When it fails in another way than its calls do.
#[must_use]
pub fn client(interpreter: &PathBuf, address: SocketAddr) -> String {
    let output = Command::new(interpreter)
        .arg(root().join("tests/grpcio/client.py"))
        .arg(address.to_string())
        .output()
        .expect("the interpreter starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    told
}
