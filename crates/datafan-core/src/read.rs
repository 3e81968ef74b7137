//! Reads: plain functions on a [`Snapshot`], which shows every shard at one commit.
//!
//! Reads never go through the engine. They page through the store, so a long iteration holds one page in
//! memory and does not delay the writer.

use crate::{
    backup,
    difference::{self, Cursor, Difference},
    fork::pieces,
    fork::{ClosedBy, Closing, KeptFork},
    grant::{GRANT_PREFIX, Grant},
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId, Name},
    item::{Item, Key, SYSTEM_PREFIX},
    roster::{IdRole, role_of},
    runs::{RUNS_KEY, RunHistory},
    store::{Meta, Page, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{collections::VecDeque, string::String, sync::Arc, vec, vec::Vec};
use core::ops::{Bound, RangeBounds};

/// Everything that a member holds, at one commit. Later commits do not change it.
///
/// Items that had expired when the snapshot was taken are hidden. System keys (under `_sys/`) are hidden
/// unless you call [`Snapshot::with_system`].
pub struct Snapshot<V> {
    view: V,
    mesh: MeshId,
    wall: Timestamp,
    shown: Shown,
}

/// Which keys a snapshot shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Users,
    All,
}

/// An item with its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The owner.
    pub owner: MemberId,
    /// The item.
    pub item: Arc<Item>,
}

/// Which keys an iteration covers.
#[derive(Clone, Debug)]
pub struct KeyRange {
    from: Bound<String>,
    until: Until,
}

#[derive(Clone, Debug)]
enum Until {
    Bound(Bound<String>),
    Prefix(String),
}

impl<V: StoreSnapshot> Snapshot<V> {
    /// A snapshot of `view`, which belongs to a member of `mesh`. The wall time `wall` decides which items
    /// have expired.
    pub fn new(view: V, mesh: MeshId, wall: Timestamp) -> Self {
        Self { view, mesh, wall, shown: Shown::Users }
    }

    /// The same snapshot, which also shows system keys.
    pub fn with_system(self) -> Self {
        Self { shown: Shown::All, ..self }
    }

    /// The item of an owner with this key.
    pub fn get(&self, owner: &MemberId, key: &str) -> Result<Option<Arc<Item>>, StoreError> {
        match self.view.whole(owner)? {
            Some((shard, _)) if self.shows(key) => self.live(shard, key),
            _ => Ok(None),
        }
    }

