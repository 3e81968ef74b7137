//! A persistent ordered table: sorted chunks of rows in a persistent map.
//!
//! A clone shares everything; a change copies the chunks that it touches. Chunks are used instead of one map
//! entry per row because a B-tree that is filled in ascending order is half empty: the log would take twice
//! the memory of its rows.

use imbl::OrdMap;
use std::{borrow::Borrow, ops::Bound, sync::Arc};

/// A row, ordered by its key.
pub trait Row: Clone + Ord + Borrow<Self::Key> {
    /// Its key; keys are ordered like the rows.
    type Key: Ord + ?Sized;
}

/// An ordered set of rows, one per key.
#[derive(Clone)]
pub struct Table<R: Row> {
    /// Chunks by their first row; no chunk is empty or longer than [`CHUNK_ROWS_MAX`].
    chunks: OrdMap<R, Arc<[R]>>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { chunks: OrdMap::new() }
    }
}

impl<R: Row> Table<R> {
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The row with `key`.
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        let (_, chunk) = self.chunks.get_prev(key)?;
        let at = chunk.binary_search_by(|row| row.borrow().cmp(key)).ok()?;
        Some(&chunk[at])
    }

    /// Rows from `from` on, ascending.
    pub fn from<'a>(&'a self, from: Bound<&'a R::Key>) -> impl Iterator<Item = &'a R> {
        let before = move |row: &R| match from {
            Bound::Included(key) => row.borrow() < key,
            Bound::Excluded(key) => row.borrow() <= key,
            Bound::Unbounded => false,
        };
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => self.chunks.get_prev(key),
            Bound::Unbounded => None,
        };
        let chunks = match first {
            Some((first, _)) => self.chunks.range::<_, R>(first..),
            None => self.chunks.range::<_, R>(..),
        };
        chunks.flat_map(|(_, chunk)| chunk.iter()).skip_while(move |row| before(row))
    }

    /// Puts rows, and removes those with `None`. `changes` ascend by key, each key once.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = (&'a R::Key, Option<R>)>)
    where
        R::Key: 'a,
    {
        let mut changes = changes.into_iter().peekable();
        while let Some((key, _)) = changes.peek() {
            let old = self.chunks.get_prev(*key).or_else(|| self.chunks.iter().next());
            let old = old.map(|(first, chunk)| (first.clone(), chunk.clone()));
            let next = old.as_ref().and_then(|(first, _)| {
                self.chunks.range::<_, R>((Bound::Excluded(first), Bound::Unbounded)).next()
            });
            let next = next.map(|(first, _)| first.clone());
            let rows: &[R] = old.as_ref().map_or(&[], |(_, chunk)| chunk);
            let here = std::iter::from_fn(|| {
                changes.next_if(|(key, _)| next.as_ref().is_none_or(|next| *key < next.borrow()))
            });
            let (merged, growth) = merge(rows, here);
            let growth = if next.is_none() { growth } else { Growth::Inside };
            if let Some((first, _)) = &old {
                self.chunks.remove::<R>(first);
            }
            self.insert(merged, growth);
        }
    }

    /// Removes the first rows, at most `rows`, and returns their number.
    pub fn remove_first(&mut self, rows: usize) -> usize {
        let mut removed = 0;
        while removed < rows {
            let Some((first, chunk)) = self.chunks.get_min().cloned() else { break };
            self.chunks.remove::<R>(&first);
            let n = chunk.len().min(rows - removed);
            removed += n;
            self.insert(chunk[n..].to_vec(), Growth::Inside);
        }
        removed
    }

    /// Inserts rows, replacing the chunk that held them.
    fn insert(&mut self, mut rows: Vec<R>, growth: Growth) {
        if let (true, Some(first)) = (rows.len() < CHUNK_ROWS_MIN, rows.first()) {
            // Too few rows: they join the previous chunk, so that removals do not leave many small chunks.
            if let Some((before, chunk)) = self.chunks.get_prev::<R>(first) {
                let (before, chunk) = (before.clone(), chunk.clone());
                self.chunks.remove::<R>(&before);
                rows.splice(0..0, chunk.iter().cloned());
            }
        }
        let size = match growth {
            Growth::AtEnd => CHUNK_ROWS_MAX,
            Growth::Inside => rows.len().div_ceil(rows.len().div_ceil(CHUNK_ROWS_MAX).max(1)).max(1),
        };
        for chunk in rows.chunks(size) {
            self.chunks.insert(chunk[0].clone(), chunk.into());
        }
    }
}

