//! Backups: a member's store written as a stream of frames from one snapshot, and a store restored from such
//! frames.
//!
//! A restore trusts nothing. It rebuilds every shard from its items, requires that the result has the root in
//! the head, and verifies the owner's signature of the head. A backup leaves out tombstones, which are hints,
//! nodes, which follow from the items, and copies under construction.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::{Hash, Hasher},
    history::History,
    id::{MemberId, MeshId},
    identity::Verifier,
    item::Item,
    limits::{EVIDENCE_TOTAL_BYTES_MAX, RANGE_BYTES_MAX, RANGE_ITEMS_MAX},
    shard::{Edit, View},
    store::{
        Batch, Durability, HeldTombstones, Meta, Page, ShardChange, ShardNumber, ShardRecord, ShardState,
        Store, StoreError, StoreReader, StoreSnapshot,
    },
    time::Timestamp,
    trie::{Branch, root_hash},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

/// Longest frame, in bytes; checked before memory is allocated for it.
pub const FRAME_BYTES_MAX: usize = RANGE_BYTES_MAX + RANGE_ITEMS_MAX * 32 + (1 << 20);
const _: () = assert!(
    EVIDENCE_TOTAL_BYTES_MAX + 64 < FRAME_BYTES_MAX,
    "all evidence that a store keeps fits in one frame"
);

const MAGIC: &[u8] = b"datafan backup";
const VERSION: u8 = 2;
/// The values of the member that a backup includes, with their numbers in the frames.
const METAS: [(u8, Meta); 7] = [
    (2, Meta::Bound),
    (3, Meta::History),
    (4, Meta::RosterMin),
    (5, Meta::Addresses),
    (6, Meta::Recovered),
    (7, Meta::Runs),
    (8, Meta::Forks),
];

/// The kind of a frame: its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header = 0,
    Meta = 1,
    Shard = 2,
    Items = 3,
    End = 4,
}

/// The contents of a backup.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    /// Number of shards.
    pub shards: u64,
    /// Number of their items.
    pub items: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The origin of a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The mesh.
    pub mesh: MeshId,
    /// The member.
    pub member: MemberId,
    /// When it was taken: wall time.
    pub at: Timestamp,
}

/// Passes everything in `snapshot` to `write`, frame by frame. This reads the whole store and holds one frame
/// in memory.
///
/// # Errors
/// If the store or `write` fails.
pub fn save<V: StoreSnapshot, E: From<StoreError>>(
    snapshot: &V,
    origin: &Origin,
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Summary, E> {
    let mut all = Hasher::new(Hasher::BACKUP);
    let mut put = |frame: Vec<u8>| {
        all.u64(frame.len() as u64).bytes(&frame);
        write(&frame)
    };
    let mut header = frame(Kind::Header);
    header.raw(MAGIC).byte(VERSION).id(&origin.mesh.0).id(&origin.member).fixed(origin.at.0);
    put(header.finish())?;
    for (number, meta) in METAS {
        if let Some(value) = snapshot.meta(meta)? {
            let mut out = frame(Kind::Meta);
            out.byte(number).raw(&value);
            put(out.finish())?;
        }
    }
    let mut sum = Summary::default();
    for (number, record) in snapshot.shards()? {
        if record.head().is_none() {
            continue;
        }
        let mut out = frame(Kind::Shard);
        out.raw(&record.encode());
        put(out.finish())?;
        sum.shards += 1;
        let mut next = Some(Timestamp::ZERO);
        while let Some(first) = next {
            let items = snapshot.log(number, first..=Timestamp::MAX, Page::rows(RANGE_ITEMS_MAX))?;
            let Some(last) = items.last() else { break };
            next = last.timestamp.next();
            sum.items += items.len() as u64;
            sum.bytes += items.iter().map(|item| item.bytes()).sum::<u64>();
            let mut out = frame(Kind::Items);
            out.list(&items, |out, item| {
                item.encode_body(out.fixed(item.timestamp.0));
            });
            put(out.finish())?;
        }
    }
    let mut out = frame(Kind::End);
    out.fixed(sum.shards).fixed(sum.items).fixed(sum.bytes).hash(&sealed(&mut all, &sum));
    write(&out.finish())?;
    Ok(sum)
}

/// The hash of the whole backup.
fn sealed(all: &mut Hasher, sum: &Summary) -> Hash {
    all.u64(sum.shards).u64(sum.items).u64(sum.bytes).finish()
}

fn frame(kind: Kind) -> Writer {
    let mut out = Writer::new();
    out.byte(kind as u8);
    out
}

/// Why a backup could not be restored. The incomplete store must not be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are not a backup.
    #[error("this is not a datafan backup, or it is damaged: {0}")]
    Malformed(#[from] DecodeError),
    /// The backup is truncated or was altered.
    #[error("the backup is cut off or damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The backup belongs to another member or mesh.
    #[error("this is a backup of member {} of mesh {}", .0.member, .0.mesh)]
    Belongs(Origin),
    /// A shard does not match what its owner signed.
    #[error("the shard of {owner} in the backup is not what its owner signed")]
    Unsigned {
        /// The owner.
        owner: MemberId,
    },
    /// The new store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks that the frames of a backup are complete, unaltered and in order.
pub struct Frames {
    origin: Option<Origin>,
    all: Hasher,
    summary: Option<Summary>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { origin: None, all: Hasher::new(Hasher::BACKUP), summary: None }
    }
}

impl Frames {
    /// Takes the next frame.
    ///
    /// # Errors
    /// If the frame is not valid at this position.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let mut input = Reader::new(bytes);
        let kind = input.byte()?;
        if self.summary.is_some() || (kind == Kind::Header as u8) != self.origin.is_none() {
            return Err(RestoreError::Damaged { what: "a part is not in its place" });
        }
        if kind == Kind::End as u8 {
            let said = Summary { shards: input.fixed()?, items: input.fixed()?, bytes: input.fixed()? };
            let all: Hash = input.hash()?;
            input.end()?;
            if all != sealed(&mut self.all, &said) {
                return Err(RestoreError::Damaged { what: "what came is not what was written" });
            }
            self.summary = Some(said);
            return Ok(());
        }
        self.all.u64(bytes.len() as u64).bytes(bytes);
        if kind == Kind::Header as u8 {
            self.origin = Some(header(input)?);
        }
        Ok(())
    }

    /// Call this after the last frame. Returns the origin of the backup and the summary that it states.
    ///
    /// # Errors
    /// If frames are missing.
    pub fn finish(&self) -> Result<(Origin, Summary), RestoreError> {
        self.origin.zip(self.summary).ok_or(RestoreError::Damaged { what: "the end is missing" })
    }
}

