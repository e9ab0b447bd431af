//! The gateway under test: the real binary, its folder, its addresses, its log. Knows the contract of the configuration file, the
//! command line and the admin address, nothing else.

use crate::binary::binary;
use crate::config::{address_in, filled, modules_of};
use crate::http::{Message, Request, get};
use crate::metrics::Metrics;
use crate::modules::module;
use crate::upstream::eventually;
use crate::wire::Wire;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a gateway may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running gateway. Killed when dropped; its log is printed when the test has failed.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    folder: TempDir,
    config: Value,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// Starts the gateway with a configuration. What a test leaves out is filled in: a listener `web`, the addresses, `admin`,
    /// `plugin_dir`, one worker. Every module that is named is put into `plugin_dir`.
    ///
    /// # Panics
    /// When it does not become ready; with its log.
    #[must_use]
    pub fn start(config: Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
        for name in modules_of(&config) {
            install(&folder.path().join("plugins"), &name, &module(&name));
        }
        Self::start_in(folder, config)
    }

    /// As [`Gateway::start`], in a folder that holds what the configuration needs.
    ///
    /// # Panics
    /// When it does not become ready; with its log.
    #[must_use]
    pub fn start_in(folder: TempDir, config: Value) -> Self {
        let config = filled(config);
        write_config(folder.path(), &config.to_string());
        let (child, log) = spawn(folder.path());
        let mut gateway = Self {
            child,
            folder,
            config,
            log,
        };
        gateway.wait_until_ready();
        gateway
    }

    /// The address of the listener `web`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener("web")
    }

    /// The address of a listener.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        address_in(&self.config["listeners"][name]["listen"])
    }

    /// The admin address.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        address_in(&self.config["admin"]["listen"])
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder that holds `gateway.json` and `plugins`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new connection to `web`.
    #[must_use]
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn send(&self, request: Request) -> Message {
        self.connect()
            .exchange(&request)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a GET on a connection of its own.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn get(&self, target: &str) -> Message {
        self.send(get(target))
    }

    /// What the admin address answers to a GET.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn ask_admin(&self, target: &str) -> Message {
        Wire::connect(self.admin())
            .exchange(&get(target).header("host", &self.admin().to_string()))
            .expect("the admin address answers")
    }

    /// What the admin address answers to a request.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn tell_admin(&self, request: Request) -> Message {
        Wire::connect(self.admin())
            .exchange(&request.header("host", &self.admin().to_string()))
            .expect("the admin address answers")
    }

    /// The metrics as they stand.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.ask_admin("/metrics").text())
    }

    /// The body of `/api/plugins` as text: tests of the admin API check its form.
    #[must_use]
    pub fn plugins(&self) -> String {
        self.ask_admin("/api/plugins").text()
    }

    /// The configuration as it was last written, with what was filled in.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Puts another configuration in place, in one step. Addresses that were filled in stay.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        write_config(self.folder.path(), &self.config.to_string());
    }

    /// Writes any text in the place of the configuration.
    pub fn write_config(&self, text: &str) {
        write_config(self.folder.path(), text);
    }

    /// Puts a module into `plugin_dir` in one step.
    pub fn install(&self, name: &str, bytes: &[u8]) {
        install(&self.folder.path().join("plugins"), name, bytes);
    }

    /// The lines of the log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic while holding it").clone()
    }

    /// Waits for a line of the log that holds all the parts, and answers it.
    ///
    /// # Panics
    /// When none comes within five seconds.
    #[must_use]
    pub fn logged(&self, parts: &[&str]) -> String {
        let find = || {
            self.log()
                .into_iter()
                .find(|line| parts.iter().all(|part| line.contains(part)))
        };
        let mut found = None;
        eventually(&format!("a log line with {parts:?}"), Duration::from_secs(5), || {
            found = find();
            found.is_some()
        });
        found.expect("it has just been found")
    }

    /// Bytes of memory that the process holds now and those that it has held at most, as the kernel counts them.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the gateway runs");
        let bytes = |name: &str| {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .expect("the kernel tells it");
            line.split_whitespace()
                .nth(1)
                .and_then(|number| number.parse::<u64>().ok())
                .expect("a number of kB")
                * 1024
        };
        Memory {
            now: bytes("VmRSS:"),
            peak: bytes("VmHWM:"),
        }
    }

    /// Sends a signal by name.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When the process outlives the time.
    pub fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal("TERM");
        self.ended(within)
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When the process outlives the time.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(started.elapsed() < within, "still running after {within:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the process runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as a power cut would, and starts it again in the same folder with the same configuration.
    pub fn restart(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        (self.child, self.log) = spawn(self.folder.path());
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let admin = self.admin();
        let started = Instant::now();
        while !matches!(ready(admin), Some(200)) {
            if let Ok(Some(status)) = self.child.try_wait() {
                thread::sleep(Duration::from_millis(50)); // the reader of the log may still be at it
                panic!("the gateway ended with {status}");
            }
            assert!(started.elapsed() < READY_WITHIN, "not ready within {READY_WITHIN:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let log = self.log();
            eprintln!("--- the gateway's log, the last of {} lines", log.len());
            log.iter().rev().take(60).rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Bytes of resident memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// At this moment.
    pub now: u64,
    /// The most so far.
    pub peak: u64,
}

/// Sends a signal by name.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .expect("kill is installed");
    assert!(status.success(), "no process to signal");
}

/// Writes a module in one step: a watcher never sees half of it.
///
/// # Panics
/// When the folder is not writable.
pub fn install(plugins: &Path, name: &str, bytes: &[u8]) {
    let part = plugins.join(format!(".{name}.part"));
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, plugins.join(format!("{name}.wasm"))))
        .expect("the folder is writable");
}

/// A temporary folder whose `plugins` has these modules.
///
/// # Panics
/// When no temporary folder can be made.
#[must_use]
pub fn folder_with(modules: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).expect("the folder is writable");
    for (name, bytes) in modules {
        install(&plugins, name, bytes);
    }
    folder
}

fn write_config(folder: &Path, text: &str) {
    let part = folder.join(".gateway.json.part");
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, folder.join("gateway.json")))
        .expect("the folder is writable");
}

fn spawn(folder: &Path) -> (Child, Arc<Mutex<Vec<String>>>) {
    let binary = binary();
    let mut child = Command::new(&binary)
        .args(["run", "--log-format", "json", "--config"])
        .arg(folder.join("gateway.json"))
        .env("RUST_LOG", "info")
        .env_remove("LOCKGATE_CACHE_DIR")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; build it with make build", binary.display()));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, stderr) = (log.clone(), child.stderr.take().expect("stderr is piped"));
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            kept.lock().expect("no panic while holding it").push(line);
        }
    });
    (child, log)
}

fn ready(admin: SocketAddr) -> Option<u16> {
    let stream = std::net::TcpStream::connect(admin).ok()?;
    Some(Wire::of(stream).exchange(&get("/readyz")).ok()?.status())
}
