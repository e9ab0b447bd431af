//! Faults that a route injects: requests that are delayed, or aborted in place of being sent on.

use http::StatusCode;
use std::time::Duration;

use crate::sampler::{Sample, Sampler};
use crate::settings::{AbortSettings, DelaySettings};

/// A delay before the request goes on.
#[derive(Debug, Clone)]
pub struct Delay {
    /// How long.
    pub duration: Duration,
    /// Which requests.
    pub sample: Sample,
    /// Maximum requests that a worker delays at the same time, those of other routes among them.
    pub max_concurrent: usize,
}

/// An abort in place of the destination.
#[derive(Debug, Clone)]
pub struct Abort {
    /// The status of the response.
    pub status: StatusCode,
    /// The gRPC status that gRPC clients get. None: that of the status.
    pub grpc_status: Option<u32>,
    /// Which requests.
    pub sample: Sample,
}

impl From<&DelaySettings> for Delay {
    fn from(settings: &DelaySettings) -> Self {
        Self {
            duration: settings.duration.duration(),
            sample: Sample::new(settings.percent, Sampler::DELAY),
            max_concurrent: settings.max_concurrent,
        }
    }
}

impl Abort {
    /// What the settings mean; none if they name no status.
    pub fn new(settings: &AbortSettings) -> Option<Self> {
        let status = settings
            .status
            .or_else(|| settings.grpc_status.map(http_status))
            .and_then(|status| StatusCode::from_u16(status).ok())?;
        Some(Self {
            status,
            grpc_status: settings.grpc_status.map(u32::from),
            sample: Sample::new(settings.percent, Sampler::ABORT),
        })
    }
}

/// The HTTP status of a gRPC status, for clients that do not speak gRPC (google.rpc.Code).
fn http_status(grpc_status: u8) -> u16 {
    match grpc_status {
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_status_alone_has_its_http_status() {
        let abort = |status, grpc_status| {
            Abort::new(&AbortSettings {
                status,
                grpc_status,
                ..AbortSettings::default()
            })
        };
        let one = abort(None, Some(14)).unwrap();
        assert_eq!((one.status.as_u16(), one.grpc_status), (503, Some(14)));
        let both = abort(Some(429), Some(8)).unwrap();
        assert_eq!((both.status.as_u16(), both.grpc_status), (429, Some(8)));
        assert_eq!(abort(Some(500), None).unwrap().grpc_status, None);
        assert!(abort(None, None).is_none());
    }
}
