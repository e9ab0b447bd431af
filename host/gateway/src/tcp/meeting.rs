//! A new connection meets the plugins of its chain, one after the other. Each may hold it.
//!
//! As in Envoy, a plugin that holds a new connection is shown the first bytes, and by letting those go it lets the connection
//! go: so it can look at them before it chooses an upstream. But not while it waits for the answer to a request of its own:
//! then the bytes stay in the client's socket. Many plugins let bytes go because they have never thought of them, and a
//! connection that is being asked about must not slip out behind them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lockgate_sandbox::Action;
use tokio::io::{AsyncRead, ReadBuf};

use super::account::Account;
use super::ending::Ending;
use super::flow::Flow;
use crate::chain::Direction;
use crate::metrics::Phase;

/// Bytes that are read at once before the upstream is known.
const FIRST_BYTES: usize = 16 * 1024;

/// A connection that passes its chain for the first time.
pub(super) struct Meeting<'a> {
    account: &'a Account,
    down: &'a mut Flow,
    /// The client has sent its last byte already.
    drained: bool,
}

impl<'a> Meeting<'a> {
    /// Nobody has seen the connection yet.
    pub(super) fn new(account: &'a Account, down: &'a mut Flow) -> Self {
        Self {
            account,
            down,
            drained: false,
        }
    }

    /// Whether the client's end was read on the way.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Takes the connection through all plugins.
    pub(super) async fn hold<C: AsyncRead + Unpin>(&mut self, client: &mut C) -> Result<(), Ending> {
        let chain = &self.account.chain;
        for index in 0..chain.links().len() {
            chain.start_clock();
            chain.open(index)?;
            let action = chain.call(index, Direction::Request, Phase::NewConnection, |stream| {
                stream.new_connection()
            })?;
            if action == Action::Pause {
                poll_fn(|cx| self.poll_release(index, client, cx)).await?;
            }
            self.down.reach(index)?;
        }
        Ok(())
    }

    /// Ready when the plugin at `index` lets the connection go.
    fn poll_release<C: AsyncRead + Unpin>(
        &mut self,
        index: usize,
        client: &mut C,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        let chain = &self.account.chain;
        if let Some(ending) = self.account.poll_ordered(cx) {
            return Poll::Ready(Err(ending));
        }
        loop {
            self.account.register(cx);
            self.account.asked()?;
            let held = self.down.is_held_at(index);
            self.down.resume()?;
            let let_go = held && !self.down.is_held_at(index);
            if let_go || chain.lost(index)? || chain.resumed(index, Direction::Request) {
                return Poll::Ready(Ok(()));
            }
            let reads = chain.links()[index].hooks().downstream_data;
            if self.drained || !reads || chain.awaits_callout(index) || self.down.waits() {
                return Poll::Pending;
            }
            // What has passed the plugins before is shown before more is read.
            if self.down.out.is_empty() && !self.down.ended {
                let data = ready!(poll_read(client, cx)).map_err(|_| Ending::ClientGone)?;
                self.account.received(true, data.len());
                self.drained = data.is_empty();
                let end = self.drained;
                self.down.push(data, end)?;
            }
            self.down.reach(index)?;
            if !self.down.out.is_empty() || self.down.ended {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn poll_read<C: AsyncRead + Unpin>(client: &mut C, cx: &mut Context<'_>) -> Poll<std::io::Result<Bytes>> {
    let mut first = [0; FIRST_BYTES];
    let mut buffer = ReadBuf::new(&mut first);
    ready!(Pin::new(client).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
}
