//! [`Request`]: the request as a plugin sees and changes it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::str::FromStr;

use crate::abi::Map;
use crate::error;
use crate::error::{Error, Result};
use crate::http::cookies;
use crate::http::headers::Headers;
use crate::http::message::MessageState;
use crate::http::query::{self, Query};
use crate::services::property;

/// The current request. Every call asks the host; nothing is copied in advance.
#[derive(Debug)]
pub struct Request {
    end_of_stream: bool,
    message: Option<Rc<MessageState>>,
}

impl Request {
    /// As a callback of the host brings it.
    #[doc(hidden)]
    pub fn from_host(end_of_stream: bool) -> Request {
        let message = None;
        Request { end_of_stream, message }
    }

    /// As a hook that waits has it.
    #[doc(hidden)]
    pub fn of_stream(message: &Rc<MessageState>) -> Request {
        Request {
            end_of_stream: message.ended.get(),
            message: Some(message.clone()),
        }
    }

    /// Whether the request has no body and no trailers.
    pub fn is_without_body(&self) -> bool {
        self.end_of_stream
    }

    /// All headers.
    pub fn headers(&self) -> Headers {
        Headers::of_message(Map::RequestHeaders, self.message.as_deref())
    }

    /// All trailers, in the trailers' phase.
    pub fn trailers(&self) -> Headers {
        Headers::of(Map::RequestTrailers)
    }

    /// The method, like `GET`.
    pub fn method(&self) -> Result<String> {
        self.pseudo(":method")
    }

    /// The path without its query.
    pub fn path(&self) -> Result<String> {
        let mut path = self.path_and_query()?;
        path.truncate(path.find('?').unwrap_or(path.len()));
        Ok(path)
    }

    /// The path with its query, as it will be forwarded.
    pub fn path_and_query(&self) -> Result<String> {
        self.pseudo(":path")
    }

    /// Changes path and query. The route stays the one that was found.
    pub fn set_path_and_query(&mut self, path_and_query: &str) -> Result<()> {
        self.headers().set(":path", path_and_query)
    }

    /// The host that the client asked for, with a port if it named one.
    pub fn authority(&self) -> Result<String> {
        self.pseudo(":authority")
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Result<String> {
        self.pseudo(":scheme")
    }

    /// A header's value; the first one when there are several.
    pub fn header(&self, name: &str) -> Result<Option<String>> {
        self.headers().first(name)
    }

    /// A header's value as another type; the first one when there are several.
    ///
    /// ```
    /// # use lockgate_sdk::prelude::*;
    /// # fn hook(request: &Request) -> Result<()> {
    /// let limit = request.header_as::<u32>("x-limit")?.unwrap_or(100);
    /// # drop(limit); Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadValue`] for one that is not of this type; a request hook that returns it is answered with a 400.
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

    /// A query parameter, decoded; the first one when there are several.
    pub fn query(&self, name: &str) -> Result<Option<String>> {
        Ok(Query::of(&self.path_and_query()?).value(name).map(Cow::into_owned))
    }

    /// A query parameter as another type; the first one when there are several.
    ///
    /// # Errors
    /// [`Error::BadValue`] for one that is not of this type; a request hook that returns it is answered with a 400.
    pub fn query_as<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        Error::parsed(name, self.query(name)?.as_deref())
    }

    /// Removes the query parameters of this name.
    pub fn remove_query(&mut self, name: &str) -> Result<()> {
        match query::without(&self.path_and_query()?, name) {
            Some(path) => self.set_path_and_query(&path),
            None => Ok(()),
        }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Result<Option<String>> {
        let headers = self.header("cookie")?;
        Ok(headers.and_then(|header| cookies::value(&header, name).map(str::to_owned)))
    }

    /// Removes the cookies of this name.
    pub fn remove_cookie(&mut self, name: &str) -> Result<()> {
        let left = self
            .header("cookie")?
            .and_then(|header| cookies::without(&header, name));
        match left.as_deref() {
            Some("") => self.remove_header("cookie"),
            Some(rest) => self.set_header("cookie", rest),
            None => Ok(()),
        }
    }

    /// The address of the real client. See [`property::client_address`].
    pub fn client_address(&self) -> Result<Option<IpAddr>> {
        property::client_address()
    }

    /// The consumer that an auth plugin before this one has found.
    pub fn consumer(&self) -> Result<Option<String>> {
        property::CONSUMER_NAME.value()
    }

    fn pseudo(&self, name: &'static str) -> error::Result<String> {
        self.header(name)?.ok_or(Error::Malformed(name))
    }
}
