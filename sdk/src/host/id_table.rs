//! [`IdTable`]: values by an id of the host's. A small hash table without a hash function: hosts count ids upwards, so
//! that their lowest bits spread them over the buckets.

/// Values by id.
pub(crate) struct IdTable<T> {
    /// A power of two of them, or none.
    buckets: Vec<Vec<(u32, T)>>,
    length: usize,
}

/// The average number of values in a bucket at which the number of buckets doubles.
const MAX_LOAD: usize = 4;

impl<T> IdTable<T> {
    /// An empty table.
    pub(crate) const fn new() -> IdTable<T> {
        IdTable {
            buckets: Vec::new(),
            length: 0,
        }
    }

    /// The value with this id.
    pub(crate) fn find(&self, id: u32) -> Option<&T> {
        let bucket = self.buckets.get(self.bucket(id))?;
        bucket.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// The value with this id, mutably.
    pub(crate) fn find_mut(&mut self, id: u32) -> Option<&mut T> {
        let bucket = self.bucket(id);
        let bucket = self.buckets.get_mut(bucket)?;
        bucket
            .iter_mut()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value)
    }

    /// Inserts a value, or replaces the one with this id.
    pub(crate) fn insert(&mut self, id: u32, value: T) {
        if let Some(known) = self.find_mut(id) {
            *known = value;
            return;
        }
        if self.length >= self.buckets.len() * MAX_LOAD {
            self.grow();
        }
        let bucket = self.bucket(id);
        self.buckets[bucket].push((id, value));
        self.length += 1;
    }

    /// Removes the value with this id.
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let bucket = self.bucket(id);
        let bucket = self.buckets.get_mut(bucket)?;
        let at = bucket.iter().position(|(known, _)| *known == id)?;
        self.length -= 1;
        Some(bucket.swap_remove(at).1)
    }

    fn bucket(&self, id: u32) -> usize {
        // Without buckets this is an index out of range.
        id as usize & self.buckets.len().wrapping_sub(1)
    }

    #[cold]
    fn grow(&mut self) {
        let wanted = (self.buckets.len() * 2).max(4);
        let mut old = std::mem::take(&mut self.buckets);
        self.buckets.resize_with(wanted, Vec::new);
        while let Some(mut bucket) = old.pop() {
            while let Some((id, value)) = bucket.pop() {
                let bucket = self.bucket(id);
                self.buckets[bucket].push((id, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_holds_what_a_hash_map_holds() {
        let (mut table, mut map) = (IdTable::new(), HashMap::new());
        assert_eq!(table.find(3), None::<&u32>);
        assert_eq!(table.remove(3), None);
        for value in 0..20_000 {
            let random = crate::host::random().expect("the host in memory has random numbers") as u32;
            let id = random >> 22;
            if random & 4 == 0 {
                assert_eq!(table.remove(id), map.remove(&id));
            } else {
                table.insert(id, value);
                map.insert(id, value);
            }
            assert_eq!(table.length, map.len());
            assert_eq!(table.find(id), map.get(&id));
            assert_eq!(table.find_mut(id ^ 1), map.get_mut(&(id ^ 1)));
        }
        assert!(table.buckets.iter().all(|bucket| bucket.len() < 10 * MAX_LOAD));
    }
}
