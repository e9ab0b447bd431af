//! JSON in, JSON out: arguments and answers of the host's own functions.

use lockgate_abi::Status;
use serde::{Deserialize, Serialize};

/// Reads an argument.
pub(crate) fn read<'a, T: Deserialize<'a>>(function: &str, argument: &'a [u8]) -> Result<T, Status> {
    serde_json::from_slice(argument).map_err(|error| bad(function, &error))
}

/// Writes an answer.
pub(crate) fn write(answer: &impl Serialize) -> Result<Vec<u8>, Status> {
    serde_json::to_vec(answer).map_err(|_| Status::SerializationFailure)
}

/// Tells the log what was wrong; the plugin only learns that something was.
pub(crate) fn bad(function: &str, reason: &dyn std::fmt::Display) -> Status {
    tracing::debug!(function, %reason, "a plugin's call of a host function was refused");
    Status::BadArgument
}
