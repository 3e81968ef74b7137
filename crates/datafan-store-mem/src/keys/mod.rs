//! The keys of a shard: a persistent ordered map from key to timestamp, in packed chunks.
//!
//! The chunks are front-coded (each key without what it shares with the one before), which costs no more memory
//! than a pointer to the item would. Above all a chunk holds no pointers: random keys touch a chunk each, and
//! copying one that counts references to its items would touch the memory of all of them. Chunks lie side by side in
//! pages, and the pages in a persistent tree, so that what is gone through for each key stays in the caches.

mod chunk;
mod merge;
mod page;
mod row;
mod splice;

use chunk::Probe;
use datafan_core::{item::Key, time::Timestamp};
use imbl::OrdMap;
use merge::Growth;
use page::{Change, PAGE_CHUNKS_MAX, PAGE_CHUNKS_MIN, Page, Workspace};
use row::{Walk, key_of, search};
use std::{ops::Bound, sync::Arc};

/// Timestamps by key; a clone shares everything.
#[derive(Clone, Default)]
pub struct KeyTable {
    /// Pages by a text that is not greater than their keys and greater than those of the page before; what is before
    /// all has its place in the first. No page is empty.
    pages: OrdMap<Arc<str>, Arc<Page>>,
}

impl KeyTable {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The timestamp of `key`.
    pub fn get(&self, key: &str) -> Option<Timestamp> {
        let (_, page) = self.page(key)?;
        let at = page.place(0, &Probe::new(key));
        search(page.chunks()[at].rows(), key.as_bytes())
    }

    /// The timestamps of `keys`, which ascend.
    pub fn get_all(&self, keys: &[&Key]) -> Vec<Option<Timestamp>> {
        let (mut found, mut rest) = (Vec::with_capacity(keys.len()), keys);
        while let Some((from, page)) = rest.first().and_then(|key| self.page(key.as_str())) {
            let end = self.end(from);
            let n = rest.partition_point(|key| end.is_none_or(|end| key.as_str() < &**end));
            page.get_all(&rest[..n], &mut found);
            rest = &rest[n..];
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
        let (text, first) = match from {
            Bound::Included(key) | Bound::Excluded(key) => (key, self.page(key)),
            Bound::Unbounded => ("", None),
        };
        let skipped = first.map_or(0, |(_, page)| page.place(0, &Probe::new(text)));
        let pages = first.map_or(Bound::Unbounded, |(first, _)| Bound::Included(&**first));
        let pages = self.pages.range::<_, str>((pages, Bound::Unbounded));
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

    /// Puts and, with `None`, removes keys. `changes` ascend, each key once.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = Change<'a>>) {
        let changes: Vec<_> = changes.into_iter().collect();
        let (mut space, mut rest) = (Workspace::default(), changes.as_slice());
        while let Some((key, _)) = rest.first() {
            let from = self.page(key.as_str()).map_or_else(|| Arc::from(""), |(from, _)| from.clone());
            let end = self.end(&from);
            let n = rest.partition_point(|(key, _)| end.is_none_or(|end| key.as_str() < &**end));
            let end = end.cloned();
            self.apply_to(&from, end, &rest[..n], &mut space);
            rest = &rest[n..];
        }
    }

    /// Applies changes that have their place in the page of `from`, which need not be there yet and ends at `end`.
    fn apply_to(
        &mut self,
        from: &Arc<str>,
        end: Option<Arc<str>>,
        changes: &[Change<'_>],
        space: &mut Workspace,
    ) {
        let growth = if end.is_none() { Growth::AtEnd } else { Growth::Inside };
        let page = Arc::make_mut(self.pages.entry(from.clone()).or_default());
        page.apply(changes, growth, space);
        match page.chunks().len() {
            0..PAGE_CHUNKS_MIN => self.join(from, end, growth),
            PAGE_CHUNKS_MIN..=PAGE_CHUNKS_MAX => {}
            _ => self.split(from, growth),
        }
    }

    /// A page that is small takes the one behind it in, which begins at `end`; it goes if it is empty.
    fn join(&mut self, from: &Arc<str>, end: Option<Arc<str>>, growth: Growth) {
        let behind = end.and_then(|end| self.pages.remove(&end));
        let Some(page) = self.pages.get_mut(from) else { return };
        if let Some(behind) = behind {
            Arc::make_mut(page).append(&behind);
            self.split(from, growth);
        } else if page.chunks().is_empty() {
            self.pages.remove(from);
        }
    }

    /// Cuts what a page has too much off.
    fn split(&mut self, from: &Arc<str>, growth: Growth) {
        let Some(page) = self.pages.get_mut(from) else { return };
        for page in Arc::make_mut(page).overflow(growth) {
            self.pages.insert(page.chunks()[0].first_key().into(), Arc::new(page));
        }
    }

    /// Removes the first keys, at most `rows`, and returns how many there were.
    pub fn remove_first(&mut self, rows: usize) -> usize {
        let keys: Vec<Key> = self.from(Bound::Unbounded).take(rows).map(|(key, _)| key).collect();
        self.apply(keys.iter().map(|key| (key, None)));
        keys.len()
    }

    /// The page where `key` has its place.
    fn page(&self, key: &str) -> Option<(&Arc<str>, &Arc<Page>)> {
        self.pages.get_prev(key).or_else(|| self.pages.get_min().map(|(from, page)| (from, page)))
    }

    /// Where the page of `from` ends; `None` for the last one.
    fn end(&self, from: &str) -> Option<&Arc<str>> {
        let mut behind = self.pages.range::<_, str>((Bound::Excluded(from), Bound::Unbounded));
        behind.next().map(|(end, _)| end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;
    use merge::CHUNK_BYTES_MAX;
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

    const LONG: &str = "a prefix beyond 128 bytes, where lengths take two of them, so that both forms are in the \
                        chunks: the long form is 0x80 with the upper bits, then the lower ones";

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
            assert!(&**from <= first.first_key());
            assert!(pages.peek().is_none_or(|(next, _)| last.first_key() < &***next));
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
