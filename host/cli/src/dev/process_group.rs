//! A child process with its descendants: cargo and its compilers end together, and nothing outlives its owner.

use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

/// A process group. Dropping it kills it.
pub(super) struct ProcessGroup {
    id: u32,
    ended: Arc<AtomicBool>,
}

/// The pipes of a child.
pub(super) struct Pipes {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl ProcessGroup {
    /// Starts a command in a new group: a terminal's Ctrl-C reaches only this process, which then stops the group. `on_exit` is called
    /// after the exit, on a thread of its own.
    pub(super) fn start(
        command: &mut Command,
        on_exit: impl FnOnce(io::Result<ExitStatus>) + Send + 'static,
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
            on_exit(status);
        });
        Ok((group, pipes))
    }

    /// Sends TERM, and after `grace` KILL. Returns when the child has exited.
    pub(super) fn stop(self, grace: Duration) {
        self.signal("TERM");
        self.wait(grace);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn wait(&self, grace: Duration) {
        let begun = Instant::now();
        while !self.has_ended() && begun.elapsed() < grace {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the group, by a shell: the standard library can only kill one process.
    fn signal(&self, name: &str) {
        if self.has_ended() {
            return;
        }
        // The group may have ended meanwhile.
        let _ = Command::new("sh")
            .args(["-c", "kill -s \"$1\" -- \"-$0\"", &self.id.to_string(), name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for ProcessGroup {
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
    fn descendants_end_with_the_child() {
        let (sender, receiver) = mpsc::channel();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let (group, pipes) = ProcessGroup::start(&mut command, move |_| {
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
        group.stop(Duration::from_secs(5));
        receiver
            .recv_timeout(Duration::from_secs(5))
            .expect("the exit is reported");
        let begun = Instant::now();
        while running() && begun.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!running());
    }
}
