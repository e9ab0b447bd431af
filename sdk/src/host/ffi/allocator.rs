//! The global allocator of a module, and replacements for the two functions that would link libc's allocator, a fifth
//! of a small plugin: when the standard library panics, it reads `RUST_BACKTRACE` and the current directory, and libc
//! allocates for both. The replacements have libc's names, and so are exported from the module. libc defines another
//! symbol in the same object; it stands here, too, as a build without link-time optimization asks for it, and would
//! otherwise define the others twice.
//!
//! A plugin with an allocator of its own disables the crate's feature `allocator`, and with it this file.

use std::cell::OnceCell;
use std::ffi::{CStr, c_char};
use std::ptr::{NonNull, null};
use std::sync::atomic::AtomicPtr;

use super::heap::{Heap, Pages};

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
    fn environ_get(texts: *mut *const u8, bytes: *mut u8) -> u32;
}

#[global_allocator]
static HEAP: Heap<Linear> = Heap::new(Linear);

// SAFETY: a module of this target has one thread.
unsafe impl Sync for Heap<Linear> {}

/// The module's linear memory.
struct Linear;

impl Pages for Linear {
    const SIZE: usize = 65536;

    fn grow(&self, bytes: usize) -> Option<NonNull<u8>> {
        // The new pages belong to this heap alone: libc, if it allocates at all, grows the memory in the same way.
        let before = core::arch::wasm32::memory_grow::<0>(bytes / Self::SIZE);
        NonNull::new(before.checked_mul(Self::SIZE)? as *mut u8)
    }
}

/// The current directory, by libc's name. It never changes.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name in libc")]
static __wasilibc_cwd: AtomicPtr<c_char> = AtomicPtr::new(c"/".as_ptr().cast_mut());

/// libc's `getcwd`. It always fails, as a module has no directories.
#[unsafe(no_mangle)]
extern "C" fn getcwd(_: *mut c_char, _: usize) -> *mut c_char {
    std::ptr::null_mut()
}

/// libc's `getenv`.
///
/// # Safety
/// `name` is a text that ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn getenv(name: *const c_char) -> *const c_char {
    thread_local! {
        static ENVIRONMENT: OnceCell<Vec<u8>> = const { OnceCell::new() };
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    ENVIRONMENT.with(|environment| {
        for text in environment
            .get_or_init(environment_of_host)
            .split_inclusive(|byte| *byte == 0)
        {
            if let Some([b'=', value @ ..]) = text.strip_prefix(name) {
                // It ends with the NUL that the host wrote, and lives as long as the module.
                return value.as_ptr().cast();
            }
        }
        null()
    })
}

/// The environment: `NAME=value` texts, each terminated by NUL. Empty if the host fails.
fn environment_of_host() -> Vec<u8> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: the host writes two numbers.
    if unsafe { environ_sizes_get(&mut count, &mut size) } != 0 {
        return Vec::new();
    }
    let (mut texts, mut bytes) = (vec![null(); count], vec![0; size]);
    // SAFETY: the host writes as many pointers and bytes as it has just reported.
    if unsafe { environ_get(texts.as_mut_ptr(), bytes.as_mut_ptr()) } != 0 {
        bytes.clear();
    }
    bytes
}
