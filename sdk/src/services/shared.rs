//! Shared data: values by key, shared by all workers and plugins with the same `vm_id`.

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// The maximum number of tries of [`update`] when other workers change the value in between.
const MAX_TRIES: usize = 256;
/// A version that no value has. Hosts write over a version, or where nothing is: with this one, only where nothing is.
const NO_VERSION: u32 = u32::MAX;

/// The value of a key; `None` if it has none.
pub fn value(key: &str) -> Result<Option<Vec<u8>>> {
    let data = host::shared_data(key).map_err(Error::host("proxy_get_shared_data"))?;
    Ok(data.map(|(value, _)| value))
}

/// Sets the value of a key unconditionally.
///
/// # Errors
/// `INTERNAL_FAILURE` if the host has no room for it; the current value stays.
pub fn set(key: &str, value: &[u8]) -> Result<()> {
    host::set_shared_data(key, value, 0).map_err(Error::host("proxy_set_shared_data"))
}

/// Changes the value of a key atomically (compare and swap), and returns the new value. `change` computes it from the
/// current one, and is called again if another worker has changed the value in between, or has written the first one.
///
/// # Errors
/// `CAS_MISMATCH` after 256 tries; those of [`set`].
pub fn update(key: &str, mut change: impl FnMut(Option<&[u8]>) -> Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..MAX_TRIES {
        let data = host::shared_data(key).map_err(Error::host("proxy_get_shared_data"))?;
        let (value, cas) = data.map_or((None, NO_VERSION), |(value, cas)| (Some(value), cas));
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
