//! What the engine asks of a store, and the one atomic batch that it writes.
//!
//! A store keeps, per shard: a record (owner, head, root), the log (items by timestamp), the keys (timestamps
//! by key), the nodes of the trie, tombstones, and the expiries of owned items. Besides, a few values under
//! [`Meta`]. Shards have local numbers, so that a hidden copy can be built beside the visible one.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    time::Timestamp,
    trie::{Branch, Node, Place},
};
use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::ops::{Bound, RangeInclusive};

/// The format that this build writes and the only one that it opens. A store keeps it and refuses any other.
pub const STORE_FORMAT: u32 = 2;

/// The local number of a shard; of no meaning to anybody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardNumber(pub u32);

/// The record of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardRecord {
    /// Whose.
    pub owner: MemberId,
    /// The top of the trie; `None` for no items.
    pub root: Option<Branch>,
    /// What the rows are good for.
    pub state: ShardState,
}

/// What a shard's rows are good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardState {
    /// Visible, and all that its head describes is there. At most one per owner.
    Whole {
        /// What its owner signed about the rows.
        head: Head,
        /// Which tombstones it has.
        tombstones: HeldTombstones,
    },
    /// A hidden copy under construction; survives a restart. At most one per owner.
    Building {
        /// The visible shard was copied into it up to here.
        copied: Timestamp,
    },
    /// A divergent copy: a state that the visible one did not grow out of, kept for its owner.
    Divergent {
        /// What its owner signed about the rows.
        head: Head,
        /// Up to here it is equal to the visible shard.
        diverged: Timestamp,
        /// Rows in the tombstones table.
        n_tombstones: u64,
    },
    /// Left over: its rows are being erased.
    Dead,
}

/// Which tombstones a shard has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HeldTombstones {
    /// They are complete for bases at or above this timestamp.
    pub since: Timestamp,
    /// Rows in the tombstones table.
    pub rows: u64,
}

/// Values of the member itself, beside all shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Meta {
    /// Mesh and member that this store belongs to.
    Belongs = 1,
    /// Per own shard the bound up to which timestamps may have been used.
    Bound = 2,
    /// What is known of one's own past: whether a peer ever confirmed it, whether anybody was ever told.
    History = 3,
    /// The oldest roster that is accepted.
    RosterMin = 4,
    /// Addresses of peers.
    Addresses = 5,
    /// What the mesh gave back of the member's own shard.
    Recovered = 6,
    /// Per own shard where the clock of its writes jumped.
    Runs = 7,
    /// What proves that owners have forked.
    Forks = 8,
    /// By owner, how long it could have heard that divergent copies of its shard are kept here.
    HeardFor = 9,
    /// There, and empty, while a process that began without data of its own is not known to be the only one
    /// with its key.
    Newcomer = 10,
}

/// How many rows a read returns at most. A read returns at least one row where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Rows.
    pub rows: usize,
    /// Bytes of keys and values; the row that reaches this is the last one.
    pub bytes: usize,
}

impl Page {
    /// At most `rows`, without a bound on bytes beyond [`crate::limits::RANGE_BYTES_MAX`].
    pub fn rows(rows: usize) -> Self {
        Self { rows, bytes: crate::limits::RANGE_BYTES_MAX }
    }
}

/// Changes of one shard. As a layer over a snapshot it is also what unverified data is tried on.
///
/// `None` removes a row. All maps are applied together; removing a row that is not there is no error.
#[derive(Clone, Default, Debug)]
pub struct ShardChange {
    /// The new record.
    pub record: Option<Arc<ShardRecord>>,
    /// Items by timestamp.
    pub log: BTreeMap<Timestamp, Option<Arc<Item>>>,
    /// Timestamps by key.
    pub keys: BTreeMap<Key, Option<Timestamp>>,
    /// Nodes by place.
    pub nodes: BTreeMap<Place, Option<Node>>,
    /// Tombstones: true adds, false drops.
    pub tombstones: BTreeMap<(Timestamp, Key), bool>,
    /// Expiries of owned items, (expiry, timestamp of the item): true adds, false drops.
    pub expiries: BTreeMap<(Timestamp, Timestamp), bool>,
}

/// One atomic write: all of it is there after a commit, or none.
#[derive(Clone, Default, Debug)]
pub struct Batch {
    /// Values of the member; `None` removes.
    pub meta: BTreeMap<Meta, Option<Vec<u8>>>,
    /// Changes per shard.
    pub shards: BTreeMap<ShardNumber, ShardChange>,
}

impl Batch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.meta.is_empty() && self.shards.is_empty()
    }
}

/// When a commit is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Before `commit` returns, with every earlier commit.
    Synced,
    /// With the next synced commit or `sync`; after a crash it is there whole or not at all, and never
    /// without the commits before it.
    Lazy,
}

