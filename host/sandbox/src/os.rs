//! System calls that std does not offer: CPU times, user id, random bytes, the limit of file descriptors.

use std::io;
use std::time::Duration;

/// CPU time of the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "std has no thread clock")]
    // SAFETY: `now` is a valid, exclusively borrowed timespec that lives through the call, and the clock id is a constant
    // that Linux always knows.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    debug_assert_eq!(failed, 0);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// CPU time of the whole process. `None` if the kernel does not provide it.
#[must_use]
pub fn process_cpu_time() -> Option<Duration> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "std has no process clock")]
    // SAFETY: as for the thread's clock above; this id, too, is a constant that Linux always knows.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    (failed == 0).then(|| Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32))
}

/// The effective user id of this process.
pub(crate) fn effective_user() -> u32 {
    #[expect(unsafe_code, reason = "std has no user id of the process")]
    // SAFETY: takes nothing, touches no memory, cannot fail.
    unsafe {
        libc::geteuid()
    }
}

/// Fills `buffer` with random bytes from the kernel. False if the kernel has none.
pub fn random(buffer: &mut [u8]) -> bool {
    let mut done = 0;
    while done < buffer.len() {
        let rest = &mut buffer[done..];
        #[expect(unsafe_code, reason = "std has no random bytes")]
        // SAFETY: pointer and length describe `rest`, which is exclusively borrowed through the call; the kernel writes
        // at most that many bytes.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(bytes) => done += bytes,
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// Raises the process's soft limit of file descriptors to the hard one. Returns the soft limit before, and the hard one.
///
/// # Errors
/// The system's; the limit is as it was then.
pub fn raise_descriptor_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    #[expect(unsafe_code, reason = "std has no resource limits")]
    // SAFETY: `limit` is a valid, exclusively borrowed rlimit that lives through the call.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let (before, hard) = (limit.rlim_cur, limit.rlim_max);
    limit.rlim_cur = hard;
    #[expect(unsafe_code, reason = "std has no resource limits")]
    // SAFETY: `limit` is a valid rlimit that lives through the call, which only reads it.
    let failed = before != hard && unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok((before, hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_stands_still_while_the_thread_sleeps() {
        let before = thread_cpu_time();
        std::thread::sleep(Duration::from_millis(20));
        assert!(thread_cpu_time() - before < Duration::from_millis(10));
        let end = std::time::Instant::now() + Duration::from_millis(200);
        while thread_cpu_time() - before < Duration::from_millis(10) {
            assert!(std::time::Instant::now() < end, "a busy thread uses CPU time");
        }
    }

    #[test]
    fn random_bytes_fill_the_whole_buffer() {
        let mut buffer = [0_u8; 4096];
        assert!(random(&mut buffer));
        assert!(buffer[4000..].iter().any(|&byte| byte != 0));
    }
}
