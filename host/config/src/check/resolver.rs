//! The section `resolver`.

use std::time::Duration;

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use lockgate_resolver::ResolverSettings;

use super::discovery::is_dns_name;
use super::entry;
use crate::substitute::LoadContext;

/// Minimum of `min_ttl`: a name is not looked up more often.
const MIN_TTL: Duration = Duration::from_millis(100);

/// Reads the section. The path of the hosts file is absolute then.
pub(super) fn read(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> ResolverSettings {
    let here = Pointer::root().key("resolver");
    let Some(mut settings) = entry::part::<ResolverSettings>(root, &Pointer::root(), "resolver", mistakes) else {
        return ResolverSettings::default();
    };
    entry::positive(settings.timeout, &here.key("timeout"), mistakes);
    if settings.min_ttl.duration() < MIN_TTL {
        mistakes.push(Mistake::invalid(here.key("min_ttl"), "a duration of \"100ms\" or more"));
    }
    if settings.max_ttl < settings.min_ttl {
        let mistake = Mistake::new(
            here.key("max_ttl"),
            format!(
                "\"{}\" is shorter than \"min_ttl\", \"{}\"",
                settings.max_ttl, settings.min_ttl
            ),
        );
        mistakes.push(mistake.expected("a duration of \"min_ttl\" or more"));
    }
    for (index, domain) in settings.search.iter().flatten().enumerate() {
        if !is_dns_name(domain) {
            let here = here.key("search").index(index);
            mistakes.push(Mistake::invalid(here, "a domain, such as \"svc.cluster.local\""));
        }
    }
    settings.hosts = context.path(&settings.hosts.to_string_lossy());
    settings
}
