//! What the host gives from its surroundings: the time, ticks, chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::host;

/// The host's time.
pub fn now() -> Result<SystemTime> {
    let nanoseconds = host::time_nanoseconds().map_err(Error::host("proxy_get_current_time_nanoseconds"))?;
    Ok(UNIX_EPOCH + Duration::from_nanos(nanoseconds))
}

/// A random number, from the host's source.
pub fn random() -> Result<u64> {
    host::random().map_err(Error::host("random_get"))
}
