//! `proxy_get_shared_data`, `proxy_set_shared_data`: values that plugins of one `vm_id` share.

use std::borrow::Cow;

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, Span, host_call};
use crate::report::Refusal;
use crate::state::State;

/// Longer keys are refused, and not found. The store's own limit is lower.
const MAX_KEY: usize = 16 * 1024;
/// What a call costs besides its bytes, in steps ([`State::spend`]).
const PER_CALL: usize = 512;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetSharedData.name(),
        |caller: Caller<'_>, key: i32, key_len: i32, at: i32, len: i32, cas: i32| {
            host_call(
                caller,
                HostCall::GetSharedData,
                || [key, key_len, at, len, cas],
                |caller| read(caller, Span::new(key, key_len), ResultSlot::new(at, len), cas),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::SetSharedData.name(),
        |caller: Caller<'_>, key: i32, key_len: i32, value: i32, value_len: i32, cas: i32| {
            host_call(
                caller,
                HostCall::SetSharedData,
                || [key, key_len, value, value_len, cas],
                |caller| write(caller, Span::new(key, key_len), Span::new(value, value_len), cas),
            )
        },
    )?;
    Ok(())
}

fn read(caller: &mut Caller<'_>, key: Span, out: ResultSlot, cas_out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let key = guest::bytes(memory, key)?;
    if key.len() > MAX_KEY {
        return Err(Status::NotFound.into());
    }
    state.spend(PER_CALL + key.len())?;
    let key = spelled(key);
    let (value, cas) = state
        .host
        .shared_data(&state.plugin.settings().vm_id, &key)
        .ok_or(Status::NotFound)?;
    guest::write_u32(memory, cas_out, cas)?;
    guest::write_result_bytes(caller, out, &value)
}

fn write(caller: &mut Caller<'_>, key: Span, value: Span, cas: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let (key, value) = (guest::bytes(memory, key)?, guest::bytes(memory, value)?);
    if key.len() > MAX_KEY {
        refused(state);
        return Err(Status::InternalFailure.into());
    }
    state.spend(PER_CALL + key.len() + value.len())?;
    let key = spelled(key);
    let set = state
        .host
        .set_shared_data(&state.plugin.settings().vm_id, &key, value, cas.cast_unsigned());
    if set == Err(Status::InternalFailure) {
        refused(state);
    }
    Ok(set?)
}

/// A limit is reached: the guest is told, and so is the log. CAS_MISMATCH would make guests try again and again, and OK would lose a value unnoticed.
fn refused(state: &mut State) {
    state.warn(format_args!("shared value refused: too many values, or too large"));
    state.refuse(Refusal::SharedData);
}

/// A key as text. Guests may use any bytes. Those that are not UTF-8 are spelled with a prefix that no text key of a guest has.
fn spelled(key: &[u8]) -> Cow<'_, str> {
    const OTHERWISE: &str = "\0bytes:";
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match str::from_utf8(key) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(OTHERWISE.len() + 2 * key.len());
            text.push_str(OTHERWISE);
            for byte in key {
                text.push(char::from(DIGITS[usize::from(byte >> 4)]));
                text.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_text_are_spelled_apart() {
        assert_eq!(spelled(b"plain"), "plain");
        assert_eq!(spelled(b"\xff\x00\x1a"), "\0bytes:ff001a");
    }
}