    /// An owner's items, ordered by key.
    pub fn items_of(&self, owner: &MemberId) -> Items<'_, V> {
        self.items(owner, KeyRange::all())
    }

    /// An owner's items whose keys start with `prefix`, ordered by key.
    pub fn prefix(&self, owner: &MemberId, prefix: &str) -> Items<'_, V> {
        self.items(owner, KeyRange::prefix(prefix))
    }

    /// An owner's system items, ordered by key, even if this snapshot hides system keys.
    pub fn system(&self, owner: &MemberId) -> Items<'_, V> {
        let whole = self.view.whole(owner);
        let shards = whole.map(|found| found.into_iter().map(|(shard, _)| (*owner, shard)).collect());
        Items::new(self, Shown::All, shards, KeyRange::prefix(SYSTEM_PREFIX))
    }

    /// An owner's items with keys in `range`, ordered by key: `snapshot.range(&owner, "a".."b")`.
    pub fn range<'k>(&self, owner: &MemberId, range: impl RangeBounds<&'k str>) -> Items<'_, V> {
        self.items(owner, KeyRange::new(range))
    }

    /// The items of all owners, ordered by owner and key.
    pub fn all(&self) -> Items<'_, V> {
        self.all_items(KeyRange::all())
    }

    /// An owner's items with keys in `keys`, ordered by key. Empty if this member does not hold the owner's
    /// shard.
    pub fn items(&self, owner: &MemberId, keys: KeyRange) -> Items<'_, V> {
        let whole = self.view.whole(owner);
        self.walk(whole.map(|found| found.into_iter().map(|(shard, _)| (*owner, shard)).collect()), keys)
    }

    /// The items of all owners with keys in `keys`, ordered by owner and key.
    pub fn all_items(&self, keys: KeyRange) -> Items<'_, V> {
        self.walk(self.shards_by_owner(), keys)
    }

    /// The item with `key` of every owner that has one, ordered by owner.
    pub fn get_all(&self, key: &str) -> Items<'_, V> {
        let range = (Bound::Included(key), Bound::Included(key));
        self.all_items(KeyRange::new(range))
    }

    /// The head of an owner's shard as held here; `None` if this member does not hold the shard.
    pub fn head(&self, owner: &MemberId) -> Result<Option<Head>, StoreError> {
        Ok(self.view.whole(owner)?.and_then(|(_, record)| record.head().copied()))
    }

    /// The heads of all shards held here, ordered by owner.
    pub fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let mut heads: Vec<_> =
            self.whole_shards()?.filter_map(|(_, record)| record.head().copied()).collect();
        heads.sort_unstable_by_key(|head| head.owner);
        Ok(heads)
    }

    /// The owners of all shards held here, in ascending order. This includes the authority, whose shard is
    /// the roster.
    pub fn owners(&self) -> Result<Vec<MemberId>, StoreError> {
        Ok(self.shards_by_owner()?.into_iter().map(|(owner, _)| owner).collect())
    }

    /// All members in the roster, including revoked ones, in ascending order of id. Entries that this build
    /// does not understand are left out.
    pub fn members(&self) -> Result<Vec<(MemberId, Grant)>, StoreError> {
        let Some((shard, _)) = self.view.whole(&self.mesh.authority())? else { return Ok(Vec::new()) };
        let roster = Ok(vec![(self.mesh.authority(), shard)]);
        let items = Items::new(self, Shown::All, roster, KeyRange::prefix(GRANT_PREFIX));
        let members = items.filter_map(|entry| entry.map(|entry| grant(&entry.item)).transpose());
        members.filter(|member| !member.as_ref().is_ok_and(|(id, _)| self.is_authority(id))).collect()
    }

    /// The grant of a member; `None` if it is not in the roster.
    pub fn grant_of(&self, id: &MemberId) -> Result<Option<Grant>, StoreError> {
        let Some((shard, _)) = self.view.whole(&self.mesh.authority())? else { return Ok(None) };
        if self.is_authority(id) {
            return Ok(None);
        }
        let item = self.live(shard, Grant::key(id).as_str())?;
        Ok(item.and_then(|item| Some(grant(&item)?.1)))
    }

    /// A member's name; `None` if it is not in the roster. The authority itself has no name.
    pub fn name_of(&self, id: &MemberId) -> Result<Option<Name>, StoreError> {
        Ok(self.grant_of(id)?.map(|grant| grant.name))
    }

    /// The evidence of all forks that this member knows.
    ///
    /// # Errors
    /// If the store fails or is damaged.
    pub fn forks(&self) -> Result<Vec<KeptFork>, StoreError> {
        let Some(bytes) = self.view.meta(Meta::Forks)? else { return Ok(Vec::new()) };
        pieces(&bytes).map_err(|error| StoreError::Damaged { what: alloc::format!("evidence: {error}") })
    }

    /// Who closed a fork; `None` if it is open.
    ///
    /// # Errors
    /// If the store fails.
    pub fn closed_by(&self, fork: &KeptFork) -> Result<Option<ClosedBy>, StoreError> {
        let owner = fork.evidence.first.owner;
        let item = |owner: &MemberId, key: &str| match self.view.whole(owner)? {
            Some((shard, _)) => self.live(shard, key),
            None => Ok(None),
        };
        let runs = item(&owner, RUNS_KEY)?;
        let history = runs.and_then(|item| RunHistory::decode(&item.value).ok()).unwrap_or_default();
        let closing = item(&self.mesh.authority(), Closing::key(&owner).as_str())?;
        let closing = closing.and_then(|item| Closing::decode(&item.value).ok());
        Ok(fork.closed_by(&history, closing))
    }

    /// Passes everything in the snapshot to `write`, frame by frame; see [`backup::save`].
    ///
    /// # Errors
    /// If the store or `write` fails.
    pub fn save<E: From<StoreError>>(
        &self,
        member: MemberId,
        write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<backup::Summary, E> {
        backup::save(&self.view, &backup::Origin { mesh: self.mesh, member, at: self.wall }, write)
    }

    /// One page, starting at `from`, of what `owner`'s shard (the member's own) recovered from the mesh, and
    /// of how it differs from divergent copies.
    ///
    /// # Errors
    /// If the store fails or is damaged.
    pub fn differences(
        &self,
        owner: &MemberId,
        from: Cursor,
    ) -> Result<(Vec<Difference>, Option<Cursor>), StoreError> {
        difference::differences(&self.view, owner, from)
    }

    /// The roots of the divergent copies of `owner`'s shard kept here, in the order in which
    /// [`Snapshot::differences`] lists the copies.
    ///
    /// # Errors
    /// If the store fails.
    pub fn divergent_roots(&self, owner: &MemberId) -> Result<Vec<Hash>, StoreError> {
        difference::divergent_roots(&self.view, owner)
    }

    /// Bytes of the file that this state uses; 0 for a store without a file. This may read the whole file.
    ///
    /// # Errors
    /// If the store fails.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        self.view.used_bytes()
    }

    /// The wall time that decides which items have expired.
    pub fn wall(&self) -> Timestamp {
        self.wall
    }

    /// Whether `id` is the authority: the roster's entry for it, if there is one, is ignored.
    fn is_authority(&self, id: &MemberId) -> bool {
        role_of(&self.mesh, id) == IdRole::Authority
    }

    fn shows(&self, key: &str) -> bool {
        self.shown == Shown::All || !key.starts_with(SYSTEM_PREFIX)
    }

    fn live(&self, shard: ShardNumber, key: &str) -> Result<Option<Arc<Item>>, StoreError> {
        let Some(at) = self.view.timestamp_of(shard, key)? else { return Ok(None) };
        Ok(self.view.item(shard, at)?.filter(|item| item.is_live(self.wall)))
    }

    fn walk(&self, shards: Result<Vec<(MemberId, ShardNumber)>, StoreError>, keys: KeyRange) -> Items<'_, V> {
        Items::new(self, self.shown, shards, keys)
    }

    fn shards_by_owner(&self) -> Result<Vec<(MemberId, ShardNumber)>, StoreError> {
        let mut shards: Vec<_> = self.whole_shards()?.map(|(shard, record)| (record.owner, shard)).collect();
        shards.sort_unstable();
        Ok(shards)
    }

    fn whole_shards(&self) -> Result<impl Iterator<Item = (ShardNumber, Arc<ShardRecord>)>, StoreError> {
        Ok(self.view.shards()?.into_iter().filter(|(_, record)| record.is_whole()))
    }
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, until: Until::Bound(Bound::Unbounded) }
    }

    /// The keys that start with `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self { from: Bound::Included(prefix.into()), until: Until::Prefix(prefix.into()) }
    }

    /// The keys in `range`, compared by their bytes.
    pub fn new<'k>(range: impl RangeBounds<&'k str>) -> Self {
        let owned = |bound: Bound<&&str>| bound.map(|key| String::from(*key));
        Self { from: owned(range.start_bound()), until: Until::Bound(owned(range.end_bound())) }
    }

    /// The same keys, but only those after `key`.
    pub fn after(self, key: &str) -> Self {
        let is_later = match &self.from {
            Bound::Unbounded => true,
            Bound::Included(from) | Bound::Excluded(from) => key >= from.as_str(),
        };
        if is_later { Self { from: Bound::Excluded(key.into()), ..self } } else { self }
    }

    /// Whether an iteration that starts at `from` is still inside the range at `key`.
    fn reaches(&self, key: &str) -> bool {
        match &self.until {
            Until::Bound(Bound::Unbounded) => true,
            Until::Bound(Bound::Included(end)) => key <= end.as_str(),
            Until::Bound(Bound::Excluded(end)) => key < end.as_str(),
            Until::Prefix(prefix) => key.starts_with(prefix.as_str()),
        }
    }
}

