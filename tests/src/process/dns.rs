//! A real DNS server (dnsmasq) on a port of its own, whose records a test changes.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::gateway::signal;
use crate::upstream::eventually;

/// A running DNS server; it ends when dropped.
#[derive(Debug)]
pub struct DnsServer {
    process: Child,
    folder: TempDir,
    /// Where it answers, over UDP and TCP.
    pub address: SocketAddr,
}

impl DnsServer {
    /// Starts one that knows these addresses (`IP NAME` lines), with a TTL of so many seconds, and takes further options of dnsmasq.
    ///
    /// # Panics
    /// When dnsmasq is not installed (Debian: dnsmasq-base), or does not answer.
    #[must_use]
    pub fn start(addresses: &str, ttl: u32, options: &[&str]) -> Self {
        let mut folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("hosts"), addresses).expect("the folder is writable");
        // Somebody else may take the port meanwhile.
        for _ in 0..10 {
            let (process, address) = spawn(folder.path(), ttl, options);
            let mut server = Self {
                process,
                folder,
                address,
            };
            let mut has_ended = false;
            eventually("dnsmasq answers, or ends", Duration::from_secs(10), || {
                has_ended = matches!(server.process.try_wait(), Ok(Some(_)));
                has_ended || server.answers()
            });
            if !has_ended {
                return server;
            }
            folder = tempfile::tempdir().expect("a temporary folder can be made");
            fs::write(folder.path().join("hosts"), addresses).expect("the folder is writable");
        }
        panic!("dnsmasq finds no port");
    }

    /// Whether it answers at all: a query for the address of the root.
    fn answers(&self) -> bool {
        let query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];
        let Ok(socket) = UdpSocket::bind("127.0.0.1:0") else {
            return false;
        };
        let asked = socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .and_then(|()| socket.send_to(&query, self.address))
            .and_then(|_| socket.recv(&mut [0; 512]));
        asked.is_ok()
    }

    /// Replaces the addresses.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, addresses: &str) {
        fs::write(self.folder.path().join("hosts"), addresses).expect("the folder is writable");
        signal(self.process.id(), "HUP");
    }

    /// Makes it mute, or ends that: it is stopped, and its socket takes queries that nobody reads.
    pub fn mute(&self, is_mute: bool) {
        signal(self.process.id(), if is_mute { "STOP" } else { "CONT" });
    }
}

/// Starts a process on a port that is free now, over UDP and TCP.
fn spawn(folder: &Path, ttl: u32, options: &[&str]) -> (Child, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("a bound socket has an address");
    drop(free);
    let process = Command::new("dnsmasq")
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
        ])
        .args([
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--user=root",
            "--pid-file=",
        ])
        .arg(format!("--addn-hosts={}", folder.join("hosts").display()))
        .arg(format!("--port={}", address.port()))
        .arg(format!("--local-ttl={ttl}"))
        .args(["--local=/test/", "--log-facility=-"])
        .args(options)
        .stderr(Stdio::null())
        .spawn()
        .expect("dnsmasq is installed (Debian: dnsmasq-base)");
    (process, address)
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
