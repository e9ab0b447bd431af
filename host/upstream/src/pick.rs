//! [`Pick`]: the endpoint that was picked for an attempt.

use http::HeaderValue;

use crate::endpoints::Endpoint;
use crate::settings::HostPolicy;
use crate::upstream::Upstream;

/// The endpoint that was picked for an attempt. An attempt holds it until its outcome is known.
#[derive(Debug)]
pub(crate) struct Pick<'a> {
    upstream: &'a Upstream,
    index: usize,
}

impl<'a> Pick<'a> {
    /// Picks the endpoint for a first attempt; `None` when no endpoint has any weight. `random` is called only when the balance
    /// needs it.
    pub(crate) fn first(upstream: &'a Upstream, random: impl FnOnce() -> usize) -> Option<Self> {
        let index = upstream.endpoints.first(random)?;
        Some(Self { upstream, index })
    }

    pub(crate) fn upstream(&self) -> &'a Upstream {
        self.upstream
    }

    pub(crate) fn endpoint(&self) -> &'a Endpoint {
        self.upstream.endpoints.at(self.index)
    }

    /// The host that the endpoint is asked for; `None` if it is the request's own.
    pub(crate) fn host(&self) -> Option<&'a HeaderValue> {
        match &self.upstream.host {
            HostPolicy::Pass => None,
            HostPolicy::Endpoint => Some(&self.endpoint().host),
            HostPolicy::Name(name) => Some(name),
        }
    }

    /// Picks the endpoint to try when this one could not be connected to: the next one that takes part in balancing.
    pub(crate) fn next(self) -> Self {
        Self {
            index: self.upstream.endpoints.after(self.index),
            ..self
        }
    }
}
