//! Streams in memory that can be reset like TCP connections: the peer sees a reset, and bytes in flight are lost.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lockgate_gateway::embedded::Duplex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Bytes that a stream buffers in each direction.
pub(crate) const CAPACITY: usize = 256 * 1024;

/// One end. Dropping it closes the stream, or resets it if the switch is set.
pub(crate) struct MemoryStream {
    stream: DuplexStream,
    reset_switch: ResetSwitch,
    /// Whether the peer has reset the connection.
    peer_reset: Rc<Cell<bool>>,
    /// Whether this end has, as the peer sees it.
    own_reset: Rc<Cell<bool>>,
}

/// Whether a stream that is dropped is reset instead of closed.
#[derive(Clone, Default)]
pub(crate) struct ResetSwitch(Rc<Cell<bool>>);

impl ResetSwitch {
    /// From now on, dropping the stream resets it.
    pub(crate) fn set(&self) {
        self.0.set(true);
    }
}

/// Two connected streams.
pub(crate) fn pair() -> (MemoryStream, MemoryStream) {
    let (near, far) = tokio::io::duplex(CAPACITY);
    let (left, correction) = (Rc::<Cell<bool>>::default(), Rc::<Cell<bool>>::default());
    let end = |stream, peer_reset: &Rc<Cell<bool>>, own_reset: &Rc<Cell<bool>>| MemoryStream {
        stream,
        reset_switch: ResetSwitch::default(),
        peer_reset: peer_reset.clone(),
        own_reset: own_reset.clone(),
    };
    (end(near, &left, &correction), end(far, &correction, &left))
}

impl MemoryStream {
    /// The switch between close and reset.
    pub(crate) fn reset_switch(&self) -> ResetSwitch {
        self.reset_switch.clone()
    }

    fn check_reset(&self) -> io::Result<()> {
        if self.peer_reset.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        // The inner stream is dropped after this and wakes the peer.
        self.own_reset.set(self.reset_switch.0.get());
    }
}

impl Duplex for MemoryStream {
    fn abort(&self) {
        self.reset_switch.set();
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_reset()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.check_reset()?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_reset()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_dropped_end_closes_and_a_reset_end_loses_bytes_in_flight() {
        let (mut near, mut far) = pair();
        far.write_all(b"all of it").await.expect("it is open");
        drop(far);
        let mut came = Vec::new();
        near.read_to_end(&mut came).await.expect("it ended in order");
        assert_eq!(came, b"all of it");

        let (mut near, mut far) = pair();
        far.write_all(b"lost").await.expect("it is open");
        far.abort();
        near.write_all(b"still open")
            .await
            .expect("it breaks off when it is gone");
        drop(far);
        for kind in [
            near.read(&mut [0; 8]).await.expect_err("it broke off").kind(),
            near.write(b"x").await.expect_err("it broke off").kind(),
        ] {
            assert_eq!(kind, io::ErrorKind::ConnectionReset);
        }
    }
}
