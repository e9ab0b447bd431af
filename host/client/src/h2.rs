//! HTTP/2: an attempt is one stream on a shared connection.
//!
//! In clear text and with prior knowledge (RFC 9113, section 3.3). A task per connection moves its frames, unlike in HTTP/1.1, where
//! whoever waits for a response does. Backpressure is HTTP/2's own flow control.

mod body;
mod connection;
mod error;
mod pool;
mod request;

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body::Body;

use self::connection::Failure;
pub(crate) use self::pool::H2Pool;
pub use self::request::H2Request;
use crate::connect::Connect;
use crate::error::{AttemptError, BodyFailure, ConnectionError, ExchangeError, Progress};
use crate::pool_settings::PoolSettings;
use crate::received::Received;
use crate::target::Target;

/// Sends a request to `target` and waits for the head of the response. One that `is_repeat`ed is not kept for a further attempt.
///
/// # Errors
/// [`AttemptError`]. The request is kept if nothing of it was sent, or if it has no body and goes out for the first time.
pub(crate) async fn send<B>(
    pool: &Rc<H2Pool<B>>,
    connector: Option<&dyn Connect>,
    target: &Target,
    settings: &PoolSettings,
    request: &mut H2Request<B>,
    is_repeat: bool,
) -> Result<Received, AttemptError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let stream = pool.acquire(connector, target, settings).await;
    let stream = stream.map_err(AttemptError::not_connected)?;
    let (peer, local, is_reused) = (stream.peer, stream.local, stream.is_reused);
    let sent = request.take(&target.address, !is_repeat);
    match stream.exchange(sent).await {
        Ok((response, permit)) => Ok(Received {
            response: response.map(|incoming| body::pooled(incoming, permit)),
            peer,
            local,
        }),
        Err(Failure::Unsent(unsent)) => {
            request.put_back(*unsent);
            Err(AttemptError {
                error: ExchangeError::Protocol {
                    peer,
                    reason: "its connections close as soon as they are open",
                },
                progress: Progress::Unsent,
            })
        }
        Err(Failure::Unprocessed(error)) => Err(AttemptError {
            error: explain(error, peer),
            progress: Progress::Unprocessed,
        }),
        Err(Failure::Failed(error)) => Err(AttemptError {
            error: explain(error, peer),
            progress: if is_reused {
                Progress::Unanswered
            } else {
                Progress::Final
            },
        }),
    }
}

fn explain(error: hyper::Error, peer: SocketAddr) -> ExchangeError {
    if error.is_user() {
        ExchangeError::RequestBody(Box::new(error))
    } else if error::is_malformed(&error) {
        ExchangeError::Protocol {
            peer,
            reason: "not HTTP/2",
        }
    } else {
        ExchangeError::Closed {
            peer,
            source: ConnectionError::Http2(error),
        }
    }
}
