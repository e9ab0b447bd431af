//! [`Heartbeats`]: until when registrations live. Pure: whoever asks says what time it is.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use lockgate_client::Address;

/// The registrations with a time to live, by the time at which they end.
#[derive(Debug, Default)]
pub struct Heartbeats {
    ends: HashMap<(String, String), Instant>,
    order: BTreeSet<(Instant, String, String)>,
}

impl Heartbeats {
    /// Lets a registration live for so long from now on; one without a time to live does not end.
    pub fn beat(&mut self, upstream: &str, address: &Address, ttl: Option<Duration>, now: Instant) {
        let address = address.to_string();
        self.stop_key(upstream, &address);
        if let Some(ttl) = ttl {
            let end = now + ttl;
            self.order.insert((end, upstream.to_owned(), address.clone()));
            self.ends.insert((upstream.to_owned(), address), end);
        }
    }

    /// Forgets a registration.
    pub fn stop(&mut self, upstream: &str, address: &Address) {
        self.stop_key(upstream, &address.to_string());
    }

    fn stop_key(&mut self, upstream: &str, address: &str) {
        if let Some((key, end)) = self.ends.remove_entry(&(upstream.to_owned(), address.to_owned())) {
            self.order.remove(&(end, key.0, key.1));
        }
    }

    /// Forgets the registrations of an upstream.
    pub fn stop_upstream(&mut self, upstream: &str) {
        self.ends.retain(|(name, _), _| name != upstream);
        self.order.retain(|(_, name, _)| name != upstream);
    }

    /// When a registration ends; none if it does not.
    pub fn end(&self, upstream: &str, address: &Address) -> Option<Instant> {
        self.ends.get(&(upstream.to_owned(), address.to_string())).copied()
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.order.first().map(|(end, ..)| *end)
    }

    /// Takes out those that have ended: upstream and address of each.
    pub fn take_ended(&mut self, now: Instant) -> Vec<(String, Address)> {
        let mut ended = Vec::new();
        while let Some((end, ..)) = self.order.first()
            && *end <= now
            && let Some((_, upstream, address)) = self.order.pop_first()
        {
            let (upstream, address) = {
                let key = (upstream, address);
                self.ends.remove(&key);
                key
            };
            if let Ok(address) = address.parse() {
                ended.push((upstream, address));
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(port: u16) -> Address {
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    #[test]
    fn a_registration_ends_exactly_when_its_time_is_over() {
        let (mut beats, start) = (Heartbeats::default(), Instant::now());
        beats.beat("orders", &address(1), Some(10 * SECOND), start);
        beats.beat("orders", &address(2), Some(3 * SECOND), start);
        beats.beat("orders", &address(3), None, start);
        assert_eq!(beats.next_end(), Some(start + 3 * SECOND));
        assert!(
            beats
                .take_ended(start + 3 * SECOND - Duration::from_nanos(1))
                .is_empty()
        );
        assert_eq!(
            beats.take_ended(start + 3 * SECOND),
            [("orders".to_owned(), address(2))]
        );
        assert_eq!(
            beats.take_ended(start + 100 * SECOND),
            [("orders".to_owned(), address(1))]
        );
        assert_eq!(beats.next_end(), None);
    }

    #[test]
    fn a_heartbeat_moves_the_end() {
        let (mut beats, start) = (Heartbeats::default(), Instant::now());
        for second in 0..20 {
            beats.beat("orders", &address(1), Some(2 * SECOND), start + second * SECOND);
            assert!(beats.take_ended(start + second * SECOND).is_empty());
        }
        assert_eq!(beats.end("orders", &address(1)), Some(start + 21 * SECOND));
        beats.beat("orders", &address(1), None, start);
        assert_eq!(beats.next_end(), None);
    }

    #[test]
    fn what_is_stopped_does_not_end() {
        let (mut beats, start) = (Heartbeats::default(), Instant::now());
        for (upstream, port) in [("orders", 1), ("orders", 2), ("users", 1)] {
            beats.beat(upstream, &address(port), Some(SECOND), start);
        }
        beats.stop("orders", &address(1));
        assert_eq!(beats.end("orders", &address(1)), None);
        beats.stop_upstream("users");
        assert_eq!(beats.take_ended(start + SECOND), [("orders".to_owned(), address(2))]);
    }
}
