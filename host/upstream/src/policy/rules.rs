//! [`Policies`]: the policies of an upstream as requests obey them, and what a route may put in their place.

use std::time::Duration;

use http::Method;

use crate::error::SendError;
use crate::settings::{
    BreakerSettings, BudgetSettings, ConcurrencySettings, HedgeSettings, OutlierSettings, RetryMethod, RetryOn,
    RetrySettings, UpstreamSettings,
};

/// The policies of an upstream that has any.
#[derive(Debug)]
pub(crate) struct Policies {
    pub(crate) outlier: Option<OutlierSettings>,
    pub(crate) breaker: Option<BreakerSettings>,
    pub(crate) concurrency: Option<ConcurrencySettings>,
    pub(crate) hedge: Option<HedgeSettings>,
    /// What a route may override.
    pub(crate) request: RequestPolicy,
}

/// Retries and time limits of one request. A route's stand in the place of its upstream's, one by one.
#[derive(Clone, Debug, Default)]
pub struct RequestPolicy {
    /// Retries.
    pub retry: Option<RetryRules>,
    /// Maximum time of an attempt, to the headers of the response. Zero: no limit.
    pub try_timeout: Option<Duration>,
    /// Maximum time without progress before the headers of the response. Obeyed here only where a timeout is retried. Zero: no limit.
    pub first_byte: Option<Duration>,
    /// Maximum time to connect.
    pub connect: Option<Duration>,
}

impl RequestPolicy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.retry.is_none() && self.try_timeout.is_none() && self.first_byte.is_none() && self.connect.is_none()
    }

    /// The retries of a request, where `route` may override them.
    pub(crate) fn retry<'a>(&'a self, route: Option<&'a Self>) -> Option<&'a RetryRules> {
        route.and_then(|route| route.retry.as_ref()).or(self.retry.as_ref())
    }

    /// The time limit that `of` names, where `route` may override it; `None` for no limit.
    pub(crate) fn limit(&self, route: Option<&Self>, of: impl Fn(&Self) -> Option<Duration>) -> Option<Duration> {
        let limit = route.and_then(&of).or_else(|| of(self));
        limit.filter(|limit| !limit.is_zero())
    }
}

impl Policies {
    /// Those of an upstream without any.
    pub(crate) const NONE: Self = Self {
        outlier: None,
        breaker: None,
        concurrency: None,
        hedge: None,
        request: RequestPolicy {
            retry: None,
            try_timeout: None,
            first_byte: None,
            connect: None,
        },
    };

    /// The policies in these settings; `None` if there is none.
    pub(crate) fn of(settings: &UpstreamSettings) -> Option<Box<Self>> {
        let timeouts = settings.timeouts;
        settings.has_policy().then(|| {
            Box::new(Self {
                outlier: settings.outlier_detection,
                breaker: settings.circuit_breaker.clone(),
                concurrency: settings.concurrency,
                hedge: settings.hedge,
                request: RequestPolicy {
                    retry: settings.retry.as_ref().map(RetryRules::new),
                    try_timeout: Some(timeouts.per_try.duration()),
                    first_byte: Some(timeouts.first_byte.duration()),
                    connect: None,
                },
            })
        })
    }
}

/// Why there is a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryReason {
    Connect,
    Reset,
    RefusedStream,
    Timeout,
    Status,
    /// The attempt tried an endpoint that had been ejected.
    Probe,
}

impl RetryReason {
    /// Every reason.
    pub(crate) const ALL: [Self; 6] = [
        Self::Connect,
        Self::Reset,
        Self::RefusedStream,
        Self::Timeout,
        Self::Status,
        Self::Probe,
    ];

    /// Its name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::RefusedStream => "refused_stream",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Probe => "probe",
        }
    }

    /// Why an attempt brought no response; `None` if that is nothing that another attempt could change.
    pub(crate) fn of(error: &SendError) -> Option<Self> {
        match error {
            SendError::Connect { .. }
            | SendError::ConnectTimeout { .. }
            | SendError::Tls { .. }
            | SendError::TlsTimeout { .. } => Some(Self::Connect),
            SendError::Closed {
                is_unprocessed: true, ..
            } => Some(Self::RefusedStream),
            SendError::Closed { .. } => Some(Self::Reset),
            SendError::Timeout { .. } => Some(Self::Timeout),
            _ => None,
        }
    }

    /// Whether the upstream cannot have processed the request.
    pub(crate) fn is_harmless(self) -> bool {
        matches!(self, Self::Connect | Self::RefusedStream)
    }
}

