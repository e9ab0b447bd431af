//! [`Upstream`]: what a snapshot says of a group of endpoints.

use std::sync::Arc;

use lockgate_client::{KeepAlive, PoolSettings, Protocol, Security};

use crate::ejection;
use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::error::SendError;
use crate::group::Group;
use crate::groups::Groups;
use crate::policy::breaker::BreakerState;
use crate::policy::clock;
use crate::policy::guards::BreakerPass;
use crate::policy::rules::Policies;
use crate::policy::state::PolicyReport;
use crate::settings::{Balance, Fallback, HostPolicy, UpstreamSettings};

/// What a snapshot says of a group of endpoints: how requests are sent to them. The endpoints themselves live in its [`Group`].
#[derive(Debug)]
pub struct Upstream {
    group: Arc<Group>,
    /// The group's list as these settings make it: while it is the list in force, a pick needs not ask for that.
    prepared: Arc<Endpoints>,
    /// The endpoint, if there is one alone and no policy.
    only: Option<Arc<Endpoint>>,
    policies: Option<Box<Policies>>,
    /// Something asks for how long attempts take.
    is_timed: bool,
    pub(crate) host: HostPolicy,
    protocol: Protocol,
    security: Security,
    pub(crate) pool: PoolSettings,
}

impl Upstream {
    /// The upstream that these settings describe, in clear text, with a group of its own.
    ///
    /// # Panics
    /// The settings must not ask for TLS.
    pub fn new(name: impl Into<Arc<str>>, settings: &UpstreamSettings) -> Self {
        let upstream = Self::of(&Groups::default(), &name.into(), settings);
        upstream.publish(settings);
        upstream
    }

    /// The upstream that these settings describe, in clear text, with the group of its name. The group does not change before
    /// [`Upstream::publish`].
    ///
    /// # Panics
    /// The settings must not ask for TLS.
    pub fn of(groups: &Groups, name: &Arc<str>, settings: &UpstreamSettings) -> Self {
        assert!(settings.tls.is_none(), "TLS is never left out");
        Self::secured(groups, name, settings, Security::ClearText)
    }

    /// The upstream that these settings describe, with the group of its name. `security` is what their `tls` says. The group does not
    /// change before [`Upstream::publish`].
    pub fn secured(groups: &Groups, name: &Arc<str>, settings: &UpstreamSettings, security: Security) -> Self {
        let group = groups.join(name);
        let prepared = group.prepare(settings, &security);
        let single = prepared.single().filter(|_| prepared.list().len() == 1);
        Self {
            only: single.filter(|_| !settings.has_policy()).cloned(),
            policies: Policies::of(settings),
            is_timed: settings.has_policy() || settings.balance == Balance::PeakEwma,
            prepared,
            group,
            host: settings.host.clone(),
            protocol: match (settings.protocol, &security) {
                (Protocol::Auto, Security::ClearText) => Protocol::Http1,
                (protocol, _) => protocol,
            },
            security,
            pool: PoolSettings {
                connect_timeout: settings.connect_limit().duration(),
                max_streams: settings.max_streams.get(),
                response_head: settings.limits.response_head(),
                keep_alive: KeepAlive {
                    idle_timeout: settings.idle_timeout.duration(),
                    max_idle: settings.max_idle,
                },
            },
        }
    }

    /// Makes the group's endpoints and balancing those of these settings, which the upstream was made of: its snapshot goes live.
    pub fn publish(&self, settings: &UpstreamSettings) {
        self.group.publish(settings, &self.security, &self.prepared);
        if settings.outlier_detection.is_none() {
            ejection::end_all(&self.group);
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &Arc<str> {
        self.group.name()
    }

    /// Its living endpoints.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Its policies, if there are any.
    pub(crate) fn policies(&self) -> Option<&Policies> {
        self.policies.as_deref()
    }

    /// Whether requests to it are sent under policies.
    pub fn has_policies(&self) -> bool {
        self.policies.is_some()
    }

    /// Asks the circuit breaker, if there is one, whether a request may be sent; `observe` is told its state.
    ///
    /// # Errors
    /// [`SendError::CircuitOpen`].
    pub fn admit(&self, observe: impl FnOnce(BreakerState)) -> Result<Option<BreakerPass<'_>>, SendError> {
        let Some(settings) = self.policies().and_then(|policies| policies.breaker.as_ref()) else {
            return Ok(None);
        };
        let (state, pass) = BreakerPass::ask(self.name(), &self.group.policies, settings);
        observe(state);
        match pass {
            Ok(pass) => Ok(Some(pass)),
            Err(refused) => Err(SendError::CircuitOpen {
                retry_after: refused.retry_after,
                why: refused.why,
            }),
        }
    }

    /// Keeps the circuit breaker in this state, whatever it counts; `None` lets it decide again. Without a breaker it does nothing.
    pub fn force_breaker(&self, state: Option<BreakerState>) {
        self.group.policies.breaker.force(state);
    }

    /// What clients get while the circuit breaker is open.
    pub fn fallback(&self) -> Option<&Fallback> {
        self.policies()?.breaker.as_ref()?.fallback.as_ref()
    }

    /// What its policies have done and are doing; `None` without policies.
    pub fn policy_report(&self) -> Option<PolicyReport> {
        let policies = self.policies()?;
        let state = &self.group.policies;
        Some(state.report(policies.breaker.is_some(), policies.concurrency.is_some(), clock::now()))
    }

    /// How connections to its endpoints are secured.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The protocol of its endpoints. `Auto` only over TLS.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The time since the group was made, in microseconds; zero if nothing asks for how long attempts take.
    pub(crate) fn clock(&self) -> u64 {
        match self.is_timed {
            true => self.group.clock().as_micros() as u64,
            false => 0,
        }
    }

    /// The endpoint, if it is the only one and nothing asks for how it does.
    pub(crate) fn straight(&self) -> Option<&Arc<Endpoint>> {
        match &self.only {
            Some(only) if self.group.is_current(&self.prepared) => Some(only),
            _ => None,
        }
    }

    /// The endpoint that [`Upstream::straight`] gave.
    pub(crate) fn only(&self) -> &Endpoint {
        self.only
            .as_ref()
            .expect("a pick is observed unless its endpoint is the only one")
    }

    /// The list in force, if that is the one that was prepared.
    pub(crate) fn prepared_if_current(&self) -> Option<&Endpoints> {
        self.group.is_current(&self.prepared).then_some(&*self.prepared)
    }
}
