//! The section `discovery` of an upstream: what its schema cannot say.

use std::time::Duration;

use lockgate_client::Address;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_units::Period;
use lockgate_upstream::{DiscoverySettings, NacosDiscovery};

use crate::substitute::LoadContext;

/// Minimum time between two lookups or queries.
const MIN_REFRESH: Duration = Duration::from_millis(100);
/// Maximum time that Consul holds a query.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Checks the section at `here`. Its paths are absolute then.
pub(super) fn check(
    settings: &mut DiscoverySettings,
    here: &Pointer,
    context: &LoadContext<'_>,
    mistakes: &mut Mistakes,
) {
    if let Some(path) = settings.path_mut() {
        *path = context.path(&path.to_string_lossy());
    }
    if let Some(url) = settings.url().filter(|url| url.is_tls) {
        let mistake = Mistake::new(
            here.key("url"),
            format!("\"{url}\" asks for TLS, which sources do not speak yet"),
        );
        mistakes.push(
            mistake
                .expected("http://HOST:PORT")
                .hint("a proxy beside the gateway can speak TLS, such as \"kubectl proxy\" or a Consul agent"),
        );
    }
    match settings {
        DiscoverySettings::Dns(dns) => {
            refresh(dns.refresh, here, mistakes);
            if let Address::Socket(address) = &dns.name {
                let mistake = Mistake::new(here.key("name"), format!("\"{address}\" is an IP address"));
                mistakes.push(
                    mistake
                        .expected("a host name and a port, such as \"orders.internal:9001\"")
                        .hint("an IP address belongs to \"endpoints\""),
                );
            }
        }
        DiscoverySettings::Srv(srv) => {
            refresh(srv.refresh, here, mistakes);
            if !is_dns_name(&srv.name) {
                mistakes.push(Mistake::invalid(
                    here.key("name"),
                    "the name of SRV records, such as \"_http._tcp.orders.internal\"",
                ));
            }
        }
        DiscoverySettings::Consul(consul) => {
            if consul.token.is_some() && consul.token_file.is_some() {
                let mistake = Mistake::new(here.key("token_file"), "there is a \"token\", too");
                mistakes.push(mistake.expected("either \"token\" or \"token_file\""));
            }
            if consul.wait.is_zero() || consul.wait.duration() > MAX_WAIT {
                mistakes.push(Mistake::invalid(
                    here.key("wait"),
                    "a duration above zero, at most \"10m\"",
                ));
            }
        }
        DiscoverySettings::Nacos(nacos) => {
            refresh(Some(nacos.refresh), here, mistakes);
            check_user(nacos, here, mistakes);
        }
        DiscoverySettings::File(_) | DiscoverySettings::Kubernetes(_) | DiscoverySettings::Registration(_) => {}
    }
}

fn check_user(nacos: &NacosDiscovery, here: &Pointer, mistakes: &mut Mistakes) {
    let missing = match (&nacos.username, &nacos.password) {
        (Some(_), None) => "password",
        (None, Some(_)) => "username",
        _ => return,
    };
    mistakes.push(Mistake::missing_key(here.clone(), missing).expected("both \"username\" and \"password\", or none"));
}

fn refresh(period: Option<Period>, here: &Pointer, mistakes: &mut Mistakes) {
    if period.is_some_and(|period| period.duration() < MIN_REFRESH) {
        mistakes.push(Mistake::invalid(here.key("refresh"), "a duration of \"100ms\" or more"));
    }
}

/// Whether a text is a name in DNS: labels of letters, digits, hyphens and underscores, at most 253 bytes.
pub(super) fn is_dns_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
