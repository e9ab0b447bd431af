//! A raw TCP peer that plays the endpoint: it counts connections and answers with the bytes of its script.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What test requests carry.
pub(crate) type TestBody = Either<Full<Bytes>, Either<Empty<Bytes>, Broken>>;

/// How the peer deals with the n-th request on a connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answer with these bytes.
    Answer(&'static str),
    /// Answer with these bytes, then close.
    AnswerAndClose(&'static str),
    /// Read the request, then close without a word.
    Close,
    /// Read the request, then reset the connection.
    Reset,
    /// Read the request and say nothing.
    Silence,
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The same, but where it ends shows only when its body is read.
pub(crate) const OK_IN_CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/// A listening peer. Each connection follows its own script; the last script is used for all further connections, the
/// last act of a script for all further requests.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Rc<Cell<usize>>,
    pub(crate) closed: Rc<Cell<usize>>,
    pub(crate) requests: Rc<RefCell<Vec<String>>>,
}

impl Peer {
    pub(crate) async fn new(scripts: &[&[Act]]) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let peer = Peer {
            address: listener.local_addr().expect("bound"),
            connections: Rc::default(),
            closed: Rc::default(),
            requests: Rc::default(),
        };
        let scripts: Vec<Vec<Act>> = scripts.iter().map(|script| script.to_vec()).collect();
        let (connections, closed, requests) = (peer.connections.clone(), peer.closed.clone(), peer.requests.clone());
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                let script = scripts[connections.get().min(scripts.len() - 1)].clone();
                connections.set(connections.get() + 1);
                let (closed, requests) = (closed.clone(), requests.clone());
                tokio::task::spawn_local(async move {
                    play(stream, script, requests).await;
                    closed.set(closed.get() + 1);
                });
            }
        });
        peer
    }
}

async fn play(mut stream: TcpStream, script: Vec<Act>, requests: Rc<RefCell<Vec<String>>>) {
    let mut buffer = Vec::new();
    for turn in 0.. {
        let Some(request) = read_request(&mut stream, &mut buffer).await else {
            return;
        };
        requests.borrow_mut().push(request);
        match &script[turn.min(script.len() - 1)] {
            Act::Answer(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
            }
            Act::AnswerAndClose(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Act::Close => return,
            Act::Reset => {
                stream.set_zero_linger().expect("linger");
                return;
            }
            Act::Silence => {}
        }
    }
}

/// Head and body (by content-length) of the next request; `None` when the connection ends.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end + 4]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().expect("a number"));
            if buffer.len() >= end + 4 + length {
                let request = String::from_utf8_lossy(&buffer[..end + 4 + length]).into_owned();
                buffer.drain(..end + 4 + length);
                return Some(request);
            }
        }
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

pub(crate) fn get() -> Request<TestBody> {
    with_body(Method::GET, Either::Right(Either::Left(Empty::new())))
}

pub(crate) fn post(body: &'static str) -> Request<TestBody> {
    with_body(
        Method::POST,
        Either::Left(Full::new(Bytes::from_static(body.as_bytes()))),
    )
}

pub(crate) fn with_body(method: Method, body: TestBody) -> Request<TestBody> {
    Request::builder()
        .method(method)
        .uri("/a?b=c")
        .header("host", "test")
        .header("x-kept", "Yes")
        .body(body)
        .expect("valid")
}

/// A body of 100 bytes that ends after its first four.
pub(crate) struct Broken(pub(crate) bool);

impl Body for Broken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 {
            return Poll::Ready(None);
        }
        self.0 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(100)
    }
}

/// Waits, for at most five seconds, until something has become true.
pub(crate) async fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within five seconds");
}

/// Runs a test the way a worker runs: one thread, local tasks.
pub(crate) fn on_a_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), test)
            .await
            .expect("the test hangs");
    });
}

/// Reads up to the end of a request's head, not a byte further.
pub(crate) async fn skip_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        last[3] = stream.read_u8().await.expect("a head");
    }
}
