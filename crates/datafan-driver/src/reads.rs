//! Reading through a handle: plain functions on the store's own snapshots.

use crate::{
    clock,
    codec::{Codec, Json},
    error::ReadError,
    handle::Handle,
};
use datafan_core::{
    head::Head,
    id::MemberId,
    item::Item,
    read::Snapshot,
    store::{StoreError, StoreReader},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

impl<R: StoreReader> Handle<R> {
    /// All that this member holds, at its last commit and as of now.
    ///
    /// Reads never wait for the writer, nor for a peer. They may touch the disk.
    ///
    /// # Errors
    /// If the store failed, or is closed because the member stopped.
    pub fn snapshot(&self) -> Result<Snapshot<R::Snapshot>, StoreError> {
        Ok(Snapshot::new(self.inner.reader.snapshot()?, self.inner.mesh, clock::wall()))
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
