//! Arguments and results of Lockgate's own functions, as JSON.

use lockgate_abi::Status;
use serde::{Deserialize, Serialize};

/// Reads an argument.
pub(crate) fn parse_argument<'a, T: Deserialize<'a>>(function: &str, argument: &'a [u8]) -> Result<T, Status> {
    serde_json::from_slice(argument).map_err(|error| bad_argument(function, &error))
}

/// Writes a result.
pub(crate) fn to_result(result: &impl Serialize) -> Result<Vec<u8>, Status> {
    serde_json::to_vec(result).map_err(|_| Status::SerializationFailure)
}

/// Logs the reason of a refused call; the plugin gets only the status.
pub(crate) fn bad_argument(function: &str, reason: &dyn std::fmt::Display) -> Status {
    tracing::debug!(function, %reason, "a plugin's call of a host function was refused");
    Status::BadArgument
}
