//! The thread that ends an engine's epochs.
//!
//! It holds the engine weakly and ends with it, so nobody has to stop it.

use std::io;

use crate::engine::epoch;

/// Starts the epochs of `engine`.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn start(engine: &wasmtime::Engine) -> io::Result<()> {
    let weak = engine.weak();
    let tick = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(epoch::length());
        }
    };
    std::thread::Builder::new()
        .name("epochs".to_owned())
        .stack_size(64 * 1024)
        .spawn(tick)
        .map(drop)
}
