//! A pair of pipe ends that can break off like a TCP connection: the other end is told of a reset, and what was under way is lost.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lockgate_gateway::embedded::Duplex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Bytes that a pipe holds between its ends.
pub(crate) const CAPACITY: usize = 256 * 1024;

/// One end. It ends in order when it is dropped, unless its breaker is armed.
pub(crate) struct Pipe {
    stream: DuplexStream,
    breaker: Breaker,
    /// The other end is gone, and has broken off.
    reset: Rc<Cell<bool>>,
    /// The same of this one, for the other.
    tells: Rc<Cell<bool>>,
}

/// Decides how an end ends.
#[derive(Clone, Default)]
pub(crate) struct Breaker(Rc<Cell<bool>>);

impl Breaker {
    /// Its end will be a reset.
    pub(crate) fn arm(&self) {
        self.0.set(true);
    }
}

/// Two ends of one pipe.
pub(crate) fn pair() -> (Pipe, Pipe) {
    let (near, far) = tokio::io::duplex(CAPACITY);
    let (left, right) = (Rc::<Cell<bool>>::default(), Rc::<Cell<bool>>::default());
    let end = |stream, reset: &Rc<Cell<bool>>, tells: &Rc<Cell<bool>>| Pipe {
        stream,
        breaker: Breaker::default(),
        reset: reset.clone(),
        tells: tells.clone(),
    };
    (end(near, &left, &right), end(far, &right, &left))
}

impl Pipe {
    /// What decides how it ends.
    pub(crate) fn breaker(&self) -> Breaker {
        self.breaker.clone()
    }

    fn whole(&self) -> io::Result<()> {
        if self.reset.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The stream goes after this, and wakes the other end.
        self.tells.set(self.breaker.0.get());
    }
}

impl Duplex for Pipe {
    fn abort(&self) {
        self.breaker.arm();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_end_that_is_dropped_ends_in_order_and_one_that_breaks_off_takes_away_what_was_under_way() {
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
