//! Reads through a handle: plain functions on the last snapshot that the member published.

use crate::{
    clock,
    codec::{Codec, Json},
    error::ReadError,
    handle::Handle,
    lease::Purpose,
    leased::Leased,
};
use datafan_core::{
    head::Head,
    id::MemberId,
    item::Item,
    read::Snapshot,
    store::{StoreError, StoreReader, StoreSnapshot},
};
use serde::de::DeserializeOwned;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The disk space of a member's store.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Bytes on disk, at most a second old; 0 for a store without a file.
    pub file_bytes: u64,
    /// Bytes of it that the current state needs: counted at most a minute ago, plus the growth of the file
    /// since. The rest is free, or used by older snapshots.
    pub used_bytes: u64,
    /// How long the oldest snapshot of a reader has been held.
    pub oldest_read: Option<Duration>,
}

impl<R: StoreReader> Handle<R> {
    /// Everything that this member holds now. Of its own shard it shows only what is on disk, so a crash
    /// never undoes what was read.
    ///
    /// Reads never wait for the writer, nor for a peer. They may touch the disk. See [`Leased`] for how long
    /// a snapshot may be kept.
    ///
    /// # Errors
    /// If the store failed, or is closed because the member stopped.
    pub fn snapshot(&self) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        self.snapshot_for(Purpose::Read)
    }

    /// Like [`Handle::snapshot`], for a copy of everything: the read is ended only when the store has grown
    /// to four times its size.
    ///
    /// # Errors
    /// Those of [`Handle::snapshot`].
    pub fn backup_snapshot(&self) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        self.snapshot_for(Purpose::Backup)
    }

    /// The disk space of the member's store. Counting may read the whole file, so it is done less often the
    /// longer it takes, but at least once a minute when requested.
    ///
    /// # Errors
    /// Those of [`Handle::snapshot`].
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let current = &self.inner.current;
        let oldest_read = current.oldest(Instant::now());
        let used_bytes = current.used_bytes(|| Leased::new(current, Purpose::Read)?.used_bytes())?;
        Ok(Usage { file_bytes: current.file_bytes(), used_bytes, oldest_read })
    }

    fn snapshot_for(&self, purpose: Purpose) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        Ok(Snapshot::new(Leased::new(&self.inner.current, purpose)?, self.inner.mesh, clock::wall()))
    }

    /// An item of an owner; this member is [`Handle::id`].
    ///
    /// # Errors
    /// Those of [`Handle::snapshot`].
    pub fn get(&self, owner: &MemberId, key: &str) -> Result<Option<Arc<Item>>, StoreError> {
        self.snapshot()?.get(owner, key)
    }

    /// A typed value of an owner that was put as JSON.
    ///
    /// # Errors
    /// If the store failed, or the value is not a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, owner: &MemberId, key: &str) -> Result<Option<T>, ReadError> {
        self.get_as::<Json, T>(owner, key)
    }

    /// A typed value of an owner in any format.
    ///
    /// # Errors
    /// If the store failed, or the value is not a `T`.
    pub fn get_as<C, T>(&self, owner: &MemberId, key: &str) -> Result<Option<T>, ReadError>
    where
        C: Codec,
        T: DeserializeOwned,
    {
        let Some(item) = self.get(owner, key)? else { return Ok(None) };
        Ok(Some(C::decode(&item.value)?))
    }

    /// The head of an owner's shard that is held here.
    ///
    /// # Errors
    /// Those of [`Handle::snapshot`].
    pub fn head(&self, owner: &MemberId) -> Result<Option<Head>, StoreError> {
        self.snapshot()?.head(owner)
    }
}