/// Where a chunk grew. The last one, if it only grew at its end, is left full, since nothing will be inserted
/// there.
enum Growth {
    AtEnd,
    Inside,
}

fn merge<'a, R: Row>(old: &[R], changes: impl Iterator<Item = (&'a R::Key, Option<R>)>) -> (Vec<R>, Growth)
where
    R::Key: 'a,
{
    let mut merged = Vec::with_capacity(CHUNK_ROWS_MAX);
    let mut rest = old;
    let mut growth = Growth::AtEnd;
    for (key, change) in changes {
        let n = rest.partition_point(|row| row.borrow() < key);
        merged.extend_from_slice(&rest[..n]);
        let replaced = rest.get(n).is_some_and(|row| row.borrow() == key);
        rest = &rest[n + usize::from(replaced)..];
        merged.extend(change);
        if !rest.is_empty() {
            growth = Growth::Inside;
        }
    }
    merged.extend_from_slice(rest);
    (merged, growth)
}

/// Maximum number of rows of a chunk, which one change copies.
const CHUNK_ROWS_MAX: usize = 32;
/// A chunk with fewer rows joins its neighbour.
const CHUNK_ROWS_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    impl Row for u64 {
        type Key = Self;
    }

    /// A sequence that is random enough to fill and empty chunks.
    fn step(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *state >> 33
    }

    #[test]
    fn a_table_is_a_sorted_set_and_its_clones_stay_as_they_were() {
        let (mut table, mut model, mut state) = (Table::<u64>::default(), BTreeSet::new(), 1);
        for round in 0..400 {
            let before = (table.clone(), model.clone());
            let span = if round % 100 < 50 { 2_000 } else { 200 };
            let changes: std::collections::BTreeMap<u64, bool> = (0..step(&mut state) % 80)
                .map(|_| (step(&mut state) % span, step(&mut state) % 10 < 7))
                .collect();
            table.apply(changes.iter().map(|(key, put)| (key, put.then_some(*key))));
            changes.iter().for_each(|(key, put)| {
                if *put {
                    model.insert(*key)
                } else {
                    model.remove(key)
                };
            });
            check(&table, &model);
            check(&before.0, &before.1);
        }
    }

    fn check(table: &Table<u64>, model: &BTreeSet<u64>) {
        assert!(table.from(Bound::Unbounded).eq(model));
        assert!(
            table.chunks.iter().all(|(first, chunk)| *first == chunk[0] && chunk.len() <= CHUNK_ROWS_MAX)
        );
        for key in [0, 1, 77, 500, 1_999, 3_000] {
            assert_eq!(table.get(&key), model.get(&key));
            assert!(table.from(Bound::Included(&key)).eq(model.range(key..)));
            assert!(table.from(Bound::Excluded(&key)).eq(model.range(key + 1..)));
        }
    }

    #[test]
    fn ascending_rows_fill_their_chunks() {
        let mut table = Table::<u64>::default();
        (0..1_000).for_each(|key| table.apply([(&key, Some(key))]));
        assert_eq!(table.chunks.len(), 1_000usize.div_ceil(CHUNK_ROWS_MAX));
        assert_eq!(table.remove_first(990), 990);
        assert!(table.from(Bound::Unbounded).copied().eq(990..1_000));
        assert_eq!(table.remove_first(990), 10);
        assert!(table.is_empty());
    }
}
