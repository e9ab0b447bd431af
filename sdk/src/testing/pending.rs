//! Responses of upstreams that are scheduled for later.

use super::{Says, Script};

/// What an upstream sends when its time has come.
pub(super) enum Due {
    Answer(Script),
    Says(Says),
}
