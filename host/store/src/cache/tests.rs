//! The cache's promises.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn cache(bytes: usize, max_entry: usize) -> Arc<Cache> {
    Arc::new(Cache::new(CacheLimits { bytes, max_entry }))
}

fn entry(now: Instant) -> NewEntry {
    NewEntry::new(StatusCode::OK, HeaderMap::new(), MINUTE, now)
}

fn request(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_static(value));
    }
    map
}

fn store(cache: &Arc<Cache>, key: &str, body: &[u8], entry: NewEntry) -> bool {
    let Some(mut filling) = cache.fill("c", key, entry) else {
        return false;
    };
    body.chunks(7).for_each(|piece| {
        filling.push(piece);
    });
    filling.commit()
}

fn body(cache: &Cache, key: &str, request: &HeaderMap, now: Instant) -> Option<Vec<u8>> {
    cache
        .find("c", key, &Partition::NoRoute, request, now)
        .map(|hit| hit.stored.body.to_vec())
}

#[test]
fn a_complete_response_is_found_and_its_body_is_shared() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static("b"));
    assert!(store(
        &cache,
        "k",
        b"the whole body",
        NewEntry {
            headers,
            status: StatusCode::NOT_FOUND,
            ..entry(now)
        }
    ));
    let (first, second) = (
        cache.find("c", "k", &Partition::NoRoute, &HeaderMap::new(), now),
        cache.find("c", "k", &Partition::NoRoute, &HeaderMap::new(), now),
    );
    let (first, second) = (first.expect("stored"), second.expect("stored"));
    assert_eq!(
        (first.stored.status, &first.stored.headers["x-a"]),
        (StatusCode::NOT_FOUND, &HeaderValue::from_static("b"))
    );
    assert_eq!(first.stored.body, "the whole body");
    assert_eq!(first.stored.body.as_ptr(), second.stored.body.as_ptr());
    assert!(
        cache
            .find("other", "k", &Partition::NoRoute, &HeaderMap::new(), now)
            .is_none()
    );
}

#[test]
fn nothing_is_found_until_a_response_is_complete_and_nothing_stays_of_one_that_never_is() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    let mut filling = cache.fill("c", "k", entry(now)).expect("it may be stored");
    assert!(filling.push(b"half"));
    assert!(cache.used() > 0 && body(&cache, "k", &HeaderMap::new(), now).is_none());
    drop(filling);
    assert_eq!(cache.used(), 0);
    assert!(body(&cache, "k", &HeaderMap::new(), now).is_none());
}

#[test]
fn a_body_of_another_length_than_announced_is_not_kept() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    for length in ["3", "5"] {
        let headers = request(&[(CONTENT_LENGTH, length)]);
        assert!(!store(&cache, "k", b"four", NewEntry { headers, ..entry(now) }));
    }
    let headers = request(&[(CONTENT_LENGTH, "4")]);
    assert!(store(&cache, "k", b"four", NewEntry { headers, ..entry(now) }));
}

#[test]
fn age_and_freshness_follow_the_clock_that_is_given() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    store(&cache, "k", b"", entry(now).aged(Duration::from_secs(5)));
    let look = |after: u64| {
        let hit = cache
            .find(
                "c",
                "k",
                &Partition::NoRoute,
                &HeaderMap::new(),
                now + Duration::from_secs(after),
            )
            .expect("stored");
        (hit.age.as_secs(), hit.fresh_for.as_secs(), hit.stale_for.as_secs())
    };
    assert_eq!(
        [look(0), look(20), look(60), look(90)],
        [(5, 60, 0), (25, 40, 0), (65, 0, 0), (95, 0, 30)]
    );
}

