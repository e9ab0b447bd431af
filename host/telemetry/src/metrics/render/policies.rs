//! The families about the policies of upstreams. An upstream without a policy has no line of it.

use std::sync::{Arc, PoisonError};

use lockgate_upstream::{BreakerState, PolicyReport};

use super::super::counters::Counters;
use super::super::exposition::Page;
use super::super::families::{self as f, Family};

pub(super) fn render(page: &mut Page, counters: &Counters) {
    let upstreams = counters.policies.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let reports: Vec<(Arc<str>, PolicyReport)> = upstreams
        .iter()
        .filter_map(|upstream| Some((upstream.name().clone(), upstream.policy_report()?)))
        .collect();
    page.family(&f::BREAKER_STATE);
    for (upstream, report) in &reports {
        for state in report.breaker.iter().flat_map(|_| BreakerState::ALL) {
            let is_in = u64::from(report.breaker == Some(state));
            page.sample(&f::BREAKER_STATE, &[upstream, state.as_str()], is_in);
        }
    }
    named(page, &f::RETRIES, &reports, |report| &report.retries);
    page.family(&f::RETRY_BUDGET_EXHAUSTED);
    for (upstream, report) in reports.iter().filter(|(_, report)| report.budget_exhausted > 0) {
        page.sample(&f::RETRY_BUDGET_EXHAUSTED, &[upstream], report.budget_exhausted);
    }
    page.family(&f::HEDGES);
    for (upstream, report) in reports.iter().filter(|(_, report)| report.hedges.0 > 0) {
        let (all, won) = report.hedges;
        page.sample(&f::HEDGES, &[upstream, "won"], won);
        page.sample(&f::HEDGES, &[upstream, "lost"], all.saturating_sub(won));
    }
    named(page, &f::EJECTIONS, &reports, |report| &report.ejections);
    named(page, &f::SHED, &reports, |report| &report.shed);
    page.family(&f::CONCURRENCY);
    for (upstream, report) in &reports {
        if let Some((active, queued)) = report.concurrency {
            page.sample(&f::CONCURRENCY, &[upstream, "active"], active as u64);
            page.sample(&f::CONCURRENCY, &[upstream, "queued"], queued as u64);
        }
    }
}

/// A family with a label whose values the reports name.
fn named(
    page: &mut Page,
    family: &Family,
    reports: &[(Arc<str>, PolicyReport)],
    counts: impl Fn(&PolicyReport) -> &[(&'static str, u64)],
) {
    page.family(family);
    for (upstream, report) in reports {
        for (value, count) in counts(report) {
            page.sample(family, &[upstream, value], *count);
        }
    }
}
