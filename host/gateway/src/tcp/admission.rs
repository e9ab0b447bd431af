//! A new connection passes `proxy_on_new_connection` of every plugin of its chain, in order. Each may hold it.
//!
//! Nothing is read from the client meanwhile, as in Envoy. Many plugins let bytes go because they have never thought of them; a
//! connection that a plugin still asks about must not be released by its first bytes.

use std::future::poll_fn;
use std::task::Poll;

use lockgate_exchange::Direction;
use lockgate_sandbox::{Action, Phase};
use lockgate_telemetry::close_reason::CloseReason;

use crate::tcp::recorder::ConnectionRecorder;

/// Takes the connection through all plugins.
pub(super) async fn admit(recorder: &ConnectionRecorder) -> Result<(), CloseReason> {
    let chain = &recorder.chain;
    for index in 0..chain.filters().len() {
        chain.start_clock();
        chain.open(index)?;
        let action = chain.call(index, Direction::Request, Phase::NewConnection, |stream| {
            stream.new_connection()
        })?;
        if action == Action::Pause {
            released(recorder, index).await?;
        }
    }
    Ok(())
}

/// Waits until the plugin at `index` releases the connection.
async fn released(recorder: &ConnectionRecorder, index: usize) -> Result<(), CloseReason> {
    poll_fn(|cx| {
        if let Some(ending) = recorder.poll_close(cx) {
            return Poll::Ready(Err(ending));
        }
        recorder.register(cx);
        recorder.check_pending()?;
        if recorder.chain.lost(index, Phase::NewConnection)? || recorder.chain.resumed(index, Direction::Request) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}