#[test]
fn variants_are_kept_apart_and_found_however_the_header_is_written() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    let vary = vec![ACCEPT_LANGUAGE, ACCEPT_ENCODING];
    for (encoding, answer) in [("gzip, br", "compressed"), ("identity", "plain")] {
        let request = request(&[(ACCEPT_ENCODING, encoding)]);
        assert!(store(
            &cache,
            "k",
            answer.as_bytes(),
            entry(now).varying_by(vary.clone(), &request)
        ));
    }
    let look = |headers: &[(HeaderName, &'static str)]| body(&cache, "k", &request(headers), now);
    assert_eq!(
        look(&[(ACCEPT_ENCODING, "gzip,br")]).as_deref(),
        Some(&b"compressed"[..])
    );
    assert_eq!(
        look(&[(ACCEPT_ENCODING, "gzip"), (ACCEPT_ENCODING, " br ")]).as_deref(),
        Some(&b"compressed"[..])
    );
    assert_eq!(look(&[(ACCEPT_ENCODING, "identity")]).as_deref(), Some(&b"plain"[..]));
    assert_eq!(look(&[(ACCEPT_ENCODING, "identity"), (ACCEPT_LANGUAGE, "de")]), None);
    assert_eq!(look(&[]), None);
    assert_eq!(cache.purge("c", "k"), 2);
    assert_eq!(cache.used(), 0);
}

#[test]
fn a_new_response_takes_the_place_of_the_same_variant() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    store(&cache, "k", b"old", entry(now));
    let used = cache.used();
    store(&cache, "k", b"new", entry(now));
    assert_eq!(
        (body(&cache, "k", &HeaderMap::new(), now).as_deref(), cache.used()),
        (Some(&b"new"[..]), used)
    );
}

#[test]
fn the_number_of_variants_is_bounded() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    for index in 0..100 {
        let mut request = HeaderMap::new();
        request.insert(
            ACCEPT_LANGUAGE,
            HeaderValue::from_str(&index.to_string()).expect("digits"),
        );
        store(&cache, "k", b"", entry(now).varying_by(vec![ACCEPT_LANGUAGE], &request));
    }
    assert_eq!(cache.purge("c", "k"), MAX_VARIANTS);
    assert_eq!(cache.used(), 0);
}

#[test]
fn a_response_that_was_on_its_way_during_a_purge_is_not_kept() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    let mut filling = cache.fill("c", "k", entry(now)).expect("it may be stored");
    filling.push(b"from before");
    assert_eq!(cache.purge("c", "k"), 0);
    assert!(!filling.commit());
    assert_eq!((body(&cache, "k", &HeaderMap::new(), now), cache.used()), (None, 0));
}

#[test]
fn an_entry_that_is_too_large_is_given_up_and_leaves_the_others_alone() {
    let (cache, now) = (cache(1 << 20, 10_000), Instant::now());
    store(&cache, "small", b"x", entry(now));
    let used = cache.used();
    let mut filling = cache
        .fill("c", "large", entry(now))
        .expect("nothing is known of its size");
    assert!(filling.push(&[0; 9000]));
    assert!(!filling.push(&[0; 2000]));
    assert!(!filling.push(b"x"));
    assert_eq!(cache.used(), used, "given up at once, not at the end");
    assert!(!filling.commit());
    let headers = request(&[(CONTENT_LENGTH, "10000")]);
    assert!(cache.fill("c", "large", NewEntry { headers, ..entry(now) }).is_none());
    assert!(body(&cache, "small", &HeaderMap::new(), now).is_some());
}

