//! [`Counters`]: limits on rates, exact across workers.
//!
//! Check and charge are one step, under the locks of all counters concerned: no burst gets through in between, and of several rules either
//! all are charged or none.

mod bucket;
mod key;

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use bucket::{Bucket, Shape};
use key::CounterKey;

use crate::name::Name;
use crate::shards::Shards;
use crate::table::Table;

/// Number of entries from which one is evicted.
const CANDIDATES: usize = 16;
/// Maximum rules in one call.
const MAX_RULES: usize = 64;
/// Maximum limit, burst and cost. It keeps the arithmetic within 128 bits.
const MAX_AMOUNT: u64 = 1 << 40;
/// Maximum window.
const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Rate counters by name. A counter is made when it is first used. When there are too many, a full one is evicted, which is the same as a
/// new one; else, of a few, the one that is full soonest. Keys come from clients, so a long one is kept as its digest: the maximum number
/// bounds the memory, too.
#[derive(Debug)]
pub struct Counters {
    shards: Shards<Table<Bucket>>,
    epoch: Instant,
    per_shard: usize,
}

/// One limit on one counter: a token bucket.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The subject of the limit, of any length. The same key with another window is another counter; with another limit it is the same.
    pub key: &'a str,
    /// Tokens refilled per window; 1 to 2^40.
    pub limit: u64,
    /// The time in which `limit` tokens are refilled, evenly; at most 366 days.
    pub window: Duration,
    /// Maximum number of tokens; 1 to 2^40.
    pub burst: u64,
    /// Tokens to take; 0 only reads.
    pub cost: u64,
}

/// The result of [`Counters::take`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether all rules allowed it. Otherwise none was charged.
    pub allowed: bool,
    /// The result of each rule, in the order given.
    pub rules: Vec<Outcome>,
}

/// The result of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether this rule alone would have allowed it.
    pub allowed: bool,
    /// Whole tokens left.
    pub remaining: u64,
    /// Time until the bucket is full.
    pub reset: Duration,
    /// Time until there are enough tokens for the cost; zero if allowed. For a cost above the burst, time until the bucket is full.
    pub retry_after: Duration,
}

/// Why rules are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No rule, or more than 64.
    #[error("between 1 and {MAX_RULES} rules can be taken at once")]
    Count,
    /// A limit or burst of zero, or a number above 2^40.
    #[error("limit and burst must be 1 to {MAX_AMOUNT}, cost at most {MAX_AMOUNT}")]
    Number,
    /// A window of zero or longer than 366 days.
    #[error("a window must be longer than nothing and at most 366 days")]
    Window,
}

impl Rule<'_> {
    fn check(&self) -> Result<(), RuleError> {
        if self.limit == 0 || self.burst == 0 || self.limit.max(self.burst).max(self.cost) > MAX_AMOUNT {
            Err(RuleError::Number)
        } else if self.window.is_zero() || self.window > MAX_WINDOW {
            Err(RuleError::Window)
        } else {
            Ok(())
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            limit: self.limit,
            window: nanos(self.window),
            burst: self.burst,
        }
    }
}

/// A rule, and where its counter is.
struct Located<'a> {
    name: Name<'a>,
    hash: u64,
    shard: usize,
}

impl Counters {
    /// Counters with a maximum number, in equal parts for the shards.
    pub(crate) fn new(most: usize, epoch: Instant) -> Self {
        Self {
            shards: Shards::new(),
            epoch,
            per_shard: Shards::<Table<Bucket>>::share(most),
        }
    }

    /// Number of counters.
    pub fn len(&self) -> usize {
        (0..self.shards.count()).map(|part| self.shards.lock(part).len()).sum()
    }

    /// Whether there is no counter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the cost of every rule from its counter, or nothing from any. Rules on the same counter add up.
    ///
    /// # Errors
    /// [`RuleError`] if a rule is invalid; nothing was taken.
    pub fn take(&self, scope: &str, rules: &[Rule<'_>], now: Instant) -> Result<Taken, RuleError> {
        if rules.is_empty() || rules.len() > MAX_RULES {
            return Err(RuleError::Count);
        }
        rules.iter().try_for_each(Rule::check)?;
        let now = nanos(now.saturating_duration_since(self.epoch));
        let keys: SmallVec<[_; 4]> = rules.iter().map(|rule| CounterKey::of(scope, rule.key)).collect();
        let located: SmallVec<[_; 4]> = rules
            .iter()
            .zip(&keys)
            .map(|(rule, key)| self.locate(key.name(nanos(rule.window))))
            .collect();
        let mut parts: SmallVec<[_; 4]> = located.iter().map(|rule| rule.shard).collect();
        parts.sort_unstable();
        parts.dedup();
        let mut locked: SmallVec<[_; 4]> = parts.iter().map(|&part| self.shards.lock(part)).collect();
        let held = |shard: usize| parts.binary_search(&shard).expect("every rule's shard has been locked");

        let mut before = SmallVec::<[_; 4]>::new();
        let mut outcomes = Vec::with_capacity(rules.len());
        for (rule, located) in rules.iter().zip(&located) {
            let place = self.place(&mut locked[held(located.shard)], located, now);
            let bucket = locked[held(located.shard)].at_mut(place);
            before.push(*bucket);
            let allowed = bucket.take(rule.shape(), rule.cost, now);
            outcomes.push(view(bucket, rule, allowed));
        }
        let allowed = outcomes.iter().all(|outcome| outcome.allowed);
        if !allowed {
            for (((rule, located), before), outcome) in rules.iter().zip(&located).zip(before).zip(&mut outcomes).rev()
            {
                // Found anew: making room for a later rule may have moved it, or thrown it out.
                let table = &mut locked[held(located.shard)];
                if let Some(place) = table.find(located.hash, &located.name) {
                    let bucket = table.at_mut(place);
                    *bucket = before;
                    bucket.take(rule.shape(), 0, now);
                    *outcome = view(bucket, rule, outcome.allowed);
                }
            }
        }
        Ok(Taken {
            allowed,
            rules: outcomes,
        })
    }

    fn locate<'a>(&self, name: Name<'a>) -> Located<'a> {
        let (hash, shard) = self.shards.locate(&name);
        Located { name, hash, shard }
    }

    /// Index of the counter; a new one is full.
    fn place(&self, table: &mut Table<Bucket>, located: &Located<'_>, now: u64) -> usize {
        if let Some(place) = table.find(located.hash, &located.name) {
            return place;
        }
        if table.len() >= self.per_shard {
            let candidates: Vec<_> = (0..CANDIDATES).map_while(|_| table.tick()).collect();
            let full_at = |place: &usize| table.at(*place).full_at();
            let out = candidates.iter().copied().find(|place| full_at(place) <= now);
            if let Some(place) = out.or_else(|| candidates.iter().copied().min_by_key(full_at)) {
                table.remove(place);
            }
        }
        table.insert(located.hash, located.name, Bucket::default())
    }
}

fn view(bucket: &Bucket, rule: &Rule<'_>, allowed: bool) -> Outcome {
    let shape = rule.shape();
    Outcome {
        allowed,
        remaining: bucket.remaining(shape),
        reset: bucket.full_in(shape),
        retry_after: if allowed {
            Duration::ZERO
        } else {
            bucket.enough_in(shape, rule.cost)
        },
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
