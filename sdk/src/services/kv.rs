//! The foreign function `lockgate.kv`: values by key that all workers share and that survive reloads, each with a
//! version and optionally a time to live. Other hosts than Lockgate return
//! [`Error::Unsupported`](crate::Error::Unsupported).
//!
//! ```
//! # use lockgate_sdk::kv::Kv;
//! # use std::time::Duration;
//! # fn hook(user: &str) -> lockgate_sdk::Result<()> {
//! let logins = Kv::own().increase(user, 1, Some(Duration::from_secs(86_400)))?;
//! let last = Kv::own().update("users", None, |users| [users.unwrap_or_default(), user.as_bytes(), b" "].concat())?;
//! # drop((logins, last)); Ok(())
//! # }
//! ```
//!
//! Keys belong to the plugin, by its name in the configuration. Those of [`Kv::shared`] belong to all plugins with the
//! same `vm_id`. A value is never evicted before it expires: without room, a write is
//! [`Error::Full`](crate::Error::Full).

use std::borrow::Cow;
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host::pending::PendingCalls;
use crate::services::foreign;
use crate::text::{base64, push_number};

const FUNCTION: &str = "lockgate.kv";

/// The maximum number of tries of [`Kv::update`] when others change the value in between.
const MAX_TRIES: usize = 256;

/// The values of the plugin, or of all plugins with its `vm_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kv {
    shared: bool,
}

/// A value as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The version: another one after each write.
    pub version: u32,
    /// The time that it still lives; `None` if it does not expire.
    pub expires_in: Option<Duration>,
}

#[derive(Serialize)]
struct Call<'a> {
    op: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    shared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The members of all results.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    found: bool,
    #[serde(default, borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    base64: Option<Cow<'a, str>>,
    version: Option<u32>,
    ttl_ms: Option<u64>,
    #[serde(default)]
    written: bool,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    more: bool,
    watch: Option<u32>,
}

impl Kv {
    /// The plugin's own values.
    pub const fn own() -> Kv {
        Kv { shared: false }
    }

    /// The values that all plugins with the same `vm_id` share. Without a `vm_id`, no other plugin does.
    pub const fn shared() -> Kv {
        Kv { shared: true }
    }

    /// The value of a key; `None` if it has none, or if it has expired.
    ///
    /// # Errors
    /// [`Error::Unsupported`] in another host than Lockgate. So do all functions here.
    pub fn get(self, key: &str) -> Result<Option<Value>> {
        self.call(self.keyed("get", key), |answer| {
            if !answer.found {
                return Some(None);
            }
            let bytes = match (answer.value, answer.base64) {
                (Some(text), _) => text.into_owned().into_bytes(),
                (None, Some(encoded)) => base64::decode(&encoded)?,
                (None, None) => return None,
            };
            Some(Some(Value {
                bytes,
                version: answer.version?,
                expires_in: answer.ttl_ms.map(Duration::from_millis),
            }))
        })
    }

