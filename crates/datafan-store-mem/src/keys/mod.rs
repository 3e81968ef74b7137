//! The keys of a shard: a persistent ordered map from key to timestamp, in packed chunks.
//!
//! The chunks are front-coded (each key without the prefix that it shares with the previous one), which costs
//! no more memory than a pointer to the item would. Above all, a chunk holds no pointers: random keys touch
//! one chunk each, and copying a chunk with reference-counted items would touch the memory of all of them.
//! Chunks lie side by side in pages, and the pages in a persistent tree, so that the data that every lookup
//! reads stays in the caches.

mod chunk;
mod merge;
mod page;
mod places;
mod row;
mod splice;
mod text;

use datafan_core::{item::Key, time::Timestamp};
use imbl::OrdMap;
use merge::Growth;
use page::{PAGE_CHUNKS_MAX, PAGE_CHUNKS_MIN, Page, Workspace};
use places::{TOGETHER, page_of};
use row::{Change, Walk, key_of};
use std::{ops::Bound, ptr, sync::Arc};
use text::{Fence, Probe};

/// Timestamps by key; a clone shares everything.
#[derive(Clone, Default)]
pub struct KeyTable {
    /// Pages by a text that is not greater than their keys, and greater than those of the previous page; keys
    /// before all of them belong to the first page. No page is empty.
    pages: OrdMap<Fence, Arc<Page>>,
}

impl KeyTable {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The timestamp of `key`.
    pub fn get(&self, key: &str) -> Option<Timestamp> {
        let probe = Probe::new(key);
        let page = page_of(&self.pages, &probe)?.page;
        page.chunks().get(page.place(&probe))?.search(key)
    }

