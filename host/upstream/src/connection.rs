//! [`Connection`]: one HTTP/1.1 connection to an endpoint and the exchanges on it, one after the other.
//!
//! There is no task per connection. Whoever waits for an answer or its body polls the connection along, so that an
//! exchange costs no wake-up between tasks, and backpressure is simply not polling. Idle, it rests in the `pool`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::address::Address;
use crate::connect::Socket;
use crate::pool::{Pool, Reusable};
use crate::upstream::Keep;
use crate::waker::Doorbell;
use crate::wire::{Record, Wire};

/// What bodies may fail with.
pub(crate) type BodyFailure = Box<dyn std::error::Error + Send + Sync>;

/// A request's body: the caller's, or none when a request is repeated.
pub(crate) type RequestBody<B> = Either<B, Empty<Bytes>>;

/// The largest head that an upstream may answer with, and the most that is read or held for writing at once; bytes.
const BUFFER: usize = 64 * 1024;

/// An open connection.
pub(crate) struct Connection<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    sender: http1::SendRequest<RequestBody<B>>,
    /// Gone when the connection has ended.
    driver: Option<http1::Connection<TokioIo<Wire>, RequestBody<B>>>,
    doorbell: Doorbell,
    record: Rc<Record>,
    pool: Weak<Pool<Self>>,
    address: Address,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// How its last user wanted it kept.
    pub(crate) keep: Keep,
}

/// Why an exchange brought no answer.
pub(crate) enum Failure {
    /// Not one byte of the request was written; it is back where it was taken from.
    Unsent,
    /// The connection ended before a byte of an answer came.
    Unanswered {
        error: hyper::Error,
        /// Whether a byte of the request left.
        is_written: bool,
        /// The request's head, if it was to be kept for repeating.
        head: Option<Box<Request<()>>>,
    },
    /// Everything else.
    Failed(hyper::Error),
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Speaks HTTP/1.1 on a fresh connection to `address`. On its clean end the connection goes to `pool`.
    pub(crate) async fn open(
        socket: Socket,
        address: Address,
        keep: Keep,
        pool: &Rc<Pool<Self>>,
    ) -> io::Result<Box<Self>> {
        let (peer, local) = socket.ends()?;
        let record = Rc::new(Record::default());
        let wire = TokioIo::new(Wire::new(socket, Rc::clone(&record)));
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(wire)
            .await
            .map_err(io::Error::other)?;
        Ok(Box::new(Self {
            sender,
            driver: Some(driver),
            doorbell: Doorbell::new(),
            record,
            pool: Rc::downgrade(pool),
            address,
            peer,
            local,
            keep,
        }))
    }

    /// Takes the request, sends it, and waits for the head of its answer. `keep` asks to remember the request's head, for
    /// the case that the connection turns out to be dead; only for requests without a body.
    pub(crate) async fn exchange(
        &mut self,
        request: &mut Option<Request<RequestBody<B>>>,
        keep: bool,
    ) -> Result<Response<Incoming>, Failure> {
        self.record.begin(keep);
        let taken = request
            .take()
            .expect("whoever has an exchange made has a request for it");
        let mut answer = pin!(self.sender.try_send_request(taken));
        let (driver, doorbell) = (&mut self.driver, &self.doorbell);
        let result = std::future::poll_fn(|context| {
            drive(driver, doorbell, context);
            // Only the driver brings an answer, and this task has just polled it: nobody needs to be woken.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        result.map_err(|mut failure| {
            *request = failure.take_message();
            if request.is_some() {
                Failure::Unsent
            } else if self.record.is_answered() || failure.error().is_user() {
                Failure::Failed(failure.into_error())
            } else {
                let (is_written, head) = (self.record.is_written(), self.record.head().map(Box::new));
                Failure::Unanswered {
                    error: failure.into_error(),
                    is_written,
                    head,
                }
            }
        })
    }
}

impl<B> Reusable for Connection<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    fn address(&self) -> &Address {
        &self.address
    }

    fn keep(&self) -> Keep {
        self.keep
    }

    fn is_idle(&mut self) -> bool {
        drive(
            &mut self.driver,
            &self.doorbell,
            &mut Context::from_waker(Waker::noop()),
        );
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Lets the connection do what can be done now; the task behind `context` is woken when there is more.
fn drive<B>(
    driver: &mut Option<http1::Connection<TokioIo<Wire>, RequestBody<B>>>,
    doorbell: &Doorbell,
    context: &mut Context<'_>,
) where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    doorbell.answer_to(context.waker());
    if let Some(connection) = driver
        && let Poll::Ready(end) = Pin::new(connection).poll(&mut doorbell.context())
    {
        // Whoever waits for an answer or a body has been given the error by hyper; the rest is for the curious.
        if let Err(error) = end {
            tracing::debug!(%error, "an upstream connection ended");
        }
        *driver = None;
    }
}

/// A connection as the body of a response holds it, whatever the type of the request's body was.
pub(crate) trait Held {
    /// Lets the connection do what can be done now.
    fn drive(&mut self, context: &mut Context<'_>);
    /// What the connection wakes the polling task with.
    fn doorbell(&self) -> &Doorbell;
    /// The exchange is over: back to the pool, if the connection can be used again.
    fn give_back(self: Box<Self>);
}

impl<B> Held for Connection<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.driver, &self.doorbell, context);
    }

    fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    fn give_back(mut self: Box<Self>) {
        // Mostly it is ready already; else the request's body may still be on its way, or the upstream wants to close.
        let is_idle = (self.driver.is_some() && self.sender.is_ready()) || self.is_idle();
        if let Some(pool) = self.pool.upgrade()
            && is_idle
        {
            pool.put(self);
        }
    }
}
