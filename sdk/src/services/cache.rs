//! `lockgate.cache`: the host's store of responses. The plugin names them and decides; the bytes stay in the host.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::services::foreign;

const FUNCTION: &str = "lockgate.cache";

/// A stored response that fits the current request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its status.
    pub status: u16,
    /// How long ago it was stored, in milliseconds.
    pub age_ms: u64,
    /// How long it stays fresh, in milliseconds; below zero it is stale.
    pub ttl_ms: i64,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Call<'a> {
    Lookup {
        key: &'a str,
    },
    Serve {
        key: &'a str,
        headers: &'a [(&'a str, &'a str)],
    },
    Store {
        key: &'a str,
        ttl_ms: u64,
        vary: &'a [String],
    },
    Purge {
        key: &'a str,
    },
}

/// The response that is stored under `key` for requests like the current one.
///
/// # Errors
/// Here and below: [`Error::Unsupported`](crate::Error::Unsupported) where the host is not Lockgate.
pub fn lookup(key: &str) -> Result<Option<Entry>> {
    #[derive(Deserialize)]
    struct CalloutResponse {
        found: bool,
        #[serde(default)]
        status: u16,
        #[serde(default)]
        age_ms: u64,
        #[serde(default)]
        ttl_ms: i64,
    }
    let answer: CalloutResponse = foreign::call_json(FUNCTION, &Call::Lookup { key })?;
    Ok(answer.found.then_some(Entry {
        status: answer.status,
        age_ms: answer.age_ms,
        ttl_ms: answer.ttl_ms,
    }))
}

/// Answers the current request with the stored response and these headers besides. Whether it was still there; if so,
/// return [`Flow::Pause`](crate::Flow::Pause).
pub fn serve(key: &str, headers: &[(&str, &str)]) -> Result<bool> {
    #[derive(Deserialize)]
    struct CalloutResponse {
        served: bool,
    }
    let answer: CalloutResponse = foreign::call_json(FUNCTION, &Call::Serve { key, headers })?;
    Ok(answer.served)
}

/// Keeps the response whose headers are being handled, with its body, for `ttl_ms` milliseconds, apart by the request
/// headers named in `vary`. Whether the host will.
pub fn store(key: &str, ttl_ms: u64, vary: &[String]) -> Result<bool> {
    #[derive(Deserialize)]
    struct CalloutResponse {
        storing: bool,
    }
    let answer: CalloutResponse = foreign::call_json(FUNCTION, &Call::Store { key, ttl_ms, vary })?;
    Ok(answer.storing)
}

/// Drops what is stored under `key`, all variants. How many they were.
pub fn purge(key: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct CalloutResponse {
        purged: u64,
    }
    let answer: CalloutResponse = foreign::call_json(FUNCTION, &Call::Purge { key })?;
    Ok(answer.purged)
}