fn header(mut input: Reader<'_>) -> Result<Origin, RestoreError> {
    if input.take(MAGIC.len())? != MAGIC {
        return Err(malformed("beginning").into());
    }
    let found = input.byte()?;
    if found != VERSION {
        return Err(DecodeError::Version { found, known: VERSION }.into());
    }
    let (mesh, member) = (MeshId(input.id()?), input.id()?);
    let origin = Origin { mesh, member, at: Timestamp(input.fixed()?) };
    input.end()?;
    Ok(origin)
}

/// A store that is being restored from frames.
pub struct Restore<'a, S: Store> {
    store: S,
    whose: (MeshId, MemberId),
    verifier: &'a dyn Verifier,
    frames: Frames,
    metas: BTreeMap<Meta, Option<Vec<u8>>>,
    shard: Option<Shard>,
    /// Owners whose visible shard was restored.
    seen: BTreeSet<MemberId>,
    n_shards: u32,
    sum: Summary,
}

/// The shard that is being restored.
struct Shard {
    number: ShardNumber,
    record: ShardRecord,
    root: Option<Branch>,
    last: Option<Timestamp>,
}

impl<'a, S: Store> Restore<'a, S> {
    /// Restores into `store`, which is new. A backup of another mesh or member than `whose` is refused.
    pub fn new(store: S, whose: (MeshId, MemberId), verifier: &'a dyn Verifier) -> Self {
        Self {
            store,
            whose,
            verifier,
            frames: Frames::default(),
            metas: BTreeMap::new(),
            shard: None,
            seen: BTreeSet::new(),
            n_shards: 0,
            sum: Summary::default(),
        }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// If the frame is not valid at this position, or the store fails.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.frames.take(bytes)?;
        let mut input = Reader::new(bytes);
        match input.byte()? {
            kind if kind == Kind::Header as u8 => match self.frames.origin {
                Some(origin) if (origin.mesh, origin.member) == self.whose => Ok(()),
                Some(origin) => Err(RestoreError::Belongs(origin)),
                None => unreachable!("just taken"),
            },
            kind if kind == Kind::Meta as u8 => self.meta(input),
            kind if kind == Kind::Shard as u8 => {
                self.end_shard()?;
                self.begin_shard(input)
            }
            kind if kind == Kind::Items as u8 => self.items(input),
            kind if kind == Kind::End as u8 => self.end(),
            _ => Err(malformed("kind of a part").into()),
        }
    }

