//! Sums over rows: two shards with the same sum and record are considered equal.
//!
//! A row counts as 128 bits, mixed from its bytes; a set of rows as their sum, so that the cost follows the
//! change. It need not resist attacks: the compared data lies in one process, and misbehaving members of a
//! simulation do not know it.

use datafan_core::{
    head::Head,
    item::{Item, Key},
    store::{ShardRecord, ShardState},
    time::Timestamp,
    trie::{Node, Place},
};

/// The sum of a set of rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Sum(u128);

impl Sum {
    /// Adds a row.
    pub fn add(&mut self, row: Self) {
        self.0 = self.0.wrapping_add(row.0);
    }

    /// Removes a row that was added.
    pub fn take(&mut self, row: Self) {
        self.0 = self.0.wrapping_sub(row.0);
    }

    /// The sum as bytes.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The sum as words.
    pub(crate) fn to_words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// A row of the log.
    pub fn of_item(item: &Item) -> Self {
        let expiry = item.expiry.map_or(0, |expiry| expiry.0);
        let mut mix = Mix::new(1);
        mix.word(item.timestamp.0).word(expiry).bytes(item.key.as_str().as_bytes()).bytes(&item.value);
        mix.finish()
    }

    /// A row of the keys.
    pub fn of_key(key: &Key, at: Timestamp) -> Self {
        Mix::new(2).word(at.0).bytes(key.as_str().as_bytes()).finish()
    }

    /// A node.
    pub fn of_node(node: &Node) -> Self {
        let mut mix = Mix::new(3);
        mix.place(node.place);
        for child in &node.children {
            mix.place(child.place).word(child.count).word(child.bytes).bytes(&child.hash.0);
        }
        mix.finish()
    }

    /// A tombstone.
    pub fn of_tombstone(at: Timestamp, key: &Key) -> Self {
        Mix::new(4).word(at.0).bytes(key.as_str().as_bytes()).finish()
    }

    /// An expiry.
    pub fn of_expiry(expiry: Timestamp, at: Timestamp) -> Self {
        Mix::new(5).word(expiry.0).word(at.0).finish()
    }

    /// A record.
    pub fn of_record(record: &ShardRecord) -> Self {
        let ShardRecord { owner, root, state } = record;
        let (number, since, rows) = match state {
            ShardState::Whole { tombstones, .. } => (0, tombstones.since.0, tombstones.rows),
            ShardState::Building { copied } => (1, copied.0, 0),
            ShardState::Dead => (2, 0, 0),
            ShardState::Divergent { diverged, n_tombstones, .. } => (3, diverged.0, *n_tombstones),
        };
        let head = record.head();
        let mut mix = Mix::new(6);
        mix.bytes(&owner.0).word(number).word(since).word(rows);
        if let Some(Head { owner: _, timestamp, items, bytes, root, signature }) = head {
            mix.word(timestamp.0).word(*items).word(*bytes).bytes(&root.0).bytes(signature);
        }
        if let Some(root) = root {
            mix.place(root.place).word(root.count).word(root.bytes).bytes(&root.hash.0);
        }
        mix.word(u64::from(head.is_some()) | u64::from(root.is_some()) << 1).finish()
    }
}

/// Two lanes of multiply and rotate, with the finish of splitmix64.
pub(crate) struct Mix(u64, u64);

impl Mix {
    pub(crate) fn new(kind: u64) -> Self {
        Self(kind.wrapping_mul(0x9e37_79b9_7f4a_7c15), kind.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
    }

    pub(crate) fn word(&mut self, word: u64) -> &mut Self {
        self.0 = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        self.1 = (self.1.wrapping_add(word)).wrapping_mul(0xc4ce_b9fe_1a85_ec53).rotate_left(31);
        self
    }

    fn place(&mut self, place: Place) -> &mut Self {
        self.word(u64::from(place.level)).word(place.prefix)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last))
    }

    pub(crate) fn finish(&self) -> Sum {
        let (low, high) = (finish(self.0 ^ self.1.rotate_left(17)), finish(self.1 ^ self.0.rotate_left(41)));
        Sum(u128::from(high) << 64 | u128::from(low))
    }
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
