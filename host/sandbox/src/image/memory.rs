//! [`MemoryImage`]: the linear memory of a started guest, as a file in memory that VMs map copy-on-write.
//!
//! Pages that a VM only reads are shared by all VMs of all workers. A VM that ends can be made new again: the pages that it
//! wrote to are found by the kernel and overwritten.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// The unit in which memory that is all zero is left out of the file. Kernels have pages of at least this size.
const BLOCK: usize = 4096;
/// Pages that are overwritten when a VM is made new. Further ones are given back to the kernel instead.
const MAX_OVERWRITTEN: u64 = 128;
/// Runs of written pages that one scan reports.
const MAX_RUNS: usize = 64;

/// The memory of a started guest.
pub(crate) struct MemoryImage {
    file: File,
    view: View,
}

/// The file, mapped for reading. Unmapped when dropped.
struct View {
    at: NonNull<u8>,
    len: usize,
}

#[expect(unsafe_code, reason = "a raw pointer is not Send, whatever it points to")]
// SAFETY: the view is private to this type, is never written to, and lives until it is dropped. Its file is sealed.
unsafe impl Send for View {}
#[expect(unsafe_code, reason = "a raw pointer is not Sync, whatever it points to")]
// SAFETY: as above: all access is reading.
unsafe impl Sync for View {}

impl MemoryImage {
    /// Copies a guest's memory.
    ///
    /// # Errors
    /// The kernel has no memory, or no file for it.
    pub(crate) fn new(memory: &[u8]) -> io::Result<Self> {
        let file = memory_file()?;
        file.set_len(memory.len() as u64)?;
        let mut at = 0;
        for block in memory.chunks(BLOCK) {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, at)?;
            }
            at += block.len() as u64;
        }
        seal(&file)?;
        let view = View::of(&file, memory.len())?;
        Ok(Self { file, view })
    }

    /// Bytes of memory.
    pub(crate) fn len(&self) -> usize {
        self.view.len
    }

    /// Replaces a VM's memory by the image, copy-on-write.
    ///
    /// # Errors
    /// The sizes differ, or the kernel refuses.
    pub(crate) fn map_over(&self, memory: &mut [u8]) -> io::Result<()> {
        self.check(memory)?;
        if memory.is_empty() {
            return Ok(());
        }
        #[expect(unsafe_code, reason = "std does not map files")]
        // SAFETY: `memory` is whole pages of wasmtime's own private mapping, exclusively borrowed, so nobody else reads or writes
        // them during the call. The new mapping takes exactly their place, with the same rights. What it holds are bytes, of
        // which every value is valid. wasmtime unmaps its whole reservation in the end, and grows memory by making more of it
        // accessible; neither depends on what is mapped inside.
        let mapped = unsafe {
            libc::mmap(
                memory.as_mut_ptr().cast(),
                memory.len(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE,
                self.file.as_raw_fd(),
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Makes memory that [`MemoryImage::map_over`] has replaced equal to the image again.
    ///
    /// # Errors
    /// The sizes differ, or the kernel refuses. The memory must not be used any more then.
    pub(crate) fn restore(&self, memory: &mut [u8]) -> io::Result<()> {
        self.check(memory)?;
        let base = memory.as_ptr() as usize;
        let mut runs = [PageRun::default(); MAX_RUNS];
        let scanned = scan(memory, &mut runs).unwrap_or(Scan { runs: 0, end: base });
        for run in &runs[..scanned.runs] {
            let range = run.start as usize - base..run.end as usize - base;
            memory[range.clone()].copy_from_slice(&self.view.bytes()[range]);
        }
        discard(&mut memory[scanned.end - base..])
    }

    fn check(&self, memory: &[u8]) -> io::Result<()> {
        if memory.len() == self.len() {
            Ok(())
        } else {
            Err(io::Error::other("the VM's memory and the image differ in size"))
        }
    }
}

impl View {
    fn of(file: &File, len: usize) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self {
                at: NonNull::dangling(),
                len,
            });
        }
        #[expect(unsafe_code, reason = "std does not map files")]
        // SAFETY: the kernel chooses an address that is free, so no memory of others changes.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self { at, len })
    }

    fn bytes(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "the mapping is known by its address alone")]
        // SAFETY: `at` and `len` describe a mapping that lives as long as `self`, or no bytes at all. Its file is sealed, so
        // nobody writes to it or makes it shorter.
        unsafe {
            std::slice::from_raw_parts(self.at.as_ptr(), self.len)
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.len > 0 {
            #[expect(unsafe_code, reason = "std does not unmap")]
            // SAFETY: the mapping is this value's own, and no borrow of it is left.
            unsafe {
                libc::munmap(self.at.as_ptr().cast(), self.len);
            }
        }
    }
}

