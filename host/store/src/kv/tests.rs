//! The promises of [`Kv`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn kv(bytes: usize, namespace: usize) -> Kv {
    Kv::new(KvLimits {
        bytes,
        namespace,
        value: 1000,
    })
}

fn keys(listed: Listed) -> Vec<String> {
    listed.keys.iter().map(ToString::to_string).collect()
}

/// One step of the model test. Times are in seconds.
#[derive(Clone, Debug)]
enum Step {
    Set(u8, u8, usize, Option<u64>),
    Add(u8, u8, usize, Option<u64>),
    /// Over the current version, or over another one.
    Swap(u8, u8, usize, bool),
    Delete(u8, u8),
    DeleteVersion(u8, u8, bool),
    Get(u8, u8),
    List(u8, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (name, size) = ((0u8..3, 0u8..12), 0usize..700);
    let ttl = proptest::option::of(1u64..6);
    prop_oneof![
        4 => (name.clone(), size.clone(), ttl.clone()).prop_map(|((n, k), size, ttl)| Step::Set(n, k, size, ttl)),
        3 => (name.clone(), size.clone(), ttl).prop_map(|((n, k), size, ttl)| Step::Add(n, k, size, ttl)),
        3 => (name.clone(), size, any::<bool>()).prop_map(|((n, k), size, right)| Step::Swap(n, k, size, right)),
        2 => name.clone().prop_map(|(n, k)| Step::Delete(n, k)),
        1 => (name.clone(), any::<bool>()).prop_map(|((n, k), right)| Step::DeleteVersion(n, k, right)),
        2 => name.prop_map(|(n, k)| Step::Get(n, k)),
        1 => (0u8..3, 1usize..8).prop_map(|(n, limit)| Step::List(n, limit)),
        2 => (0u64..4).prop_map(Step::Wait),
    ]
}

/// A value of the model: its size, its version, and the second in which it ends.
type Known = (usize, u32, Option<u64>);

const ALL: usize = 6000;
const OWN: usize = 3500;

/// What the model says about a write of `size` bytes.
fn fits(model: &BTreeMap<(u8, u8), Known>, name: (u8, u8), size: usize) -> bool {
    let cost = |key: u8, size: usize| 1 + key.to_string().len() + size + KV_OVERHEAD;
    let sum = |own: bool| -> usize {
        let counted = model.iter().filter(|((n, _), _)| !own || *n == name.0);
        counted.map(|((_, key), known)| cost(*key, known.0)).sum()
    };
    let old = model.get(&name).map_or(0, |known| cost(name.1, known.0));
    let new = cost(name.1, size);
    new <= old || (sum(false) - old + new <= ALL && sum(true) - old + new <= OWN)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random operations, with a held clock, against a plain map.
    #[test]
    fn it_agrees_with_a_plain_map(steps in prop::collection::vec(step(), 0..150)) {
        let (kv, start) = (kv(ALL, OWN), Instant::now());
        let mut model: BTreeMap<(u8, u8), Known> = BTreeMap::new();
        let mut second = 0;
        for step in steps {
            let now = start + SECOND * u32::try_from(second).unwrap();
            let text = |(n, k): (u8, u8)| (n.to_string(), k.to_string());
            match step {
                Step::Wait(seconds) => {
                    second += seconds;
                    model.retain(|_, known| known.2.is_none_or(|end| second < end));
                }
                Step::Set(n, k, size, _) | Step::Add(n, k, size, _) | Step::Swap(n, k, size, _) => {
                    let current = model.get(&(n, k)).map(|known| known.1);
                    let (condition, holds) = match step {
                        Step::Add(..) => (Condition::Absent, current.is_none()),
                        Step::Swap(_, _, _, true) => (Condition::Version(current.unwrap_or(7)), current.is_some()),
                        Step::Swap(..) => (Condition::Version(current.unwrap_or(0) + 1_000_000), false),
                        _ => (Condition::Always, true),
                    };
                    let ttl = match step {
                        Step::Set(_, _, _, ttl) | Step::Add(_, _, _, ttl) => ttl,
                        _ => None,
                    };
                    let (namespace, key) = text((n, k));
                    let value = vec![k; size];
                    let result = kv.set(&namespace, &key, &value, condition, ttl.map(Duration::from_secs), now);
                    if !holds {
                        prop_assert_eq!(result, Err(KvError::Conflict(current)));
                    } else if !fits(&model, (n, k), size) {
                        prop_assert_eq!(result, Err(KvError::Full));
                    } else {
                        let version = result.unwrap();
                        prop_assert!(version != 0 && version != u32::MAX && current != Some(version));
                        model.insert((n, k), (size, version, ttl.map(|ttl| second + ttl)));
                    }
                }
                Step::Delete(n, k) => {
                    let (namespace, key) = text((n, k));
                    let known = model.remove(&(n, k)).is_some();
                    prop_assert_eq!(kv.delete(&namespace, &key, Condition::Always, now), Ok(known));
                }
                Step::DeleteVersion(n, k, right) => {
                    let (namespace, key) = text((n, k));
                    let current = model.get(&(n, k)).map(|known| known.1);
                    let version = current.unwrap_or(3) + u32::from(!right) * 1_000_000;
                    let wanted = match current {
                        None => Ok(false),
                        Some(_) if right => Ok(model.remove(&(n, k)).is_some()),
                        Some(_) => Err(KvError::Conflict(current)),
                    };
                    prop_assert_eq!(kv.delete(&namespace, &key, Condition::Version(version), now), wanted);
                }
                Step::Get(n, k) => {
                    let (namespace, key) = text((n, k));
                    let found = kv.value(&namespace, &key, now);
                    let wanted = model.get(&(n, k)).map(|&(size, version, end)| Value {
                        bytes: vec![k; size].into(),
                        version,
                        expires_in: end.map(|end| SECOND * u32::try_from(end - second).unwrap()),
                    });
                    prop_assert_eq!(found, wanted);
                }
                Step::List(n, limit) => {
                    let mut wanted: Vec<_> = model.keys().filter(|(m, _)| *m == n).map(|(_, k)| k.to_string()).collect();
                    wanted.sort();
                    let (mut found, mut after) = (Vec::new(), None::<String>);
                    loop {
                        let listing = Listing { prefix: "", after: after.as_deref(), limit };
                        let part = kv.list(&n.to_string(), listing, now);
                        let more = part.more;
                        prop_assert!(part.keys.len() <= limit && (!more || part.keys.len() == limit));
                        found.extend(keys(part));
                        after = found.last().cloned();
                        if !more { break }
                    }
                    prop_assert_eq!(found, wanted);
                }
            }
        }
    }
}

#[test]
fn of_many_first_writers_of_a_key_one_wins() {
    let (kv, now) = (kv(1 << 20, 1 << 20), Instant::now());
    for key in 0..200 {
        let key = key.to_string();
        let winners: usize = std::thread::scope(|scope| {
            let add = || usize::from(kv.set("n", &key, b"x", Condition::Absent, None, now).is_ok());
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
    }
}

#[test]
fn counting_fresh_keys_from_many_threads_loses_nothing() {
    let (kv, now) = (kv(1 << 20, 1 << 20), Instant::now());
    let count = |key: &str| loop {
        let found = kv.value("n", key, now);
        let number = found.as_ref().map_or(0, |value| value.bytes[0]) + 1;
        let condition = found.map_or(Condition::Absent, |value| Condition::Version(value.version));
        if kv.set("n", key, &[number], condition, None, now).is_ok() {
            return;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|key| count(&key.to_string())));
        }
    });
    for key in 0..100 {
        assert_eq!(kv.value("n", &key.to_string(), now).unwrap().bytes[..], [8]);
    }
}

