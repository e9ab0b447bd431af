//! Files and sockets, of which there are none: the functions exist and answer so.

use wasmtime::{FuncType, Linker, Val, ValType};

use super::{Errno, call};
use crate::state::State;

/// Name, and parameter types: `i` for 32 bits, `I` for 64. Every function returns an error number.
const TABLE: &[(&str, &str)] = &[
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("proc_raise", "i"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

pub(super) fn offers(name: &str) -> bool {
    TABLE.iter().any(|entry| entry.0 == name)
}

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    for (name, params) in TABLE {
        let params = params
            .chars()
            .map(|kind| if kind == 'I' { ValType::I64 } else { ValType::I32 });
        let kind = FuncType::new(linker.engine(), params, [ValType::I32]);
        linker.func_new(module, name, kind, move |caller, _, results| {
            results[0] = Val::I32(call(caller, name, [], |_| Err(Errno::BadDescriptor)));
            Ok(())
        })?;
    }
    Ok(())
}
