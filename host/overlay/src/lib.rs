//! The overlay: what operators and services change by the admin API while traffic flows. Weights, draining, removed endpoints, registered
//! endpoints, forced breakers.
//!
//! An [`Overlay`] is data, kept by the names of upstreams and the addresses of endpoints. It lies over the lists of the configuration and
//! of discovery and never changes them. [`Heartbeats`] say until when registrations live. [`OverlayFile`] keeps it on
//! disk, [`OverlayWriter`] writes it on a thread of its own.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod file;
mod heartbeats;
mod overlay;
mod registration;
mod writer;

pub use file::OverlayFile;
pub use heartbeats::Heartbeats;
pub use overlay::{BreakerOverride, EndpointOverlay, Overlay, UpstreamOverlay};
pub use registration::{
    MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS, MAX_PER_UPSTREAM, MAX_REGISTRATIONS, MAX_TTL, MIN_TTL, Registration,
};
pub use writer::{NotWritten, OverlayWriter};
