//! Reading through a handle: plain functions on the snapshot that the member published last.

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

/// How much room a member's store takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Bytes of disk, a second old at most; 0 for a store without a file.
    pub file_bytes: u64,
    /// Bytes of it that the present state needs: counted at most a minute ago, with all by which the file has
    /// grown since. The rest is free, or shown by older snapshots.
    pub used_bytes: u64,
    /// For how long the oldest snapshot of a reader has been held.
    pub oldest_read: Option<Duration>,
}

impl<R: StoreReader> Handle<R> {
    /// All that this member holds, as of now. Of its own shard it shows only what is on disk: a crash takes
    /// nothing back that was read.
    ///
    /// Reads never wait for the writer, nor for a peer. They may touch the disk. See [`Leased`] for how long
    /// a snapshot may be kept.
    ///
    /// # Errors
    /// If the store failed, or is closed because the member stopped.
    pub fn snapshot(&self) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        self.snapshot_for(Purpose::Read)
    }

    /// As [`Handle::snapshot`], for a copy of everything: it is kept until the store takes four times as
    /// much.
    ///
    /// # Errors
    /// As of [`Handle::snapshot`].
    pub fn backup_snapshot(&self) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        self.snapshot_for(Purpose::Backup)
    }

    /// How much room the member's store takes. To count what is used may read all of the file, so it is
    /// counted the less often the longer it takes, but once a minute where it is asked for.
    ///
    /// # Errors
    /// As of [`Handle::snapshot`].
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let current = &self.inner.current;
        let oldest_read = current.oldest(Instant::now());
        let used_bytes = current.used_bytes(|| Leased::new(current, Purpose::Read)?.used_bytes())?;
        Ok(Usage { file_bytes: current.file_bytes(), used_bytes, oldest_read })
    }

    fn snapshot_for(&self, purpose: Purpose) -> Result<Snapshot<Leased<R::Snapshot>>, StoreError> {
        Ok(Snapshot::new(Leased::new(&self.inner.current, purpose)?, self.inner.mesh, clock::wall()))
    }

    /// An owner's item; one's own is at [`Handle::id`].
    ///
    /// # Errors
    /// As of [`Handle::snapshot`].
    pub fn get(&self, owner: &MemberId, key: &str) -> Result<Option<Arc<Item>>, StoreError> {
        self.snapshot()?.get(owner, key)
    }

    /// An owner's typed value that was put as JSON.
    ///
    /// # Errors
    /// If the store failed, or if the value is no `T`.
    pub fn get_json<T: DeserializeOwned>(&self, owner: &MemberId, key: &str) -> Result<Option<T>, ReadError> {
        self.get_as::<Json, T>(owner, key)
    }

    /// An owner's typed value in a format of one's own.
    ///
    /// # Errors
    /// If the store failed, or if the value is no `T`.
    pub fn get_as<C, T>(&self, owner: &MemberId, key: &str) -> Result<Option<T>, ReadError>
    where
        C: Codec,
        T: DeserializeOwned,
    {
        let Some(item) = self.get(owner, key)? else { return Ok(None) };
        Ok(Some(C::decode(&item.value)?))
    }

    /// The head of an owner's shard as it is held here.
    ///
    /// # Errors
    /// As of [`Handle::snapshot`].
    pub fn head(&self, owner: &MemberId) -> Result<Option<Head>, StoreError> {
        self.snapshot()?.head(owner)
    }
}
