//! The keys of a shard: a persistent ordered map from key to timestamp, in packed chunks.
//!
//! The chunks are front-coded (each key without what it shares with the one before), which costs no more memory
//! than a pointer to the item would. Above all a chunk holds no pointers: random keys touch a chunk each, and
//! copying one that counts references to its items would touch the memory of all of them.

mod cursor;
mod first;
mod merge;
mod row;
mod splice;

use cursor::Cursor;
use datafan_core::{item::Key, time::Timestamp};
use first::{First, Probe};
use imbl::OrdMap;
use merge::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Chunks, Growth, bytes_of, merge};
use row::{Walk, key_of, search};
use splice::splice;
use std::{hint::black_box, ops::Bound, sync::Arc};

/// Timestamps by key; a clone shares everything.
#[derive(Clone, Default)]
pub struct KeyTable {
    /// Chunks by their first key; none is empty.
    chunks: OrdMap<First, Arc<[u8]>>,
}

/// Changes that belong to one chunk; there may be none yet for them.
struct Group {
    chunk: Option<(First, Arc<[u8]>)>,
    n_changes: usize,
}

/// Chunks that are brought to the processor together.
const TOGETHER: usize = 8;

/// Reads a bit of each line of the cache that `rows` lie in. A search reads one after the other, and waits for each;
/// these reads do not depend on one another and are waited for together.
fn touch(rows: &[u8]) {
    black_box(rows.iter().step_by(64).fold(0, |all, byte| all ^ byte));
}

impl KeyTable {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The timestamp of `key`.
    pub fn get(&self, key: &str) -> Option<Timestamp> {
        let probe = Probe::new(key);
        let (first, chunk) = self.chunks.get_prev(&probe)?;
        search(first.shared_with(&probe), chunk, probe.bytes())
    }

