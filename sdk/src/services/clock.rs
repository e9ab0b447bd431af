//! The host's clock and its random numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::host;

/// The current time, by the host's clock.
///
/// # Errors
/// [`Error::Host`] if the host has no clock.
pub fn now() -> Result<SystemTime> {
    let nanoseconds = host::time_nanoseconds().map_err(Error::host("proxy_get_current_time_nanoseconds"))?;
    Ok(UNIX_EPOCH + Duration::from_nanos(nanoseconds))
}

/// A random number from the host, uniformly distributed over all values.
///
/// # Errors
/// [`Error::Host`] if the host has no random numbers.
pub fn random() -> Result<u64> {
    host::random().map_err(Error::host("random_get"))
}
