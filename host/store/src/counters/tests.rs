//! Tests of the counters: exactness, and bounds in number and in bytes.

use super::key::{DIGEST_BYTES, MAX_PLAIN_BYTES};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn rule(key: &str, limit: u64) -> Rule<'_> {
    Rule {
        key,
        limit,
        window: MINUTE,
        burst: limit,
        cost: 1,
    }
}

fn take(counters: &Counters, rules: &[Rule<'_>], now: Instant) -> Taken {
    counters.take("quota", rules, now).expect("rules within bounds")
}

#[test]
fn a_limit_taken_by_many_threads_is_exact() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let allowed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..500)
                        .filter(|_| take(&counters, &[rule("alice", 1000)], now).allowed)
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(allowed, 1000);
}

#[test]
fn several_rules_are_exact_together_whatever_their_order() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let allowed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|index| {
                let counters = &counters;
                scope.spawn(move || {
                    let mut rules = [rule("alice", 700), rule("everybody", 1000), rule("path", 900)];
                    rules.rotate_left(index % 3);
                    (0..300).filter(|_| take(counters, &rules, now).allowed).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(allowed, 700);
    // What was refused by one rule was not charged to the others.
    let left = take(
        &counters,
        &[
            Rule {
                cost: 0,
                ..rule("everybody", 1000)
            },
            Rule {
                cost: 0,
                ..rule("path", 900)
            },
        ],
        now,
    );
    assert_eq!((left.rules[0].remaining, left.rules[1].remaining), (300, 200));
}

#[test]
fn a_refused_request_is_told_when_to_come_back_and_is_allowed_then() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    for left in (0..6).rev() {
        let taken = take(&counters, &[rule("bob", 6)], now);
        assert_eq!((taken.allowed, taken.rules[0].remaining), (true, left));
    }
    let refused = take(&counters, &[rule("bob", 6)], now);
    let expected = Outcome {
        allowed: false,
        remaining: 0,
        reset: MINUTE,
        retry_after: Duration::from_secs(10),
    };
    assert_eq!(
        refused,
        Taken {
            allowed: false,
            rules: vec![expected]
        }
    );
    let early = now + Duration::from_secs(10) - Duration::from_nanos(1);
    assert!(!take(&counters, &[rule("bob", 6)], early).allowed);
    assert!(take(&counters, &[rule("bob", 6)], now + Duration::from_secs(10)).allowed);
}

#[test]
fn rules_on_the_same_counter_add_up() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let both = [rule("carol", 3), rule("carol", 3)];
    assert!(take(&counters, &both, now).allowed);
    assert!(!take(&counters, &both, now).allowed);
    let last = take(&counters, &[rule("carol", 3)], now);
    assert_eq!((last.allowed, last.rules[0].remaining), (true, 0));
}

#[test]
fn scopes_keys_and_windows_are_counted_apart() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let second = Rule {
        window: Duration::from_secs(1),
        ..rule("dave", 1)
    };
    assert!(take(&counters, &[rule("dave", 1), second, rule("erin", 1)], now).allowed);
    assert!(
        counters
            .take("other", &[rule("dave", 1)], now)
            .expect("within bounds")
            .allowed
    );
    assert!(!take(&counters, &[rule("dave", 1)], now).allowed);
}

#[test]
fn a_clock_that_steps_back_gives_nothing_away_and_takes_nothing() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now() + MINUTE;
    assert!(take(&counters, &[rule("frank", 2)], now).allowed);
    let earlier = take(&counters, &[rule("frank", 2)], now - MINUTE);
    assert_eq!((earlier.allowed, earlier.rules[0].remaining), (true, 0));
    assert!(!take(&counters, &[rule("frank", 2)], now).allowed);
}

#[test]
fn there_are_never_more_counters_than_allowed_and_full_ones_go_first() {
    let counters = Counters::new(64 * 8, Instant::now());
    let now = Instant::now();
    assert!(
        take(
            &counters,
            &[Rule {
                cost: 1000,
                ..rule("busy", 1000)
            }],
            now
        )
        .allowed
    );
    for index in 0..5000 {
        take(
            &counters,
            &[Rule {
                cost: 0,
                ..rule(&index.to_string(), 1000)
            }],
            now,
        );
        assert!(counters.len() <= 64 * 8);
    }
    assert!(
        !take(&counters, &[rule("busy", 1000)], now).allowed,
        "a counter in use was thrown out for unused ones"
    );
}

#[test]
fn rules_out_of_bounds_are_refused() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let fine = rule("a", 1);
    for (rules, error) in [
        (vec![], RuleError::Count),
        (vec![fine; MAX_RULES + 1], RuleError::Count),
        (vec![fine, Rule { limit: 0, ..fine }], RuleError::Number),
        (vec![Rule { burst: 0, ..fine }], RuleError::Number),
        (
            vec![Rule {
                cost: MAX_AMOUNT + 1,
                ..fine
            }],
            RuleError::Number,
        ),
        (
            vec![Rule {
                window: Duration::ZERO,
                ..fine
            }],
            RuleError::Window,
        ),
        (
            vec![Rule {
                window: Duration::MAX,
                ..fine
            }],
            RuleError::Window,
        ),
    ] {
        assert_eq!(counters.take("quota", &rules, now), Err(error));
    }
    assert!(counters.is_empty());
}

#[test]
fn a_key_of_any_length_is_counted_exactly() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let long = |last: &str| format!("{}{last}", "x".repeat(60_000));
    for length in [0, 1, MAX_PLAIN_BYTES - 5, MAX_PLAIN_BYTES - 4, 4_096, 60_000] {
        let key = "y".repeat(length);
        assert!(take(&counters, &[rule(&key, 1)], now).allowed, "{length}");
        assert!(!take(&counters, &[rule(&key, 1)], now).allowed, "{length}");
    }
    assert!(take(&counters, &[rule(&long("a"), 1), rule(&long("b"), 1)], now).allowed);
    assert!(!take(&counters, &[rule(&long("a"), 1)], now).allowed);
}

#[test]
fn no_key_is_kept_that_is_longer_than_a_digest_and_none_can_pass_for_one() {
    let counters = Counters::new(1000, Instant::now());
    let now = Instant::now();
    let long = "z".repeat(5_000);
    assert!(take(&counters, &[rule(&long, 1)], now).allowed);
    let digest = CounterKey::of("quota", &long).name(0).key.to_owned();
    assert_eq!(digest.len(), DIGEST_BYTES);
    for scope in ["", "quota"] {
        let forged = counters.take(scope, &[rule(&digest, 1)], now).expect("within bounds");
        assert!(forged.allowed, "a client spends another one's quota");
    }
    // The same bytes, cut elsewhere.
    let other = counters
        .take("quot", &[rule(&format!("a{long}"), 1)], now)
        .expect("within bounds");
    assert!(other.allowed);
    let longest = (0..counters.shards.count())
        .filter_map(|part| counters.shards.lock(part).names().map(|name| name.len()).max())
        .max();
    assert_eq!(longest, Some(DIGEST_BYTES));
}
