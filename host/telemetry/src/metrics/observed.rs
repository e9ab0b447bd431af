//! Counts that are kept elsewhere, and read when the page of all metrics is written: of discovery and of the resolver.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::exposition::Page;
use super::families::discovery as f;

/// How the source of an upstream's endpoints is doing.
#[derive(Clone, Debug)]
pub struct DiscoveryTotals {
    /// The upstream.
    pub upstream: Arc<str>,
    /// The type of its source.
    pub source: &'static str,
    /// Time since the source has confirmed the list in force; none if there is no list.
    pub age: Option<Duration>,
    /// Lists that differed from the one before.
    pub updates: u64,
    /// Failures to get a list.
    pub failures: u64,
}

/// Lookups of host names since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct LookupTotals {
    /// Names that are kept current.
    pub names: u64,
    /// Lookups that gave addresses.
    pub succeeded: u64,
    /// Lookups that gave none.
    pub failed: u64,
}

type Reader<T> = Box<dyn Fn() -> T + Send + Sync>;

/// Who reads the counts. Absent: there is nothing to count.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) discovery: OnceLock<Reader<Vec<DiscoveryTotals>>>,
    pub(super) lookups: OnceLock<Reader<LookupTotals>>,
}

impl Observed {
    pub(super) fn render(&self, page: &mut Page) {
        if let Some(read) = self.discovery.get() {
            discovery(page, &read());
        }
        if let Some(read) = self.lookups.get() {
            lookups(page, read());
        }
    }
}

fn discovery(page: &mut Page, sources: &[DiscoveryTotals]) {
    if sources.is_empty() {
        return;
    }
    page.family(&f::LIST_AGE);
    for source in sources {
        if let Some(age) = source.age {
            page.sample(&f::LIST_AGE, &[&source.upstream, source.source], age.as_secs());
        }
    }
    page.family(&f::UPDATES);
    for source in sources {
        page.sample(&f::UPDATES, &[&source.upstream, source.source], source.updates);
    }
    page.family(&f::FAILURES);
    for source in sources {
        page.sample(&f::FAILURES, &[&source.upstream, source.source], source.failures);
    }
}

fn lookups(page: &mut Page, totals: LookupTotals) {
    page.family(&f::RESOLVER_NAMES);
    page.sample(&f::RESOLVER_NAMES, &[], totals.names);
    page.family(&f::RESOLVER_LOOKUPS);
    page.sample(&f::RESOLVER_LOOKUPS, &[f::FOUND], totals.succeeded);
    page.sample(&f::RESOLVER_LOOKUPS, &[f::FAILED], totals.failed);
}

impl fmt::Debug for Observed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Observed").finish_non_exhaustive()
    }
}
