//! The keys of a shard: a persistent ordered map from key to timestamp, in packed chunks.
//!
//! The chunks are front-coded (each key without what it shares with the one before), which costs no more memory
//! than a pointer to the item would. Above all a chunk holds no pointers: random keys touch a chunk each, and
//! copying one that counts references to its items would touch the memory of all of them.

use datafan_core::{item::Key, time::Timestamp};
use imbl::OrdMap;
use std::{cmp::Ordering, ops::Bound, sync::Arc};

/// Timestamps by key; a clone shares everything.
#[derive(Clone, Default)]
pub struct KeyTable {
    /// Chunks by their first key; none is empty.
    chunks: OrdMap<First, Arc<[u8]>>,
}

/// The first key of a chunk, with its beginning at hand: most comparisons need not follow the pointer, which is a
/// miss of the cache each time where there are many chunks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct First {
    begin: [u8; 16],
    key: Key,
}

impl First {
    fn new(key: Key) -> Self {
        let mut begin = [0; 16];
        let bytes = key.as_str().as_bytes();
        let n = bytes.len().min(begin.len());
        begin[..n].copy_from_slice(&bytes[..n]);
        Self { begin, key }
    }

    /// For looking up; nothing is found under a text that is no key.
    fn of(text: &str) -> Option<Self> {
        Key::new(text).ok().map(Self::new)
    }
}

impl KeyTable {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The timestamp of `key`.
    pub fn get(&self, key: &str) -> Option<Timestamp> {
        let (first, chunk) = self.chunks.get_prev(&First::of(key)?)?;
        search(&first.key, chunk, key.as_bytes())
    }

    /// Keys from `from` on, ascending by their bytes.
    pub fn from<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (Key, Timestamp)> {
        let is_before = move |key: &[u8]| match from {
            Bound::Included(from) => key < from.as_bytes(),
            Bound::Excluded(from) => key <= from.as_bytes(),
            Bound::Unbounded => false,
        };
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => {
                First::of(key).and_then(|first| self.chunks.get_prev(&first))
            }
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
        let mut changes = changes.into_iter().peekable();
        let mut out = Chunks::default();
        let mut olds: Vec<(First, Arc<[u8]>)> = Vec::with_capacity(2);
        let mut here = Vec::new();
        while let Some((key, _)) = changes.peek() {
            let old = self
                .chunks
                .get_prev(&First::new(Key::clone(key)))
                .or_else(|| self.chunks.get_min().map(|(k, v)| (k, v)));
            olds.extend(old.map(|(first, chunk)| (first.clone(), chunk.clone())));
            let mut next = self.after(olds.last());
            if olds.last().is_some_and(|(_, chunk)| chunk.len() < CHUNK_BYTES_MIN) {
                // Removals left it small: it takes its neighbour in.
                olds.extend(next);
                next = self.after(olds.last());
            }
            let growth = if next.is_none() { Growth::AtEnd } else { Growth::Inside };
            let end = next.map(|(first, _)| first);
            while let Some(change) =
                changes.next_if(|(key, _)| end.as_ref().is_none_or(|end| **key < end.key))
            {
                here.push(change);
            }
            out.begin(bytes_of(&olds, &here), growth);
            merge(&olds, &here, &mut out);
            here.clear();
            let firsts = olds.drain(..).map(|(first, _)| first);
            for gone in firsts.filter(|first| out.done.iter().all(|(kept, _)| kept != first)) {
                self.chunks.remove(&gone);
            }
            self.chunks.extend(out.done.drain(..));
        }
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

/// The timestamp of `key` in a chunk whose first key is not greater. Compares each byte of `key` once, as rows say
/// themselves what they share.
fn search(first: &Key, chunk: &[u8], key: &[u8]) -> Option<Timestamp> {
    // Of the last row that is known to lie before `key`: how much it shares with `key`.
    let mut matched = shared_length(first.as_str().as_bytes(), key);
    let mut left = chunk;
    while !left.is_empty() {
        let row = Row::first_of(left);
        left = row.behind;
        match row.shared.cmp(&matched) {
            // Differs from `key` where the row before did.
            Ordering::Greater => continue,
            Ordering::Less => return None,
            Ordering::Equal => {}
        }
        let wanted = &key[matched..];
        let n = shared_length(row.rest, wanted);
        match (row.rest.get(n), wanted.get(n)) {
            (None, None) => return Some(row.timestamp),
            (row, wanted) if row > wanted => return None,
            _ => matched += n,
        }
    }
    None
}

/// About how many bytes a merge gives.
fn bytes_of(olds: &[(First, Arc<[u8]>)], changes: &[(&Key, Option<Timestamp>)]) -> usize {
    let before: usize = olds.iter().map(|(_, chunk)| chunk.len()).sum();
    let added: usize = changes.iter().map(|(key, at)| at.map_or(0, |_| key.as_str().len() + 10)).sum();
    before + added
}

/// Writes the chunks that take the place of `olds` with `changes`.
fn merge(olds: &[(First, Arc<[u8]>)], changes: &[(&Key, Option<Timestamp>)], out: &mut Chunks) {
    let mut changes = changes.iter().peekable();
    for (first, chunk) in olds {
        let first = &first.key;
        let mut walk = Walk::new(first, chunk);
        out.is_kept = false;
        while let Some(row) = walk.next() {
            while let Some((key, at)) =
                changes.next_if(|(key, _)| key.as_str().as_bytes() < walk.key.as_slice())
            {
                out.put(key.as_str().as_bytes(), *at, || Key::clone(key));
            }
            let key = walk.key.as_slice();
            let own = || if key == first.as_str().as_bytes() { first.clone() } else { key_of(key) };
            match changes.next_if(|(changed, _)| changed.as_str().as_bytes() == key) {
                Some((_, at)) => out.put(key, *at, own),
                None => out.keep(key, &row, own),
            }
        }
    }
    for (key, at) in changes {
        out.put(key.as_str().as_bytes(), *at, || Key::clone(key));
    }
    out.end_chunk();
}

/// Where a chunk may grow. Behind all others it is left full, as nothing will be put there.
enum Growth {
    AtEnd,
    Inside,
}

/// A row of a chunk: `shared length | length of the rest | the rest of the key | timestamp: 8`, where a key shares
/// so many bytes with the one before, and the first with the chunk's own key.
struct Row<'a> {
    shared: usize,
    rest: &'a [u8],
    timestamp: Timestamp,
    encoded: &'a [u8],
    behind: &'a [u8],
}

impl<'a> Row<'a> {
    fn first_of(bytes: &'a [u8]) -> Self {
        let (shared, left) = length(bytes);
        let (rest, left) = length(left);
        let (rest, left) = left.split_at(rest);
        let (at, behind) = left.split_at(8);
        let timestamp = Timestamp(u64::from_be_bytes(at.try_into().expect("eight bytes")));
        Self { shared, rest, timestamp, encoded: &bytes[..bytes.len() - behind.len()], behind }
    }
}

/// A walk over the rows of a chunk.
struct Walk<'a> {
    /// The key of the row that `next` returned last.
    key: Vec<u8>,
    left: &'a [u8],
}

