//! Functions of Envoy 1.40 that make sense in other hosts too: `verify_signature`, `sign`, `compress` and `uncompress`. Arguments and
//! results are Envoy's: bytes, or protocol buffers.
//!
//! `clear_route_cache`, `declare_property` and `set_envoy_filter_state` concern the stream and the VM, so the sandbox has them. Envoy's
//! expression functions (`expr_create` and its relatives) reach into things that only Envoy has.

mod deflate;
mod signature;

use lockgate_abi::Status;
use lockgate_sandbox::CpuBudget;

/// Names of these functions.
pub(super) const NAMES: [&str; 4] = ["verify_signature", "sign", "compress", "uncompress"];

/// Calls one of Envoy's functions; `None` if it is none of them. `limit` is the maximum size of a result, in bytes.
pub(super) fn call(
    name: &str,
    argument: &[u8],
    limit: usize,
    budget: &mut CpuBudget,
) -> Option<Result<Vec<u8>, Status>> {
    Some(match name {
        "verify_signature" => signature::verify(argument, budget),
        "sign" => signature::sign(argument, budget),
        "compress" => deflate::compress(argument, budget),
        "uncompress" => deflate::uncompress(argument, limit, budget),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_function_exists() {
        let mut budget = CpuBudget::new(std::time::Duration::from_secs(60));
        for name in NAMES {
            assert!(call(name, b"", 1024, &mut budget).is_some(), "{name}");
        }
        assert!(call("expr_create", b"", 1024, &mut budget).is_none());
    }
}
