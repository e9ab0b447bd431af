//! [`SharedData`]: values that plugins of one `vm_id` share, as proxy-wasm defines them: without expiry, with compare-and-swap.

use std::time::Instant;

use bytes::Bytes;

use crate::kv::{Condition, Kv, KvError, KvLimits};

/// Values by `vm_id` and key, apart from the [`Kv`] of plugins.
#[derive(Debug)]
pub struct SharedData {
    values: Kv,
    /// A fixed time, as nothing here expires.
    always: Instant,
}

impl SharedData {
    pub(crate) fn new(limits: KvLimits) -> Self {
        Self {
            values: Kv::new(limits),
            always: Instant::now(),
        }
    }

    /// The value and its version, which is never 0 and never [`u32::MAX`].
    pub fn get(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        let value = self.values.value(vm_id, key, self.always)?;
        Some((value.bytes, value.version))
    }

    /// Writes a value: with `cas` 0 always; else only over that version, or if there is no value, as in Envoy. So with [`u32::MAX`] it is
    /// written only if there is none.
    ///
    /// # Errors
    /// [`KvError`]; the current value stays.
    pub fn set(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), KvError> {
        let condition = match cas {
            0 => Condition::Always,
            version => Condition::VersionOrAbsent(version),
        };
        self.values
            .set(vm_id, key, value, condition, None, self.always)
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_data_is_written_over_the_version_that_was_read_only() {
        let data = SharedData::new(KvLimits::default());
        assert_eq!(data.get("vm", "k"), None);
        data.set("vm", "k", b"one", 0).expect("room");
        let (_, version) = data.get("vm", "k").expect("written");
        data.set("vm", "k", b"two", version).expect("the version is right");
        assert!(matches!(
            data.set("vm", "k", b"three", version),
            Err(KvError::Conflict(Some(_)))
        ));
        assert_eq!(
            data.get("vm", "k").map(|(value, _)| value),
            Some(Bytes::from_static(b"two"))
        );
        assert_eq!(data.get("other", "k"), None);
    }

    #[test]
    fn of_two_first_writers_who_name_a_version_that_no_value_has_one_wins() {
        let data = SharedData::new(KvLimits::default());
        assert_eq!(data.set("vm", "fresh", b"one", u32::MAX), Ok(()));
        assert!(matches!(
            data.set("vm", "fresh", b"two", u32::MAX),
            Err(KvError::Conflict(Some(_)))
        ));
        assert_eq!(
            data.get("vm", "fresh").map(|(value, _)| value),
            Some(Bytes::from_static(b"one"))
        );
    }
}
