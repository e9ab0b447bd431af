//! [`Table`]: a hash table whose entries are also in a list, for the CLOCK algorithm.
//!
//! Eviction with bounded work looks at the next few entries of the clock. The caller chooses the entry to evict.

use hashbrown::HashTable;

use crate::name::{Name, OwnedName};

/// Named values.
#[derive(Debug)]
pub(crate) struct Table<V> {
    places: HashTable<usize>,
    entries: Vec<Entry<V>>,
    hand: usize,
}

#[derive(Debug)]
struct Entry<V> {
    hash: u64,
    name: OwnedName,
    value: V,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            places: HashTable::new(),
            entries: Vec::new(),
            hand: 0,
        }
    }
}

impl<V> Table<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The names, in no order.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &OwnedName> {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// Index of the value of this name, valid until the next insertion or removal.
    pub(crate) fn find(&self, hash: u64, name: &Name<'_>) -> Option<usize> {
        self.places
            .find(hash, |&place| self.entries[place].name.is(name))
            .copied()
    }

    pub(crate) fn at(&self, place: usize) -> &V {
        &self.entries[place].value
    }

    pub(crate) fn at_mut(&mut self, place: usize) -> &mut V {
        &mut self.entries[place].value
    }

    /// Adds a value under a name that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, name: Name<'_>, value: V) -> usize {
        let place = self.entries.len();
        self.entries.push(Entry {
            hash,
            name: name.into(),
            value,
        });
        self.places
            .insert_unique(hash, place, |&place| self.entries[place].hash);
        place
    }

    /// Removes a value. The last entry moves to its index.
    pub(crate) fn remove(&mut self, place: usize) -> V {
        self.forget(place, place);
        let removed = self.entries.swap_remove(place);
        let moved_from = self.entries.len();
        if place < moved_from {
            self.forget(moved_from, place);
            let hash = self.entries[place].hash;
            self.places
                .insert_unique(hash, place, |&place| self.entries[place].hash);
        }
        removed.value
    }

    /// Removes `place` from the hash table. Its entry is now at `entry`.
    fn forget(&mut self, place: usize, entry: usize) {
        if let Ok(found) = self
            .places
            .find_entry(self.entries[entry].hash, |&found| found == place)
        {
            found.remove();
        }
    }

    /// The next index of the clock; `None` if the table is empty.
    pub(crate) fn tick(&mut self) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        if self.hand >= self.entries.len() {
            self.hand = 0;
        }
        self.hand += 1;
        Some(self.hand - 1)
    }

    /// Moves the clock one entry back, after a removal there.
    pub(crate) fn tick_back(&mut self) {
        self.hand = self.hand.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few names and a poor hash, so that collisions and moves happen all the time.
        #[test]
        fn a_table_agrees_with_a_hash_map(steps in prop::collection::vec((0u8..12, any::<bool>()), 0..200)) {
            let mut table = Table::default();
            let mut model = HashMap::new();
            for (step, (key, is_removal)) in steps.into_iter().enumerate() {
                let text = key.to_string();
                let (name, hash) = (Name::new("s", &text), u64::from(key % 3));
                let place = table.find(hash, &name);
                prop_assert_eq!(place.map(|place| *table.at(place)), model.get(&key).copied());
                match place {
                    Some(place) if is_removal => prop_assert_eq!(Some(table.remove(place)), model.remove(&key)),
                    Some(place) => {
                        *table.at_mut(place) = step;
                        model.insert(key, step);
                    }
                    None => {
                        table.insert(hash, name, step);
                        model.insert(key, step);
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }

    #[test]
    fn the_clock_passes_every_entry_once_a_round() {
        let mut table = Table::default();
        assert_eq!(table.tick(), None);
        for key in ["a", "b", "c"] {
            table.insert(0, Name::new("", key), key);
        }
        let places: Vec<_> = (0..3).filter_map(|_| table.tick()).collect();
        let mut round: Vec<_> = places.into_iter().map(|place| *table.at(place)).collect();
        round.sort_unstable();
        assert_eq!(round, ["a", "b", "c"]);
    }
}
