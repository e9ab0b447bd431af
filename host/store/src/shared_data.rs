//! [`SharedData`]: values that plugins of one `vm_id` share, as proxy-wasm defines them: without expiry, with compare-and-swap.

use std::time::Instant;

use bytes::Bytes;

use crate::keys::{KeyError, KeyLimits, Keys};

/// Values by `vm_id` and key, apart from [`Keys`] that others write.
#[derive(Debug)]
pub struct SharedData {
    keys: Keys,
    /// A fixed time, as nothing here expires.
    always: Instant,
}

impl SharedData {
    pub(crate) fn new(limits: KeyLimits) -> Self {
        Self {
            keys: Keys::new(limits),
            always: Instant::now(),
        }
    }

    /// The value and its version, which is never 0.
    pub fn get(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.keys.value(vm_id, key, self.always)
    }

    /// Writes a value: with `cas` 0 always; else only over that version, or if there is no value, as in Envoy.
    ///
    /// # Errors
    /// [`KeyError`]; the current value stays.
    pub fn set(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), KeyError> {
        self.keys.set(vm_id, key, value, cas, None, self.always).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_data_is_written_over_the_version_that_was_read_only() {
        let data = SharedData::new(KeyLimits::default());
        assert_eq!(data.get("vm", "k"), None);
        data.set("vm", "k", b"one", 0).expect("room");
        let (_, version) = data.get("vm", "k").expect("written");
        data.set("vm", "k", b"two", version).expect("the version is right");
        assert_eq!(data.set("vm", "k", b"three", version), Err(KeyError::CasMismatch));
        assert_eq!(
            data.get("vm", "k").map(|(value, _)| value),
            Some(Bytes::from_static(b"two"))
        );
        assert_eq!(data.get("other", "k"), None);
    }
}
