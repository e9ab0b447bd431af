//! Files and sockets, of which there are none: the functions exist and say so.

use wasmtime::{FuncType, Linker, Val, ValType};

use super::{Errno, call};
use crate::state::{Descriptors, StandardStream, State};

/// A function that fails, whatever it is asked. Every one returns an error number, and takes a descriptor first.
struct Absent {
    name: &'static str,
    /// Parameter types: `i` for 32 bits, `I` for 64.
    params: &'static str,
    /// Parameters that are enumerations or flags, by position, and the greatest value of each. A greater one is
    /// [`Errno::Invalid`].
    bounds: &'static [(usize, i32)],
    /// The error number for standard input, and that for the outputs. For other descriptors it is [`Errno::BadDescriptor`].
    errors: [Errno; 2],
}

const TABLE: &[Absent] = &[
    file("fd_advise", "iIIi", &[(3, ADVICE)]),
    file("fd_allocate", "iII", &[]),
    file("fd_datasync", "i", &[]),
    file("fd_fdstat_set_rights", "iII", &[]),
    file("fd_filestat_set_size", "iI", &[]),
    file("fd_filestat_set_times", "iIIi", &[(3, TIME_FLAGS)]),
    stream("fd_pread", "iiiIi", &[], [Errno::InvalidSeek, Errno::BadDescriptor]),
    file("fd_prestat_get", "ii", &[]),
    stream("fd_prestat_dir_name", "iii", &[], [Errno::NotDirectory; 2]),
    stream("fd_pwrite", "iiiIi", &[], [Errno::BadDescriptor, Errno::InvalidSeek]),
    file("fd_readdir", "iiiIi", &[]),
    stream("fd_seek", "iIii", &[(2, WHENCE)], [Errno::InvalidSeek; 2]),
    file("fd_sync", "i", &[]),
    stream("fd_tell", "ii", &[], [Errno::InvalidSeek; 2]),
    file("path_create_directory", "iii", &[]),
    file("path_filestat_get", "iiiii", &[(1, LOOKUP_FLAGS)]),
    file(
        "path_filestat_set_times",
        "iiiiIIi",
        &[(1, LOOKUP_FLAGS), (6, TIME_FLAGS)],
    ),
    file("path_link", "iiiiiii", &[(1, LOOKUP_FLAGS)]),
    file(
        "path_open",
        "iiiiiIIii",
        &[(1, LOOKUP_FLAGS), (4, OPEN_FLAGS), (7, DESCRIPTOR_FLAGS)],
    ),
    file("path_readlink", "iiiiii", &[]),
    file("path_remove_directory", "iii", &[]),
    file("path_rename", "iiiiii", &[]),
    file("path_symlink", "iiiii", &[]),
    file("path_unlink_file", "iii", &[]),
    socket("sock_accept", "iii", &[(1, DESCRIPTOR_FLAGS)]),
    socket("sock_recv", "iiiiii", &[(3, RECEIVE_FLAGS)]),
    socket("sock_send", "iiiii", &[]),
    socket("sock_shutdown", "ii", &[(1, DIRECTIONS)]),
];

// The greatest value of each enumeration, and all bits of each set of flags.
const ADVICE: i32 = 5;
const WHENCE: i32 = 2;
const LOOKUP_FLAGS: i32 = 0x1;
const OPEN_FLAGS: i32 = 0xF;
const TIME_FLAGS: i32 = 0xF;
const DESCRIPTOR_FLAGS: i32 = 0x1F;
const RECEIVE_FLAGS: i32 = 0x3;
const DIRECTIONS: i32 = 0x3;

/// A function of files and folders, neither of which a standard stream is.
const fn file(name: &'static str, params: &'static str, bounds: &'static [(usize, i32)]) -> Absent {
    stream(name, params, bounds, [Errno::BadDescriptor; 2])
}

/// A function of sockets.
const fn socket(name: &'static str, params: &'static str, bounds: &'static [(usize, i32)]) -> Absent {
    stream(name, params, bounds, [Errno::NotSocket; 2])
}

/// A function that has error numbers of its own for standard streams.
const fn stream(
    name: &'static str,
    params: &'static str,
    bounds: &'static [(usize, i32)],
    errors: [Errno; 2],
) -> Absent {
    Absent {
        name,
        params,
        bounds,
        errors,
    }
}

impl Absent {
    fn error(&self, descriptors: &Descriptors, arguments: &[Val]) -> Errno {
        let argument = |at: usize| arguments.get(at).and_then(Val::i32);
        let is_within =
            |(at, greatest): &(usize, i32)| argument(*at).is_some_and(|value| (0..=*greatest).contains(&value));
        if !self.bounds.iter().all(is_within) {
            return Errno::Invalid;
        }
        let [input, output] = self.errors;
        match argument(0).and_then(|descriptor| descriptors.get(descriptor)) {
            Some(StandardStream::Input) => input,
            Some(StandardStream::Output | StandardStream::Error) => output,
            None => Errno::BadDescriptor,
        }
    }
}

pub(super) fn offers(name: &str) -> bool {
    TABLE.iter().any(|absent| absent.name == name)
}

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    for absent in TABLE {
        let params = absent
            .params
            .chars()
            .map(|kind| if kind == 'I' { ValType::I64 } else { ValType::I32 });
        let kind = FuncType::new(linker.engine(), params, [ValType::I32]);
        linker.func_new(module, absent.name, kind, move |caller, arguments, results| {
            let errno = call(caller, absent.name, [], |caller| {
                Err(absent.error(&caller.data().descriptors, arguments))
            })?;
            results[0] = Val::I32(errno);
            Ok(())
        })?;
    }
    Ok(())
}
