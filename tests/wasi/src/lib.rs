//! The sandbox's WASI beside that of `wasmtime-wasi`: the same names and types, and the same results, number by number, in the
//! same guest. Where they differ on purpose, `differences.txt` has the exact pair of results and its reason. README.md tells how to
//! add a case; docs/decisions/wasi.md tells why the gateway does not simply use `wasmtime-wasi`.

#![cfg(test)]

mod case;
mod differences;
mod lockgate;
mod names;
mod reference;
mod results;

use std::env;
use std::fs;
use std::path::Path;

/// An edition of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Preview {
    Zero,
    One,
}

impl Preview {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Zero];

    /// By the word for it in the files of cases and differences.
    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "preview1" => Some(Self::One),
            "unstable" => Some(Self::Zero),
            _ => None,
        }
    }

    /// The module that guests import it from.
    pub(crate) const fn module(self) -> &'static str {
        match self {
            Self::Zero => "wasi_unstable",
            Self::One => "wasi_snapshot_preview1",
        }
    }

    /// The guest that is built for it.
    pub(crate) fn guest(self) -> Vec<u8> {
        let name = match self {
            Self::Zero => "wasi-unstable.wasm",
            Self::One => "wasi-preview1.wasm",
        };
        let folder = env::var_os("LOCKGATE_GUESTS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
            Into::into,
        );
        let file = folder.join(name);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run scripts/build-guests", file.display()))
    }
}

/// What the guest of both hosts finds in its environment, beside its script.
pub(crate) const ENVIRONMENT: (&str, &str) = ("NAME", "value");
/// The variable that the guest finds its script in.
pub(crate) const SCRIPT: &str = "SCRIPT";
/// The level at which the guest logs its results: `critical`, at which no host logs anything itself.
pub(crate) const RESULT_LEVEL: i32 = 5;

/// What a host did with a script.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The results that the guest has logged, in order.
    pub(crate) results: Vec<String>,
    /// How the host ended the guest, if it did.
    pub(crate) end: Option<String>,
    /// What the guest printed, as lines.
    pub(crate) output: Vec<String>,
    /// The same for its standard error.
    pub(crate) errors: Vec<String>,
}

/// What is compared is what the gateway is built with.
#[test]
fn both_workspaces_have_the_same_wasmtime() {
    let version = |lock: &'static str| {
        let rest = lock
            .split_once("name = \"wasmtime\"\nversion = ")
            .expect("wasmtime is locked")
            .1;
        rest.lines().next()
    };
    let [ours, gateways] = [include_str!("../Cargo.lock"), include_str!("../../../Cargo.lock")].map(version);
    assert_eq!(ours, gateways);
}
