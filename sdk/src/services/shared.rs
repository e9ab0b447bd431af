//! Data that all requests and workers of one `vm_id` share.

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// How often [`update`] tries again when others change the value meanwhile.
const MAX_TRIES: usize = 16;

/// The value of a key.
pub fn value(key: &str) -> Result<Option<Vec<u8>>> {
    let data = host::shared_data(key).map_err(Error::host("proxy_get_shared_data"))?;
    Ok(data.map(|(value, _)| value))
}

/// Sets the value of a key, whatever it was.
pub fn set(key: &str, value: &[u8]) -> Result<()> {
    host::set_shared_data(key, value, 0).map_err(Error::host("proxy_set_shared_data"))
}

/// Changes the value of a key in one step: `change` gets the value, and is called again when another worker was
/// quicker. Yields the value that was written. The first value of a key is written unconditionally, as the ABI has no way to say "only if absent".
///
/// # Errors
/// `CAS_MISMATCH` when others were quicker 16 times.
pub fn update(key: &str, mut change: impl FnMut(Option<&[u8]>) -> Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..MAX_TRIES {
        let data = host::shared_data(key).map_err(Error::host("proxy_get_shared_data"))?;
        let (value, cas) = data.map_or((None, 0), |(value, cas)| (Some(value), cas));
        let changed = change(value.as_deref());
        match host::set_shared_data(key, &changed, cas) {
            Ok(()) => return Ok(changed),
            Err(Status::CasMismatch) => {}
            Err(status) => return Err(Error::host("proxy_set_shared_data")(status)),
        }
    }
    Err(Error::Host {
        call: "proxy_set_shared_data",
        status: Status::CasMismatch,
    })
}
