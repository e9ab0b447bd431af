//! [`IdTable`]: values by a number of the host's. A small hash table: ids are counted upwards, so that their lowest bits
//! spread them.

/// Values by id.
pub(crate) struct IdTable<T> {
    /// As many as a power of two, or none.
    buckets: Vec<Vec<(u32, T)>>,
    length: usize,
}

/// So many values a bucket, on average, before there are twice as many buckets.
const MAX_LOAD: usize = 4;

impl<T> IdTable<T> {
    /// Without values.
    pub(crate) const fn new() -> IdTable<T> {
        IdTable {
            buckets: Vec::new(),
            length: 0,
        }
    }

    /// The value of this id.
    pub(crate) fn find(&self, id: u32) -> Option<&T> {
        let bucket = self.buckets.get(self.bucket(id))?;
        bucket.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// The value of this id, to be changed.
    pub(crate) fn find_mut(&mut self, id: u32) -> Option<&mut T> {
        let bucket = self.bucket(id);
        let bucket = self.buckets.get_mut(bucket)?;
        bucket
            .iter_mut()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value)
    }

    /// Puts a value in place of the one that this id had.
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

    /// Takes the value of this id out.
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let bucket = self.bucket(id);
        let bucket = self.buckets.get_mut(bucket)?;
        let at = bucket.iter().position(|(known, _)| *known == id)?;
        self.length -= 1;
        Some(bucket.swap_remove(at).1)
    }

    fn bucket(&self, id: u32) -> usize {
        // Without buckets it is a place that is not there.
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
        let mut random = 1u32;
        for value in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
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
