//! Signals of the process. Once the gateway runs they go through the [`Handle`], like every other request to the control thread.

use std::task::{Context, Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::handle::Handle;

/// What an operator asks for by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGHUP: reload, and reopen the logs.
    Reload,
    /// SIGUSR1: reopen the logs.
    ReopenLogs,
    /// SIGUSR2: replace the binary, as nginx does.
    Upgrade,
    /// SIGTERM, SIGINT, SIGQUIT: drain, and end.
    ShutDown,
}

/// The signals that the gateway handles.
pub(crate) struct Signals(Vec<(Signal, Request)>);

impl Signals {
    /// Installs the handlers. Without one, each of these signals would end the process at once.
    pub(crate) fn install() -> std::io::Result<Self> {
        let requests = [
            (SignalKind::terminate(), Request::ShutDown),
            (SignalKind::interrupt(), Request::ShutDown),
            (SignalKind::quit(), Request::ShutDown),
            (SignalKind::hangup(), Request::Reload),
            (SignalKind::user_defined1(), Request::ReopenLogs),
            (SignalKind::user_defined2(), Request::Upgrade),
        ];
        let installed = requests.into_iter().map(|(kind, request)| Ok((signal(kind)?, request)));
        installed.collect::<std::io::Result<_>>().map(Self)
    }

    /// The next request. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Request {
        std::future::poll_fn(|cx: &mut Context<'_>| {
            let mut signals = self.0.iter_mut();
            let received = signals.find_map(|(signal, request)| signal.poll_recv(cx).is_ready().then_some(*request));
            received.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The request to shut down, while the gateway starts. There is nothing yet to reload or to reopen.
    pub(crate) async fn shut_down(&mut self) {
        loop {
            match self.next().await {
                Request::ShutDown => return,
                Request::Reload | Request::ReopenLogs => tracing::info!("signal ignored: the gateway is starting"),
                Request::Upgrade => log_no_upgrade(),
            }
        }
    }

    /// Passes requests on for as long as the process lives; a second one to shut down cuts the drain short.
    pub(crate) async fn forward(mut self, handle: Handle) {
        loop {
            match self.next().await {
                Request::Reload => {
                    tracing::info!("SIGHUP: reloading");
                    handle.reopen_logs();
                    // The control thread logs the result.
                    handle.start_reload();
                }
                Request::ReopenLogs => {
                    tracing::info!("SIGUSR1: reopening the access log");
                    handle.reopen_logs();
                }
                Request::Upgrade => log_no_upgrade(),
                Request::ShutDown => handle.shut_down(),
            }
        }
    }
}

fn log_no_upgrade() {
    tracing::warn!(
        "SIGUSR2 ignored: the binary cannot be replaced while the gateway runs; start the new one after SIGTERM has drained this one"
    );
}