    /// The timestamps of `keys`, which ascend.
    pub fn get_all(&self, keys: &[&Key]) -> Vec<Option<Timestamp>> {
        let mut cursor = Cursor::new(&self.chunks);
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TOGETHER) {
            let here = keys.iter().map(|key| Probe::new(key.as_str()));
            let here: Vec<_> = here.map(|probe| (cursor.seek(&probe).0, probe)).collect();
            here.iter().for_each(|(chunk, _)| chunk.iter().for_each(|(_, rows)| touch(rows)));
            found.extend(here.iter().map(|(chunk, probe)| {
                let (first, rows) = (*chunk)?;
                search(first.shared_with(probe), rows, probe.bytes())
            }));
        }
        found
    }

    /// Keys from `from` on, ascending by their bytes.
    pub fn from<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (Key, Timestamp)> {
        let is_before = move |key: &[u8]| match from {
            Bound::Included(from) => key < from.as_bytes(),
            Bound::Excluded(from) => key <= from.as_bytes(),
            Bound::Unbounded => false,
        };
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => self.chunks.get_prev(&Probe::new(key)),
            Bound::Unbounded => None,
        };
        let first = first.map_or(Bound::Unbounded, |(first, _)| Bound::Included(first));
        let chunks = self.chunks.range::<_, First>((first, Bound::Unbounded));
        chunks.flat_map(move |(first, chunk)| {
            let mut walk = Walk::new(&first.key, chunk);
            std::iter::from_fn(move || {
                loop {
                    let row = walk.next()?;
                    if !is_before(&walk.key) {
                        return Some((key_of(&walk.key), row.timestamp));
                    }
                }
            })
        })
    }

    /// Puts and, with `None`, removes keys. `changes` ascend, each key once.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = (&'a Key, Option<Timestamp>)>) {
        let changes: Vec<_> = changes.into_iter().collect();
        let (mut out, mut buffer, mut rest) = (Chunks::default(), Vec::new(), changes.as_slice());
        // A chunk that was written anew may have taken in the one of the next group.
        let mut is_as_found = true;
        for groups in self.groups(&changes).chunks(TOGETHER) {
            groups.iter().for_each(|group| group.chunk.iter().for_each(|(_, rows)| touch(rows)));
            for Group { chunk, n_changes } in groups {
                let (here, behind) = rest.split_at(*n_changes);
                rest = behind;
                let chunk = chunk.as_ref().filter(|_| is_as_found);
                let spliced = chunk.is_some_and(|chunk| self.splice(chunk, here, &mut buffer));
                is_as_found = spliced || !self.rewrite(here, &mut out);
            }
        }
    }

    /// What belongs to which chunk.
    fn groups(&self, changes: &[(&Key, Option<Timestamp>)]) -> Vec<Group> {
        let (mut groups, mut rest) = (Vec::with_capacity(changes.len()), changes);
        let mut cursor = Cursor::new(&self.chunks);
        while let Some((key, _)) = rest.first() {
            let (chunk, next) = cursor.seek(&Probe::new(key.as_str()));
            let is_here = |key: &Key| next.is_none_or(|(end, _)| key < &end.key);
            let n_changes = rest.iter().take_while(|(key, _)| is_here(key)).count();
            rest = &rest[n_changes..];
            let chunk = chunk.map(|(first, rows)| (first.clone(), rows.clone()));
            groups.push(Group { chunk, n_changes });
        }
        groups
    }

    /// Puts what has room in a chunk; false if nothing was done.
    fn splice(
        &mut self,
        (first, rows): &(First, Arc<[u8]>),
        here: &[(&Key, Option<Timestamp>)],
        out: &mut Vec<u8>,
    ) -> bool {
        if rows.len() < CHUNK_BYTES_MIN || here.iter().any(|(_, at)| at.is_none()) {
            return false;
        }
        out.clear();
        splice(first, rows, here.iter().filter_map(|(key, at)| Some((*key, (*at)?))), out);
        if out.len() > CHUNK_BYTES_MAX {
            return false;
        }
        let Some(place) = self.chunks.get_mut(&first.probe()) else { return false };
        *place = out.as_slice().into();
        true
    }

    /// Writes the chunks anew to which `changes` belong. True if one before or behind them was too.
    fn rewrite(&mut self, mut changes: &[(&Key, Option<Timestamp>)], out: &mut Chunks) -> bool {
        let mut took = false;
        while let Some((key, _)) = changes.first() {
            (changes, took) = self.rewrite_at(key, changes, out);
        }
        took
    }

    /// Writes the chunk of `key` anew, and its neighbour if it has become small. Returns the changes behind them, and
    /// whether another chunk than that of `key` was written.
    fn rewrite_at<'a, 'b>(
        &mut self,
        key: &Key,
        changes: &'b [(&'a Key, Option<Timestamp>)],
        out: &mut Chunks,
    ) -> (&'b [(&'a Key, Option<Timestamp>)], bool) {
        let mut olds: Vec<(First, Arc<[u8]>)> = Vec::with_capacity(2);
        let old = self.chunks.get_prev(&Probe::new(key.as_str()));
        let mut took = old.is_none();
        let old = old.or_else(|| self.chunks.get_min().map(|(first, chunk)| (first, chunk)));
        olds.extend(old.map(|(first, chunk)| (first.clone(), chunk.clone())));
        let mut next = self.after(olds.last());
        if olds.last().is_some_and(|(_, chunk)| chunk.len() < CHUNK_BYTES_MIN) {
            // Removals left it small: it takes its neighbour in.
            olds.extend(next);
            took = true;
            next = self.after(olds.last());
        }
        let growth = if next.is_none() { Growth::AtEnd } else { Growth::Inside };
        let end = next.map(|(first, _)| first.key);
        let n = changes.partition_point(|(key, _)| end.as_ref().is_none_or(|end| *key < end));
        let (here, behind) = changes.split_at(n);
        out.begin(bytes_of(&olds, here), growth);
        merge(&olds, here, out);
        let firsts = olds.drain(..).map(|(first, _)| first);
        for gone in firsts.filter(|first| out.done.iter().all(|(kept, _)| kept != first)) {
            self.chunks.remove(&gone.probe());
        }
        self.chunks.extend(out.done.drain(..));
        (behind, took)
    }

    /// Removes the first keys, at most `rows`, and returns how many there were.
    pub fn remove_first(&mut self, rows: usize) -> usize {
        let keys: Vec<Key> = self.from(Bound::Unbounded).take(rows).map(|(key, _)| key).collect();
        self.apply(keys.iter().map(|key| (key, None)));
        keys.len()
    }

    fn after(&self, chunk: Option<&(First, Arc<[u8]>)>) -> Option<(First, Arc<[u8]>)> {
        let (first, _) = chunk?;
        let mut behind = self.chunks.range::<_, First>((Bound::Excluded(first), Bound::Unbounded));
        behind.next().map(|(first, chunk)| (first.clone(), chunk.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn keys_are_a_sorted_map_and_clones_stay_as_they_were() {
        let (mut table, mut model, mut rng) = (KeyTable::default(), BTreeMap::new(), Rng::new(1));
        for round in 0..300 {
            let before = (table.clone(), model.clone());
            let puts = if round % 100 < 60 { 9 } else { 1 };
            let mut changes = BTreeMap::new();
            for _ in 0..rng.below(60) {
                changes.insert(key(&mut rng), rng.chance(puts, 10).then(|| Timestamp(rng.next_u64())));
            }
            table.apply(changes.iter().map(|(key, at)| (key, *at)));
            for (key, at) in changes {
                match at {
                    Some(at) => model.insert(key, at),
                    None => model.remove(&key),
                };
            }
            check(&table, &model, &mut rng);
            check(&before.0, &before.1, &mut rng);
        }
    }

    #[test]
    fn ascending_keys_leave_full_chunks() {
        let mut table = KeyTable::default();
        for n in 0..5_000u64 {
            let key = Key::new(format!("{n:08}")).unwrap();
            table.apply([(&key, Some(Timestamp(n)))]);
        }
        let bytes: usize = table.chunks.values().map(|chunk| chunk.len()).sum();
        assert!(table.chunks.len() <= bytes / CHUNK_BYTES_MAX + 1, "{} chunks", table.chunks.len());
        assert_eq!(table.remove_first(4_990), 4_990);
        assert_eq!(table.from(Bound::Unbounded).count(), 10);
        assert_eq!(table.remove_first(4_990), 10);
        assert!(table.is_empty());
    }

    const LONG: &str = "a prefix beyond 128 bytes, where lengths take two of them, so that both forms are in the \
                        chunks: the long form is 0x80 with the upper bits, then the lower ones";

    /// Keys of all lengths that share prefixes of all lengths.
    fn key(rng: &mut Rng) -> Key {
        let prefix = ["", "a", "ä/", "long/prefix/", LONG][rng.index(5)];
        Key::new(format!("{prefix}{}{}", rng.below(40), "x".repeat(rng.index(3) * 400))).unwrap()
    }

    fn check(table: &KeyTable, model: &BTreeMap<Key, Timestamp>, rng: &mut Rng) {
        assert!(table.from(Bound::Unbounded).eq(model.iter().map(|(key, at)| (key.clone(), *at))));
        for (first, chunk) in &table.chunks {
            assert_eq!(Some(Key::clone(&first.key)), {
                let mut walk = Walk::new(&first.key, chunk);
                walk.next().map(|_| key_of(&walk.key))
            });
        }
        for _ in 0..5 {
            let key = key(rng);
            assert_eq!(table.get(key.as_str()).as_ref(), model.get(&key));
            let keys: Vec<&Key> = model
                .keys()
                .step_by(1 + rng.index(30))
                .chain([&key])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            let expected: Vec<_> = keys.iter().map(|key| model.get(*key).copied()).collect();
            assert_eq!(table.get_all(&keys), expected);
            for from in [Bound::Included(&key), Bound::Excluded(&key)] {
                let expected = model.range::<Key, _>((from, Bound::Unbounded));
                assert!(table.from(from.map(Key::as_str)).eq(expected.map(|(key, at)| (key.clone(), *at))));
            }
        }
    }
}
