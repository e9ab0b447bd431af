//! Which of the host's contexts is being served: calls to the host are made in its name.

use std::cell::Cell;

use crate::error::{Error, Result};
use crate::host;

thread_local! {
    static ACTIVE: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// The host has called in this context.
pub(crate) fn enter(context: u32, root: u32) {
    ACTIVE.set((context, root));
}

/// The root context of what is being served.
pub(crate) fn root() -> u32 {
    ACTIVE.get().1
}

/// Goes over to another context than the one that the host has called.
pub(crate) fn switch(context: u32, root: u32) -> Result<()> {
    if ACTIVE.get().0 != context {
        host::set_effective_context(context).map_err(Error::host("proxy_set_effective_context"))?;
        ACTIVE.set((context, root));
    }
    Ok(())
}
