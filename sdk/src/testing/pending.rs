//! Responses of upstreams that are scheduled for later.

use super::{ScriptedResponse, StreamReply};

/// What an upstream sends when its time has come.
pub(super) enum Due {
    CalloutResponse(ScriptedResponse),
    StreamReply(StreamReply),
}
