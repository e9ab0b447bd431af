//! The binary as a bare process, for tests of its start, its end and its stderr. Unlike [`crate::Gateway`], nobody waits for it or reads its log.

mod dns;

pub use dns::DnsServer;

use crate::binary::binary;
use crate::upstream::eventually;
use crate::{Wire, get};
use serde_json::Value;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The binary, run in `folder` with its configuration. Killed when dropped.
#[derive(Debug)]
pub struct Process(pub Child);

impl Process {
    /// Starts it with a log level, without a compile cache; stderr is a pipe that nobody reads.
    ///
    /// # Panics
    /// When there is no binary.
    #[must_use]
    pub fn start(folder: &Path, config: &Value, level: &str) -> Self {
        fs::write(folder.join("gateway.json"), config.to_string()).expect("the folder is writable");
        let child = Command::new(binary())
            .args(["run", "--config", "gateway.json"])
            .current_dir(folder)
            .env("RUST_LOG", level)
            .env("LOCKGATE_CACHE_DIR", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("the binary is there"))
    }

    /// Time until it ends with code 0.
    ///
    /// # Panics
    /// When it does not within the time, or with another code.
    pub fn ended(&mut self, within: Duration) -> Duration {
        let mut status = None;
        let took = eventually("the end of the process", within, || {
            status = self.0.try_wait().expect("it is ours");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(0));
        took
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Status and body that the admin address of a configuration answers to a GET; none if it does not.
#[must_use]
pub fn admin(config: &Value, target: &str) -> Option<(u16, String)> {
    let address = config["admin"]["listen"].as_str()?;
    let mut wire = Wire::of(TcpStream::connect(address).ok()?);
    let response = wire.exchange(&get(target).header("host", address)).ok()?;
    Some((response.status(), response.text()))
}
