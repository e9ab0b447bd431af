//! The lookup of a name: hosts file, search list, both families.

use std::net::IpAddr;
use std::time::Duration;

use crate::dns::{Dns, SearchList};
use crate::error::LookupError;
use crate::message::{Answer, Kind, Records, Service, absolute};
use crate::settings::Families;

/// TTL of an address from the hosts file: the file is looked at again.
const HOSTS_TTL: Duration = Duration::from_secs(1);
/// Time that a family without an answer may take after the other has answered with addresses.
const FAMILY_DELAY: Duration = Duration::from_millis(500);

/// What a lookup of addresses has found, by family.
pub(crate) struct Found {
    pub(crate) v4: Family,
    pub(crate) v6: Family,
}

/// The addresses of one family.
pub(crate) type Family = Result<Records<IpAddr>, LookupError>;

impl Found {
    fn has_addresses(&self) -> bool {
        self.v4.is_ok() || self.v6.is_ok()
    }

    /// Whether a server failed, so that nothing is known.
    fn has_failed(&self) -> bool {
        let failed = |family: &Family| family.as_ref().is_err_and(|error| !error.is_negative());
        failed(&self.v4) || failed(&self.v6)
    }
}

/// Looks up the addresses of a name as the operator writes it.
pub(crate) async fn addresses(dns: &Dns, name: &str) -> Found {
    let families = dns.settings().families;
    if let Some(known) = dns.hosts().find(name) {
        return from_hosts(&known, families);
    }
    let mut last = None;
    for candidate in candidates(name, &dns.search_list()) {
        let found = of_candidate(dns, &candidate, families).await;
        // A failure is no answer: another candidate could be another host.
        if found.has_addresses() || found.has_failed() {
            return found;
        }
        last = Some(found);
    }
    last.unwrap_or(Found {
        v4: Err(LookupError::Name),
        v6: Err(LookupError::Name),
    })
}

/// Looks up the servers of a service.
///
/// # Errors
/// There are none, or the lookup failed.
pub(crate) async fn services(dns: &Dns, name: &str) -> Result<Records<Service>, LookupError> {
    let mut last = LookupError::Name;
    for candidate in candidates(name, &dns.search_list()) {
        last = match dns.query(&candidate, Kind::Services).await? {
            // A single target "." says that the service is not there (RFC 2782).
            Answer::Services(records) if records.list.iter().all(|service| service.target == ".") => {
                LookupError::NoRecord
            }
            Answer::Services(records) => return Ok(records),
            Answer::NoSuchName => LookupError::NoSuchName,
            _ => LookupError::NoRecord,
        };
    }
    Err(last)
}

fn from_hosts(known: &[IpAddr], families: Families) -> Found {
    let family = |is_wanted: fn(&IpAddr) -> bool| {
        let wanted = |address: &&IpAddr| is_wanted(address) && families.contain(**address);
        let list: Vec<IpAddr> = known.iter().filter(wanted).copied().collect();
        match list.is_empty() {
            true => Err(LookupError::NoRecord),
            false => Ok(Records { list, ttl: HOSTS_TTL }),
        }
    };
    Found {
        v4: family(IpAddr::is_ipv4),
        v6: family(IpAddr::is_ipv6),
    }
}

/// The absolute names that a name may mean, in the order in which they are tried (resolv.conf(5), `search` and `ndots`).
fn candidates(name: &str, search: &SearchList) -> Vec<String> {
    let own = absolute(name);
    if name.ends_with('.') {
        return vec![own];
    }
    let complete = |domain: &String| absolute(&format!("{name}.{domain}"));
    let mut all: Vec<String> = search.domains.iter().map(complete).collect();
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    if dots >= usize::from(search.ndots) {
        all.insert(0, own);
    } else {
        all.push(own);
    }
    all
}

async fn of_candidate(dns: &Dns, name: &str, families: Families) -> Found {
    match families {
        Families::Ipv4 => Found {
            v4: family(dns, name, Kind::V4).await,
            v6: Err(LookupError::NoRecord),
        },
        Families::Ipv6 => Found {
            v4: Err(LookupError::NoRecord),
            v6: family(dns, name, Kind::V6).await,
        },
        Families::Both => both(family(dns, name, Kind::V4), family(dns, name, Kind::V6)).await,
    }
}

/// Both families at once. When one has addresses, the other has little time left: some servers never answer for IPv6.
async fn both(v4: impl Future<Output = Family>, v6: impl Future<Output = Family>) -> Found {
    let (mut v4, mut v6) = (std::pin::pin!(v4), std::pin::pin!(v6));
    let late = |_| Err(LookupError::Late);
    tokio::select! {
        v4 = &mut v4 => match v4.is_ok() {
            true => Found { v4, v6: tokio::time::timeout(FAMILY_DELAY, v6).await.unwrap_or_else(late) },
            false => Found { v4, v6: v6.await },
        },
        v6 = &mut v6 => match v6.is_ok() {
            true => Found { v4: tokio::time::timeout(FAMILY_DELAY, v4).await.unwrap_or_else(late), v6 },
            false => Found { v4: v4.await, v6 },
        },
    }
}

async fn family(dns: &Dns, name: &str, kind: Kind) -> Family {
    match dns.query(name, kind).await? {
        Answer::Addresses(mut records) => {
            // 0.0.0.0 is how filters say that there is nothing; connecting to it would reach this machine.
            records.list.retain(|address| !address.is_unspecified());
            match records.list.is_empty() {
                true => Err(LookupError::NoRecord),
                false => Ok(records),
            }
        }
        Answer::NoSuchName => Err(LookupError::NoSuchName),
        _ => Err(LookupError::NoRecord),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_by_the_search_list() {
        let search = |ndots| SearchList {
            domains: vec!["a.example".into(), "b.example.".into()],
            ndots,
        };
        assert_eq!(
            candidates("orders", &search(1)),
            ["orders.a.example.", "orders.b.example.", "orders."]
        );
        assert_eq!(
            candidates("orders.default", &search(1)),
            [
                "orders.default.",
                "orders.default.a.example.",
                "orders.default.b.example."
            ]
        );
        assert_eq!(candidates("orders.default", &search(5))[2], "orders.default.");
        assert_eq!(candidates("orders.", &search(5)), ["orders."]);
    }
}
