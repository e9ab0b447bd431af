//! The active context: the host attributes every call of the plugin to it.

use std::cell::Cell;

use crate::error::{Error, Result};
use crate::host;

thread_local! {
    static ACTIVE: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Notes that the host has called the plugin in this context.
pub(crate) fn enter(context: u32, root: u32) {
    ACTIVE.set((context, root));
}

/// The root context of the active context.
pub(crate) fn root() -> u32 {
    ACTIVE.get().1
}

/// Makes another context the active one.
pub(crate) fn switch(context: u32, root: u32) -> Result<()> {
    if ACTIVE.get().0 != context {
        host::set_effective_context(context).map_err(Error::host("proxy_set_effective_context"))?;
        ACTIVE.set((context, root));
    }
    Ok(())
}
