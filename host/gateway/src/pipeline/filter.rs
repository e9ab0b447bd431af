//! The filter step: the plugins of the chain see a message's head, and what is left to send is a body that passes those who read it.

use std::rc::Rc;

use crate::body::source::BodySource;
use crate::chain::filter::FilteredMessage;
use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, Stop};

/// Takes the request's head through the plugins; what is left to send then.
///
/// # Errors
/// What ended its way.
pub(crate) async fn request(chain: &Rc<Chain>, source: BodySource) -> Result<MessageBody, Stop> {
    if chain.is_empty() {
        return Ok(MessageBody::Direct(source));
    }
    filtered(Box::new(FilteredMessage::request(chain.clone(), source))).await
}

/// Takes the response's head back through the plugins, from the one at `first`; what is left to send then.
///
/// # Errors
/// What ended its way.
pub(crate) async fn response(chain: &Rc<Chain>, first: Option<usize>, source: BodySource) -> Result<MessageBody, Stop> {
    match first {
        None => Ok(MessageBody::Direct(source)),
        Some(first) => filtered(Box::new(FilteredMessage::response(chain.clone(), first, source))).await,
    }
}

async fn filtered(mut message: Box<FilteredMessage>) -> Result<MessageBody, Stop> {
    message.head().await?;
    Ok(if message.carries_body() {
        MessageBody::Filtered(message)
    } else {
        MessageBody::Direct(message.into_source())
    })
}
