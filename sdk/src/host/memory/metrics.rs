//! The host calls for metrics of native builds, with Lockgate's limit of label combinations.

use super::call;
use crate::abi::{MetricKind, Status};

/// The maximum number of label combinations of a metric, as in Lockgate.
const SERIES: usize = 100;

fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|labels| labels.starts_with('{'))
}

/// The name with the values that Lockgate gives the labels of combinations above the maximum.
fn without_values(name: &str) -> String {
    let quoted = name.replace("\\\\", "").replace("\\\"", "");
    let parts = quoted.split('"').enumerate();
    let parts = parts.map(|(index, part)| if index % 2 == 1 { "_other" } else { part });
    parts.collect::<Vec<_>>().join("\"")
}

pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    call("proxy_define_metric", |memory| {
        let position = |name: &str| memory.metrics.iter().position(|(_, other, _)| other == name);
        if let Some(known) = position(name) {
            return Ok(known as u32);
        }
        let name = match name.split_once('{') {
            Some((family, _))
                if memory
                    .metrics
                    .iter()
                    .filter(|(_, known, _)| is_of(known, family))
                    .count()
                    >= SERIES =>
            {
                without_values(name)
            }
            _ => name.to_owned(),
        };
        if let Some(known) = position(&name) {
            return Ok(known as u32);
        }
        memory.metrics.push((kind, name, 0));
        Ok(memory.metrics.len() as u32 - 1)
    })
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    call("proxy_increment_metric", |memory| {
        let (_, _, value) = memory.metrics.get_mut(id as usize).ok_or(Status::NotFound)?;
        *value = value.saturating_add_signed(offset);
        Ok(())
    })
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    call("proxy_record_metric", |memory| {
        let (_, _, known) = memory.metrics.get_mut(id as usize).ok_or(Status::NotFound)?;
        *known = value;
        Ok(())
    })
}

pub(crate) fn metric(id: u32) -> Result<u64, Status> {
    call("proxy_get_metric", |memory| {
        memory
            .metrics
            .get(id as usize)
            .map(|(_, _, value)| *value)
            .ok_or(Status::NotFound)
    })
}