    /// Writes a value, for the time `ttl` or without expiry.
    ///
    /// # Errors
    /// [`Error::Full`] without room; the current value stays. `BAD_ARGUMENT` for a key above 4096 bytes, or a value
    /// above `kv.max_value`.
    pub fn set(self, key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<()> {
        self.write(self.keyed("set", key), value.as_ref(), ttl).map(drop)
    }

    /// Writes a value if there is none, and returns its version; `None` if there is one.
    ///
    /// # Errors
    /// As [`Kv::set`].
    pub fn add(self, key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<Option<u32>> {
        self.write(self.keyed("add", key), value.as_ref(), ttl)
    }

    /// Writes a value over the one with this version (compare and swap), and returns its version; `None` if there is
    /// another one, or none.
    ///
    /// # Errors
    /// As [`Kv::set`].
    pub fn replace(
        self,
        key: &str,
        version: u32,
        value: impl AsRef<[u8]>,
        ttl: Option<Duration>,
    ) -> Result<Option<u32>> {
        let call = Call {
            version: Some(version),
            ..self.keyed("cas", key)
        };
        self.write(call, value.as_ref(), ttl)
    }

    /// Changes a value atomically, and returns the new one. `change` computes it from the current one, and is called
    /// again if someone else has written in between. `ttl` is that of the new value.
    ///
    /// # Errors
    /// As [`Kv::set`]; [`Error::Host`] with `CAS_MISMATCH` after 256 tries.
    pub fn update(
        self,
        key: &str,
        ttl: Option<Duration>,
        mut change: impl FnMut(Option<&[u8]>) -> Vec<u8>,
    ) -> Result<Vec<u8>> {
        for _ in 0..MAX_TRIES {
            let found = self.get(key)?;
            let changed = change(found.as_ref().map(|value| &*value.bytes));
            let written = match found {
                Some(value) => self.replace(key, value.version, &changed, ttl)?,
                None => self.add(key, &changed, ttl)?,
            };
            if written.is_some() {
                return Ok(changed);
            }
        }
        Err(Error::Host {
            call: FUNCTION,
            status: Status::CasMismatch,
        })
    }

    /// Adds to a number, which starts at 0, and returns the sum. `ttl` is that of the new value.
    ///
    /// # Errors
    /// As [`Kv::update`]. A value that is no number counts as 0.
    pub fn increase(self, key: &str, by: u64, ttl: Option<Duration>) -> Result<u64> {
        let mut sum = 0;
        self.update(key, ttl, |value| {
            sum = number(value).saturating_add(by);
            let mut text = String::new();
            push_number(&mut text, sum);
            text.into_bytes()
        })?;
        Ok(sum)
    }

    /// A number of [`Kv::increase`]; 0 if there is none.
    pub fn number(self, key: &str) -> Result<u64> {
        Ok(number(self.get(key)?.as_ref().map(|value| &*value.bytes)))
    }

    /// Removes a value. Returns whether there was one.
    pub fn delete(self, key: &str) -> Result<bool> {
        self.call(self.keyed("delete", key), |answer| Some(answer.deleted))
    }

    /// Removes the value with this version. Returns whether it was the current one.
    pub fn delete_version(self, key: &str, version: u32) -> Result<bool> {
        let call = Call {
            version: Some(version),
            ..self.keyed("delete", key)
        };
        self.call(call, |answer| Some(answer.deleted))
    }

    /// The keys that start with `prefix`, in order: those after `after`, the last key of the part before. The result
    /// has at most 256 of them; the second value says whether there are more.
    pub fn list(self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool)> {
        let call = Call {
            prefix: Some(prefix),
            after,
            key: None,
            ..self.keyed("list", "")
        };
        self.call(call, |answer| Some((answer.keys, answer.more)))
    }

    /// Waits until the value with this version is written or removed, by any worker. It returns at once if that has
    /// happened already, and not when the value expires: bound it by [`timeout`](crate::timeout()).
    ///
    /// # Errors
    /// [`Error::Full`] if too many wait.
    pub async fn changed(self, key: &str, version: u32) -> Result<()> {
        let mut watch: Option<Watch> = None;
        poll_fn(|cx| {
            if let Some(watch) = &watch {
                return match CHANGES.with(|changes| changes.poll_response(watch.0, cx.waker())) {
                    Some(()) => Poll::Ready(Ok(())),
                    None => Poll::Pending,
                };
            }
            let call = Call {
                version: Some(version),
                ..self.keyed("watch", key)
            };
            match self.call(call, |answer| Some(answer.watch)) {
                Ok(Some(id)) => {
                    COMPLETE.set(Some(complete));
                    CHANGES.with(|changes| changes.insert(id, cx.waker()));
                    watch = Some(Watch(id));
                    Poll::Pending
                }
                Ok(None) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    fn keyed<'a>(self, op: &'static str, key: &'a str) -> Call<'a> {
        Call {
            op,
            shared: self.shared,
            key: Some(key),
            value: None,
            base64: None,
            ttl_ms: None,
            version: None,
            prefix: None,
            after: None,
            watch: None,
        }
    }

    fn write(self, mut call: Call<'_>, value: &[u8], ttl: Option<Duration>) -> Result<Option<u32>> {
        // A shorter time would be none.
        call.ttl_ms = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
        let text = std::str::from_utf8(value).ok();
        let call = Call {
            value: text,
            base64: text.is_none().then(|| base64::encode(value)),
            ..call
        };
        self.call(call, |answer| Some(answer.version.filter(|_| answer.written)))
    }

    fn call<T>(self, call: Call<'_>, read: impl FnOnce(Answer<'_>) -> Option<T>) -> Result<T> {
        let argument = serde_json::to_vec(&call).map_err(|error| Error::Plugin(error.to_string()))?;
        let answer = foreign::call(FUNCTION, &argument).map_err(|error| match error {
            Error::Host {
                status: Status::InternalFailure,
                ..
            } => Error::Full(FUNCTION),
            error => error,
        })?;
        let answer = serde_json::from_slice(&answer).ok();
        answer.and_then(read).ok_or(Error::Malformed(FUNCTION))
    }
}

fn number(value: Option<&[u8]>) -> u64 {
    let text = value.and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

thread_local! {
    /// The futures that wait for a change, by their watches.
    static CHANGES: PendingCalls<()> = const { PendingCalls::new() };
    /// Completes a watch. It is set with the first watch, so that a module without one does not contain it.
    static COMPLETE: Cell<Option<fn(u32)>> = const { Cell::new(None) };
}

/// An open watch. Dropping it ends it in the host, unless it has completed.
struct Watch(u32);

impl Drop for Watch {
    fn drop(&mut self) {
        if CHANGES.with(|changes| changes.remove(self.0)) {
            let call = Call {
                watch: Some(self.0),
                key: None,
                ..Kv::own().keyed("unwatch", "")
            };
            // The host has forgotten it, or forgets it with the value.
            let _ = Kv::own().call(call, |_| Some(()));
        }
    }
}

/// The host says that a watch has completed.
pub(crate) fn on_change(watch: u32) {
    if let Some(complete) = COMPLETE.get() {
        complete(watch);
    }
}

fn complete(watch: u32) {
    CHANGES.with(|changes| changes.complete(watch, ()));
}

/// Removes all watches, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    CHANGES.with(PendingCalls::reset);
}
