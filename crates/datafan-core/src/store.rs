//! What the engine asks of a store, and the one atomic batch that it writes.
//!
//! For each shard, a store keeps a record (owner, head, root), the log (items by timestamp), the keys
//! (timestamps by key), the nodes of the trie, tombstones, and the expiries of owned items. It also keeps a
//! few values under [`Meta`]. Shards have local numbers, so that a hidden copy can be built beside the
//! visible one.

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

/// The store format that this build writes, and the only one that it opens. A store records its format and
/// refuses any other.
pub const STORE_FORMAT: u32 = 2;

/// The number of a shard in this store. It has no meaning outside the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardNumber(pub u32);

/// The record of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardRecord {
    /// The owner.
    pub owner: MemberId,
    /// The top of the trie; `None` if the shard has no items.
    pub root: Option<Branch>,
    /// The state of the shard's rows.
    pub state: ShardState,
}

/// The state of a shard's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardState {
    /// The shard is visible and holds everything that its head describes. At most one per owner.
    Whole {
        /// The owner's signed head for these rows.
        head: Head,
        /// The tombstones that the shard holds.
        tombstones: HeldTombstones,
    },
    /// A hidden copy under construction. It survives a restart. At most one per owner.
    Building {
        /// The visible shard has been copied up to this timestamp.
        copied: Timestamp,
    },
    /// A divergent copy: a state that is not an ancestor of the visible one, kept for its owner.
    Divergent {
        /// The owner's signed head for these rows.
        head: Head,
        /// The copy equals the visible shard up to this timestamp.
        diverged: Timestamp,
        /// Number of rows in the tombstones table.
        n_tombstones: u64,
    },
    /// The shard is no longer used; its rows are being erased.
    Dead,
}

/// The tombstones that a shard holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HeldTombstones {
    /// The tombstones are complete for deltas whose base is at or above this timestamp.
    pub since: Timestamp,
    /// Number of rows in the tombstones table.
    pub rows: u64,
}

/// Values that belong to the member rather than to a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Meta {
    /// The mesh and the member that this store belongs to.
    Belongs = 1,
    /// For each own shard, the bound up to which timestamps may have been used.
    Bound = 2,
    /// Whether a peer ever confirmed the member's own shards, and whether they were ever announced.
    History = 3,
    /// The timestamp of the oldest roster to accept.
    RosterMin = 4,
    /// Addresses of peers.
    Addresses = 5,
    /// What the member's own shard recovered from the mesh.
    Recovered = 6,
    /// For each own shard, where the clock of its writes jumped.
    Runs = 7,
    /// The evidence of forks.
    Forks = 8,
    /// For each owner, how long it has been able to learn that divergent copies of its shard are kept here.
    HeardFor = 9,
    /// Present, and empty, while a process that started without data of its own cannot rule out another
    /// process with its key.
    Newcomer = 10,
}

/// The maximum size of one read. A read returns at least one row if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Maximum number of rows.
    pub rows: usize,
    /// Maximum bytes of keys and values; the row that reaches this limit is the last one returned.
    pub bytes: usize,
}

impl Page {
    /// At most `rows` rows and [`crate::limits::RANGE_BYTES_MAX`] bytes.
    pub fn rows(rows: usize) -> Self {
        Self { rows, bytes: crate::limits::RANGE_BYTES_MAX }
    }
}

/// Changes to one shard. Layered over a snapshot, it also holds unverified data until that data is checked.
///
/// `None` removes a row. All maps are applied together; removing a row that does not exist is not an error.
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

/// One atomic write: after a commit, either all of it is stored or none of it.
#[derive(Clone, Default, Debug)]
pub struct Batch {
    /// Values of the member; `None` removes a value.
    pub meta: BTreeMap<Meta, Option<Vec<u8>>>,
    /// Changes, by shard.
    pub shards: BTreeMap<ShardNumber, ShardChange>,
}

impl Batch {
    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.meta.is_empty() && self.shards.is_empty()
    }
}

/// When a commit becomes durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Before `commit` returns, together with every earlier commit.
    Synced,
    /// With the next synced commit or `sync`. After a crash the commit is stored as a whole or not at all,
    /// and never without the commits before it.
    Lazy,
}

/// Why a store operation failed. The member stops; restart it to recover.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process or another handle has the store open. Nothing was changed.
    #[error("the store {path} is in use by another process")]
    InUse {
        /// The path of the store.
        path: String,
    },
    /// The store was written in another format. Nothing was changed.
    #[error(
        "the store has format {found}, this build knows format {STORE_FORMAT}: use a build that knows it"
    )]
    Format {
        /// The format of the store.
        found: u32,
    },
    /// The stored bytes are inconsistent. Nothing was changed.
    #[error(
        "the store is damaged ({what}): restore it from a backup, or move it away and copy from the mesh"
    )]
    Damaged {
        /// What is inconsistent.
        what: String,
    },
    /// Reading or writing failed, for example because the device is gone. The failed batch is not visible.
    /// After a restart it may be stored, as a whole or not at all.
    #[error("the store failed: {what}")]
    Failed {
        /// The error of the operating system.
        what: String,
    },
    /// The disk is full. The batch was not written, and earlier commits that were not synced may be lost, as
    /// in a crash. The store refuses commits until [`Store::reopen`]; snapshots can still be read.
    #[error("the disk is full: {what}")]
    Full {
        /// The error of the operating system.
        what: String,
    },
    /// The store was closed, or an earlier operation failed. It refuses everything until it is opened again.
    #[error("the store is closed, or failed before: it refuses everything until it is opened again")]
    Stopped,
    /// A reader's snapshot was revoked. The store still works: a new snapshot shows a later state.
    #[error("the read was ended: {reason}; a new read shows a later state")]
    ReadEnded {
        /// Why it was revoked.
        reason: ReadEnd,
    },
}

