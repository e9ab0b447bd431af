//! Policies of upstreams: what their schema does not say.

use http::{HeaderName, HeaderValue};
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_units::Size;
use lockgate_upstream::{
    BreakerMode, BreakerSettings, Fallback, FixedAnswer, OutlierSettings, RetrySettings, Threshold, UpstreamSettings,
};

use super::entry::{between, positive};
use super::upstreams::Upstreams;

/// Checks the policies of an upstream, which is written at `here`.
pub(super) fn check(settings: &UpstreamSettings, here: &Pointer, mistakes: &mut Mistakes) {
    connect_timeout(settings, here, mistakes);
    if let Some(outlier) = &settings.outlier_detection {
        outlier_detection(outlier, &here.key("outlier_detection"), mistakes);
    }
    if let Some(settings) = &settings.retry {
        retry(settings, &here.key("retry"), mistakes);
    }
    if let Some(breaker) = &settings.circuit_breaker {
        circuit_breaker(breaker, &here.key("circuit_breaker"), mistakes);
    }
    if let Some(concurrency) = &settings.concurrency {
        let here = here.key("concurrency").key("queue_timeout");
        positive(concurrency.queue_timeout, &here, mistakes);
    }
}

fn connect_timeout(settings: &UpstreamSettings, here: &Pointer, mistakes: &mut Mistakes) {
    let (old, new) = (here.key("connect_timeout"), here.key("timeouts").key("connect"));
    positive(settings.timeouts.connect, &new, mistakes);
    if let Some(timeout) = settings.connect_timeout {
        positive(timeout, &old, mistakes);
        if settings.timeouts.connect != UpstreamSettings::of([]).timeouts.connect {
            let mistake = Mistake::new(old, format!("{new} says the same")).at_key();
            mistakes.push(mistake.expected("one of the two; \"connect_timeout\" is the older name"));
        }
    }
}

fn outlier_detection(settings: &OutlierSettings, here: &Pointer, mistakes: &mut Mistakes) {
    positive(settings.interval, &here.key("interval"), mistakes);
    positive(settings.base_ejection_time, &here.key("base_ejection_time"), mistakes);
    let counts = [
        settings.consecutive_5xx,
        settings.consecutive_gateway_errors,
        settings.consecutive_local_origin_failures,
    ];
    if counts == [0; 3] {
        let mistake = Mistake::new(here.clone(), "nothing is counted: every number of failures is 0");
        mistakes.push(mistake.expected("at least one of \"consecutive_5xx\", \"consecutive_gateway_errors\" and \"consecutive_local_origin_failures\" above 0"));
    }
}

/// Checks retries, which are written at `here`: of an upstream, or of a route.
pub(super) fn retry(settings: &RetrySettings, here: &Pointer, mistakes: &mut Mistakes) {
    positive(settings.budget.window, &here.key("budget").key("window"), mistakes);
    between(
        settings.max_body,
        Size(0),
        Size::mib(64),
        &here.key("max_body"),
        mistakes,
    );
    if settings.max_backoff < settings.backoff {
        let least = format!("at least \"backoff\", which is {}", settings.backoff);
        mistakes.push(Mistake::invalid(here.key("max_backoff"), least));
    }
}

fn circuit_breaker(settings: &BreakerSettings, here: &Pointer, mistakes: &mut Mistakes) {
    positive(settings.window, &here.key("window"), mistakes);
    positive(settings.open, &here.key("open"), mistakes);
    let expected = match (settings.mode, settings.threshold) {
        (BreakerMode::Volume, Threshold::Number(calls)) if calls.0.fract() == 0.0 => None,
        (BreakerMode::Volume, _) => Some("a whole number of requests, as the mode is \"volume\""),
        (BreakerMode::ErrorRatio, Threshold::Number(ratio)) if ratio.0 <= 1.0 => None,
        (BreakerMode::ErrorRatio, _) => Some("a share above 0 and up to 1, as the mode is \"error_ratio\""),
        (BreakerMode::Latency, Threshold::Duration(duration)) if !duration.is_zero() => None,
        (BreakerMode::Latency, _) => Some("a duration above zero, as the mode is \"latency\""),
    };
    if let Some(expected) = expected {
        mistakes.push(Mistake::invalid(here.key("threshold"), expected));
    }
    let ratio = settings.slow_ratio.0;
    if ratio <= 0.0 || ratio > 1.0 {
        mistakes.push(Mistake::invalid(here.key("slow_ratio"), "a share above 0 and up to 1"));
    }
    let here = here.key("fallback");
    match &settings.fallback {
        Some(Fallback::Stale) => mistakes.push(
            Mistake::new(here, "found \"stale\", which is not available yet")
                .expected("an answer like { \"status\": 503, \"body\": \"…\" }, or { \"upstream\": \"NAME\" }")
                .hint("the response cache serves no stale responses so far"),
        ),
        Some(Fallback::Answer(answer)) => headers(answer, &here.key("headers"), mistakes),
        Some(Fallback::Upstream(_)) | None => {}
    }
}

fn headers(answer: &FixedAnswer, here: &Pointer, mistakes: &mut Mistakes) {
    for (name, value) in &answer.headers {
        if HeaderName::try_from(name).is_err() {
            mistakes.push(Mistake::new(here.key(name), "found an invalid header name").at_key());
        } else if HeaderValue::try_from(value).is_err() {
            mistakes.push(Mistake::invalid(
                here.key(name),
                "a header value without control characters",
            ));
        }
    }
}

/// Checks the upstreams that stand in for others: each exists, and none stands in for itself, not even by way of others.
pub(super) fn fallbacks(upstreams: &Upstreams, mistakes: &mut Mistakes) {
    let fallback_of = |name: &str| {
        let model = upstreams.models.iter().find(|model| &*model.name == name)?;
        match model.settings.circuit_breaker.as_ref()?.fallback.as_ref()? {
            Fallback::Upstream(fallback) => Some(&**fallback),
            Fallback::Answer(_) | Fallback::Stale => None,
        }
    };
    for model in &upstreams.models {
        let Some(first) = fallback_of(&model.name) else {
            continue;
        };
        let here = Pointer::root().key("upstreams").key(&model.name);
        let here = here.key("circuit_breaker").key("fallback").key("upstream");
        if let Err(mistake) = upstreams.find(first, &here) {
            mistakes.push(mistake);
            continue;
        }
        let mut next = Some(first);
        for _ in 0..upstreams.models.len() {
            match next {
                Some(name) if name == &*model.name => {
                    let mistake = Mistake::new(here, "the fallbacks form a circle");
                    mistakes.push(mistake.expected("an upstream whose own fallbacks do not lead back to this one"));
                    break;
                }
                Some(name) => next = fallback_of(name),
                None => break,
            }
        }
    }
}
