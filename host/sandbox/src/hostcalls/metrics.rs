//! `proxy_define_metric`, `proxy_record_metric`, `proxy_increment_metric`, `proxy_get_metric`.

use lockgate_abi::{MetricKind, Status};
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, Span, host_call};
use crate::report::Refusal;
use crate::state::State;

/// The id for a guest when there are too many metrics. Writes to it return NOT_FOUND, which every SDK survives.
const NO_METRIC: u32 = u32::MAX;

/// Longer names are invalid. The registry's own limit is lower.
const MAX_NAME: usize = 4096;
/// What a definition costs, in steps ([`State::spend`]).
const PER_METRIC: usize = 1024;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::DefineMetric.name(),
        |caller: Caller<'_>, kind: i32, at: i32, len: i32, out: i32| {
            host_call(
                caller,
                HostCall::DefineMetric,
                || [kind, at, len, out],
                |caller| define(caller, kind, Span::new(at, len), out),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::RecordMetric.name(),
        |caller: Caller<'_>, metric: i32, value: i64| {
            host_call(
                caller,
                HostCall::RecordMetric,
                || [metric, value as i32, (value >> 32) as i32],
                |caller| {
                    let state = caller.data();
                    let metric = state.ids.metric(metric.cast_unsigned());
                    Ok(state.host.record_metric(metric, value.cast_unsigned())?)
                },
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::IncrementMetric.name(),
        |caller: Caller<'_>, metric: i32, offset: i64| {
            host_call(
                caller,
                HostCall::IncrementMetric,
                || [metric, offset as i32, (offset >> 32) as i32],
                |caller| {
                    let state = caller.data();
                    let metric = state.ids.metric(metric.cast_unsigned());
                    Ok(state.host.increment_metric(metric, offset)?)
                },
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::GetMetric.name(),
        |caller: Caller<'_>, metric: i32, out: i32| {
            host_call(
                caller,
                HostCall::GetMetric,
                || [metric, out],
                |caller| read(caller, metric, out),
            )
        },
    )?;
    Ok(())
}

fn define(caller: &mut Caller<'_>, kind: i32, name: Span, out: i32) -> HostCallResult {
    let kind = MetricKind::try_from(kind)?;
    let (memory, state) = guest::parts(caller)?;
    let name = guest::bytes(memory, name)?;
    if name.len() > MAX_NAME {
        return Err(Status::BadArgument.into());
    }
    state.spend(PER_METRIC + name.len())?;
    let name = std::str::from_utf8(name).map_err(|_| Status::BadArgument)?;
    let defined = state.host.define_metric(&state.plugin, kind, name);
    let metric = match defined {
        Err(Status::InternalFailure) => {
            state.refuse(Refusal::Metric);
            NO_METRIC
        }
        defined => state.ids.guest_metric(defined?),
    };
    Ok(guest::write_u32(memory, out, metric)?)
}

fn read(caller: &mut Caller<'_>, metric: i32, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let value = state.host.metric(state.ids.metric(metric.cast_unsigned()))?;
    Ok(guest::write_u64(memory, out, value)?)
}
