//! A raw HTTP/2 peer that plays the endpoint frame by frame, as no library would let it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
/// END_HEADERS; all header sections here are one frame.
pub(crate) const END_HEADERS: u8 = 4;

/// `:status: 200`, `204`, `304` and `413` in HPACK.
pub(crate) const STATUS_200: &[u8] = &[0x88];
pub(crate) const STATUS_204: &[u8] = &[0x89];
pub(crate) const STATUS_304: &[u8] = &[0x8b];
pub(crate) const STATUS_413: &[u8] = &[0x08, 3, b'4', b'1', b'3'];
/// `:status: 103` and `link: </a>`.
pub(crate) const EARLY_HINTS: &[u8] = &[0x08, 3, b'1', b'0', b'3', 0x0f, 30, 4, b'<', b'/', b'a', b'>'];

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A whole response of status 200 with this body.
pub(crate) fn response(stream: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    // Within the largest frame that needs no setting.
    for piece in body.chunks(16_000) {
        bytes.extend(frame(DATA, 0, stream, piece));
    }
    bytes.extend(frame(DATA, END_STREAM, stream, &[]));
    bytes
}

/// GOAWAY with NO_ERROR.
pub(crate) fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// RST_STREAM.
pub(crate) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.to_be_bytes())
}

/// A request as far as it has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    pub(crate) stream: u32,
    pub(crate) body: Vec<u8>,
    pub(crate) has_ended: bool,
}

/// What the peer does about a request that has begun or ended.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) closes: bool,
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, closes: false }
    }
}

pub(crate) struct H2Peer {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Rc<Cell<usize>>,
    /// The requests that have ended, in their order.
    pub(crate) ended: Rc<RefCell<Vec<Seen>>>,
}

impl H2Peer {
    /// A peer with this payload of SETTINGS that asks `reply` when a request has begun and when it has ended. It opens the window of
    /// no connection for which `reads` is false.
    pub(crate) async fn new(
        settings: &'static [u8],
        reads: impl Fn(usize) -> bool + 'static,
        reply: impl Fn(&Seen) -> Reply + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let peer = Self {
            address: listener.local_addr().expect("bound"),
            connections: Rc::default(),
            ended: Rc::default(),
        };
        let (connections, ended) = (peer.connections.clone(), peer.ended.clone());
        let reply = Rc::new(reply);
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                let number = connections.replace(connections.get() + 1);
                let (reads, reply, ended) = (reads(number), Rc::clone(&reply), Rc::clone(&ended));
                tokio::task::spawn_local(async move {
                    // It ends with its connection.
                    let _ = play(stream, number, settings, reads, &*reply, &ended).await;
                });
            }
        });
        peer
    }
}

async fn play(
    mut stream: TcpStream,
    connection: usize,
    settings: &[u8],
    reads: bool,
    reply: &dyn Fn(&Seen) -> Reply,
    ended: &RefCell<Vec<Seen>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; 24]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, settings)).await?;
    let mut open: Vec<Seen> = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await?;
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match kind {
            SETTINGS if flags & 1 == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?,
            PING if flags & 1 == 0 => stream.write_all(&frame(PING, 1, 0, &payload)).await?,
            HEADERS => open.push(Seen {
                connection,
                stream: id,
                ..Seen::default()
            }),
            _ => {}
        }
        if kind == DATA && reads && !payload.is_empty() {
            let size = u32::try_from(payload.len()).expect("short").to_be_bytes();
            let updates = [frame(WINDOW_UPDATE, 0, 0, &size), frame(WINDOW_UPDATE, 0, id, &size)];
            stream.write_all(&updates.concat()).await?;
        }
        let Some(index) = open.iter().position(|seen| seen.stream == id) else {
            continue;
        };
        if kind == DATA {
            open[index].body.extend_from_slice(&payload);
        }
        let has_ended = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        open[index].has_ended = has_ended;
        if kind == HEADERS || has_ended {
            let said = reply(&open[index]);
            if has_ended {
                ended.borrow_mut().push(open.remove(index));
            }
            stream.write_all(&said.bytes).await?;
            if said.closes {
                return Ok(());
            }
        }
    }
}
