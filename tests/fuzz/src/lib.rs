//! Fuzzing of everything that parses a guest's bytes: the header-map codec, property paths, every host call, whole modules; and of
//! the files that are imported. A target is a function of bytes that panics on a fault. The driver makes the bytes, from a seed.

pub mod bytes;
pub mod codec;
pub mod driver;
pub mod host_calls;
pub mod imports;
pub mod modules;

mod guest;
mod host;

/// A target.
pub type Target = Box<dyn FnMut(&[u8])>;

/// The names of the targets.
pub const TARGETS: [&str; 5] = ["pairs", "properties", "host_calls", "modules", "imports"];

/// Creates a target.
///
/// # Errors
/// No target has this name.
pub fn target(name: &str) -> Result<Target, String> {
    Ok(match name {
        "pairs" => Box::new(codec::pairs),
        "properties" => Box::new(codec::properties),
        "host_calls" => {
            let mut calls = host_calls::HostCalls::new();
            Box::new(move |bytes| calls.run(bytes))
        }
        "imports" => Box::new(imports::istio),
        "modules" => {
            let mut modules = modules::Modules::new();
            Box::new(move |bytes| modules.run(bytes))
        }
        _ => return Err(format!("no target {name}; there are {}", TARGETS.join(", "))),
    })
}
