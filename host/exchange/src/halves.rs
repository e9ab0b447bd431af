//! A TCP connection's bytes as one plugin sees them: what has come and was not let go yet, each way.

use crate::body::BodyBuffer;

/// A direction of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the upstream: `DownstreamData`.
    Downstream,
    /// From the upstream to the client: `UpstreamData`.
    Upstream,
}

/// What one plugin may read and change. It stays there while the plugin holds it, so ticks and answers to callouts see it too.
#[derive(Debug, Default)]
pub struct Halves {
    downstream: BodyBuffer,
    upstream: BodyBuffer,
}

impl Halves {
    /// The bytes that go this way.
    #[must_use]
    pub fn of(&self, way: Way) -> &BodyBuffer {
        match way {
            Way::Downstream => &self.downstream,
            Way::Upstream => &self.upstream,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, way: Way) -> &mut BodyBuffer {
        match way {
            Way::Downstream => &mut self.downstream,
            Way::Upstream => &mut self.upstream,
        }
    }
}
