//! Foreign functions: functions that a host offers beyond the ABI, called by name. `counter` and `cache` wrap
//! Lockgate's, whose arguments and results are JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// Calls a foreign function. The function defines the format of its argument and result.
///
/// # Errors
/// [`Error::Unsupported`] if the host has no such function; [`Error::Host`] if the function fails.
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
