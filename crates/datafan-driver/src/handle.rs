//! The handle: how everybody except the driver's thread uses a member.

use crate::{
    board::{KeyInUse, RunState, Shared},
    changes::Changes,
    clock,
    codec::{Codec, Json},
    compaction::CompactError,
    current::Current,
    error::{CommitError, StopReason, TimedOut, WaitError, Written},
    queue::{Request, Waiting},
    traffic::Traffic,
};
use datafan_core::{
    connector::Address,
    engine::{Command, Committed, Disposition, Immediate, OwnChange, Stats, Status, Write},
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId, Name},
    item::Key,
    roster::RosterChange,
    store::{Compacted, StoreReader},
    time::Timestamp,
};
use serde::Serialize;
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::Poll,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// A running member. Clones are the same member, and any thread may use them.
///
/// **Futures** work in every async runtime; [`crate::BlockOn`] blocks on them without one. Nothing happens
/// before a future is first polled. A future that is dropped while it waits for room in the queue has written
/// nothing; if it is dropped later, the write continues and its result is lost.
///
/// **Stopping**: [`Handle::stop`] stops the member and waits until its store is closed. Dropping the last
/// handle also stops it, without waiting.
pub struct Handle<R: StoreReader> {
    pub(crate) inner: Arc<Inner<R>>,
}

pub(crate) struct Inner<R: StoreReader> {
    pub shared: Arc<Shared>,
    pub current: Arc<Current<R::Snapshot>>,
    pub id: MemberId,
    pub mesh: MeshId,
    /// Taken by the first `stop`.
    pub thread: Mutex<Option<JoinHandle<()>>>,
}

impl<R: StoreReader> Handle<R> {
    /// The id of this member.
    pub fn id(&self) -> MemberId {
        self.inner.id
    }

    /// The mesh of this member.
    pub fn mesh(&self) -> MeshId {
        self.inner.mesh
    }

