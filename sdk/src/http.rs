//! HTTP messages: request, response, headers, body, the plugin's own reply, and what is parsed from them.

pub(crate) mod body;
pub mod cookies;
pub(crate) mod headers;
pub(crate) mod message;
pub mod query;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod response;
pub mod template;
