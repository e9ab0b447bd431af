//! Signals of the process: SIGHUP reloads, SIGTERM and SIGINT shut down. They go through the [`Handle`], like every other request to
//! the control thread.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::handle::Handle;

/// The signals that the gateway handles.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Passes signals on until the one that shuts down.
    pub(crate) async fn forward(mut self, handle: Handle) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    handle.reopen_logs();
                    // The control thread has logged the result.
                    let _ = handle.reload().await;
                }
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
            }
        }
        handle.shut_down();
    }
}