/// Why a store does not work. The member stops; a restart is the way on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process or another handle has it open. Nothing was changed.
    #[error("the store {path} is in use by another process")]
    InUse {
        /// Where.
        path: String,
    },
    /// Written by another version. Nothing was changed.
    #[error(
        "the store has format {found}, this build knows format {STORE_FORMAT}: use a build that knows it"
    )]
    Format {
        /// The format found.
        found: u32,
    },
    /// The bytes contradict themselves. Nothing was changed.
    #[error(
        "the store is damaged ({what}): restore it from a backup, or move it away and copy from the mesh"
    )]
    Damaged {
        /// What was found.
        what: String,
    },
    /// Reading or writing failed: disk full, device gone. The failed batch is not visible; it may be on disk,
    /// whole or not at all, after a restart.
    #[error("the store failed: {what}")]
    Failed {
        /// What the system said.
        what: String,
    },
    /// There is no room for more on the disk. The batch was not written; what was not synced before it may be
    /// lost, as in a crash. The store refuses commits until [`Store::reopen`]; snapshots can still be read.
    #[error("the disk is full: {what}")]
    Full {
        /// What the system said.
        what: String,
    },
    /// It was closed, or an earlier error; everything is refused until it is opened again.
    #[error("the store is closed, or failed before: it refuses everything until it is opened again")]
    Stopped,
    /// A reader's snapshot was taken back. The store works: a new snapshot shows a later state.
    #[error("the read was ended: {reason}; a new read shows a later state")]
    ReadEnded {
        /// Why.
        reason: ReadEnd,
    },
}

/// Whether a store has room for more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Room {
    /// It has.
    Enough,
    /// It has not, or not much: nothing should be written to it, all can be read.
    Short {
        /// Why, for people.
        why: String,
    },
    /// Its disk was full and has room again: writes need a [`Store::reopen`].
    Again,
}

/// Why a reader loses its snapshot: a store cannot reuse the room of what a snapshot still shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadEnd {
    /// It was not used for longer than [`READ_IDLE_MICROS`](crate::limits::READ_IDLE_MICROS).
    #[error("nothing was read for too long")]
    Idle,
    /// The store grew too much while it was held.
    #[error("the store grew too much while it went on")]
    Grown,
    /// The disk was full, and the store was opened again.
    #[error("the disk was full, and the store was opened again")]
    Reopened,
    /// The store is being compacted.
    #[error("the store is being compacted")]
    Compaction,
}

/// A consistent view of a store at one commit; later commits do not change it.
pub trait StoreSnapshot: Send + Sync {
    /// How many bytes of a file this state needs; 0 for a store without a file. It may read all of the file.
    fn used_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// A value of the member.
    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError>;
    /// All shards of every state, by number. Records are shared: a reader that keeps one may hold a pointer
    /// only.
    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError>;
    /// One shard's record.
    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError>;
    /// The `Whole` shard of an owner; found without a walk over all shards.
    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError>;
    /// The timestamp of a key's live item.
    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError>;
    /// The timestamps of the live items of `keys`, which ascend, one for each.
    fn timestamps_of(&self, shard: ShardNumber, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        keys.iter().map(|key| self.timestamp_of(shard, key.as_str())).collect()
    }
    /// The item at a timestamp.
    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError>;
    /// Items with timestamps in `range`, ascending, from its beginning.
    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError>;
    /// Keys and timestamps from `from` on, ascending by the bytes of the key.
    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError>;
    /// The node at a place.
    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError>;
    /// Tombstones with timestamps in `range`, ascending by (timestamp, key), from its beginning.
    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError>;
    /// Expiries up to and with `until`, ascending: (expiry, timestamp of the item).
    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError>;
}

/// Takes snapshots, from any thread, without waiting for the writer. What it shows may not be on disk yet,
/// and may be lost in a crash.
pub trait StoreReader: Clone + Send + Sync + 'static {
    /// What it takes.
    type Snapshot: StoreSnapshot + 'static;
    /// The state after the last commit.
    fn snapshot(&self) -> Result<Self::Snapshot, StoreError>;
}

/// What a compaction did: bytes of disk that the store took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// Afterwards.
    pub after: u64,
    /// It would have taken too long and was given up; what is held is as before.
    pub gave_up: bool,
}

