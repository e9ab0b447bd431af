//! The gateway that serves the plugin: the real one, as a process of its own, whose log and access log are read.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::group::Group;
use crate::arguments::Calls;

/// How long open requests have when the gateway is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is heard of a gateway.
#[derive(Debug)]
pub(super) enum Heard {
    /// A line of its access log.
    Access(String),
    /// A line of its log.
    Log(String),
    /// It has ended.
    Ended(std::io::Result<ExitStatus>),
}

/// A running gateway.
pub(super) struct Gateway(Group);

impl Gateway {
    /// Starts one. All it says is told.
    pub(super) fn start(config: &Path, calls: Calls, tell: impl Fn(Heard) + Clone + Send + 'static) -> Result<Self> {
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
        let ended = tell.clone();
        let (group, pipes) = Group::start(&mut command, move |status| ended(Heard::Ended(status)))
            .context("the gateway cannot be started")?;
        if let Some(stdout) = pipes.stdout {
            let tell = tell.clone();
            follow(stdout, move |line| tell(Heard::Access(line)));
        }
        if let Some(stderr) = pipes.stderr {
            follow(stderr, move |line| tell(Heard::Log(line)));
        }
        Ok(Self(group))
    }

    /// Lets it end; requests that are open have a moment.
    pub(super) fn end(self) {
        self.0.end(PATIENCE);
    }
}

fn follow(pipe: impl Read + Send + 'static, tell: impl Fn(String) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            tell(line);
        }
    });
}
