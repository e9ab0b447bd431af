//! Groups of endpoints: which endpoint a request goes to, and whether there is another attempt when one fails.
//!
//! An [`Upstream`] is what a snapshot says of a group: protocol, `Host`, timeouts. The [`Group`] itself is alive: it is kept by name across
//! reloads ([`Groups`]) and shared by all workers. Its list of [`Endpoint`]s is swapped as a whole, and each endpoint keeps its [`Standing`]
//! (health, ejection, what is active) for as long as its address stays in the group.
//!
//! A [`Client`] is one worker's set of connections: it lives on that worker's thread, takes no lock, and survives reloads. It sends requests
//! ([`Client::forward`], `send`) or makes a bare connection for other protocols than HTTP (`dial`). All of them pick an endpoint (`pick`,
//! `endpoints`, `balance`), walk the same loop (`attempts`) under one policy (`retry_policy`), and report each outcome (`outcome`). A single
//! attempt is made by `lockgate_client`.
//!
//! This crate knows no routes and no plugins. The only time limit is that for connecting; the caller bounds the whole exchange by
//! dropping the future or the body.

mod attempts;
mod balance;
mod client;
mod dial;
mod ejection;
mod endpoint;
mod endpoints;
mod error;
mod group;
mod groups;
mod outcome;
mod peak_latency;
mod pick;
mod policy;
mod resilient;
mod retry_policy;
mod rng;
mod send;
mod settings;
mod standing;
mod upstream;

pub use client::Client;
pub use dial::UpstreamConnection;
pub use endpoint::Endpoint;
pub use error::{SendError, TimeLimit, in_words};
pub use group::{Group, Override, Source};
pub use groups::Groups;
pub use policy::breaker::BreakerState;
pub use policy::guards::BreakerPass;
pub use policy::replay::ReplayBody;
pub use policy::rules::{RequestPolicy, RetryRules};
pub use policy::state::PolicyReport;
pub use resilient::{Observer, Overdue, RequestHead, RequestOptions, Resend, WholeHead};
pub use send::UpstreamResponse;
pub use settings::{
    Balance, BreakerMode, BreakerSettings, BudgetSettings, ConcurrencySettings, Criticality, EndpointSettings,
    Fallback, FixedAnswer, HealthCheckKind, HealthCheckSettings, HedgeSettings, HostPolicy, InitialHealth,
    OutlierSettings, ProbeHeaders, ProbeHost, ProbeMethod, Ratio, ResponseLimits, RetryMethod, RetryOn, RetrySettings,
    StatusRange, Threshold, UpstreamSettings, UpstreamTimeouts, Weight,
};
pub use settings::{
    ConsulDiscovery, DiscoverySettings, DnsDiscovery, FileDiscovery, KubernetesDiscovery, NacosDiscovery,
    RegistrationDiscovery, ServerUrl, SrvDiscovery,
};
pub use standing::{Ejection, EndpointState, Health, Standing};
pub use upstream::Upstream;
