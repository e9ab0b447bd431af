//! [`Mirror`]: which requests are copied to a shadow upstream, and what bounds that.

use std::time::Duration;

use crate::sampler::{Sample, Sampler};
use crate::settings::MirrorSettings;

/// Copies of a route's requests for a shadow, whose responses nobody sees.
#[derive(Debug, Clone)]
pub struct Mirror<T> {
    /// The shadow.
    pub upstream: T,
    /// Which requests.
    pub sample: Sample,
    /// Maximum bytes of a body.
    pub max_body: usize,
    /// Maximum copies that a worker has on the way to the shadow.
    pub max_concurrent: usize,
    /// Maximum time of a copy.
    pub timeout: Duration,
    /// What the host's name gets at its end; often nothing.
    pub host_suffix: Box<str>,
}

impl<T> Mirror<T> {
    /// The mirror at this position of its route, to the shadow `upstream`.
    pub fn new(position: usize, upstream: T, settings: MirrorSettings) -> Self {
        Self {
            upstream,
            sample: Sample::new(settings.percent, Sampler::MIRROR + position),
            max_body: usize::try_from(settings.max_body.0).unwrap_or(usize::MAX),
            max_concurrent: settings.max_concurrent,
            timeout: settings.timeout.duration(),
            host_suffix: settings.host_suffix.into(),
        }
    }

    /// The host that the shadow is asked for, which is `authority` with the suffix in front of its port.
    pub fn host(&self, authority: &str) -> String {
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (authority, None),
        };
        match port {
            Some(port) => format!("{name}{}:{port}", self.host_suffix),
            None => format!("{name}{}", self.host_suffix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_stands_before_the_port() {
        let mirror = Mirror::new(
            0,
            (),
            MirrorSettings {
                host_suffix: "-shadow".to_owned(),
                ..MirrorSettings::default()
            },
        );
        for (host, expected) in [
            ("api.example.com", "api.example.com-shadow"),
            ("api.example.com:8080", "api.example.com-shadow:8080"),
            ("localhost", "localhost-shadow"),
        ] {
            assert_eq!(mirror.host(host), expected);
        }
    }
}
