//! The foreign function `lockgate.cache`: the host's store of responses. The plugin decides what is stored, under which
//! key, and when it is served. The bytes stay in the host. Other hosts than Lockgate return
//! [`Error::Unsupported`](crate::Error::Unsupported).

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::services::foreign;

const FUNCTION: &str = "lockgate.cache";

/// A stored response that matches the current request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The HTTP status.
    pub status: u16,
    /// The time since it was stored, in milliseconds.
    pub age_ms: u64,
    /// The time for which it stays fresh, in milliseconds; negative if it is stale.
    pub ttl_ms: i64,
}

/// Which requests a stored response may answer, besides those with the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// Requests of the same route. What the plugins of one route guard never answers another route's requests.
    #[default]
    Route,
    /// Requests of all routes on which this plugin names the same scope.
    Named(String),
}

impl Scope {
    fn name(&self) -> Option<&str> {
        match self {
            Scope::Route => None,
            Scope::Named(name) => Some(name),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Call<'a> {
    Lookup {
        key: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'a str>,
    },
    Serve {
        key: &'a str,
        headers: &'a [(&'a str, &'a str)],
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'a str>,
    },
    Store {
        key: &'a str,
        ttl_ms: u64,
        vary: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'a str>,
    },
    Purge {
        key: &'a str,
    },
}

/// The response that is stored under `key` for requests like the current one, of the same route. `None` if there is none.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) in another host than Lockgate.
pub fn lookup(key: &str) -> Result<Option<Entry>> {
    lookup_in(&Scope::Route, key)
}

/// As [`lookup`], in a scope.
///
/// # Errors
/// As [`lookup`].
pub fn lookup_in(scope: &Scope, key: &str) -> Result<Option<Entry>> {
    #[derive(Deserialize)]
    struct Reply {
        found: bool,
        #[serde(default)]
        status: u16,
        #[serde(default)]
        age_ms: u64,
        #[serde(default)]
        ttl_ms: i64,
    }
    let reply: Reply = foreign::call_json(
        FUNCTION,
        &Call::Lookup {
            key,
            scope: scope.name(),
        },
    )?;
    Ok(reply.found.then_some(Entry {
        status: reply.status,
        age_ms: reply.age_ms,
        ttl_ms: reply.ttl_ms,
    }))
}

/// Answers the current request with the stored response, with these headers added. Returns whether the response was
/// still stored; if so, the hook must return [`Flow::Pause`](crate::Flow::Pause).
///
/// # Errors
/// As [`lookup`].
pub fn serve(key: &str, headers: &[(&str, &str)]) -> Result<bool> {
    serve_in(&Scope::Route, key, headers)
}

/// As [`serve`], in a scope.
///
/// # Errors
/// As [`lookup`].
pub fn serve_in(scope: &Scope, key: &str, headers: &[(&str, &str)]) -> Result<bool> {
    #[derive(Deserialize)]
    struct Reply {
        served: bool,
    }
    let scope = scope.name();
    let reply: Reply = foreign::call_json(FUNCTION, &Call::Serve { key, headers, scope })?;
    Ok(reply.served)
}

/// Stores the current response with its body for `ttl_ms` milliseconds, one variant for each combination of values of
/// the request headers in `vary`. Call it in `on_response`. Returns whether the host stores it: it stores complete responses of upstreams to
/// a `GET` without a body.
///
/// # Errors
/// As [`lookup`].
pub fn store(key: &str, ttl_ms: u64, vary: &[String]) -> Result<bool> {
    store_in(&Scope::Route, key, ttl_ms, vary)
}

/// As [`store`], in a scope.
///
/// # Errors
/// As [`lookup`].
pub fn store_in(scope: &Scope, key: &str, ttl_ms: u64, vary: &[String]) -> Result<bool> {
    #[derive(Deserialize)]
    struct Reply {
        storing: bool,
    }
    let scope = scope.name();
    let call = Call::Store {
        key,
        ttl_ms,
        vary,
        scope,
    };
    let reply: Reply = foreign::call_json(FUNCTION, &call)?;
    Ok(reply.storing)
}

/// Removes all variants that are stored under `key`, in all scopes, and returns their number.
///
/// # Errors
/// As [`lookup`].
pub fn purge(key: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Reply {
        purged: u64,
    }
    let reply: Reply = foreign::call_json(FUNCTION, &Call::Purge { key })?;
    Ok(reply.purged)
}
