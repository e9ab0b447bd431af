//! The gateway that runs the plugin: `lockgate run` as a child process whose log and access log are read.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::process_group::ProcessGroup;
use crate::arguments::Calls;

/// Time for open requests when the gateway is stopped.
const GRACE: Duration = Duration::from_secs(2);

/// Output of a gateway.
#[derive(Debug)]
pub(super) enum GatewayOutput {
    /// A line of its access log.
    AccessLog(String),
    /// A line of its log.
    Log(String),
    /// The process has exited.
    Ended(std::io::Result<ExitStatus>),
}

/// A running gateway.
pub(super) struct Gateway(ProcessGroup);

impl Gateway {
    /// Starts a gateway. `on_output` gets its output.
    pub(super) fn start(
        config: &Path,
        calls: Calls,
        on_output: impl Fn(GatewayOutput) + Clone + Send + 'static,
    ) -> Result<Self> {
        let binary = std::env::current_exe().context("the path of this binary cannot be found")?;
        let mut command = Command::new(binary);
        command
            .args(["run", "--log-format", "json", "--access-log", "stdout", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info,plugin=debug");
        }
        if calls != Calls::None {
            command.arg("--trace-calls");
        }
        let on_exit = on_output.clone();
        let (group, pipes) = ProcessGroup::start(&mut command, move |status| on_exit(GatewayOutput::Ended(status)))
            .context("the gateway cannot be started")?;
        if let Some(stdout) = pipes.stdout {
            let on_output = on_output.clone();
            follow(stdout, move |line| on_output(GatewayOutput::AccessLog(line)));
        }
        if let Some(stderr) = pipes.stderr {
            follow(stderr, move |line| on_output(GatewayOutput::Log(line)));
        }
        Ok(Self(group))
    }

    /// Stops it. Open requests have a moment.
    pub(super) fn stop(self) {
        self.0.stop(GRACE);
    }
}

fn follow(pipe: impl Read + Send + 'static, on_line: impl Fn(String) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            on_line(line);
        }
    });
}