/// An iterator over items, ordered by owner and key, that reads them on demand. It ends after an error.
pub struct Items<'s, V> {
    snapshot: &'s Snapshot<V>,
    shown: Shown,
    range: KeyRange,
    /// Shards still to be read, the current one first.
    shards: VecDeque<(MemberId, ShardNumber)>,
    /// Start of the next page of the current shard; `None` if there is no further page.
    next: Option<Bound<String>>,
    /// Keys of the current shard that were read but not returned yet.
    page: VecDeque<(Key, Timestamp)>,
    /// An error to return before the iterator ends.
    failed: Option<StoreError>,
}

impl<'s, V: StoreSnapshot> Items<'s, V> {
    fn new(
        snapshot: &'s Snapshot<V>,
        shown: Shown,
        shards: Result<Vec<(MemberId, ShardNumber)>, StoreError>,
        range: KeyRange,
    ) -> Self {
        let (shards, failed) = match shards {
            Ok(shards) => (shards.into(), None),
            Err(error) => (VecDeque::new(), Some(error)),
        };
        let next = Some(range.from.clone());
        Self { snapshot, shown, range, shards, next, page: VecDeque::new(), failed }
    }

    /// The next live item; `None` after the last shard.
    fn step(&mut self) -> Result<Option<Entry>, StoreError> {
        while let Some(&(owner, shard)) = self.shards.front() {
            let Some((key, at)) = self.page.pop_front() else {
                self.turn_page(shard)?;
                continue;
            };
            if !self.range.reaches(key.as_str()) {
                self.page.clear();
                self.next = None;
            } else if self.shown == Shown::Users && key.is_system() {
                // System keys are adjacent, so skip them all: the roster alone may have tens of thousands.
                self.page.clear();
                self.next = Some(Bound::Included(AFTER_SYSTEM.into()));
            } else if let Some(item) = self.snapshot.view.item(shard, at)?
                && item.is_live(self.snapshot.wall)
            {
                return Ok(Some(Entry { owner, item }));
            }
        }
        Ok(None)
    }

    /// Reads the next page of the current shard, or moves to the next shard.
    fn turn_page(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        let Some(from) = self.next.take() else {
            self.shards.pop_front();
            self.next = Some(self.range.from.clone());
            return Ok(());
        };
        let from = from.as_ref().map(String::as_str);
        self.page = self.snapshot.view.keys(shard, from, Page::rows(PAGE_ROWS))?.into();
        self.next = self.page.back().map(|(key, _)| Bound::Excluded(key.as_str().into()));
        Ok(())
    }
}

impl<V: StoreSnapshot> Iterator for Items<'_, V> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stepped = match self.failed.take() {
            Some(error) => Err(error),
            None => self.step(),
        };
        if stepped.is_err() {
            self.shards.clear();
        }
        stepped.transpose()
    }
}

fn grant(item: &Item) -> Option<(MemberId, Grant)> {
    Some((Grant::member_of(item.key.as_str())?, Grant::decode(&item.value).ok()?))
}

/// Keys read at a time: few enough that an iteration which stops early wastes little.
const PAGE_ROWS: usize = 256;
/// The smallest string above every system key: `0` is the byte after `/`.
const AFTER_SYSTEM: &str = "_sys0";
