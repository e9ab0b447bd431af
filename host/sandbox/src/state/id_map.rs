//! [`IdMap`]: values under ascending ids, for the stream contexts of a VM.
//!
//! A value is in the slot that the lowest bits of its id select. An id whose slot is taken is skipped, so that every look-up
//! reads one slot.

/// Initial number of slots, a power of two.
const MIN_SLOTS: usize = 16;

/// Values by id.
#[derive(Debug)]
pub(crate) struct IdMap<T> {
    slots: Vec<Option<(u32, T)>>,
    len: usize,
    /// Ids up to this one are not used.
    reserved: u32,
    /// The last id that was used.
    last: u32,
}

impl<T> IdMap<T> {
    /// An empty map. Its first id is the one after `reserved`.
    pub(crate) const fn after(reserved: u32) -> Self {
        Self {
            slots: Vec::new(),
            len: 0,
            reserved,
            last: reserved,
        }
    }

    /// Inserts a value and returns its id: the next one whose slot is free. Ids start over after 2³².
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if self.len * 2 >= self.slots.len() {
            self.grow();
        }
        loop {
            self.last = self.last.wrapping_add(1).max(self.reserved + 1);
            let slot = self.slot(self.last);
            if self.slots[slot].is_none() {
                self.slots[slot] = Some((self.last, value));
                self.len += 1;
                return self.last;
            }
        }
    }

    /// The value of an id.
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        match self.slots.get(self.slot(id)) {
            Some(Some((known, value))) if *known == id => Some(value),
            _ => None,
        }
    }

    /// The value of an id, to be changed.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let slot = self.slot(id);
        match self.slots.get_mut(slot) {
            Some(Some((known, value))) if *known == id => Some(value),
            _ => None,
        }
    }

    /// Removes the value of an id.
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let slot = self.slot(id);
        let found = self.slots.get_mut(slot)?;
        if !matches!(found, Some((known, _)) if *known == id) {
            return None;
        }
        self.len -= 1;
        found.take().map(|(_, value)| value)
    }

    /// All values, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().flatten().map(|(id, value)| (*id, value))
    }

    /// Removes all values.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (u32, T)> + use<T> {
        self.len = 0;
        std::mem::take(&mut self.slots).into_iter().flatten()
    }

    /// In an empty map, the slot does not exist.
    fn slot(&self, id: u32) -> usize {
        id as usize & self.slots.len().wrapping_sub(1)
    }

    /// Doubles the number of slots. Ids that differ in the lowest bits still do with more bits.
    #[cold]
    fn grow(&mut self) {
        let wanted = (self.slots.len() * 2).max(MIN_SLOTS);
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(wanted, || None);
        for len in old.into_iter().flatten() {
            let slot = self.slot(len.0);
            self.slots[slot] = Some(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn numbers_count_up_from_the_reserved_one() {
        let mut numbered = IdMap::after(1);
        assert_eq!(numbered.get(2), None);
        assert_eq!(numbered.remove(2), None);
        let given: Vec<u32> = (0..5).map(|value| numbered.insert(value)).collect();
        assert_eq!(given, [2, 3, 4, 5, 6]);
        numbered.remove(6);
        assert_eq!(numbered.insert(9), 7, "a id is not given again");
    }

    #[test]
    fn it_holds_what_a_hash_map_holds() {
        let (mut numbered, mut map) = (IdMap::after(1), HashMap::new());
        let mut random = 1_u32;
        for value in 0..50_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // It grows to some hundreds, one of which stays for ever.
            if map.len() < 4 || (random >> 20) % 1000 > map.len() as u32 {
                let id = numbered.insert(value);
                assert_eq!(map.insert(id, value), None, "{id} was in use");
            } else {
                let id = *map.keys().filter(|id| **id != 2).nth(random as usize % 3).unwrap();
                assert_eq!(numbered.remove(id), map.remove(&id));
                assert_eq!(numbered.remove(id), None);
            }
            let any = random >> 16;
            assert_eq!(numbered.get(any), map.get(&any));
            assert_eq!(numbered.get_mut(any), map.get_mut(&any));
        }
        assert_eq!(numbered.get(2), Some(&0));
        assert!(numbered.slots.len() <= 4096, "{}", numbered.slots.len());
        assert_eq!(
            numbered
                .iter()
                .map(|(id, value)| (id, *value))
                .collect::<HashMap<_, _>>(),
            map
        );
        assert_eq!(numbered.take().collect::<HashMap<_, _>>(), map);
        assert_eq!(numbered.iter().count(), 0);
        assert!(numbered.insert(1) > 2);
    }

    #[test]
    fn numbers_start_over_behind_the_reserved_ones() {
        let mut numbered = IdMap::after(1);
        numbered.last = u32::MAX - 1;
        assert_eq!(
            [numbered.insert('a'), numbered.insert('b'), numbered.insert('c')],
            [u32::MAX, 2, 3]
        );
    }
}
