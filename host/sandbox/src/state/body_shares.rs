//! How often a callback has `limits.deadline`: a plugin that may hold a body has the time to read it.

use lockgate_exchange::{BodyBuffer, Direction};

use super::{Phase, State};

/// The bytes of a body for which a callback has its deadline once.
const SHARE: usize = 64 * 1024;

/// Once, and once more for each further 64 KiB of the body that the running callback is shown. It is asked for at the end of an epoch only.
pub(super) fn of(state: &State) -> u32 {
    let direction = match state.phase {
        Phase::RequestBody => Direction::Request,
        Phase::ResponseBody => Direction::Response,
        _ => return 1,
    };
    let Some(Ok(exchange)) = state.effective.exchange.as_ref().map(|exchange| exchange.try_borrow()) else {
        return 1;
    };
    let current = match direction {
        Direction::Request => &exchange.request_body,
        Direction::Response => &exchange.response_body,
    };
    let held = exchange.held.find(state.effective.position, direction);
    let bytes = held.map_or(0, BodyBuffer::len).max(current.len());
    u32::try_from(bytes.div_ceil(SHARE)).unwrap_or(u32::MAX).max(1)
}
