//! The standard streams: what a guest prints becomes log lines; its input is always at its end.

use lockgate_abi::LogLevel;
use wasmtime::Linker;

use super::{Errno, call, spend};
use crate::guest::{self, Caller, Span};
use crate::state::{StandardStream, State};

pub(super) const NAMES: &[&str] = &["fd_read", "fd_write"];

/// More pieces in one read or write are refused.
const MAX_PIECES: i32 = 1024;
/// What a line costs, in steps.
const PER_LINE: usize = 512;
/// Of one write, this much is logged.
const MAX_LOGGED: usize = 16 * 1024;

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_read",
        |caller: Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32| {
            call(caller, "fd_read", [descriptor, pieces, count, out], |caller| {
                read(caller, descriptor, pieces, count, out)
            })
        },
    )?;
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32| {
            call(caller, "fd_write", [descriptor, pieces, count, out], |caller| {
                write(caller, descriptor, pieces, count, out)
            })
        },
    )?;
    Ok(())
}

/// The end of the input: no bytes, into buffers that are not looked at.
fn read(caller: &mut Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    if state.descriptors.get(descriptor) != Some(StandardStream::Input) {
        return Err(Errno::BadDescriptor);
    }
    list(memory, pieces, count)?;
    Ok(guest::write_u32(memory, out, 0)?)
}

fn write(caller: &mut Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    let level = match state.descriptors.get(descriptor) {
        Some(StandardStream::Output) => LogLevel::Info,
        Some(StandardStream::Error) => LogLevel::Error,
        Some(StandardStream::Input) | None => return Err(Errno::BadDescriptor),
    };
    let mut written = 0_u32;
    let mut text = Vec::new();
    let list = list(memory, pieces, count)?;
    spend(state, MAX_LOGGED + list.len())?;
    for piece in list.chunks_exact(8) {
        let number = |at: usize| i32::from_le_bytes([piece[at], piece[at + 1], piece[at + 2], piece[at + 3]]);
        let span = Span::new(number(0), number(4));
        let bytes = guest::bytes(memory, span)?;
        written = written.checked_add(span.len.cast_unsigned()).ok_or(Errno::Invalid)?;
        let room = MAX_LOGGED - text.len();
        text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            spend(state, PER_LINE)?;
            state.log_guest_line(level, line);
        }
    }
    Ok(guest::write_u32(memory, out, written)?)
}

/// A guest's list of buffers: a pointer and a length each.
fn list(memory: &[u8], pieces: i32, count: i32) -> Result<&[u8], Errno> {
    if !(0..=MAX_PIECES).contains(&count) {
        return Err(Errno::Invalid);
    }
    Ok(guest::bytes(memory, Span::new(pieces, count * 8))?)
}
