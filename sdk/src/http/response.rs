//! [`Response`]: the response as a plugin sees and changes it on its way back.

use std::rc::Rc;
use std::str::FromStr;

use crate::abi::Map;
use crate::error::{Error, Result};
use crate::http::headers::Headers;
use crate::http::message::MessageState;

/// The current response. Every call asks the host; nothing is copied in advance.
#[derive(Debug)]
pub struct Response {
    end_of_stream: bool,
    message: Option<Rc<MessageState>>,
}

impl Response {
    /// As a callback of the host brings it.
    #[doc(hidden)]
    pub fn from_host(end_of_stream: bool) -> Response {
        let message = None;
        Response { end_of_stream, message }
    }

    /// As a hook that waits has it.
    #[doc(hidden)]
    pub fn of_stream(message: &Rc<MessageState>) -> Response {
        Response {
            end_of_stream: message.ended.get(),
            message: Some(message.clone()),
        }
    }

    /// Whether the response has no body and no trailers.
    pub fn is_without_body(&self) -> bool {
        self.end_of_stream
    }

    /// All headers.
    pub fn headers(&self) -> Headers {
        Headers::of_message(Map::ResponseHeaders, self.message.as_deref())
    }

    /// All trailers, in the trailers' phase.
    pub fn trailers(&self) -> Headers {
        Headers::of(Map::ResponseTrailers)
    }

    /// The headers of the request that this answers; empty where the host no longer has them.
    pub fn request_headers(&self) -> Headers {
        Headers::of(Map::RequestHeaders)
    }

    /// The status, like 200.
    pub fn status(&self) -> Result<u16> {
        let text = self.header(":status")?;
        text.and_then(|text| text.parse().ok())
            .ok_or(Error::Malformed(":status"))
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: u16) -> Result<()> {
        self.headers().set(":status", status.to_string())
    }

    /// A header's value; the first one when there are several.
    pub fn header(&self, name: &str) -> Result<Option<String>> {
        self.headers().first(name)
    }

    /// A header's value as another type; the first one when there are several.
    ///
    /// # Errors
    /// [`Error::BadValue`](crate::Error::BadValue) for one that is not of this type.
    pub fn header_as<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.headers().parsed(name)
    }

    /// Gives a header this value alone. See [`Headers::set`] for what is refused.
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.headers().set(name, value)
    }

    /// Adds a value to those that a header has.
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.headers().add(name, value)
    }

    /// Removes a header.
    pub fn remove_header(&mut self, name: &str) -> Result<()> {
        self.headers().remove(name)
    }
}
