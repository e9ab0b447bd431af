//! Calls to the host's own functions: JSON there and back, for the typed functions in `counter` and
//! `cache`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// Calls a function by name with bytes of its own form.
///
/// # Errors
/// [`Error::Unsupported`] where the host has no such function.
pub fn call(name: &'static str, argument: &[u8]) -> Result<Vec<u8>> {
    host::call_foreign_function(name, argument).map_err(|status| match status {
        Status::NotFound | Status::Unimplemented => Error::Unsupported(name),
        status => Error::Host { call: name, status },
    })
}

pub(crate) fn call_json<T: DeserializeOwned>(name: &'static str, argument: &impl Serialize) -> Result<T> {
    let argument = serde_json::to_vec(argument).map_err(|error| Error::Plugin(error.to_string()))?;
    serde_json::from_slice(&call(name, &argument)?).map_err(|_| Error::Malformed(name))
}
