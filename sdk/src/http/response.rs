//! [`Response`]: the response, as a plugin reads and changes it.

use std::rc::Rc;
use std::str::FromStr;

use crate::abi::Map;
use crate::error::{Error, Result};
use crate::http::headers::Headers;
use crate::http::message::MessageState;

/// The current response. Each method makes a host call; nothing is copied in advance.
#[derive(Debug)]
pub struct Response {
    end_of_stream: bool,
    message: Option<Rc<MessageState>>,
}

impl Response {
    /// The response of the current callback.
    #[doc(hidden)]
    pub fn from_host(end_of_stream: bool) -> Response {
        let message = None;
        Response { end_of_stream, message }
    }

    /// The response of a hook that waits.
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

    /// The headers.
    pub fn headers(&self) -> Headers {
        Headers::of_message(Map::ResponseHeaders, self.message.as_deref())
    }

    /// The trailers; empty before the hook for trailers.
    pub fn trailers(&self) -> Headers {
        Headers::of(Map::ResponseTrailers)
    }

    /// The headers of the request; empty if the host no longer has them.
    pub fn request_headers(&self) -> Headers {
        Headers::of(Map::RequestHeaders)
    }

    /// The status, like 200.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the host has none.
    pub fn status(&self) -> Result<u16> {
        let text = self.header(":status")?;
        text.and_then(|text| text.parse().ok())
            .ok_or(Error::Malformed(":status"))
    }

    /// Sets the status.
    pub fn set_status(&mut self, status: u16) -> Result<()> {
        self.headers().set(":status", status.to_string())
    }

    /// The first value of a header; `None` if it is absent. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Result<Option<String>> {
        self.headers().first(name)
    }

    /// The first value of a header, parsed as another type; `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::BadValue`](crate::Error::BadValue) if the value is not of this type.
    pub fn header_as<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.headers().parsed(name)
    }

    /// Sets a header to this value, in place of all values that it has. Errors as [`Headers::set`].
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.headers().set(name, value)
    }

    /// Adds a value to a header. Errors as [`Headers::set`].
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.headers().add(name, value)
    }

    /// Removes all values of a header. Errors as [`Headers::set`].
    pub fn remove_header(&mut self, name: &str) -> Result<()> {
        self.headers().remove(name)
    }
}
