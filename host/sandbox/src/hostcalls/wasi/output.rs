//! Standard output and error: what a guest prints becomes log lines.

use lockgate_abi::LogLevel;
use wasmtime::Linker;

use super::{Errno, call, link_pair};
use crate::guest::{self, Caller, Span};
use crate::state::State;

pub(super) const NAMES: &[&str] = &["fd_write", "fd_fdstat_get", "fd_fdstat_set_flags"];

const STDOUT: i32 = 1;
const STDERR: i32 = 2;
/// More pieces in one write are refused.
const MAX_PIECES: i32 = 1024;
/// Of one write, this much is logged.
const MAX_LOGGED: usize = 16 * 1024;

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32| {
            call(caller, "fd_write", [descriptor, pieces, count, out], |caller| {
                write(caller, descriptor, pieces, count, out)
            })
        },
    )?;
    link_pair(linker, module, "fd_fdstat_get", stat)?;
    link_pair(linker, module, "fd_fdstat_set_flags", |_, descriptor, _| {
        let is_known = (0..=STDERR).contains(&descriptor);
        is_known.then_some(()).ok_or(Errno::BadDescriptor)
    })
}

fn write(caller: &mut Caller<'_>, descriptor: i32, pieces: i32, count: i32, out: i32) -> Result<(), Errno> {
    let level = match descriptor {
        STDOUT => LogLevel::Info,
        STDERR => LogLevel::Error,
        _ => return Err(Errno::BadDescriptor),
    };
    if !(0..=MAX_PIECES).contains(&count) {
        return Err(Errno::Invalid);
    }
    let (memory, state) = guest::parts(caller)?;
    let mut written = 0_u32;
    let mut text = Vec::new();
    for piece in guest::bytes(memory, Span::new(pieces, count * 8))?.chunks_exact(8) {
        let number = |at: usize| i32::from_le_bytes([piece[at], piece[at + 1], piece[at + 2], piece[at + 3]]);
        let span = Span::new(number(0), number(4));
        let bytes = guest::bytes(memory, span)?;
        written = written.checked_add(span.len.cast_unsigned()).ok_or(Errno::Invalid)?;
        let room = MAX_LOGGED - text.len();
        text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.is_empty()) {
        state.log_guest_line(level, line);
    }
    Ok(guest::write_u32(memory, out, written)?)
}

/// The three standard descriptors are character devices with all rights; there are no others.
fn stat(caller: &mut Caller<'_>, descriptor: i32, out: i32) -> Result<(), Errno> {
    const CHARACTER_DEVICE: u8 = 2;
    if !(0..=STDERR).contains(&descriptor) {
        return Err(Errno::BadDescriptor);
    }
    let (memory, _) = guest::parts(caller)?;
    let stat = guest::bytes_mut(memory, Span::new(out, 24))?;
    stat.fill(0);
    stat[0] = CHARACTER_DEVICE;
    stat[8..].fill(0xFF);
    Ok(())
}
