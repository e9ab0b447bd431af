//! Outlier detection. Istio's old field `consecutiveErrors` counts gateway errors (502, 503, 504 and failed connections) and turns the
//! count of other 5xx off; the newer fields come before it.

use std::time::Duration;

use crate::durations::written;
use crate::fields::Section;
use crate::output::Object;

/// Maximum time of an ejection where nothing else is said.
const MAX_EJECTION: Duration = Duration::from_secs(300);

pub(super) fn read(section: &Section<'_>) -> Object {
    let number = |name: &str| section.get(name).and_then(|field| field.number());
    let duration = |name: &str| section.get(name).and_then(|field| field.duration());
    let mut out = Object::new();
    if let Some(errors) = number("consecutiveErrors").filter(|errors| *errors > 0) {
        out.set("consecutive_5xx", 0);
        out.set("consecutive_gateway_errors", errors);
    }
    out.set_some("consecutive_5xx", number("consecutive5xxErrors"));
    out.set_some("consecutive_gateway_errors", number("consecutiveGatewayErrors"));
    let local = number("consecutiveLocalOriginFailures");
    if section
        .get("splitExternalLocalOriginErrors")
        .and_then(|field| field.flag())
        == Some(true)
    {
        out.set(
            "consecutive_local_origin_failures",
            local.filter(|count| *count > 0).unwrap_or(5),
        );
    }
    out.set_some("interval", duration("interval").map(written));
    if let Some(base) = duration("baseEjectionTime") {
        out.set("base_ejection_time", written(base));
        if base > MAX_EJECTION {
            out.set("max_ejection_time", written(base));
        }
    }
    // 0 is how an absent number is written.
    let percent = section.get("maxEjectionPercent").and_then(|field| field.percent());
    out.set_some(
        "max_ejection_percent",
        percent.map(f64::trunc).filter(|percent| *percent > 0.0),
    );
    let mut settings = Object::new().with("outlier_detection", out);
    let panic = section.get("minHealthPercent").and_then(|field| field.percent());
    settings.set_some("panic_threshold", panic.map(f64::trunc));
    settings
}
