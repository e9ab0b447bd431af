//! The end: every worker finishes its requests within the drain timeout. A second command to shut down cuts it short, and a worker that is
//! stuck is left behind.

use std::pin::pin;
use std::time::Duration;

use lockgate_gateway::worker::Command as WorkerCommand;
use tokio::time::Instant;

use super::Control;
use crate::handle::{Command, Commands};

/// Time beyond the drain timeout for workers to close what is open.
const GRACE: Duration = Duration::from_millis(500);

impl Control {
    pub(super) async fn drain(self, mut commands: Commands) {
        let limit = self
            .current
            .as_ref()
            .map_or_else(Default::default, |snapshot| snapshot.model.drain_timeout.0);
        tracing::info!(
            limit_ms = limit.as_millis() as u64,
            "draining: no new connections, requests in progress finish"
        );
        self.handle.set_ready(false);
        self.send_all(|| WorkerCommand::Drain(limit));
        if !self.wait_for_workers(limit, &mut commands).await {
            tracing::error!("a worker did not end in time; its connections are closed with the process");
            return;
        }
        for worker in self.workers {
            if worker.thread.join().is_err() {
                tracing::error!("worker panicked; its requests were lost");
            }
        }
    }

    /// Waits until every worker has ended; false if one has not in time.
    async fn wait_for_workers(&self, limit: Duration, commands: &mut Commands) -> bool {
        let mut ended = pin!(async {
            for worker in &self.workers {
                worker.commands.closed().await;
            }
        });
        let mut end = pin!(tokio::time::sleep(limit + GRACE));
        loop {
            tokio::select! {
                biased;
                () = &mut ended => break true,
                () = &mut end => break false,
                Some(command) = commands.next() => match command {
                    Command::ShutDown => {
                        tracing::warn!("second signal: the drain ends now, open connections are closed");
                        self.send_all(|| WorkerCommand::Drain(Duration::ZERO));
                        end.as_mut().reset(Instant::now() + GRACE);
                    }
                    // The caller learns that there is no reply.
                    Command::Reload { reply } => drop(reply),
                },
            }
        }
    }

    fn send_all(&self, command: impl Fn() -> WorkerCommand) {
        for worker in &self.workers {
            // A worker that has ended has nothing to drain.
            let _ = worker.commands.send(command());
        }
    }
}
