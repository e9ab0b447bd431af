//! Which random bytes a start may read although other VMs will have the same: the seed of the standard library's hash maps.
//!
//! A seed only has to be unknown to clients, and it is drawn anew at each load. Any other random bytes may become a token or the
//! state of a generator, of which no two VMs may have the same. The reader is known by its name in the module's name section.

use wasmtime::{AsContext, WasmBacktrace};

/// Functions of Rust's standard library that read random bytes for hash maps alone.
const READERS: [&str; 2] = ["hashmap_random_keys", "RandomState"];

/// Whether the guest reads random bytes for a hash map now.
pub(crate) fn is_hash_seed(store: impl AsContext) -> bool {
    let backtrace = WasmBacktrace::force_capture(store);
    backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .any(|name| READERS.iter().any(|reader| name.contains(reader)))
}