#[test]
fn a_full_namespace_leaves_room_for_others() {
    let (kv, now) = (kv(10_000, 1000), Instant::now());
    let set = |namespace: &str, key: &str| kv.set(namespace, key, &[0; 100], Condition::Always, None, now);
    let written = (0..9).filter(|key| set("greedy", &key.to_string()).is_ok()).count();
    assert_eq!(written, 3);
    assert_eq!(set("greedy", "one more"), Err(KvError::Full));
    assert!(set("modest", "k").is_ok());
    // A value that does not grow can always be replaced.
    assert!(set("greedy", "0").is_ok());
    kv.delete("greedy", "0", Condition::Always, now).unwrap();
    assert!(set("greedy", "9").is_ok());
}

#[test]
fn what_has_expired_gives_way_wherever_it_is() {
    let (kv, now) = (kv(1 << 20, 1 << 20), Instant::now());
    let set = |key: usize, ttl, now| kv.set("n", &key.to_string(), &[0; 100], Condition::Always, ttl, now);
    let written = (0..).take_while(|&key| set(key, Some(SECOND), now).is_ok()).count();
    assert!(written > 3000);
    let later = now + SECOND;
    let again = (0..).take_while(|&key| set(key, None, later).is_ok()).count();
    assert!(again >= written - 10, "{again} of {written}");
    assert!(kv.used() <= 1 << 20);
}