/// An empty file in memory.
fn memory_file() -> io::Result<File> {
    #[expect(unsafe_code, reason = "std has no files in memory")]
    // SAFETY: the name is a constant that ends in NUL, and the flags are valid.
    let descriptor =
        unsafe { libc::memfd_create(c"lockgate-image".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "the kernel gave a number")]
    // SAFETY: the descriptor was opened just now, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Forbids all changes of the file for good.
fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    #[expect(unsafe_code, reason = "std has no seals")]
    // SAFETY: the descriptor is open, and the command takes a number.
    let failed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0;
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Drops a VM's own pages. The image's show through again.
fn discard(memory: &mut [u8]) -> io::Result<()> {
    if memory.is_empty() {
        return Ok(());
    }
    #[expect(unsafe_code, reason = "std does not advise the kernel")]
    // SAFETY: whole pages of a private mapping of a file, exclusively borrowed. Their content becomes the file's.
    let failed = unsafe { libc::madvise(memory.as_mut_ptr().cast(), memory.len(), libc::MADV_DONTNEED) } != 0;
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A run of pages, as `PAGEMAP_SCAN` reports it.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct PageRun {
    start: u64,
    end: u64,
    categories: u64,
}

/// The argument of `PAGEMAP_SCAN`: `struct pm_scan_arg` in the kernel's `linux/fs.h`.
#[repr(C)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    runs: u64,
    runs_len: u64,
    max_pages: u64,
    inverted: u64,
    all_of: u64,
    any_of: u64,
    returned: u64,
}

/// The result of a scan: the number of runs, and the address where it stopped.
struct Scan {
    runs: usize,
    end: usize,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = 0xC060_6610;
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// Finds the pages that a VM has of its own, from the first on: those that it has written to. `None` on kernels before 6.7.
fn scan(memory: &[u8], runs: &mut [PageRun; MAX_RUNS]) -> Option<Scan> {
    static PAGEMAP: OnceLock<Option<File>> = OnceLock::new();
    let pagemap = PAGEMAP.get_or_init(|| File::open("/proc/self/pagemap").ok()).as_ref()?;
    let range = memory.as_ptr_range();
    let mut argument = ScanArgument {
        size: size_of::<ScanArgument>() as u64,
        flags: 0,
        start: range.start as u64,
        end: range.end as u64,
        walk_end: 0,
        runs: runs.as_mut_ptr() as u64,
        runs_len: MAX_RUNS as u64,
        max_pages: MAX_OVERWRITTEN,
        inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
        all_of: PAGE_IS_FILE | PAGE_IS_PFNZERO,
        any_of: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        returned: 0,
    };
    #[expect(unsafe_code, reason = "std has no ioctl")]
    // SAFETY: the argument has the layout and size that the kernel documents, and the runs that it refers to are exclusively
    // borrowed and as many as it says. Without flags the call only reads page tables.
    let found = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut argument) };
    let runs = usize::try_from(found).ok()?;
    // The kernel stops at the end, at the maximum of pages, or when it has no room for another run.
    let end = usize::try_from(argument.walk_end).ok()?;
    (runs <= MAX_RUNS && (range.start as usize..=range.end as usize).contains(&end)).then_some(Scan { runs, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: usize = 512;

    /// Anonymous memory, as wasmtime's.
    fn memory() -> &'static mut [u8] {
        let len = PAGES * BLOCK;
        #[expect(unsafe_code, reason = "std does not map memory")]
        // SAFETY: the kernel chooses the address, and the mapping is never unmapped.
        unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(at, libc::MAP_FAILED);
            std::slice::from_raw_parts_mut(at.cast(), len)
        }
    }

    /// Every third page has content.
    fn started() -> Vec<u8> {
        let page = |number: usize| if number.is_multiple_of(3) { number as u8 | 1 } else { 0 };
        (0..PAGES * BLOCK).map(|at| page(at / BLOCK)).collect()
    }

    #[test]
    fn memory_over_which_the_image_is_mapped_is_equal_and_its_writes_are_its_own() {
        let (started, one, other) = (started(), memory(), memory());
        let image = MemoryImage::new(&started).unwrap();
        image.map_over(one).unwrap();
        image.map_over(other).unwrap();
        assert!(one == started && other == started);
        one.fill(7);
        assert!(other == started && image.view.bytes() == started);
    }

    #[test]
    fn restored_memory_is_equal_however_much_was_written() {
        let (started, memory) = (started(), memory());
        let image = MemoryImage::new(&started).unwrap();
        image.map_over(memory).unwrap();
        // Some pages, more runs than a scan reports, more pages than are overwritten, all pages.
        for step in [97, 2, 1] {
            for round in 0..3_u8 {
                for page in memory.chunks_mut(BLOCK).step_by(step) {
                    page[round as usize] = 200 + round;
                    page[BLOCK - 1] = 9;
                }
                image.restore(memory).unwrap();
                assert!(memory == started, "step {step}, round {round}");
            }
        }
    }

    #[test]
    fn memory_of_another_size_is_refused() {
        let image = MemoryImage::new(&started()).unwrap();
        let memory = memory();
        assert!(image.map_over(&mut memory[BLOCK..]).is_err() && image.restore(&mut memory[BLOCK..]).is_err());
    }

    #[test]
    fn the_kernel_reports_written_pages_here_or_all_are_discarded() {
        let (started, memory) = (started(), memory());
        let image = MemoryImage::new(&started).unwrap();
        image.map_over(memory).unwrap();
        std::hint::black_box(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        (memory[0], memory[5 * BLOCK]) = (1, 1);
        let mut runs = [PageRun::default(); MAX_RUNS];
        if let Some(scan) = scan(memory, &mut runs) {
            assert_eq!(scan.runs, 2, "pages that were only read are not reported");
        }
    }
}
