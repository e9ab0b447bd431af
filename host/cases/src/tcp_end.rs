//! The two ends of a case's TCP connection: they send, and collect what arrives.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use lockgate_gateway::embedded::{self, ClientInfo, EmbeddedWorker};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::AbortHandle;

use crate::cases::{Connection, Reset, StreamEnd};
use crate::client::LISTENER;
use crate::handshake;
use crate::memory_stream::{self, MemoryStream, ResetSwitch};

/// One end of the connection.
pub(crate) struct TcpEnd {
    /// None: reset.
    sender: Option<WriteHalf<MemoryStream>>,
    reading: AbortHandle,
    reset_switch: ResetSwitch,
    received: Rc<RefCell<Received>>,
}

/// What an end has received.
struct Received {
    bytes: Vec<u8>,
    ended: StreamEnd,
}

impl TcpEnd {
    /// An end over a stream, which reads from now on.
    pub(crate) fn new(memory_stream: MemoryStream) -> Self {
        let reset_switch = memory_stream.reset_switch();
        let (reader, sender) = io::split(memory_stream);
        let received = Rc::new(RefCell::new(Received {
            bytes: Vec::new(),
            ended: StreamEnd::default(),
        }));
        let reading = tokio::task::spawn_local(receive(reader, received.clone())).abort_handle();
        Self {
            sender: Some(sender),
            reading,
            reset_switch,
            received,
        }
    }

    /// Sends a piece. It is lost if the other side has disconnected.
    pub(crate) async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.sender {
            Some(sender) => {
                sender.write_all(piece).await?;
                sender.flush().await
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Closes its sending direction.
    pub(crate) async fn shutdown(&mut self) {
        if let Some(sender) = &mut self.sender {
            // The other side may have disconnected.
            let _ = sender.shutdown().await;
        }
    }

    /// Resets the connection. The other side sees it once the task runs.
    pub(crate) fn reset(&mut self) {
        self.reset_switch.set();
        self.reading.abort();
        self.sender = None;
    }

    /// Bytes since the last call.
    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut self.received.borrow_mut().bytes).into()
    }

    /// Whether the other side has closed or reset.
    pub(crate) fn stream_end(&self) -> StreamEnd {
        self.received.borrow().ended
    }
}

async fn receive(mut reader: ReadHalf<MemoryStream>, received: Rc<RefCell<Received>>) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = reader.read(&mut piece).await;
        let mut received = received.borrow_mut();
        match read {
            Ok(0) => return received.ended = StreamEnd::Eof(true),
            Ok(count) => received.bytes.extend_from_slice(&piece[..count]),
            Err(_) => return received.ended = StreamEnd::Reset(Reset::Reset),
        }
    }
}

/// Connects a client. Returns its end, and a place for the connection's result.
pub(crate) fn connect(
    worker: &Rc<EmbeddedWorker>,
    connection: &Connection,
) -> (TcpEnd, Rc<RefCell<Option<&'static str>>>) {
    let (near, far) = memory_stream::pair();
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
    let (worker, outcome) = (worker.clone(), result.clone());
    tokio::task::spawn_local(async move {
        let ending = worker.serve_tcp(LISTENER, Box::pin(far), caller).await;
        *outcome.borrow_mut() = ending;
    });
    (TcpEnd::new(near), result)
}
