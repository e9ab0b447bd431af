//! The two ends of a case's TCP connection: what is sent by them, and what has come in.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use lockgate_gateway::embedded::{self, ClientInfo, EmbeddedWorker};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::AbortHandle;

use crate::cases::{Connection, Ended, Reset};
use crate::client::LISTENER;
use crate::handshake;
use crate::pipe::{self, Breaker, Pipe};

/// One end.
pub(crate) struct End {
    /// None when it has broken off.
    sender: Option<WriteHalf<Pipe>>,
    reading: AbortHandle,
    breaker: Breaker,
    received: Rc<RefCell<Received>>,
}

/// What has come in at an end.
struct Received {
    bytes: Vec<u8>,
    ended: Ended,
}

impl End {
    /// An end of a pipe, read from at once.
    pub(crate) fn of(pipe: Pipe) -> Self {
        let breaker = pipe.breaker();
        let (reader, sender) = io::split(pipe);
        let received = Rc::new(RefCell::new(Received {
            bytes: Vec::new(),
            ended: Ended::default(),
        }));
        let reading = tokio::task::spawn_local(receive(reader, received.clone())).abort_handle();
        Self {
            sender: Some(sender),
            reading,
            breaker,
            received,
        }
    }

    /// Sends a piece. Where the other side is gone it is lost, as on a wire.
    pub(crate) async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.sender {
            Some(sender) => {
                sender.write_all(piece).await?;
                sender.flush().await
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Says that nothing more comes.
    pub(crate) async fn end(&mut self) {
        if let Some(sender) = &mut self.sender {
            // Nobody is there any more who could be told.
            let _ = sender.shutdown().await;
        }
    }

    /// Breaks off. The other side is told when everything else has had its turn.
    pub(crate) fn reset(&mut self) {
        self.breaker.arm();
        self.reading.abort();
        self.sender = None;
    }

    /// What has come in since the last time.
    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut self.received.borrow_mut().bytes).into()
    }

    /// Whether nothing more comes, and why.
    pub(crate) fn ended(&self) -> Ended {
        self.received.borrow().ended
    }
}

async fn receive(mut reader: ReadHalf<Pipe>, received: Rc<RefCell<Received>>) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = reader.read(&mut piece).await;
        let mut received = received.borrow_mut();
        match read {
            Ok(0) => return received.ended = Ended::InOrder(true),
            Ok(count) => received.bytes.extend_from_slice(&piece[..count]),
            Err(_) => return received.ended = Ended::Broken(Reset::Reset),
        }
    }
}

/// Connects a client. Answers its end, and how the connection ends, once it has.
pub(crate) fn connect(
    worker: &Rc<EmbeddedWorker>,
    connection: &Connection,
) -> (End, Rc<RefCell<Option<&'static str>>>) {
    let (near, far) = pipe::pair();
    let address = connection.client.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let (name, shown) = (
        connection.server_name.as_deref(),
        connection.client_certificate.as_ref(),
    );
    let is_over_tls = name.is_some() || shown.is_some();
    let caller = ClientInfo {
        peer: SocketAddr::new(address, 40_000),
        tls: is_over_tls.then(|| handshake::info(name, None, shown)),
        version: embedded::HttpVersion::Http1,
    };
    let result = Rc::<RefCell<Option<&'static str>>>::default();
    let (worker, told) = (worker.clone(), result.clone());
    tokio::task::spawn_local(async move {
        let ending = worker.carry(LISTENER, Box::pin(far), caller).await;
        *told.borrow_mut() = ending;
    });
    (End::of(near), result)
}
