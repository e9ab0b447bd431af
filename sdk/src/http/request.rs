//! [`Request`]: the request, as a plugin reads and changes it.

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

/// The current request. Each method makes a host call; nothing is copied in advance.
#[derive(Debug)]
pub struct Request {
    end_of_stream: bool,
    message: Option<Rc<MessageState>>,
}

impl Request {
    /// The request of the current callback.
    #[doc(hidden)]
    pub fn from_host(end_of_stream: bool) -> Request {
        let message = None;
        Request { end_of_stream, message }
    }

    /// The request of a hook that waits.
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

    /// The headers.
    pub fn headers(&self) -> Headers {
        Headers::of_message(Map::RequestHeaders, self.message.as_deref())
    }

    /// The trailers; empty before the hook for trailers.
    pub fn trailers(&self) -> Headers {
        Headers::of(Map::RequestTrailers)
    }

    /// The method, like `GET`.
    pub fn method(&self) -> Result<String> {
        self.pseudo(":method")
    }

    /// The path without the query.
    pub fn path(&self) -> Result<String> {
        let mut path = self.path_and_query()?;
        path.truncate(path.find('?').unwrap_or(path.len()));
        Ok(path)
    }

    /// The path with the query, as it is forwarded.
    pub fn path_and_query(&self) -> Result<String> {
        self.pseudo(":path")
    }

    /// Sets the path with the query. The route does not change.
    pub fn set_path_and_query(&mut self, path_and_query: &str) -> Result<()> {
        self.headers().set(":path", path_and_query)
    }

    /// The authority of the request: the host, with the port if the client sent one.
    pub fn authority(&self) -> Result<String> {
        self.pseudo(":authority")
    }

    /// The scheme, `http` or `https`.
    pub fn scheme(&self) -> Result<String> {
        self.pseudo(":scheme")
    }

    /// The first value of a header; `None` if it is absent. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Result<Option<String>> {
        self.headers().first(name)
    }

    /// The first value of a header, parsed as another type; `None` if it is absent.
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
    /// [`Error::BadValue`] if the value is not of this type. When `on_request` returns it, the client gets a 400.
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

    /// The first value of a query parameter, decoded; `None` if it is absent.
    pub fn query(&self, name: &str) -> Result<Option<String>> {
        Ok(Query::of(&self.path_and_query()?).value(name).map(Cow::into_owned))
    }

    /// The first value of a query parameter, parsed as another type; `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::BadValue`] if the value is not of this type. When `on_request` returns it, the client gets a 400.
    pub fn query_as<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        Error::parsed(name, self.query(name)?.as_deref())
    }

    /// Removes all query parameters of this name.
    pub fn remove_query(&mut self, name: &str) -> Result<()> {
        match query::without(&self.path_and_query()?, name) {
            Some(path) => self.set_path_and_query(&path),
            None => Ok(()),
        }
    }

    /// The value of the first cookie of this name, in whichever `cookie` header it is; `None` if it is absent. Invalid UTF-8 is replaced.
    pub fn cookie(&self, name: &str) -> Result<Option<String>> {
        self.headers().cookie(name)
    }

    /// Removes all cookies of this name, from every `cookie` header. The other cookies stay as they were sent.
    pub fn remove_cookie(&mut self, name: &str) -> Result<()> {
        let lines = self.headers().all_bytes("cookie")?;
        let left: Vec<_> = lines.iter().map(|line| cookies::without_bytes(line, name)).collect();
        if left.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut is_first = true;
        for (line, left) in lines.iter().zip(&left) {
            let line = left.as_ref().unwrap_or(line);
            if left.is_some() && line.is_empty() {
                continue;
            }
            match is_first {
                true => self.set_header("cookie", line)?,
                false => self.add_header("cookie", line)?,
            }
            is_first = false;
        }
        if is_first { self.remove_header("cookie") } else { Ok(()) }
    }

    /// The address of the client; see [`property::client_address`].
    pub fn client_address(&self) -> Result<Option<IpAddr>> {
        property::client_address()
    }

    /// The name of the consumer that an earlier auth plugin has identified.
    pub fn consumer(&self) -> Result<Option<String>> {
        property::CONSUMER_NAME.value()
    }

    fn pseudo(&self, name: &'static str) -> error::Result<String> {
        self.header(name)?.ok_or(Error::Malformed(name))
    }
}