    /// The timestamps of `keys`, which ascend.
    pub fn get_all(&self, keys: &[&Key]) -> Vec<Option<Timestamp>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TOGETHER) {
            let places = places::find(&self.pages, keys.iter().copied());
            found.extend(keys.iter().zip(places).map(|(key, place)| place.search(key)));
        }
        found.resize(keys.len(), None);
        found
    }

    /// Keys from `from` on, ascending by their bytes.
    pub fn from<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (Key, Timestamp)> {
        let is_before = move |key: &[u8]| match from {
            Bound::Included(from) => key < from.as_bytes(),
            Bound::Excluded(from) => key <= from.as_bytes(),
            Bound::Unbounded => false,
        };
        let probe = match from {
            Bound::Included(key) | Bound::Excluded(key) => Some(Probe::new(key)),
            Bound::Unbounded => None,
        };
        let first = probe.as_ref().and_then(|probe| page_of(&self.pages, probe));
        let skipped = first.as_ref().zip(probe).map_or(0, |(first, probe)| first.page.place(&probe));
        let fence = first.map(|first| first.fence.probe());
        let pages = fence.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let pages = self.pages.range::<_, Probe<'_>>((pages, Bound::Unbounded));
        pages.flat_map(|(_, page)| page.chunks()).skip(skipped).flat_map(move |chunk| {
            let mut walk = Walk::new(chunk.rows());
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

    /// Puts keys, and removes those with `None`. `changes` ascend, each key once.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = Change<'a>>) {
        let changes: Vec<_> = changes.into_iter().collect();
        let mut space = Workspace::default();
        for changes in changes.chunks(TOGETHER) {
            if self.pages.is_empty() {
                self.pages.insert(Fence::default(), Arc::default());
            }
            self.apply_together(changes, &mut space);
        }
    }

    /// Applies at most [`TOGETHER`] changes.
    fn apply_together(&mut self, changes: &[Change<'_>], space: &mut Workspace) {
        let places = places::find(&self.pages, changes.iter().map(|(key, _)| *key));
        let at: Vec<usize> = places.iter().map(|place| place.at).collect();
        let runs = places.chunk_by(|a, b| ptr::eq(a.page, b.page)).map(|run| {
            let growth = if run[0].end.is_none() { Growth::AtEnd } else { Growth::Inside };
            (run[0].fence.clone(), run.len(), growth)
        });
        let runs: Vec<(Fence, usize, Growth)> = runs.collect();
        let mut from = 0;
        for (fence, n, growth) in &runs {
            let here = from..from + n;
            if let Some(page) = self.pages.get_mut(&fence.probe()) {
                Arc::make_mut(page).apply(&changes[here.clone()], &at[here], *growth, space);
            }
            from += n;
        }
        // Only now, because the places are those in the pages before the change.
        runs.into_iter().for_each(|(fence, _, growth)| self.balance(&fence, growth));
    }

    /// Joins a page that has few chunks with the next one, and splits one that has too many.
    fn balance(&mut self, fence: &Fence, growth: Growth) {
        match self.pages.get(&fence.probe()).map(|page| page.chunks().len()) {
            Some(0..PAGE_CHUNKS_MIN) => self.join(fence, growth),
            Some(PAGE_CHUNKS_MIN..=PAGE_CHUNKS_MAX) | None => {}
            Some(_) => self.split(fence, growth),
        }
    }

    /// Merges the next page into a page; removes a page that is empty.
    fn join(&mut self, fence: &Fence, growth: Growth) {
        let end = page_of(&self.pages, &fence.probe()).and_then(|place| place.end.cloned());
        let behind = end.and_then(|end| self.pages.remove(&end.probe()));
        let Some(page) = self.pages.get_mut(&fence.probe()) else { return };
        if let Some(behind) = behind {
            Arc::make_mut(page).append(&behind);
            self.balance(fence, growth);
        } else if page.chunks().is_empty() {
            self.pages.remove(&fence.probe());
        }
    }

    /// Splits a page that is too long.
    fn split(&mut self, fence: &Fence, growth: Growth) {
        let Some(page) = self.pages.get_mut(&fence.probe()) else { return };
        for page in Arc::make_mut(page).overflow(growth) {
            self.pages.insert(Fence::new(page.chunks()[0].first_key()), Arc::new(page));
        }
    }

    /// Removes the first keys, at most `rows`, and returns their number.
    pub fn remove_first(&mut self, rows: usize) -> usize {
        let keys: Vec<Key> = self.from(Bound::Unbounded).take(rows).map(|(key, _)| key).collect();
        self.apply(keys.iter().map(|key| (key, None)));
        keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunk::CHUNK_BYTES_MAX;
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
        let chunks = || table.pages.values().flat_map(|page| page.chunks());
        let (bytes, n) = (chunks().map(|chunk| chunk.rows().len()).sum::<usize>(), chunks().count());
        assert!(n <= bytes / CHUNK_BYTES_MAX + 1, "{n} chunks");
        assert!(table.pages.len() <= n / PAGE_CHUNKS_MAX + 1, "{} pages", table.pages.len());
        assert_eq!(table.remove_first(4_990), 4_990);
        assert_eq!(table.from(Bound::Unbounded).count(), 10);
        assert_eq!(table.remove_first(4_990), 10);
        assert!(table.is_empty());
    }

    const LONG: &str = "a prefix beyond 128 bytes, where lengths take two of them, so that both forms are in \
        the chunks: the long form is 0x80 with the upper bits, then the lower ones";

    /// Keys of all lengths that share prefixes of all lengths.
    fn key(rng: &mut Rng) -> Key {
        let prefix = ["", "a", "ä/", "long/prefix/", LONG][rng.index(5)];
        Key::new(format!("{prefix}{}{}", rng.below(40), "x".repeat(rng.index(3) * 400))).unwrap()
    }

    fn check(table: &KeyTable, model: &BTreeMap<Key, Timestamp>, rng: &mut Rng) {
        assert!(table.from(Bound::Unbounded).eq(model.iter().map(|(key, at)| (key.clone(), *at))));
        let mut pages = table.pages.iter().peekable();
        while let Some((from, page)) = pages.next() {
            let (first, last) = (&page.chunks()[0], &page.chunks()[page.chunks().len() - 1]);
            assert!(page.chunks().len() <= PAGE_CHUNKS_MAX);
            assert!(from.text() <= first.first_key());
            assert!(pages.peek().is_none_or(|(next, _)| last.first_key() < next.text()));
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