    fn meta(&mut self, mut input: Reader<'_>) -> Result<(), RestoreError> {
        let number = input.byte()?;
        let found = METAS.iter().find(|(known, _)| *known == number);
        let Some((_, meta)) = found else { return Err(malformed("number of a value").into()) };
        let mut value = input.take(input.left())?.to_vec();
        if *meta == Meta::History {
            // A member restored from a backup does not know what it announced afterwards, so it has to listen
            // before it writes.
            value = History::decode(&value)?.of_a_backup().encode();
        }
        self.metas.insert(*meta, Some(value));
        Ok(())
    }

    fn begin_shard(&mut self, mut input: Reader<'_>) -> Result<(), RestoreError> {
        let record = ShardRecord::decode(input.take(input.left())?)?;
        if record.head().is_none_or(|head| head.owner != record.owner) {
            return Err(malformed("shard").into());
        }
        if record.is_whole() && !self.seen.insert(record.owner) {
            return Err(RestoreError::Damaged { what: "a shard is there twice" });
        }
        let number = ShardNumber(self.n_shards);
        self.n_shards = self.n_shards.checked_add(1).ok_or(malformed("number of shards"))?;
        self.shard = Some(Shard { number, record, root: None, last: None });
        Ok(())
    }

    fn items(&mut self, mut input: Reader<'_>) -> Result<(), RestoreError> {
        let Some(shard) = &mut self.shard else {
            return Err(RestoreError::Damaged { what: "items belong to no shard" });
        };
        let items = input.list("items", RANGE_ITEMS_MAX, |input| {
            let timestamp = Timestamp(input.fixed()?);
            Item::decode_body(timestamp, input).map(Arc::new)
        })?;
        input.end()?;
        for item in &items {
            if shard.last >= Some(item.timestamp) {
                return Err(RestoreError::Damaged { what: "items are out of order" });
            }
            shard.last = Some(item.timestamp);
        }
        self.sum.items += items.len() as u64;
        self.sum.bytes += items.iter().map(|item| item.bytes()).sum::<u64>();
        let snapshot = self.store.reader().snapshot()?;
        let mut edit = Edit::new(View::new(&snapshot, shard.number, None));
        edit.put_all(&items)?;
        let (root, mut change) = edit.finish(shard.root)?;
        shard.root = root;
        if shard.record.owner == self.whose.1 {
            let expiring = items.iter().filter_map(|item| Some((item.expiry?, item.timestamp)));
            change.expiries.extend(expiring.map(|listed| (listed, true)));
        }
        change.record = Some(ShardRecord::dead(shard.record.owner).into());
        drop(snapshot);
        let batch = Batch { shards: [(shard.number, change)].into(), ..Batch::default() };
        Ok(self.store.commit(batch, Durability::Lazy)?)
    }

    fn end_shard(&mut self) -> Result<(), RestoreError> {
        let Some(Shard { number, record, root, .. }) = self.shard.take() else { return Ok(()) };
        let (owner, head) = (record.owner, *record.head().ok_or(malformed("shard"))?);
        let sums = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let same = root_hash(root.as_ref()) == head.root && sums == (head.items, head.bytes);
        if !same || !head.verify(&self.whose.0, self.verifier) {
            return Err(RestoreError::Unsigned { owner });
        }
        // A backup has no tombstones, so deltas can start only at the head.
        let record = match record.state {
            ShardState::Divergent { diverged, .. } => ShardRecord::divergent(head, root, diverged, 0),
            ShardState::Whole { .. } | ShardState::Building { .. } | ShardState::Dead => {
                ShardRecord::whole(head, root, HeldTombstones { since: head.timestamp, rows: 0 })
            }
        };
        let change = ShardChange { record: Some(record.into()), ..ShardChange::default() };
        self.sum.shards += 1;
        let batch = Batch { shards: [(number, change)].into(), ..Batch::default() };
        Ok(self.store.commit(batch, Durability::Lazy)?)
    }

    fn end(&mut self) -> Result<(), RestoreError> {
        self.end_shard()?;
        if self.frames.summary != Some(self.sum) {
            return Err(RestoreError::Damaged { what: "what came is not what was written" });
        }
        let batch = Batch { meta: core::mem::take(&mut self.metas), ..Batch::default() };
        Ok(self.store.commit(batch, Durability::Synced)?)
    }

    /// Call this after the last frame. Closes the store as after a clean stop, and returns the origin and the
    /// contents of the backup.
    ///
    /// # Errors
    /// If frames are missing, or the store fails.
    pub fn finish(self) -> Result<(Origin, Summary), RestoreError> {
        let done = self.frames.finish()?;
        self.store.close()?;
        Ok(done)
    }
}
