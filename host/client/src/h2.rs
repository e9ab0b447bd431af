//! HTTP/2: in clear text with prior knowledge (RFC 9113, section 3.3), over TLS by ALPN (section 3.2). A task per connection moves its frames, unlike in HTTP/1.1, where
//! whoever waits for a response does. Backpressure is HTTP/2's own flow control.

mod body;
mod connection;
mod error;
mod exchange;
mod pool;
mod request;
mod upload;
mod wire;

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body::Body;

use self::connection::H2Stream;
use self::exchange::Failure;
use self::pool::Need;
pub(crate) use self::pool::{Acquired, H2Pool};
pub use self::request::H2Request;
use crate::alpn::Offer;
use crate::connect::Connector;
use crate::error::{AttemptError, BodyFailure, ConnectionError, ExchangeError, Progress};
use crate::pool_settings::PoolSettings;
use crate::received::Received;
use crate::target::Target;

/// Sends a request to `target` and waits for the head of the response; first on a connection if it `needs_fresh`.
///
/// # Errors
/// [`AttemptError`]. If it says that the request may be sent again, all of the request is there.
pub(crate) async fn send<B>(
    pool: &Rc<H2Pool>,
    connector: &Connector,
    target: &Target,
    settings: &PoolSettings,
    request: &mut H2Request<B>,
    needs_fresh: bool,
) -> Result<Received, AttemptError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let acquired = acquire(pool, connector, target, settings, request, Offer::Http2, needs_fresh).await?;
    let stream = match acquired {
        Acquired::Stream(stream) => stream,
        Acquired::Other(connected) => {
            let stream = pool.adopt(connected, target, settings).await;
            stream.map_err(AttemptError::not_connected)?
        }
    };
    send_on(stream, target, settings, request).await
}

/// A stream for a request to `target`, on a connection of its own if it `needs_fresh`; or a connection whose endpoint, of what it was
/// offered, has not chosen HTTP/2.
pub(crate) async fn acquire<B>(
    pool: &Rc<H2Pool>,
    connector: &Connector,
    target: &Target,
    settings: &PoolSettings,
    request: &H2Request<B>,
    offer: Offer,
    needs_fresh: bool,
) -> Result<Acquired, AttemptError> {
    let need = Need {
        is_upload: !request.upload.is_sent(),
        is_fresh: needs_fresh,
        offer,
    };
    let acquired = pool.acquire(connector, target, settings, need).await;
    acquired.map_err(AttemptError::not_connected)
}

/// Sends a request on a stream, and waits for the head of the response.
///
/// # Errors
/// As for [`send`].
pub(crate) async fn send_on<B>(
    stream: H2Stream,
    target: &Target,
    settings: &PoolSettings,
    request: &mut H2Request<B>,
) -> Result<Received, AttemptError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let (peer, local, is_reused) = (stream.peer, stream.local, stream.is_reused);
    match exchange::exchange(stream, target, request, settings.response_head).await {
        Ok(response) => Ok(Received { response, peer, local }),
        Err(failure) => {
            let is_whole = request.upload.rewind();
            Err(explain(failure, peer, is_reused, is_whole))
        }
    }
}

/// A failed attempt, by what the stream met with, of a request of which all is there, or not.
fn explain(failure: Failure, peer: SocketAddr, is_reused: bool, is_whole: bool) -> AttemptError {
    let (error, progress) = match failure {
        Failure::Body(error) => (ExchangeError::RequestBody(error), Progress::Final),
        Failure::Head(error) => (ExchangeError::at(peer, error.into()), Progress::Final),
        Failure::Unsent(error) => (broken(error, peer), Progress::Unsent),
        Failure::Unprocessed(error) => (broken(error, peer), Progress::Unprocessed),
        Failure::Failed(error) if is_reused => (broken(error, peer), Progress::Unanswered),
        Failure::Failed(error) => (broken(error, peer), Progress::Final),
    };
    AttemptError {
        error,
        progress: if is_whole { progress } else { Progress::Final },
    }
}

fn broken(error: h2::Error, peer: SocketAddr) -> ExchangeError {
    match error::is_malformed(&error) {
        true => ExchangeError::at(peer, ConnectionError::Malformed("not HTTP/2")),
        false => ExchangeError::at(peer, ConnectionError::Http2(error)),
    }
}
