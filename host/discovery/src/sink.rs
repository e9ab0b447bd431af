//! [`DiscoverySink`]: where the lists of sources go.

use lockgate_upstream::EndpointSettings;

/// Takes the lists of sources, on the thread of discovery. Must not block.
pub trait DiscoverySink: Send + Sync {
    /// The source of this upstream lists these endpoints now, sorted by address.
    fn set_discovered(&self, upstream: &str, endpoints: &[EndpointSettings]);
}
