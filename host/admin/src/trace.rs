//! `/api/trace`: the switch that has the host calls of chosen requests logged.

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use lockgate_telemetry::call_trace::{TraceRule, TraceSwitch};

use crate::problem::ApiError;
use crate::respond::{CLIENT_TIMEOUT, json};

/// A rule of more bytes is refused.
const LONGEST_RULE: usize = 64 * 1024;

/// GET tells what it is doing, PUT switches it on, DELETE off. Each answers with what it does then.
pub(crate) async fn page(
    switch: &TraceSwitch,
    method: &Method,
    body: Incoming,
) -> Result<Response<Full<Bytes>>, ApiError> {
    match *method {
        Method::GET | Method::HEAD => {}
        Method::PUT => {
            let rule = TraceRule::read(&whole(body).await?).map_err(ApiError::InvalidBody)?;
            tracing::info!(
                requests = rule.requests,
                duration = %rule.duration,
                "host call trace on"
            );
            switch.begin(rule);
        }
        Method::DELETE => {
            tracing::info!("host call trace off: switched off by request");
            switch.end();
        }
        _ => return Err(ApiError::MethodNotAllowed("GET, HEAD, PUT, DELETE")),
    }
    Ok(json(&switch.report()))
}

async fn whole(body: Incoming) -> Result<Bytes, ApiError> {
    let read = Limited::new(body, LONGEST_RULE).collect();
    match tokio::time::timeout(CLIENT_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge),
        _ => Err(ApiError::RequestTimeout),
    }
}
