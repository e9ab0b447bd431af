//! Time: the host's clock and its ticks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::host;

/// The host's time.
pub fn now() -> Result<SystemTime> {
    let nanoseconds = host::time_nanoseconds().map_err(Error::host("proxy_get_current_time_nanoseconds"))?;
    Ok(UNIX_EPOCH + Duration::from_nanos(nanoseconds))
}

/// Has [`on_tick`](crate::Plugin::on_tick) called in this period, in whole milliseconds; zero ends it. For `new`.
pub fn tick_every(period: Duration) -> Result<()> {
    let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    host::set_tick_period(milliseconds).map_err(Error::host("proxy_set_tick_period_milliseconds"))
}