    /// Sets the value of a key. Resolves when it is on this member's disk.
    ///
    /// # Errors
    /// [`CommitError`] says whether anything was written and whether to try again.
    pub async fn put(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<Committed, CommitError> {
        self.commit(vec![put(key.as_ref(), value.as_ref(), None)?]).await
    }

    /// Like [`Handle::put`], for an item that expires after `lifetime`.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn put_with_ttl(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        lifetime: Duration,
    ) -> Result<Committed, CommitError> {
        let micros = u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX);
        let expiry = Timestamp(clock::wall().0.saturating_add(micros));
        self.commit(vec![put(key.as_ref(), value.as_ref(), Some(expiry))?]).await
    }

    /// Like [`Handle::put`], for a typed value, as JSON.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn put_json<T>(&self, key: impl AsRef<str>, value: &T) -> Result<Committed, CommitError>
    where
        T: Serialize + ?Sized,
    {
        self.put_as::<Json, T>(key, value).await
    }

    /// Like [`Handle::put`], for a typed value in any format.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn put_as<C, T>(&self, key: impl AsRef<str>, value: &T) -> Result<Committed, CommitError>
    where
        C: Codec,
        T: Serialize + ?Sized,
    {
        // Encoded before anything waits, so that the future holds no reference to a value that may not be
        // `Sync`.
        let write = C::encode(value).map_err(CommitError::from);
        let write = write.and_then(|bytes| put(key.as_ref(), &bytes, None));
        self.commit(vec![write?]).await
    }

    /// Removes a key. If the key does not exist, nothing changes and `changed` is 0.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<Committed, CommitError> {
        self.commit(vec![Write::Delete { key: Key::new(key)? }]).await
    }

    /// Applies writes as a whole: every reader everywhere sees all of them or none. Of several writes of one
    /// key the last one wins. Resolves when they are on this member's disk.
    ///
    /// Waits while the queue is full, and while the member's own shard is not confirmed; [`Handle::timeout`]
    /// bounds both.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Committed, CommitError> {
        self.command(OwnChange::Commit(writes)).await
    }

    /// Admits a member to the mesh. Needs the authority key.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn admit(&self, id: MemberId, name: Name) -> Result<Committed, CommitError> {
        self.command(OwnChange::Admit { id, name }).await
    }

    /// Revokes a member permanently. Needs the authority key.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn revoke(&self, id: MemberId, disposition: Disposition) -> Result<Committed, CommitError> {
        self.command(OwnChange::Revoke { id, disposition }).await
    }

    /// Changes the roster in one commit, completely or not at all. Needs the authority key.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn change_roster(&self, changes: Vec<RosterChange>) -> Result<Committed, CommitError> {
        self.command(OwnChange::ChangeRoster(changes)).await
    }

    /// Closes the forks of an owner that are known here: its commits are pushed again, and the evidence
    /// stays. Needs the authority key.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn close_forks(&self, owner: MemberId) -> Result<Committed, CommitError> {
        self.command(OwnChange::CloseForks { owner }).await
    }

    /// Applies a roster that was signed on another machine: the bytes of a
    /// [`Message::Push`](datafan_core::message::Message::Push). The current roster changes nothing.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn apply_roster(&self, signed: Arc<[u8]>) -> Result<Committed, CommitError> {
        self.command(Command::ApplySignedRoster(signed)).await
    }

    /// Dials `address` now and remembers it. Resolves when it is remembered; [`Handle::wait_links`] waits for
    /// links, [`Handle::status`] shows the last error of each dial.
    ///
    /// # Errors
    /// Those of [`Handle::put`]; addresses count as written.
    pub async fn connect(
        &self,
        address: impl Into<Address>,
        expected: Option<MemberId>,
    ) -> Result<(), CommitError> {
        self.command(Immediate::Connect { address: address.into(), expected }).await.map(drop)
    }

    /// Publishes the addresses at which this member can be dialled. Written only if they differ from the
    /// published ones.
    ///
    /// # Errors
    /// Those of [`Handle::put`].
    pub async fn publish(&self, addresses: Vec<Address>) -> Result<(), CommitError> {
        self.command(Immediate::Publish(addresses)).await.map(drop)
    }

    /// The state of the member, after everything that was requested through this handle before.
    ///
    /// # Errors
    /// If the member stopped.
    pub async fn status(&self) -> Result<Status, WaitError> {
        self.ask(Request::Status).await
    }

    /// The counters of the engine.
    ///
    /// # Errors
    /// If the member stopped.
    pub async fn stats(&self) -> Result<Stats, WaitError> {
        self.ask(Request::Stats).await.map(|(stats, _)| stats)
    }

    /// Bytes of messages on all links.
    ///
    /// # Errors
    /// If the member stopped.
    pub async fn traffic(&self) -> Result<Traffic, WaitError> {
        self.ask(Request::Stats).await.map(|(_, traffic)| traffic)
    }

    /// Watches the heads of all owners from now on.
    pub fn changes(&self) -> Changes {
        Changes::new(self.inner.shared.clone(), None)
    }

    /// Watches the head of `owner` from now on.
    pub fn changes_of(&self, owner: MemberId) -> Changes {
        Changes::new(self.inner.shared.clone(), Some(owner))
    }

    /// Resolves when the visible head of `owner` has reached `timestamp`: a commit with that timestamp, made
    /// anywhere, can then be read here.
    ///
    /// # Errors
    /// If the member stopped.
    pub async fn wait_for(&self, owner: MemberId, timestamp: Timestamp) -> Result<(), WaitError> {
        self.inner.shared.until(|board| board.head(&owner) >= timestamp).await
    }

    /// Resolves when at least `links` links are up.
    ///
    /// # Errors
    /// If the member stopped.
    pub async fn wait_links(&self, links: usize) -> Result<(), WaitError> {
        self.inner.shared.until(|board| board.links >= links).await
    }

    /// Waits for `future`, one of this handle's, at most for `limit`: `handle.timeout(limit,
    /// handle.put(..))`. The error says what writes wait for. The driver's thread keeps the time, so no
    /// runtime is needed; the operation continues.
    ///
    /// # Errors
    /// Those of `future`, and [`TimedOut`] as one of them.
    pub async fn timeout<T, E: From<TimedOut>>(
        &self,
        limit: Duration,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (alarm, mut rings) = oneshot::channel();
        // A deadline beyond the range of the clock never passes; a stopped member ends `future` itself.
        if let Some(at) = Instant::now().checked_add(limit) {
            drop(self.inner.shared.queue.request(Request::Timer(at, alarm)));
        }
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if rings.is_terminated() {
                return Poll::Pending;
            }
            match pin!(&mut rings).poll(context) {
                Poll::Ready(Ok(own)) => Poll::Ready(Err(TimedOut { within: limit, own }.into())),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Resolves when another process writes with this member's key, with its head and the current head here.
    /// Own writes are refused from then on; reads continue.
    ///
    /// # Errors
    /// If the member stops.
    pub async fn key_conflict(&self) -> Result<(Head, Option<Head>), WaitError> {
        let shared = &self.inner.shared;
        shared.until(|board| board.key_conflict.is_some()).await?;
        let found = shared.board().key_conflict;
        Ok(found.expect("it stays"))
    }

    /// Resolves when another process with this member's key is found that began before this one. Own writes
    /// are refused from then on; reads continue.
    ///
    /// # Errors
    /// If the member stops.
    pub async fn key_in_use(&self) -> Result<KeyInUse, WaitError> {
        let shared = &self.inner.shared;
        shared.until(|board| board.key_in_use.is_some()).await?;
        let found = shared.board().key_in_use.clone();
        Ok(found.expect("it stays"))
    }

    /// Gives current timestamps to what this member wrote while its clock was far ahead; returns the number
    /// of items. Does nothing if the last write is not ahead of the clock.
    ///
    /// # Errors
    /// If own writes are refused, or the member stops.
    pub async fn restamp(&self) -> Result<Committed, CommitError> {
        self.command(OwnChange::Restamp).await
    }

    /// Shrinks the store to the size of its content. Reads lose their snapshots ([`Leased`](crate::Leased));
    /// writes and new reads wait, up to a few seconds.
    ///
    /// # Errors
    /// See [`CompactError`].
    pub async fn compact(&self) -> Result<Compacted, CompactError> {
        let (reply, answer) = oneshot::channel();
        drop(self.inner.shared.queue.request(Request::Compact(reply)));
        answer.await.unwrap_or(Err(CompactError::Stopped))
    }

    /// Discards the divergent copies of the member's own shard that have these roots, which
    /// [`Snapshot::divergent_roots`](datafan_core::read::Snapshot::divergent_roots) returns; copies that
    /// arrived since stay.
    ///
    /// # Errors
    /// If the member stops.
    pub async fn discard_divergent(&self, roots: Vec<Hash>) -> Result<(), CommitError> {
        self.command(OwnChange::DiscardDivergent { roots: Some(roots) }).await.map(drop)
    }

    /// The same member, for code that serves it but must not keep it running.
    pub fn downgrade(&self) -> WeakHandle<R> {
        WeakHandle { inner: Arc::downgrade(&self.inner) }
    }

    /// Whether the member is running, and if not, why.
    pub fn run_state(&self) -> RunState {
        self.inner.shared.board().run_state.clone()
    }

    /// Resolves when the member has stopped, for whatever reason.
    pub async fn stopped(&self) -> StopReason {
        self.inner.shared.stopped().await
    }

    /// Stops the member: earlier requests are completed, links and store are closed, and the thread has ended
    /// when this resolves. Further calls return the same result.
    ///
    /// # Errors
    /// If the member did not stop cleanly.
    pub async fn stop(&self) -> Result<(), StopReason> {
        // If the queue is closed, it is stopping already.
        drop(self.inner.shared.queue.request(Request::Stop(StopReason::Asked)));
        let reason = self.stopped().await;
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The thread reports the stop last, so joining does not wait. It catches its own panics.
        drop(thread.map(JoinHandle::join));
        match reason {
            StopReason::Asked => Ok(()),
            failed => Err(failed),
        }
    }

    /// Stops the member because something that it needs has ended: [`Handle::stopped`] then returns `reason`.
    /// The first reason counts. Does not wait.
    pub fn fail(&self, reason: StopReason) {
        // If the queue is closed, it is stopping already.
        drop(self.inner.shared.queue.request(Request::Stop(reason)));
    }

    async fn command(&self, command: impl Into<Command>) -> Result<Committed, CommitError> {
        let (queue, command) = (&self.inner.shared.queue, command.into());
        let Some(permit) = queue.permit(&command).await else { return Err(self.never_queued().await) };
        let (reply, answer) = oneshot::channel();
        if queue.request(Request::Command(Waiting { reply, permit }, command)).is_err() {
            return Err(self.never_queued().await);
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.never_answered().await),
        }
    }

    async fn never_queued(&self) -> CommitError {
        CommitError::Stopped { reason: self.stopped().await, written: Written::No }
    }

    async fn never_answered(&self) -> CommitError {
        let reason = self.stopped().await;
        // A clean stop answers every command that was carried out; after a failure it is unknown.
        let written = if reason == StopReason::Asked { Written::No } else { Written::Maybe };
        CommitError::Stopped { reason, written }
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, WaitError> {
        let (reply, answer) = oneshot::channel();
        drop(self.inner.shared.queue.request(question(reply)));
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(WaitError::Stopped { reason: self.stopped().await }),
        }
    }
}

/// A [`Handle`] that does not keep its member running.
pub struct WeakHandle<R: StoreReader> {
    inner: Weak<Inner<R>>,
}

impl<R: StoreReader> WeakHandle<R> {
    /// The handle, as long as another one exists.
    pub fn upgrade(&self) -> Option<Handle<R>> {
        self.inner.upgrade().map(|inner| Handle { inner })
    }
}

fn put(key: &str, value: &[u8], expiry: Option<Timestamp>) -> Result<Write, CommitError> {
    Ok(Write::Put { key: Key::new(key)?, value: value.into(), expiry })
}

impl<R: StoreReader> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<R: StoreReader> std::fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({:?})", self.inner.id)
    }
}

impl<R: StoreReader> Drop for Inner<R> {
    fn drop(&mut self) {
        drop(self.shared.queue.request(Request::Stop(StopReason::Asked)));
    }
}
