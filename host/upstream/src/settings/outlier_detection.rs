//! Outlier detection: endpoints that answer badly are left out for a while.

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Outlier detection: an endpoint that fails several times in a row gets no requests for a while (it is ejected). After that time one
/// request tries it; if it succeeds, the endpoint is back. Shared by all workers, and kept over reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierSettings {
    /// Failures in a row that eject an endpoint: responses with a status of 500 or more, failed connections, timeouts and resets. 0: not
    /// counted.
    pub consecutive_5xx: u32,
    /// The same for gateway errors: the statuses 502, 503 and 504, failed connections, timeouts and resets. 0: not counted.
    pub consecutive_gateway_errors: u32,
    /// The same for failed connections, timeouts and resets alone, which then count here and nowhere else. 0: they count as status 503.
    pub consecutive_local_origin_failures: u32,
    /// An endpoint that is back for so long without being ejected again has one ejection less to its account. A request that cannot be
    /// repeated tries an ejected endpoint only when its time has been over for so long.
    pub interval: Period,
    /// Time of the first ejection. The second in a row takes twice as long, the third three times, and so on.
    pub base_ejection_time: Period,
    /// Maximum time of an ejection; at least `base_ejection_time`.
    pub max_ejection_time: Period,
    /// Maximum share of the endpoints that are ejected at a time, in percent. One may be, whatever its share, unless this is 0. One is
    /// always left, unless this is 100.
    #[schemars(range(max = 100))]
    pub max_ejection_percent: u8,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway_errors: 0,
            consecutive_local_origin_failures: 0,
            interval: Period::seconds(10),
            base_ejection_time: Period::seconds(30),
            max_ejection_time: Period::seconds(300),
            max_ejection_percent: 10,
        }
    }
}
