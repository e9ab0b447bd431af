//! A gRPC server to call: HTTP/2 in the clear, on a thread of its own. A method's name says what it does. Messages are bytes;
//! nothing here knows protocol buffers.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// A running server. Its thread ends with the process.
#[derive(Debug)]
pub struct GrpcServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    resets: Arc<AtomicUsize>,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl GrpcServer {
    /// Starts it. Methods, of any service:
    ///
    /// - `Unary` answers with its message, `Stream` with each message as it comes;
    /// - `Asked` answers with what it was asked: `:authority`, `te`, `grpc-timeout`, `x-c-asked`;
    /// - `Fail` has trailers only, with status 7; `Late` sends a message and then status 9;
    /// - `Http` answers 503; `Bare` ends without a status; `Compressed` and `Huge` break the framing;
    /// - `Silent` never answers; `Goodbye` answers, and its connection is at its end.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an ephemeral port is free");
        listener.set_nonblocking(true).expect("a socket takes options");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (connections, resets) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let server = Self {
            address,
            connections: connections.clone(),
            resets: resets.clone(),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a runtime can be made")
                .block_on(serve(listener, connections, resets));
        });
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// How many requests were given up by the other side before they had been answered to their end.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.resets.load(Relaxed)
    }
}

async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>, resets: Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes the socket");
    while let Ok((socket, _)) = listener.accept().await {
        connections.fetch_add(1, Relaxed);
        let resets = resets.clone();
        tokio::spawn(async move {
            let goodbye = Arc::new(tokio::sync::Notify::new());
            let (told, given_up) = (goodbye.clone(), resets);
            let service = service_fn(move |request| answer(request, told.clone(), given_up.clone()));
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = goodbye.notified() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    goodbye: Arc<tokio::sync::Notify>,
    resets: Arc<AtomicUsize>,
) -> Result<Answer, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_string();
    let asked = asked(&request);
    let fine = [("grpc-status", "0"), ("x-c-trailing", "last")];
    let framed = |kind: u8, message: &[u8]| {
        let mut bytes = vec![kind];
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(message);
        Bytes::from(bytes)
    };
    let broken = |bytes: &'static [u8]| whole(vec![Bytes::from_static(bytes)], &fine);
    Ok(match method.as_str() {
        "Stream" => {
            let echo = Echo(request.into_body(), false);
            started(200, BodyExt::boxed(echo))
        }
        "Fail" => {
            let mut answer = whole(Vec::new(), &[]);
            for (name, value) in [("grpc-status", "7"), ("grpc-message", "no%20way")] {
                answer.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            *answer.body_mut() = BodyExt::boxed(http_body_util::Empty::new());
            answer
        }
        "Late" => whole(
            vec![framed(0, b"one")],
            &[("grpc-status", "9"), ("grpc-message", "after all")],
        ),
        "Http" => {
            let mut answer = whole(vec![Bytes::from_static(b"not now")], &[]);
            *answer.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
        "Bare" => whole(vec![framed(0, b"one")], &[]),
        "Compressed" => broken(b"\x01\0\0\0\x01x"),
        "Huge" => broken(b"\0\x7f\xff\xff\xffx"),
        "Silent" => {
            let given_up = Counting(resets);
            tokio::time::sleep(Duration::from_secs(60)).await;
            std::mem::forget(given_up);
            whole(Vec::new(), &fine)
        }
        "Asked" => whole(vec![framed(0, asked.as_bytes())], &fine),
        _ => {
            let body = request.into_body().collect().await.map(|body| body.to_bytes());
            if method == "Goodbye" {
                goodbye.notify_one();
            }
            whole(vec![body.unwrap_or_default()], &fine)
        }
    })
}

/// What of a request concerns the tests.
fn asked(request: &Request<Incoming>) -> String {
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let field = |name: &str| {
        let value = request.headers().get(name);
        value.map_or("none".into(), |value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        })
    };
    let [te, timeout, mine] = ["te", "grpc-timeout", "x-c-asked"].map(field);
    format!("{authority} te={te} timeout={timeout} x-c-asked={mine}")
}

fn started(status: u16, body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    for (name, value) in [("content-type", "application/grpc"), ("x-c-initial", "first")] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        let name = hyper::header::HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    };
    fields.iter().map(pair).collect()
}

fn whole(data: Vec<Bytes>, fields: &[(&'static str, &'static str)]) -> Answer {
    let mut frames: Vec<Result<_, Infallible>> = data.into_iter().map(|bytes| Ok(Frame::data(bytes))).collect();
    if !fields.is_empty() {
        frames.push(Ok(Frame::trailers(trailers(fields))));
    }
    started(200, BodyExt::boxed(StreamBody::new(Listed(frames.into_iter()))))
}

/// Frames that are all there.
struct Listed(std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Listed {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// What comes goes back, and then the status.
struct Echo(Incoming, bool);

impl Body for Echo {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.1 {
            return Poll::Ready(None);
        }
        match std::task::ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_data() => Poll::Ready(Some(Ok(frame))),
            _ => {
                self.1 = true;
                let fine = [("grpc-status", "0"), ("x-c-trailing", "last")];
                Poll::Ready(Some(Ok(Frame::trailers(trailers(&fine)))))
            }
        }
    }
}

/// Counts when it is dropped: the other side has given up.
struct Counting(Arc<AtomicUsize>);

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What came of a call.
#[derive(Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The head's fields.
    pub headers: HeaderMap,
    /// All bytes, frames and all.
    pub body: Vec<u8>,
    /// What came behind them.
    pub trailers: HeaderMap,
    /// The answer broke off.
    pub is_broken: bool,
}

/// Sends `count` requests at once on one HTTP/2 connection and answers their replies. Each is a POST of one framed message.
///
/// # Panics
/// When nobody listens.
#[must_use]
pub fn call(address: SocketAddr, path: &str, message: &str, count: usize) -> Vec<Reply> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let socket = tokio::net::TcpStream::connect(address).await.expect("somebody listens");
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .expect("a fresh connection takes a preface");
        let connection = tokio::spawn(connection);
        let calls =
            (0..count).map(|_| tokio::spawn(one(sender.clone(), address, path.to_string(), message.to_string())));
        let mut replies = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            replies.push(call.await.expect("a call does not panic"));
        }
        connection.abort();
        replies
    })
}

async fn one(
    mut sender: hyper::client::conn::http2::SendRequest<http_body_util::Full<Bytes>>,
    address: SocketAddr,
    path: String,
    message: String,
) -> Reply {
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message.as_bytes());
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(http_body_util::Full::new(Bytes::from(framed)))
        .expect("a request like any other");
    let Ok(answer) = sender.send_request(request).await else {
        return Reply::default();
    };
    let (parts, mut body) = answer.into_parts();
    let mut reply = Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        ..Reply::default()
    };
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => reply.body.extend_from_slice(&data),
            Ok(Err(other)) => reply.trailers = other.into_trailers().unwrap_or_default(),
            Err(_) => reply.is_broken = true,
        }
    }
    reply
}
