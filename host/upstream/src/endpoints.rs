//! [`Endpoints`]: the endpoints of a group at one time, and the order in which they are picked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::balance::cycle::cycle;
use crate::balance::two_choices;
use crate::endpoint::Endpoint;
use crate::settings::Balance;
use crate::standing::{Standing, flags};

/// The share of endpoints that have to be available, in percent; below it, all that are not draining take requests.
const PANIC_THRESHOLD: usize = 50;

/// The endpoints of a group at one time. It never changes: a change of the list, of a weight or of who is available makes another one.
#[derive(Debug)]
pub(crate) struct Endpoints {
    /// Unique in the process.
    id: u64,
    list: Box<[Arc<Endpoint>]>,
    balance: Balance,
    /// Indexes of the list, in the order of balancing: only those that take requests.
    cycle: Box<[u32]>,
    /// How many endpoints are in the cycle.
    picked: usize,
    /// An endpoint with one of these flags is skipped.
    skipped: u8,
}

impl Endpoints {
    /// These endpoints, of which those are picked that are available now.
    pub(crate) fn new(list: Box<[Arc<Endpoint>]>, balance: Balance) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let weighted = list.iter().filter(|endpoint| endpoint.weight().value() > 0);
        let (mut count, mut available) = (0, 0);
        for endpoint in weighted {
            let flags = endpoint.standing().flags();
            count += usize::from(flags & flags::DRAINING == 0);
            available += usize::from(flags & flags::UNAVAILABLE == 0);
        }
        let skipped = match available * 100 < count * PANIC_THRESHOLD {
            true => flags::DRAINING,
            false => flags::UNAVAILABLE,
        };
        let weights: Vec<u16> = list
            .iter()
            .map(|endpoint| match endpoint.standing().flags() & skipped {
                0 => endpoint.weight().value(),
                _ => 0,
            })
            .collect();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            balance,
            cycle: cycle(&weights),
            picked: weights.iter().filter(|&&weight| weight > 0).count(),
            skipped,
            list,
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// All endpoints.
    pub(crate) fn list(&self) -> &[Arc<Endpoint>] {
        &self.list
    }

    /// How many may be picked.
    pub(crate) fn picked(&self) -> usize {
        self.picked
    }

    /// The endpoint, if no other may be picked.
    pub(crate) fn single(&self) -> Option<&Arc<Endpoint>> {
        match *self.cycle {
            [only] => Some(&self.list[only as usize]),
            _ => None,
        }
    }

    /// Whether these are the same endpoints, picked alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.balance == other.balance
            && self.skipped == other.skipped
            && self.cycle == other.cycle
            && self.list.len() == other.list.len()
            && self.list.iter().zip(&other.list).all(|(one, other)| one.is_same(other))
    }

    /// The endpoint for a first attempt; `None` when none may be picked. `next` is the group's position in the cycle, `now` the time in
    /// microseconds of [`Group::clock`](crate::Group). `random` is called only when the balance needs it.
    pub(crate) fn first(
        &self,
        next: &AtomicUsize,
        random: impl Fn() -> usize,
        now: impl Fn() -> u64,
    ) -> Option<&Arc<Endpoint>> {
        let position = match self.cycle.len() {
            0 => return None,
            1 => 0,
            length => match self.balance {
                Balance::RoundRobin => next.fetch_add(1, Ordering::Relaxed) % length,
                Balance::Random => random() % length,
                Balance::LeastRequest => self.less_of_two(random, two_choices::active),
                Balance::PeakEwma => {
                    let now = now();
                    self.less_of_two(random, |endpoint| two_choices::expected(endpoint, now))
                }
            },
        };
        Some(self.available_from(position))
    }

    /// The position of the less loaded one of two. The draw honours weights: a heavy endpoint has many positions.
    fn less_of_two<L: PartialOrd>(&self, random: impl Fn() -> usize, load: impl Fn(&Endpoint) -> L) -> usize {
        let length = self.cycle.len();
        let one = random() % length;
        let other = (one + 1 + random() % (length - 1)) % length;
        let load = |position: usize| load(&self.list[self.cycle[position] as usize]);
        match load(other) < load(one) {
            true => other,
            false => one,
        }
    }

    /// The endpoint at this position of the cycle, or the next that is available. One that has become unavailable is still in the cycle
    /// until the next one is made.
    fn available_from(&self, position: usize) -> &Arc<Endpoint> {
        let (after, before) = (self.cycle[position..].iter(), self.cycle[..position].iter());
        let mut order = after.chain(before).map(|&index| &self.list[index as usize]);
        let available = order.find(|endpoint| endpoint.standing().flags() & self.skipped == 0);
        available.unwrap_or(&self.list[self.cycle[position] as usize])
    }

    /// The endpoint behind the one with this standing that takes requests; `None` if there is no other.
    pub(crate) fn after(&self, failed: &Arc<Standing>) -> Option<&Arc<Endpoint>> {
        let count = self.list.len();
        let is_failed = |endpoint: &Arc<Endpoint>| Arc::ptr_eq(endpoint.standing(), failed);
        let place = self.list.iter().position(is_failed).unwrap_or(count.saturating_sub(1));
        (1..=count)
            .map(|step| (place + step) % count)
            .filter(|&index| !is_failed(&self.list[index]) && self.cycle.contains(&(index as u32)))
            .map(|index| &self.list[index])
            .find(|endpoint| endpoint.standing().flags() & self.skipped == 0)
    }
}

#[cfg(test)]
mod choices;
#[cfg(test)]
mod tests;