/// Which failures are followed by another attempt: `retry`, made ready for use.
#[derive(Clone, Debug)]
pub struct RetryRules {
    on: u8,
    /// The statuses from 400 to 599 that are retried, as bits.
    statuses: [u64; 4],
    methods: Vec<RetryMethod>,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) max_retry_after: Duration,
    pub(crate) max_body: usize,
    pub(crate) budget: BudgetSettings,
}

impl RetryRules {
    /// The rules in these settings.
    pub fn new(settings: &RetrySettings) -> Self {
        let mut rules = Self {
            on: 0,
            statuses: [0; 4],
            methods: settings.methods.clone(),
            attempts: settings.attempts,
            backoff: settings.backoff.duration(),
            max_backoff: settings.max_backoff.duration(),
            max_retry_after: settings.max_retry_after.duration(),
            max_body: usize::try_from(settings.max_body.0).unwrap_or(usize::MAX),
            budget: settings.budget,
        };
        for on in &settings.on {
            match *on {
                RetryOn::Connect => rules.on |= 1 << RetryReason::Connect as u8,
                RetryOn::Reset => rules.on |= 1 << RetryReason::Reset as u8,
                RetryOn::RefusedStream => rules.on |= 1 << RetryReason::RefusedStream as u8,
                RetryOn::Timeout => rules.on |= 1 << RetryReason::Timeout as u8,
                RetryOn::GatewayError => (502..=504).for_each(|status| rules.add_status(status)),
                RetryOn::ServerError => (500..=599).for_each(|status| rules.add_status(status)),
                RetryOn::Status(status) => rules.add_status(status),
            }
        }
        rules
    }

    fn add_status(&mut self, status: u16) {
        if let Some(bit) = status.checked_sub(400).map(usize::from) {
            self.statuses[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether a response with this status is followed by another attempt.
    pub(crate) fn has_status(&self, status: u16) -> bool {
        let bit = usize::from(status.wrapping_sub(400));
        self.statuses
            .get(bit / 64)
            .is_some_and(|bits| bits & (1 << (bit % 64)) != 0)
    }

    /// Whether this reason is one of them.
    pub(crate) fn has_reason(&self, reason: RetryReason) -> bool {
        self.on & (1 << reason as u8) != 0
    }

    /// Whether a request with this method may be sent again although the upstream may have processed it.
    pub(crate) fn covers(&self, method: &Method) -> bool {
        self.methods.iter().any(|covered| covered.includes(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(on: &[RetryOn], methods: &[RetryMethod]) -> RetryRules {
        RetryRules::new(&RetrySettings {
            on: on.to_vec(),
            methods: methods.to_vec(),
            ..RetrySettings::default()
        })
    }

    #[test]
    fn a_status_is_retried_if_it_or_its_class_is_named() {
        let retried = |on: RetryOn| {
            let rules = rules(&[on], &[]);
            (0..=u16::MAX)
                .filter(|status| rules.has_status(*status))
                .collect::<Vec<_>>()
        };
        assert_eq!(retried(RetryOn::Status(429)), [429]);
        assert_eq!(retried(RetryOn::GatewayError), [502, 503, 504]);
        assert_eq!(retried(RetryOn::ServerError), (500..=599).collect::<Vec<_>>());
        assert_eq!(retried(RetryOn::Connect), Vec::<u16>::new());
    }

    #[test]
    fn only_the_reasons_that_are_named_are_retried() {
        let rules = rules(&[RetryOn::Reset, RetryOn::Timeout], &[]);
        let retried = RetryReason::ALL.map(|reason| rules.has_reason(reason));
        assert_eq!(retried, [false, true, false, true, false, false]);
    }

    #[test]
    fn methods_are_those_that_are_idempotent_or_named() {
        let rules = rules(&[], &[RetryMethod::Idempotent, RetryMethod::Named(Method::PATCH)]);
        for (method, is_covered) in [
            (Method::GET, true),
            (Method::DELETE, true),
            (Method::PATCH, true),
            (Method::POST, false),
        ] {
            assert_eq!(rules.covers(&method), is_covered, "{method}");
        }
    }
}
