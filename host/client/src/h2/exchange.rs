//! An exchange on a stream: a request goes out, and the head of its response comes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::Body;

use super::body::{StreamBody, UploadTask};
use super::connection::{H2Stream, Load, StreamPermit};
use super::error::is_unprocessed;
use super::request::H2Request;
use super::upload::{Upload, UploadEnd};
use crate::body::PooledBody;
use crate::error::BodyFailure;
use crate::head_limits::{HeadError, ResponseHeadLimits, parse_length};
use crate::interim::MAX_INTERIM;
use crate::target::Target;

/// Why an exchange brought no response.
pub(super) enum Failure {
    /// Nothing of the request was sent, or nobody can have read a byte of it.
    Unsent(h2::Error),
    /// The upstream says that it has not processed the request, so sending it again does no harm.
    Unprocessed(h2::Error),
    /// The response cannot be passed on.
    Head(HeadError),
    /// The request's body failed.
    Body(BodyFailure),
    /// Any other reason.
    Failed(h2::Error),
}

/// Sends a request and waits for the head of its response. Dropping the future, or the body, resets the stream and no other.
pub(super) async fn exchange<B>(
    stream: H2Stream,
    target: &Target,
    request: &mut H2Request<B>,
    limits: ResponseHeadLimits,
) -> Result<Response<PooledBody>, Failure>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let H2Stream {
        mut sender,
        permit,
        wire,
        ..
    } = stream;
    let begin = wire.position();
    let opened = sender.send_request(request.head(target), request.upload.is_sent());
    let (response, outgoing) = match opened {
        Ok(opened) => opened,
        Err(error) if error.is_go_away() || error.is_io() => return Err(Failure::Unsent(error)),
        Err(error) => return Err(Failure::Failed(error)),
    };
    drop(sender);
    let mut open = OpenStream {
        response,
        outgoing,
        is_upload_over: false,
        interim: 0,
    };
    let head = poll_fn(|context| open.poll_head(request, &permit.0, context)).await;
    let response = match head {
        Ok(response) => response,
        Err(Failure::Failed(error)) if is_unprocessed(&error) => return Err(Failure::Unprocessed(error)),
        Err(Failure::Failed(error)) if error.is_io() && wire.is_unread_from(begin) => {
            return Err(Failure::Unsent(error));
        }
        Err(failure) => return Err(failure),
    };
    let upload = std::mem::replace(&mut request.upload, Upload::done());
    open.receive(response, request.is_head(), upload, permit, limits)
        .map_err(Failure::Head)
}

struct OpenStream {
    response: ResponseFuture,
    outgoing: SendStream<Bytes>,
    is_upload_over: bool,
    interim: u32,
}

impl OpenStream {
    fn poll_head<B>(
        &mut self,
        request: &mut H2Request<B>,
        load: &Rc<Load>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Failure>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyFailure>,
    {
        while let Poll::Ready(Some(interim)) = self.response.poll_informational(context) {
            let interim = interim.map_err(Failure::Failed)?;
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Poll::Ready(Err(Failure::Head(HeadError::Malformed("too many interim responses"))));
            }
            request.interim.pass(interim.status(), interim.headers());
        }
        if let Poll::Ready(response) = Pin::new(&mut self.response).poll(context) {
            return Poll::Ready(response.map_err(Failure::Failed));
        }
        if !self.is_upload_over
            && let Poll::Ready(outcome) = request.upload.poll_send(&mut self.outgoing, load, context)
        {
            self.is_upload_over = true;
            if let Err(UploadEnd::Body(error)) = outcome {
                self.outgoing.send_reset(Reason::CANCEL);
                return Poll::Ready(Err(Failure::Body(error)));
            }
        }
        Poll::Pending
    }

    /// The response with its body. What is left of the request's body goes out by itself.
    fn receive<B>(
        self,
        response: Response<RecvStream>,
        is_head_request: bool,
        mut upload: Upload<B>,
        permit: StreamPermit,
        limits: ResponseHeadLimits,
    ) -> Result<Response<PooledBody>, HeadError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<BodyFailure>,
    {
        let (head, incoming) = response.into_parts();
        let left = check(&head, limits)?;
        let forbids_body =
            is_head_request || head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED;
        if forbids_body || incoming.is_end_stream() {
            // Whatever comes behind it is nobody's: the stream is reset.
            return Ok(Response::from_parts(head, PooledBody::complete(Bytes::new())));
        }
        let upload = (!self.is_upload_over && !upload.is_sent()).then(|| {
            upload.settle();
            upload_task(upload, self.outgoing, &permit.0)
        });
        let body = StreamBody {
            incoming,
            left,
            upload,
            _permit: permit,
        };
        Ok(Response::from_parts(head, PooledBody::open(Box::new(body))))
    }
}

/// Checks the head's size and its length, which it returns.
fn check(head: &http::response::Parts, limits: ResponseHeadLimits) -> Result<Option<u64>, HeadError> {
    limits.check_fields(head.headers.len())?;
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
    limits.check_bytes(head.headers.iter().map(field).sum())?;
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(HeadError::Malformed("more than one content-length"));
    }
    length
        .map(|length| parse_length(length.as_bytes()).ok_or(HeadError::Malformed("content-length is not a number")))
        .transpose()
}

/// Sends the rest of an upload while its response comes: whoever reads the response may wait for more of it than the upload allows.
fn upload_task<B>(mut upload: Upload<B>, mut outgoing: SendStream<Bytes>, load: &Rc<Load>) -> UploadTask
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let failure = Rc::new(RefCell::new(None));
    let (told, load) = (Rc::clone(&failure), Rc::clone(load));
    let task = tokio::task::spawn_local(async move {
        let sent = poll_fn(|context| upload.poll_send(&mut outgoing, &load, context)).await;
        if let Err(UploadEnd::Body(error)) = sent {
            *told.borrow_mut() = Some(error);
            outgoing.send_reset(Reason::CANCEL);
        }
    });
    UploadTask {
        task: task.abort_handle(),
        failure,
    }
}
