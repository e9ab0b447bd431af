//! A child process with all that it starts: cargo and its compilers end together, and nothing outlives its owner.

use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

/// A process group of our making. Dropping it ends it.
pub(super) struct Group {
    id: u32,
    ended: Arc<AtomicBool>,
}

/// What was piped of a child.
pub(super) struct Pipes {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Group {
    /// Starts a command in a group of its own, so that a terminal's Ctrl-C reaches only us, who end it in order. `told` is called
    /// when it has ended, on a thread of its own.
    pub(super) fn start(
        command: &mut Command,
        told: impl FnOnce(io::Result<ExitStatus>) + Send + 'static,
    ) -> io::Result<(Self, Pipes)> {
        let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let pipes = Pipes {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        };
        let group = Self {
            id: child.id(),
            ended: Arc::default(),
        };
        let ended = group.ended.clone();
        thread::spawn(move || {
            let status = child.wait();
            ended.store(true, Ordering::Release);
            told(status);
        });
        Ok((group, pipes))
    }

    /// Asks it to end, and after `patience` no longer asks. Returns when it is gone.
    pub(super) fn end(self, patience: Duration) {
        self.signal("TERM");
        self.wait(patience);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn wait(&self, patience: Duration) {
        let begun = Instant::now();
        while !self.has_ended() && begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The standard library knows one signal, KILL, to one process; the shell knows them all, and groups.
    fn signal(&self, name: &str) {
        if self.has_ended() {
            return;
        }
        // A group that is gone meanwhile is what was wanted.
        let _ = Command::new("sh")
            .args(["-c", "kill -s \"$1\" -- \"-$0\"", &self.id.to_string(), name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal("KILL");
        self.wait(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_a_child_has_started_ends_with_it() {
        let (sender, receiver) = mpsc::channel();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let (group, pipes) = Group::start(&mut command, move |_| {
            let _ = sender.send(());
        })
        .expect("sh is there");
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(pipes.stdout.expect("it is piped")), &mut line).expect("a line");
        let running = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", line.trim())).unwrap_or_default();
            !(state.is_empty() || state.contains(") Z "))
        };
        assert!(running());
        group.end(Duration::from_secs(5));
        receiver.recv_timeout(Duration::from_secs(5)).expect("its end is told");
        let begun = Instant::now();
        while running() && begun.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!running());
    }
}
