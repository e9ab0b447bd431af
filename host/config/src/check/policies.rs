//! What happens to a route's requests beside reaching their destination: mirrors, delays, aborts, timeouts.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_routing::settings::{AbortSettings, DelaySettings, MirrorSettings, RouteTimeouts};
use lockgate_routing::{Abort, Delay, Mirror};
use lockgate_units::{Period, Size};
use lockgate_upstream::{RequestPolicy, RetryRules, RetrySettings};

use super::destinations::Sources;
use super::{entry, upstream_policies};
use crate::model::{RoutePolicy, UpstreamIndex};
use crate::raw::{Mirrors, Route};

/// The longest delay: longer ones are mistakes in the unit.
const MAX_DELAY: Period = Period::seconds(3600);

/// The largest body that a mirror keeps.
const MAX_MIRRORED: Size = Size::kib(16 * 1024);

/// The policy of the route; none if it has nothing of it.
pub(super) fn read(raw: &mut Route, route: &Sources<'_>, mistakes: &mut Mistakes) -> Option<Box<RoutePolicy>> {
    let here = route.here;
    let mirrors = mirrors(raw.mirror.take(), route, mistakes);
    let delay = raw
        .delay
        .take()
        .and_then(|raw| delay(&raw, &here.key("delay"), mistakes));
    let abort = raw
        .abort
        .take()
        .and_then(|raw| abort(&raw, &here.key("abort"), mistakes));
    let timeouts = raw.timeouts;
    let request = request(raw.retry.take().as_ref(), timeouts, here, mistakes);
    let is_any = !mirrors.is_empty()
        || delay.is_some()
        || abort.is_some()
        || timeouts != RouteTimeouts::default()
        || !request.is_empty();
    is_any.then(|| {
        Box::new(RoutePolicy {
            timeouts,
            request,
            mirrors,
            delay,
            abort,
        })
    })
}

/// Retries and limits of attempts.
fn request(
    retry: Option<&RetrySettings>,
    timeouts: RouteTimeouts,
    here: &Pointer,
    mistakes: &mut Mistakes,
) -> RequestPolicy {
    if let Some(retry) = retry {
        upstream_policies::retry(retry, &here.key("retry"), mistakes);
    }
    if let Some(connect) = timeouts.connect {
        entry::positive(connect, &here.key("timeouts").key("connect"), mistakes);
    }
    RequestPolicy {
        retry: retry.map(RetryRules::new),
        try_timeout: timeouts.per_try.map(Period::duration),
        first_byte: timeouts.first_byte.map(Period::duration),
        connect: timeouts.connect.map(Period::duration),
    }
}

fn mirrors(raw: Option<Mirrors>, route: &Sources<'_>, mistakes: &mut Mistakes) -> Vec<Mirror<UpstreamIndex>> {
    let here = route.here.key("mirror");
    let settings = match raw {
        None => Vec::new(),
        Some(Mirrors::One(one)) => vec![(here, *one)],
        Some(Mirrors::Several(several)) => several
            .into_iter()
            .enumerate()
            .map(|(at, one)| (here.index(at), one))
            .collect(),
    };
    let mut mirrors = Vec::new();
    for (at, (here, mut settings)) in settings.into_iter().enumerate() {
        check_mirror(&settings, &here, mistakes);
        let upstream = route.upstream(settings.upstream.take(), &here, mistakes);
        mirrors.extend(upstream.map(|upstream| Mirror::new(at, upstream, settings)));
    }
    mirrors
}

fn check_mirror(settings: &MirrorSettings, here: &Pointer, mistakes: &mut Mistakes) {
    entry::positive(settings.timeout, &here.key("timeout"), mistakes);
    entry::between(
        settings.max_body,
        Size::kib(0),
        MAX_MIRRORED,
        &here.key("max_body"),
        mistakes,
    );
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !settings.host_suffix.bytes().all(fits) {
        mistakes.push(Mistake::invalid(
            here.key("host_suffix"),
            "letters, digits, \"-\", \"_\" and \".\", as host names have them",
        ));
    }
}

fn delay(raw: &DelaySettings, here: &Pointer, mistakes: &mut Mistakes) -> Option<Delay> {
    if raw.duration.is_zero() || raw.duration > MAX_DELAY {
        mistakes.push(Mistake::invalid(
            here.key("duration"),
            "a duration above zero, and at most \"1h\"",
        ));
    }
    Some(raw.into())
}

fn abort(raw: &AbortSettings, here: &Pointer, mistakes: &mut Mistakes) -> Option<Abort> {
    let abort = Abort::new(raw);
    // It may be empty because a faulty member was skipped.
    if abort.is_none() && !mistakes.within(here) {
        let mistake = Mistake::new(here.clone(), "this abort has no status");
        mistakes.push(mistake.expected("\"status\", like 503, or \"grpc_status\", like 14, or both"));
    }
    abort
}
