//! `lockgate.kv`: values by key that all workers share and that survive reloads.
//!
//! In: `{"op":"set","key":"alice","value":"text","ttl_ms":60000}`. A value that is not text is `"base64"` in place of `"value"`, in both
//! directions. `"shared":true` means the keys of the plugin's `vm_id` instead of its own.
//!
//! | `op` | beside `key` | result |
//! |---|---|---|
//! | `get` | | `{"found":true,"value":"text","version":7,"ttl_ms":1200}`, without `ttl_ms` if it does not expire; `{"found":false}` |
//! | `set` | `value`, `ttl_ms` | `{"written":true,"version":8}` |
//! | `add` | the same | as `set`, if there is no value; else `{"written":false,"version":7}` |
//! | `cas` | the same, `version` | as `set`, if the value has this version; else `{"written":false,"version":7}`, or `null` if there is none |
//! | `delete` | `version` | `{"deleted":true}`; of another version, and of nothing, `false` |
//! | `list` | `prefix`, `after`, `limit` in place of `key` | `{"keys":["alice"],"more":false}`, in order; at most 256 |
//! | `watch` | `version` | `{"watch":3}`, and `proxy_on_foreign_function` with 3 when the value changes; `null` if it has changed already |
//! | `unwatch` | `watch` | `{}` |
//!
//! Without room, the status is INTERNAL_FAILURE; for a key or value above its maximum length, BAD_ARGUMENT.

mod call;
mod watches;

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_abi::Status;
use lockgate_exchange::clock;
use lockgate_sandbox::ForeignTarget;
use lockgate_store::{Condition, Kv, KvError, Listing};
use serde::Serialize;

use self::call::{Call, Op, Write};
use crate::json::{bad_argument, parse_argument, to_result};

pub use self::watches::{KvWatches, WatchSender};

pub(crate) const NAME: &str = "lockgate.kv";
/// Maximum and default number of keys in one result of `list`.
const MAX_LISTED: usize = 256;

#[derive(Serialize)]
#[serde(untagged)]
enum CallResult<'a> {
    Found {
        found: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
    },
    Written {
        written: bool,
        version: Option<u32>,
    },
    Deleted {
        deleted: bool,
    },
    Listed {
        keys: Vec<&'a str>,
        more: bool,
    },
    Watching {
        watch: Option<u32>,
    },
    Done {},
}

/// Does one operation for the plugin of this name and `vm_id`.
pub(crate) fn call(
    kv: &Kv,
    watches: &KvWatches,
    (plugin, vm_id): (&str, &str),
    argument: &[u8],
    caller: &ForeignTarget,
) -> Result<Vec<u8>, Status> {
    let call: Call<'_> = parse_argument(NAME, argument)?;
    // No name of a plugin is a `vm_id`: what plugins share on purpose is apart from what is theirs.
    let namespace = if call.shared {
        ["vm:", vm_id].concat()
    } else {
        ["plugin:", plugin].concat()
    };
    let now = clock::now();
    match call.op {
        Op::Get { key } => {
            let Some(value) = kv.value(&namespace, &key, now) else {
                return to_result(&CallResult::Found {
                    found: false,
                    value: None,
                    base64: None,
                    version: None,
                    ttl_ms: None,
                });
            };
            let text = std::str::from_utf8(&value.bytes).ok();
            to_result(&CallResult::Found {
                found: true,
                value: text,
                base64: text.is_none().then(|| STANDARD.encode(&value.bytes)),
                version: Some(value.version),
                ttl_ms: value.expires_in.map(millis),
            })
        }
        Op::Set(write) => set(kv, &namespace, &write, Condition::Always),
        Op::Add(write) => set(kv, &namespace, &write, Condition::Absent),
        Op::Cas { version, write } => set(kv, &namespace, &write, Condition::Version(version)),
        Op::Delete { key, version } => {
            let condition = version.map_or(Condition::Always, Condition::Version);
            let deleted = kv.delete(&namespace, &key, condition, now).unwrap_or(false);
            to_result(&CallResult::Deleted { deleted })
        }
        Op::List { prefix, after, limit } => {
            let listing = Listing {
                prefix: &prefix,
                after: after.as_deref(),
                limit: limit.unwrap_or(MAX_LISTED).clamp(1, MAX_LISTED),
            };
            let listed = kv.list(&namespace, listing, now);
            to_result(&CallResult::Listed {
                keys: listed.keys.iter().map(|key| &**key).collect(),
                more: listed.more,
            })
        }
        Op::Watch { key, version } => {
            let watch = watches.watch(kv, &namespace, &key, version, caller, now);
            let watch = watch.map_err(|error| {
                bad_argument(NAME, &error);
                Status::InternalFailure
            })?;
            to_result(&CallResult::Watching { watch })
        }
        Op::Unwatch { watch } => {
            watches.unwatch(kv, watch, caller, now);
            to_result(&CallResult::Done {})
        }
    }
}

fn set(kv: &Kv, namespace: &str, write: &Write<'_>, condition: Condition) -> Result<Vec<u8>, Status> {
    let value = match (&write.value, &write.base64) {
        (Some(text), None) => Cow::Borrowed(text.as_bytes()),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded.as_bytes());
            Cow::Owned(bytes.map_err(|error| bad_argument(NAME, &error))?)
        }
        _ => return Err(bad_argument(NAME, &"one of \"value\" and \"base64\" is needed")),
    };
    if write.ttl_ms == Some(0) {
        return Err(bad_argument(NAME, &"\"ttl_ms\" must be at least 1"));
    }
    let ttl = write.ttl_ms.map(Duration::from_millis);
    match kv.set(namespace, &write.key, &value, condition, ttl, clock::now()) {
        Ok(version) => to_result(&CallResult::Written {
            written: true,
            version: Some(version),
        }),
        Err(KvError::Conflict(version)) => to_result(&CallResult::Written {
            written: false,
            version,
        }),
        // The sandbox logs and counts it.
        Err(KvError::Full) => Err(Status::InternalFailure),
        Err(error @ KvError::TooLarge) => Err(bad_argument(NAME, &error)),
    }
}

/// Whole milliseconds, rounded up: waiting that long is always enough.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
