//! [`IdMap`]: values that get numbers, counted up, and are found by them: the stream contexts of a VM.
//!
//! A value lies in the slot that the lowest bits of its number name. As the numbers are given here, one whose slot is taken is
//! passed over, and a look goes to one place and nowhere else.

/// So many slots at first; always a power of two.
const FEWEST: usize = 16;

/// Values by number.
#[derive(Debug)]
pub(crate) struct IdMap<T> {
    slots: Vec<Option<(u32, T)>>,
    held: usize,
    /// Numbers up to this one are given to nobody.
    reserved: u32,
    /// The number that was given last.
    last: u32,
}

impl<T> IdMap<T> {
    /// Without values; the first number is the one after `reserved`.
    pub(crate) const fn after(reserved: u32) -> Self {
        Self {
            slots: Vec::new(),
            held: 0,
            reserved,
            last: reserved,
        }
    }

    /// Takes a value in, and says its number: the next one up, but for those whose slot is taken. After four thousand million
    /// they start over.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if self.held * 2 >= self.slots.len() {
            self.spread();
        }
        loop {
            self.last = self.last.wrapping_add(1).max(self.reserved + 1);
            let slot = self.slot(self.last);
            if self.slots[slot].is_none() {
                self.slots[slot] = Some((self.last, value));
                self.held += 1;
                return self.last;
            }
        }
    }

    /// The value of this number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        match self.slots.get(self.slot(number)) {
            Some(Some((known, value))) if *known == number => Some(value),
            _ => None,
        }
    }

    /// The value of this number, to be changed.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let slot = self.slot(number);
        match self.slots.get_mut(slot) {
            Some(Some((known, value))) if *known == number => Some(value),
            _ => None,
        }
    }

    /// Gives the value of this number back.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let slot = self.slot(number);
        let found = self.slots.get_mut(slot)?;
        if !matches!(found, Some((known, _)) if *known == number) {
            return None;
        }
        self.held -= 1;
        found.take().map(|(_, value)| value)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().flatten().map(|(number, value)| (*number, value))
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (u32, T)> + use<T> {
        self.held = 0;
        std::mem::take(&mut self.slots).into_iter().flatten()
    }

    /// Without slots it is one that is not there.
    fn slot(&self, number: u32) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }

    /// Makes room. Numbers that differ in their lowest bits go on to do so when there are more of these.
    #[cold]
    fn spread(&mut self) {
        let wanted = (self.slots.len() * 2).max(FEWEST);
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(wanted, || None);
        for held in old.into_iter().flatten() {
            let slot = self.slot(held.0);
            self.slots[slot] = Some(held);
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
        assert_eq!(numbered.insert(9), 7, "a number is not given again");
    }

    #[test]
    fn it_holds_what_a_hash_map_holds() {
        let (mut numbered, mut map) = (IdMap::after(1), HashMap::new());
        let mut random = 1_u32;
        for value in 0..50_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // It grows, and then holds some hundreds, of which one stays for ever.
            if map.len() < 4 || (random >> 20) % 1000 > map.len() as u32 {
                let number = numbered.insert(value);
                assert_eq!(map.insert(number, value), None, "{number} was in use");
            } else {
                let number = *map
                    .keys()
                    .filter(|number| **number != 2)
                    .nth(random as usize % 3)
                    .unwrap();
                assert_eq!(numbered.remove(number), map.remove(&number));
                assert_eq!(numbered.remove(number), None);
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
                .map(|(number, value)| (number, *value))
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