impl<'a> Walk<'a> {
    fn new(first: &Key, chunk: &'a [u8]) -> Self {
        let mut key = Vec::with_capacity(64);
        key.extend_from_slice(first.as_str().as_bytes());
        Self { key, left: chunk }
    }

    fn next(&mut self) -> Option<Row<'a>> {
        if self.left.is_empty() {
            return None;
        }
        let row = Row::first_of(self.left);
        self.key.truncate(row.shared);
        self.key.extend_from_slice(row.rest);
        self.left = row.behind;
        Some(row)
    }
}

/// Chunks under construction; its buffers are used again and again.
#[derive(Default)]
struct Chunks {
    done: Vec<(First, Arc<[u8]>)>,
    chunk: Vec<u8>,
    first: Option<Key>,
    /// The last key written.
    last: Vec<u8>,
    /// Whether the last row given was kept: then the next one of the same chunk says rightly what it shares.
    is_kept: bool,
    /// A chunk that reaches this is done.
    full: usize,
}

impl Chunks {
    /// For rows of about `bytes` in all: chunks of equal length, or full ones.
    fn begin(&mut self, bytes: usize, growth: Growth) {
        self.full = match growth {
            Growth::AtEnd => CHUNK_BYTES_MAX,
            Growth::Inside => bytes.div_ceil(bytes.div_ceil(CHUNK_BYTES_MAX).max(1)),
        };
    }

    /// A row that is as it was; `own` gives its key if a chunk begins with it.
    fn keep(&mut self, key: &[u8], row: &Row<'_>, own: impl FnOnce() -> Key) {
        if self.is_kept && self.chunk.len() < self.full {
            self.chunk.extend_from_slice(row.encoded);
            self.set_last(key, row.shared);
        } else {
            self.put(key, Some(row.timestamp), own);
            self.is_kept = true;
        }
    }

    /// A row that is new; with `None` one less.
    fn put(&mut self, key: &[u8], at: Option<Timestamp>, own: impl FnOnce() -> Key) {
        self.is_kept = false;
        let Some(at) = at else { return };
        if self.chunk.len() >= self.full {
            self.end_chunk();
        }
        if self.first.is_none() {
            self.first = Some(own());
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        let shared = shared_length(&self.last, key);
        put_length(&mut self.chunk, shared);
        put_length(&mut self.chunk, key.len() - shared);
        self.chunk.extend_from_slice(&key[shared..]);
        self.chunk.extend_from_slice(&at.0.to_be_bytes());
        self.set_last(key, shared);
    }

    fn set_last(&mut self, key: &[u8], shared: usize) {
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
    }

    fn end_chunk(&mut self) {
        if let Some(first) = self.first.take() {
            self.done.push((First::new(first), self.chunk.as_slice().into()));
            self.chunk.clear();
        }
    }
}

fn shared_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Lengths below 128 take one byte, all others two.
fn put_length(out: &mut Vec<u8>, length: usize) {
    if length >= 128 {
        out.push(0x80 | (length >> 8) as u8);
    }
    out.push(length as u8);
}

fn length(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes[0] {
        byte if byte < 128 => (usize::from(byte), &bytes[1..]),
        byte => ((usize::from(byte & 0x7f) << 8) | usize::from(bytes[1]), &bytes[2..]),
    }
}

fn key_of(bytes: &[u8]) -> Key {
    let text = std::str::from_utf8(bytes).expect("whole keys were put");
    Key::new(text).expect("keys were put")
}

/// A chunk is done when it reaches this: what one change copies.
const CHUNK_BYTES_MAX: usize = 960;
/// A chunk below this takes its neighbour in when it is changed next.
const CHUNK_BYTES_MIN: usize = 256;
const _: () = assert!(datafan_core::limits::KEY_BYTES_MAX < 1 << 15);

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;
    use std::collections::BTreeMap;

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
            for from in [Bound::Included(&key), Bound::Excluded(&key)] {
                let expected = model.range::<Key, _>((from, Bound::Unbounded));
                assert!(table.from(from.map(Key::as_str)).eq(expected.map(|(key, at)| (key.clone(), *at))));
            }
        }
    }
}