/// A store: one writer, many readers. After an error it refuses everything.
pub trait Store: Send + 'static {
    /// Its readers.
    type Reader: StoreReader;
    /// A reader for any thread; works until the store is closed.
    fn reader(&self) -> Self::Reader;
    /// Writes `batch`, whole or not at all; visible to new snapshots when it returns.
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError>;
    /// Makes every commit so far durable.
    fn sync(&mut self) -> Result<(), StoreError>;
    /// Erases at most `rows` rows of a `Dead` shard, lazily; with the last ones its record. True when all is
    /// gone.
    fn erase(&mut self, shard: ShardNumber, rows: usize) -> Result<bool, StoreError>;
    /// Whether there is room for more; asked before each commit, so it has to be cheap.
    ///
    /// # Errors
    /// If the store's file is not there any more.
    fn room(&mut self) -> Result<Room, StoreError> {
        Ok(Room::Enough)
    }
    /// Bytes that are free on the disk; `None` where there is no disk, or the system does not say.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    /// Opens a store again, where it is, that found its disk full: with what was on disk then. Its readers
    /// wait meanwhile. If there is still no room, commits are forgotten at the next `reopen`: they may hold
    /// nothing of worth.
    ///
    /// # Errors
    /// As when a store is opened; it is closed then. [`StoreError::Stopped`] for a store that never finds its
    /// disk full.
    fn reopen(self) -> Result<Self, StoreError>
    where
        Self: Sized,
    {
        Err(StoreError::Stopped)
    }
    /// Bytes of disk that the store takes now; 0 for a store without a file.
    fn file_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// Bytes that the store has written to its disk since it was opened; 0 for a store without a file. A
    /// snapshot keeps at most about as much of the disk in use as was written since it was taken.
    fn written_bytes(&self) -> u64 {
        0
    }
    /// Makes what it takes on disk as small as what it holds; all commits so far are durable then. It may
    /// take long. `None`, and nothing done, while a snapshot is held.
    fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        Ok(Some(Compacted::default()))
    }
    /// Syncs and marks the stop as clean. Dropping without it counts as a crash.
    fn close(self) -> Result<(), StoreError>;
}

impl ShardRecord {
    /// The record of a visible shard.
    pub fn whole(head: Head, root: Option<Branch>, tombstones: HeldTombstones) -> Self {
        Self { owner: head.owner, root, state: ShardState::Whole { head, tombstones } }
    }

    /// The record of a hidden copy.
    pub fn building(owner: MemberId, root: Option<Branch>, copied: Timestamp) -> Self {
        Self { owner, root, state: ShardState::Building { copied } }
    }

    /// The record of a divergent copy.
    pub fn divergent(head: Head, root: Option<Branch>, diverged: Timestamp, n_tombstones: u64) -> Self {
        Self { owner: head.owner, root, state: ShardState::Divergent { head, diverged, n_tombstones } }
    }

    /// The record of a shard that is left over.
    pub fn dead(owner: MemberId) -> Self {
        Self { owner, root: None, state: ShardState::Dead }
    }

    /// The head that the rows are described by, of a visible shard or a divergent copy.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            ShardState::Whole { head, .. } | ShardState::Divergent { head, .. } => Some(head),
            ShardState::Building { .. } | ShardState::Dead => None,
        }
    }

    /// Whether the shard is visible.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, ShardState::Whole { .. })
    }

    /// Whether it is a divergent copy.
    pub fn is_divergent(&self) -> bool {
        matches!(self.state, ShardState::Divergent { .. })
    }

    /// The bytes that stores keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let (number, since, rows) = match self.state {
            ShardState::Whole { tombstones, .. } => (0, tombstones.since, tombstones.rows),
            ShardState::Building { copied } => (1, copied, 0),
            ShardState::Dead => (2, Timestamp::ZERO, 0),
            ShardState::Divergent { diverged, n_tombstones, .. } => (3, diverged, n_tombstones),
        };
        out.id(&self.owner).byte(number);
        out.option(self.head(), |out, head| head.encode(out));
        out.option(self.root.as_ref(), |out, branch| branch.encode(out));
        out.varint(since.0).varint(rows);
        out.finish()
    }

    /// Reads what [`ShardRecord::encode`] wrote. Of a shard that is left over, what came with it is dropped.
    ///
    /// # Errors
    /// If it is malformed, or lacks a head where its state needs one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let (owner, number) = (input.id()?, input.byte()?);
        let (head, root) = (input.option(Head::decode)?, input.option(Branch::decode)?);
        let (since, rows) = (Timestamp(input.varint()?), input.varint()?);
        input.end()?;
        let state = match (number, head) {
            (0, Some(head)) => ShardState::Whole { head, tombstones: HeldTombstones { since, rows } },
            (1, None) if rows == 0 => ShardState::Building { copied: since },
            (2, None) => ShardState::Dead,
            (3, Some(head)) => ShardState::Divergent { head, diverged: since, n_tombstones: rows },
            _ => return Err(malformed("shard state")),
        };
        match state {
            ShardState::Dead => Ok(Self::dead(owner)),
            ShardState::Whole { .. } | ShardState::Building { .. } | ShardState::Divergent { .. } => {
                Ok(Self { owner, root, state })
            }
        }
    }
}
