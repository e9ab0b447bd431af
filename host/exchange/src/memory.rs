//! [`MemoryAccount`]: what a plugin's VM takes of the machine's memory, its own and what the host holds for it, under one limit.
//!
//! What is held knows its account, and gives its bytes back when it is dropped, wherever it is by then: in a chain, in a queue, on
//! its way to an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes that an allocation takes besides its content.
const OVERHEAD: usize = 96;

/// The memory of one plugin on one worker.
#[derive(Debug)]
pub struct MemoryAccount {
    limit: usize,
    used: AtomicUsize,
}

impl MemoryAccount {
    /// An account of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
        })
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A reservation of nothing yet.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Reservation {
        Reservation {
            account: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Reserves bytes until the reservation is dropped. `None` if there is no room for them.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.open();
        reservation.resize(bytes).then_some(reservation)
    }

    /// Copies bytes, and counts the copy until its last clone and slice are dropped. `None` if there is no room for it.
    #[must_use]
    pub fn copy(self: &Arc<Self>, bytes: &[u8]) -> Option<Bytes> {
        let reservation = self.reserve(bytes.len().saturating_add(OVERHEAD))?;
        Some(Bytes::from_owner(Counted {
            bytes: bytes.into(),
            _reservation: reservation,
        }))
    }
}

/// Bytes of an account that are in use.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<MemoryAccount>,
    bytes: usize,
}

impl Reservation {
    /// Changes the number of bytes. False if there is no room for more, and nothing has changed.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let MemoryAccount { limit, used } = &*self.account;
        let before = std::mem::replace(&mut self.bytes, bytes);
        // What shrinks always fits, even in an account over its limit.
        let fits = |sum: usize| {
            let sum = (sum - before).checked_add(bytes)?;
            (bytes <= before || sum <= *limit).then_some(sum)
        };
        let has_room = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if !has_room {
            self.bytes = before;
        }
        has_room
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes with their reservation.
struct Counted {
    bytes: Box<[u8]>,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_share_the_limit_and_give_back_what_they_had() {
        let account = MemoryAccount::new(100);
        let mut one = account.reserve(60).unwrap();
        assert!(account.reserve(41).is_none() && account.used() == 60);
        let two = account.reserve(40).unwrap();
        assert!(!one.resize(61) && account.used() == 100);
        assert!(one.resize(10) && account.used() == 50);
        drop(two);
        assert!(one.resize(100) && !one.resize(usize::MAX) && account.used() == 100);
        drop(one);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn a_copy_counts_as_long_as_anything_of_it_is_left() {
        let account = MemoryAccount::new(1000);
        let copy = account.copy(&[7; 500]).unwrap();
        assert!(account.copy(&[7; 500]).is_none(), "there is no room for two");
        let slice = copy.slice(3..5);
        drop(copy);
        assert_eq!((account.used(), &slice[..]), (500 + OVERHEAD, &[7, 7][..]));
        drop(slice);
        assert_eq!(account.used(), 0);
    }
}
