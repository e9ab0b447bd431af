//! What a guest does with its descriptors themselves: what they are, closing and renumbering them.

use wasmtime::Linker;

use super::{Errno, Preview, call, link_pair};
use crate::guest::{self, Caller, Span};
use crate::state::{StandardStream, State};

pub(super) const NAMES: &[&str] = &[
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_renumber",
];

/// All flags that a descriptor may have.
const FLAGS: i32 = 0x1F;

pub(super) fn link(linker: &mut Linker<State>, module: &str, preview: Preview) -> wasmtime::Result<()> {
    linker.func_wrap(module, "fd_close", |caller: Caller<'_>, descriptor: i32| {
        call(caller, "fd_close", [descriptor], |caller| {
            let closed = caller.data_mut().descriptors.close(descriptor);
            closed.map(drop).ok_or(Errno::BadDescriptor)
        })
    })?;
    link_pair(linker, module, "fd_renumber", |caller, from, to| {
        let moved = caller.data_mut().descriptors.renumber(from, to);
        moved.ok_or(Errno::BadDescriptor)
    })?;
    link_pair(linker, module, "fd_fdstat_get", describe)?;
    link_pair(linker, module, "fd_fdstat_set_flags", set_flags)?;
    let file_status = match preview {
        Preview::Zero => file_status::<56>,
        Preview::One => file_status::<64>,
    };
    link_pair(linker, module, "fd_filestat_get", file_status)
}

fn open(caller: &Caller<'_>, descriptor: i32) -> Result<StandardStream, Errno> {
    caller.data().descriptors.get(descriptor).ok_or(Errno::BadDescriptor)
}

/// A stream is of no known kind, as it is no terminal, and can be read or written.
fn describe(caller: &mut Caller<'_>, descriptor: i32, out: i32) -> Result<(), Errno> {
    const READ: u8 = 1 << 1;
    const WRITE: u8 = 1 << 6;
    let rights = match open(caller, descriptor)? {
        StandardStream::Input => READ,
        StandardStream::Output | StandardStream::Error => WRITE,
    };
    let (memory, _) = guest::parts(caller)?;
    let description = guest::bytes_mut(memory, Span::new(out, 24))?;
    description.fill(0);
    // Its own rights, and those of what is opened through it.
    description[8] = rights;
    description[16] = rights;
    Ok(())
}

/// No flag means anything here: no call waits, and output is appended.
fn set_flags(caller: &mut Caller<'_>, descriptor: i32, flags: i32) -> Result<(), Errno> {
    if !(0..=FLAGS).contains(&flags) {
        return Err(Errno::Invalid);
    }
    open(caller, descriptor).map(drop)
}

/// A stream has no device, no times and no size. The record's `SIZE` depends on the preview.
fn file_status<const SIZE: usize>(caller: &mut Caller<'_>, descriptor: i32, out: i32) -> Result<(), Errno> {
    open(caller, descriptor)?;
    let (memory, _) = guest::parts(caller)?;
    let len = i32::try_from(SIZE).map_err(|_| Errno::Invalid)?;
    guest::bytes_mut(memory, Span::new(out, len))?.fill(0);
    Ok(())
}