#[test]
fn responses_that_are_coming_in_take_at_most_a_quarter() {
    let (cache, now) = (cache(400_000, 100_000), Instant::now());
    let mut fillings: Vec<_> = (0..20)
        .filter_map(|index| cache.fill("c", &index.to_string(), entry(now)))
        .collect();
    let taken = fillings
        .iter_mut()
        .filter_map(|filling| filling.push(&[0; 20_000]).then_some(()))
        .count();
    assert_eq!(taken, 4);
    assert!(cache.used() <= 100_000);
}

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let (cache, now) = (cache(200_000, 50_000), Instant::now());
    store(&cache, "popular", &[0; 1000], entry(now));
    for index in 0..2000 {
        assert!(store(&cache, &index.to_string(), &[0; 1000], entry(now)), "{index}");
        assert!(
            body(&cache, "popular", &HeaderMap::new(), now).is_some(),
            "thrown out after {index} others"
        );
        assert!(cache.used() <= 200_000);
    }
    assert!(body(&cache, "0", &HeaderMap::new(), now).is_none());
    assert!(cache.used() > 150_000, "room is used, not wasted: {}", cache.used());
}

#[test]
fn the_bound_holds_when_many_threads_store_look_and_purge() {
    let (cache, now) = (cache(300_000, 20_000), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let cache = &cache;
            scope.spawn(move || {
                for step in 0..2000usize {
                    let key = (step * 31 + thread * 17) % 97;
                    store(cache, &key.to_string(), &vec![0; key * 40], entry(now));
                    if let Some(found) = body(cache, &(step % 97).to_string(), &HeaderMap::new(), now) {
                        assert_eq!(found.len(), step % 97 * 40);
                    }
                    if step % 50 == 0 {
                        cache.purge("c", &key.to_string());
                    }
                    assert!(cache.used() <= 300_000);
                }
            });
        }
    });
    (0..97).for_each(|key| {
        cache.purge("c", &key.to_string());
    });
    assert_eq!(cache.used(), 0, "every byte that was counted is given back");
}

proptest! {
    /// A cache with room for everything agrees with a plain map.
    #[test]
    fn with_enough_room_a_cache_is_a_map(steps in prop::collection::vec((0u8..6, 0usize..50, 0u8..10), 0..60)) {
        let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
        let mut model = std::collections::HashMap::new();
        for (key, length, action) in steps {
            let name = key.to_string();
            match action {
                0 => prop_assert_eq!(cache.purge("c", &name), usize::from(model.remove(&key).is_some())),
                1 => drop(cache.fill("c", &name, entry(now))),
                _ => {
                    prop_assert!(store(&cache, &name, &vec![key; length], entry(now)));
                    model.insert(key, length);
                }
            }
            let expected = model.get(&key).map(|&length| vec![key; length]);
            prop_assert_eq!(body(&cache, &name, &HeaderMap::new(), now), expected);
        }
    }
}

#[test]
fn no_partition_answers_for_another_and_a_purge_reaches_all() {
    let (cache, now) = (cache(1 << 20, 1 << 16), Instant::now());
    let partitions = [
        Partition::NoRoute,
        Partition::Route("internal".into()),
        Partition::Route("public".into()),
        Partition::Shared("public".into()),
    ];
    let found = |partition: &Partition| {
        let hit = cache.find("c", "k", partition, &HeaderMap::new(), now);
        hit.map(|hit| String::from_utf8_lossy(&hit.stored.body).into_owned())
    };
    for (index, partition) in partitions.iter().enumerate() {
        assert_eq!(found(partition), None);
        assert!(store(
            &cache,
            "k",
            index.to_string().as_bytes(),
            entry(now).within(partition.clone())
        ));
    }
    for (index, partition) in partitions.iter().enumerate() {
        assert_eq!(found(partition), Some(index.to_string()));
    }
    // Many variants of one route do not push out another route's.
    for language in 0..2 * MAX_VARIANTS {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from(language));
        let entry = entry(now)
            .within(partitions[1].clone())
            .varying_by(vec![ACCEPT_LANGUAGE], &headers);
        assert!(store(&cache, "k", b"v", entry));
    }
    assert_eq!(found(&partitions[2]), Some("2".to_owned()));
    assert_eq!(cache.purge("c", "k"), MAX_VARIANTS + 3);
    assert!(partitions.iter().all(|partition| found(partition).is_none()));
    assert_eq!(cache.used(), 0);
}