#[test]
fn a_key_and_a_value_have_a_maximum_length() {
    let (kv, now) = (kv(1 << 20, 1 << 20), Instant::now());
    let set = |key: usize, value: usize| kv.set("n", &"k".repeat(key), &vec![0; value], Condition::Always, None, now);
    assert!(set(MAX_NAME_BYTES - 1, 1000).is_ok());
    assert_eq!(set(MAX_NAME_BYTES, 0), Err(KvError::TooLarge));
    assert_eq!(set(1, 1001), Err(KvError::TooLarge));
}

#[test]
fn a_list_has_the_keys_with_a_prefix_in_order() {
    let (kv, now) = (kv(1 << 20, 1 << 20), Instant::now());
    for key in ["b/2", "a", "b/10", "b", "c", "b/1"] {
        kv.set("n", key, b"", Condition::Always, None, now).unwrap();
    }
    let list = |prefix, after, limit| {
        let listed = kv.list("n", Listing { prefix, after, limit }, now);
        (listed.more, keys(listed))
    };
    assert_eq!(
        list("b/", None, 9),
        (false, ["b/1", "b/10", "b/2"].map(String::from).to_vec())
    );
    assert_eq!(list("b/", None, 2), (true, ["b/1", "b/10"].map(String::from).to_vec()));
    assert_eq!(list("b/", Some("b/10"), 2), (false, ["b/2".to_owned()].to_vec()));
    assert_eq!(list("b/", Some("a"), 1), (true, ["b/1".to_owned()].to_vec()));
    assert_eq!(list("d", None, 1), (false, Vec::new()));
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Notify for Counting {
    fn changed(&self, id: u32) {
        self.0.fetch_add(id as usize, Ordering::Relaxed);
    }
}

#[test]
fn a_watcher_is_notified_once_of_each_kind_of_change() {
    let (kv, now) = (kv(700, 700), Instant::now());
    let seen = Arc::new(Counting::default());
    let watcher = Watcher {
        notify: seen.clone(),
        id: 1,
    };
    let set = |key: &str, ttl, now| kv.set("n", key, b"v", Condition::Always, ttl, now);
    let watch = |version| kv.watch("n", "k", version, watcher.clone(), now);
    let notified = || seen.0.load(Ordering::Relaxed);

    let first = set("k", None, now).unwrap();
    watch(first).unwrap();
    let second = set("k", None, now).unwrap();
    set("k", None, now).unwrap();
    assert_eq!(notified(), 1);
    // What has changed already is not watched: the caller reads again.
    assert_eq!(watch(second), Err(WatchError::Changed));

    let third = set("k", None, now).unwrap();
    watch(third).unwrap();
    kv.delete("n", "k", Condition::Always, now).unwrap();
    assert_eq!(notified(), 2);
    assert_eq!(watch(third), Err(WatchError::Changed));

    let fourth = set("k", Some(SECOND), now).unwrap();
    watch(fourth).unwrap();
    // Without room, what has expired is dropped, and its watcher notified.
    for key in ["a", "b", "c"] {
        set(key, None, now + SECOND).unwrap();
    }
    assert_eq!(notified(), 3);

    kv.delete("n", "a", Condition::Always, now).unwrap();
    let fifth = set("k", None, now).unwrap();
    watch(fifth).unwrap();
    kv.unwatch("n", "k", &watcher, now);
    set("k", None, now).unwrap();
    assert_eq!(notified(), 3);
}
