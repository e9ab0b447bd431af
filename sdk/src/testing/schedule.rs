//! The schedule of a test: responses of upstreams that are delivered later.

use super::{ScriptedResponse, StreamReply};

/// A response of an upstream.
pub(super) enum Scheduled {
    Response(ScriptedResponse),
    StreamReply(StreamReply),
}
