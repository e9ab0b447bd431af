//! [`MemoryLimit`]: the memory of one instance, linear memory and tables, within the account of its VM.

use std::sync::Arc;

use lockgate_exchange::{MemoryAccount, Reservation};
use wasmtime::ResourceLimiter;

use crate::settings::Limits;

/// Bytes that an element of a table takes.
const TABLE_ELEMENT: usize = 8;
/// What the host may hold for a plugin in any case, however small its `limits.memory`.
const MIN_HELD: usize = 4 * 1024 * 1024;

/// The account of a VM: its instances, and what the host holds for the plugin. One and a half times `limits.memory`, and room for a
/// whole body.
pub(crate) fn account(limits: &Limits) -> Arc<MemoryAccount> {
    let memory = limits.memory.as_usize();
    let held = (memory / 2).saturating_add(limits.body.as_usize().max(MIN_HELD));
    MemoryAccount::new(memory.saturating_add(held))
}

/// The limits on the memory of one instance.
pub(crate) struct MemoryLimit {
    bytes: usize,
    /// The soft limit. Exceeding it is allowed and noticed. `usize::MAX` until the guest has started.
    soft: usize,
    wanted_soft: usize,
    linear: usize,
    tables: usize,
    /// Linear memory and tables in the account.
    used: Reservation,
    /// Whether memory was refused in the running callback.
    pub(crate) refused: bool,
    /// Whether memory was ever refused.
    ever_refused: bool,
    /// Whether the guest has exceeded the soft limit.
    pub(crate) outgrown: bool,
    /// Whether the instance has to follow up when the guest has returned: outgrown memory, an exceeded limit, refusals to count.
    /// It is here because nothing else of the state is accessible when memory grows.
    pub(crate) follow_up: bool,
}

impl MemoryLimit {
    pub(crate) fn new(limits: &Limits, account: &Arc<MemoryAccount>) -> Self {
        Self {
            bytes: limits.memory.as_usize(),
            soft: usize::MAX,
            wanted_soft: limits.soft_bytes(),
            linear: 0,
            tables: 0,
            used: account.open(),
            refused: false,
            ever_refused: false,
            outgrown: false,
            follow_up: false,
        }
    }

    /// The guest has started with `bytes` of memory. If that is beyond the soft limit already, recycling would never end, so the
    /// soft limit moves half of the way to the hard limit.
    pub(crate) fn started(&mut self, bytes: usize) {
        let bytes = bytes.max(self.linear) + self.tables;
        self.soft = if bytes > self.wanted_soft {
            bytes + self.bytes.saturating_sub(bytes) / 2
        } else {
            self.wanted_soft
        };
    }

    /// The memory is that of an instance that has ended, as large as it was.
    pub(crate) fn take_over(&mut self, ended: MemoryLimit) {
        (self.linear, self.tables, self.used) = (ended.linear, ended.tables, ended.used);
    }

    /// Linear memory and tables, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.linear + self.tables
    }

    /// Whether the guest was ever refused memory: from then on, a trap is no request's fault alone.
    pub(crate) fn was_refused(&self) -> bool {
        self.ever_refused
    }

    fn grow(&mut self, linear: usize, tables: usize) -> bool {
        let sum = linear.saturating_add(tables);
        let allowed = sum <= self.bytes && self.used.resize(sum);
        self.refused |= !allowed;
        self.ever_refused |= !allowed;
        if allowed {
            (self.linear, self.tables) = (linear, tables);
            if sum > self.soft {
                (self.outgrown, self.follow_up) = (true, true);
            }
        }
        allowed
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired, self.tables))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT);
        Ok(self.grow(self.linear, self.tables.saturating_add(more)))
    }
}

#[cfg(test)]
mod tests {
    use lockgate_units::Size;

    use super::*;

    fn limited(memory: Size, soft: Size) -> (MemoryLimit, Arc<MemoryAccount>) {
        let limits = Limits {
            memory,
            soft_memory: Some(soft),
            ..Limits::default()
        };
        let account = account(&limits);
        (MemoryLimit::new(&limits, &account), account)
    }

    #[test]
    fn memory_beyond_the_soft_limit_is_allowed_and_noticed_after_the_start() {
        let (mut limit, _) = limited(Size::mib(1), Size::kib(512));
        assert!(limit.memory_growing(0, 1 << 19, None).unwrap() && !limit.outgrown);
        limit.started(1 << 19);
        assert!(limit.memory_growing(1 << 19, (1 << 19) + 1, None).unwrap() && limit.outgrown && limit.follow_up);
        let (mut limit, _) = limited(Size::mib(1), Size::kib(512));
        limit.started(3 << 18);
        assert!(
            limit.memory_growing(0, 7 << 17, None).unwrap() && !limit.outgrown,
            "half of the way to the hard limit"
        );
    }

    #[test]
    fn growth_beyond_the_limit_is_refused_and_noticed() {
        let (mut limit, account) = limited(Size::kib(128), Size::kib(128));
        assert!(limit.memory_growing(65_536, 131_072, None).unwrap() && !limit.refused);
        assert!(!limit.memory_growing(131_072, 196_608, None).unwrap() && limit.refused);
        assert_eq!(account.used(), 131_072);
        drop(limit);
        assert_eq!(account.used(), 0, "an instance that ends gives all of it back");
    }

    #[test]
    fn tables_count_as_memory_one_after_the_other() {
        let (mut limit, _) = limited(Size::mib(1), Size::mib(1));
        assert!(limit.memory_growing(0, 1 << 19, None).unwrap());
        assert!(limit.table_growing(0, 30_000, None).unwrap());
        assert!(limit.table_growing(0, 30_000, None).unwrap());
        assert!(!limit.table_growing(0, 30_000, None).unwrap() && limit.refused);
        assert!(!limit.memory_growing(1 << 19, (1 << 19) + 65_536, None).unwrap());
        assert!(limit.table_growing(30_000, 31_000, None).unwrap());
        assert_eq!(limit.used(), (1 << 19) + 61_000 * 8);
    }

    #[test]
    fn instances_of_one_vm_share_its_account() {
        let (mut old, account) = limited(Size::mib(16), Size::mib(12));
        let limits = Limits {
            memory: Size::mib(16),
            ..Limits::default()
        };
        let mut new = MemoryLimit::new(&limits, &account);
        assert!(old.memory_growing(0, 16 << 20, None).unwrap());
        assert!(new.memory_growing(0, 12 << 20, None).unwrap());
        assert!(!new.memory_growing(12 << 20, 13 << 20, None).unwrap());
        drop(old);
        assert!(new.memory_growing(12 << 20, 13 << 20, None).unwrap());
    }
}