/// Whether a store has room for more data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Room {
    /// There is enough room.
    Enough,
    /// There is little or no room: the store can be read but should not be written.
    Short {
        /// A description for people.
        why: String,
    },
    /// The disk was full and has room again; writes work after a [`Store::reopen`].
    Again,
}

/// Why a reader's snapshot was revoked. A store cannot reuse the space of the data that a snapshot shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadEnd {
    /// The snapshot was not used for longer than [`READ_IDLE_MICROS`](crate::limits::READ_IDLE_MICROS).
    #[error("nothing was read for too long")]
    Idle,
    /// The store grew too much while the snapshot was held.
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
    /// Bytes of the file that this state uses; 0 for a store without a file. This may read the whole file.
    fn used_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// Reads a value of the member.
    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError>;
    /// All shards in every state, ordered by number. The records are shared, so a reader that keeps one holds
    /// only a pointer.
    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError>;
    /// The record of one shard.
    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError>;
    /// The `Whole` shard of an owner. This must not iterate over all shards.
    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError>;
    /// The timestamp of the live item with this key.
    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError>;
    /// The timestamps of the live items of `keys`, one for each key. The keys are in ascending order.
    fn timestamps_of(&self, shard: ShardNumber, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        keys.iter().map(|key| self.timestamp_of(shard, key.as_str())).collect()
    }
    /// The item at a timestamp.
    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError>;
    /// Items with timestamps in `range`, in ascending order from its start.
    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError>;
    /// Keys and timestamps starting at `from`, in ascending order of the key's bytes.
    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError>;
    /// The trie node at a place.
    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError>;
    /// Tombstones with timestamps in `range`, in ascending order of (timestamp, key) from its start.
    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError>;
    /// Expiries up to and including `until`, in ascending order: (expiry, timestamp of the item).
    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError>;
}

/// Takes snapshots from any thread, without waiting for the writer. A snapshot may show commits that are not
/// on disk yet and that a crash can lose.
pub trait StoreReader: Clone + Send + Sync + 'static {
    /// The type of its snapshots.
    type Snapshot: StoreSnapshot + 'static;
    /// The state after the last commit.
    fn snapshot(&self) -> Result<Self::Snapshot, StoreError>;
}

/// The result of a compaction: bytes of disk that the store occupied.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Compacted {
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// The compaction would have taken too long and was aborted. The store is unchanged.
    pub gave_up: bool,
}

/// A store has one writer and many readers. After an error it refuses everything.
pub trait Store: Send + 'static {
    /// The type of its readers.
    type Reader: StoreReader;
    /// A reader that any thread can use. It works until the store is closed.
    fn reader(&self) -> Self::Reader;
    /// Writes `batch` atomically. New snapshots see it when this returns.
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError>;
    /// Makes every commit so far durable.
    fn sync(&mut self) -> Result<(), StoreError>;
    /// Erases at most `rows` rows of a `Dead` shard, with lazy durability. The last rows take the record with
    /// them; then this returns true.
    fn erase(&mut self, shard: ShardNumber, rows: usize) -> Result<bool, StoreError>;
    /// Whether there is room for more data. The engine asks before each commit, so this has to be cheap.
    ///
    /// # Errors
    /// If the store's file no longer exists.
    fn room(&mut self) -> Result<Room, StoreError> {
        Ok(Room::Enough)
    }
    /// Free bytes on the disk; `None` if there is no disk or the system does not report it.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    /// Reopens a store in place after its disk was full, in the state that was on disk then. Readers wait
    /// meanwhile. If there is still no room, commits made after this may be lost at the next `reopen`, so
    /// they must not hold anything important.
    ///
    /// # Errors
    /// As when a store is opened; the store is closed then. [`StoreError::Stopped`] for a store whose disk
    /// cannot become full.
    fn reopen(self) -> Result<Self, StoreError>
    where
        Self: Sized,
    {
        Err(StoreError::Stopped)
    }
    /// Bytes of disk that the store occupies now; 0 for a store without a file.
    fn file_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// Bytes that the store has written to its disk since it was opened; 0 for a store without a file. A
    /// snapshot keeps at most about as much of the disk in use as was written since it was taken.
    fn written_bytes(&self) -> u64 {
        0
    }
    /// Shrinks the store's file to the size of its contents, and makes all commits so far durable. This may
    /// take long. Returns `None` and does nothing while a snapshot is held.
    fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        Ok(Some(Compacted::default()))
    }
    /// Syncs and records a clean stop. Dropping the store without calling this counts as a crash.
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

    /// The record of a shard that is no longer used.
    pub fn dead(owner: MemberId) -> Self {
        Self { owner, root: None, state: ShardState::Dead }
    }

    /// The head that describes the rows of a visible shard or a divergent copy.
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

    /// Whether the shard is a divergent copy.
    pub fn is_divergent(&self) -> bool {
        matches!(self.state, ShardState::Divergent { .. })
    }

    /// The encoding that stores keep.
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

    /// Decodes what [`ShardRecord::encode`] wrote. For a dead shard, the root is dropped.
    ///
    /// # Errors
    /// If the bytes are malformed, or lack a head that the state requires.
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
