//! The reserve of file descriptors: clients that wait between requests must not take those that requests need towards upstreams.
//!
//! The kernel gives out the lowest free number, so that the number of a new connection says how many are in use.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::LazyLock;

/// The number of descriptors that the process may have open, where the system says it.
static LIMIT: LazyLock<Option<RawFd>> = LazyLock::new(|| limit_in(&fs::read_to_string("/proc/self/limits").ok()?));

/// What a new connection means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// There are enough descriptors.
    None,
    /// The last quarter is in use: connections without a request are closed.
    High,
    /// The last eighth is in use: the new connection is closed, too.
    Full,
}

/// The pressure when `new` has just been opened.
pub(crate) fn pressure(new: &impl AsRawFd) -> Pressure {
    LIMIT.map_or(Pressure::None, |limit| pressure_at(new.as_raw_fd(), limit))
}

fn pressure_at(number: RawFd, limit: RawFd) -> Pressure {
    if number >= limit - limit / 8 {
        Pressure::Full
    } else if number >= limit - limit / 4 {
        Pressure::High
    } else {
        Pressure::None
    }
}

/// The soft limit; none if it is no number of descriptors.
fn limit_in(limits: &str) -> Option<RawFd> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line["Max open files".len()..].split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_is_kept_for_requests_and_the_last_eighth_for_those_under_way() {
        let pressures = [0, 767, 768, 895, 896, 1023].map(|number| pressure_at(number, 1024));
        use Pressure::{Full, High, None};
        assert_eq!(pressures, [None, None, High, High, Full, Full]);
    }

    #[test]
    fn the_limit_is_the_soft_one() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax processes  5  6  processes\nMax open files            1024                 4096                 files\n";
        assert_eq!(limit_in(limits), Some(1024));
        assert_eq!(limit_in("Max open files  unlimited  unlimited  files"), None);
    }
}
