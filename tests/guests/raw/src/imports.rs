//! The host calls by name, called with however many numbers a script gives.

type Address = *const ();

/// Declares imports, and the table by which scripts find them: name, address, types of the parameters (`I` is 64 bits).
macro_rules! imports {
    ($($module:literal { $($name:ident($($kind:ident),*);)* })*) => {
        $(
            #[link(wasm_import_module = $module)]
            unsafe extern "C" {
                $(fn $name($(_: imports!(@type $kind)),*) -> i32;)*
            }
        )*
        fn address(name: &str) -> Option<(Address, &'static str)> {
            match name {
                $($(stringify!($name) => Some(($name as Address, concat!($(stringify!($kind)),*))),)*)*
                _ => None,
            }
        }
    };
    (@type i) => { i32 };
    (@type I) => { i64 };
}

imports! {
    "env" {
        proxy_log(i, i, i);
        proxy_get_log_level(i);
        proxy_get_current_time_nanoseconds(i);
        proxy_set_tick_period_milliseconds(i);
        proxy_get_buffer_bytes(i, i, i, i, i);
        proxy_get_buffer_status(i, i, i);
        proxy_set_buffer_bytes(i, i, i, i, i);
        proxy_get_header_map_size(i, i);
        proxy_get_header_map_pairs(i, i, i);
        proxy_set_header_map_pairs(i, i, i);
        proxy_get_header_map_value(i, i, i, i, i);
        proxy_add_header_map_value(i, i, i, i, i);
        proxy_replace_header_map_value(i, i, i, i, i);
        proxy_remove_header_map_value(i, i, i);
        proxy_continue_stream(i);
        proxy_close_stream(i);
        proxy_send_local_response(i, i, i, i, i, i, i, i);
        proxy_http_call(i, i, i, i, i, i, i, i, i, i);
        proxy_grpc_call(i, i, i, i, i, i, i, i, i, i, i, i);
        proxy_grpc_stream(i, i, i, i, i, i, i, i, i);
        proxy_grpc_send(i, i, i, i);
        proxy_grpc_cancel(i);
        proxy_grpc_close(i);
        proxy_get_status(i, i, i);
        proxy_set_shared_data(i, i, i, i, i);
        proxy_get_shared_data(i, i, i, i, i);
        proxy_register_shared_queue(i, i, i);
        proxy_resolve_shared_queue(i, i, i, i, i);
        proxy_enqueue_shared_queue(i, i, i);
        proxy_dequeue_shared_queue(i, i, i);
        proxy_define_metric(i, i, i, i);
        proxy_record_metric(i, I);
        proxy_increment_metric(i, I);
        proxy_get_metric(i, i);
        proxy_get_property(i, i, i, i);
        proxy_set_property(i, i, i, i);
        proxy_call_foreign_function(i, i, i, i, i, i);
        proxy_set_effective_context(i);
        proxy_done();
    }
    "wasi_snapshot_preview1" {
        args_get(i, i);
        args_sizes_get(i, i);
        clock_time_get(i, I, i);
        environ_get(i, i);
        environ_sizes_get(i, i);
        fd_close(i);
        fd_fdstat_get(i, i);
        fd_fdstat_set_flags(i, i);
        fd_prestat_dir_name(i, i, i);
        fd_prestat_get(i, i);
        fd_read(i, i, i, i);
        fd_seek(i, I, i, i);
        fd_write(i, i, i, i);
        path_filestat_get(i, i, i, i, i);
        path_open(i, i, i, i, i, I, I, i, i);
        poll_oneoff(i, i, i, i);
        random_get(i, i);
        sched_yield();
        clock_res_get(i, i);
        fd_advise(i, I, I, i);
        fd_allocate(i, I, I);
        fd_datasync(i);
        fd_fdstat_set_rights(i, I, I);
        fd_filestat_get(i, i);
        fd_filestat_set_size(i, I);
        fd_pread(i, i, i, I, i);
        fd_pwrite(i, i, i, I, i);
        fd_readdir(i, i, i, I, i);
        fd_renumber(i, i);
        fd_sync(i);
        fd_tell(i, i);
        path_create_directory(i, i, i);
        path_remove_directory(i, i, i);
        path_unlink_file(i, i, i);
        sock_shutdown(i, i);
    }
}

/// Why a script's line cannot be called.
#[derive(Clone, Copy)]
pub(crate) enum Uncallable {
    Unknown,
    Arguments,
}

/// Calls the function of that name. `proxy_` may be left out.
pub(crate) fn call(name: &str, args: &[i64]) -> Result<i32, Uncallable> {
    let (address, kinds) = address(name)
        .or_else(|| self::address(&format!("proxy_{name}")))
        .ok_or(Uncallable::Unknown)?;
    if kinds.len() != args.len() {
        return Err(Uncallable::Arguments);
    }
    Ok(unsafe { invoke(address, kinds, args) })
}

/// Calls through a pointer of exactly the import's type, as WebAssembly demands.
unsafe fn invoke(address: Address, kinds: &str, args: &[i64]) -> i32 {
    macro_rules! with {
        ($($kind:ident)*) => {{
            let mut args = args.iter().copied();
            let function: unsafe extern "C" fn($(with!(@type $kind)),*) -> i32 = unsafe { std::mem::transmute(address) };
            let _ = &mut args;
            unsafe { function($(args.next().unwrap_or_default() as with!(@type $kind)),*) }
        }};
        (@type i) => { i32 };
        (@type I) => { i64 };
    }
    match kinds {
        "" => with!(),
        "i" => with!(i),
        "ii" => with!(i i),
        "iii" => with!(i i i),
        "iiii" => with!(i i i i),
        "iiiii" => with!(i i i i i),
        "iiiiii" => with!(i i i i i i),
        "iiiiiiii" => with!(i i i i i i i i),
        "iiiiiiiii" => with!(i i i i i i i i i),
        "iiiiiiiiii" => with!(i i i i i i i i i i),
        "iiiiiiiiiiii" => with!(i i i i i i i i i i i i),
        "iiiiiii" => with!(i i i i i i i),
        "iII" => with!(i I I),
        "iIIi" => with!(i I I i),
        "iiiIi" => with!(i i i I i),
        "iiiiIIi" => with!(i i i i I I i),
        "iI" => with!(i I),
        "iIi" => with!(i I i),
        "iIii" => with!(i I i i),
        "iiiiiIIii" => with!(i i i i i I I i i),
        _ => unreachable!("every import's type stands above"),
    }
}
