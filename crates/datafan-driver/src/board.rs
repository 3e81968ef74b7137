//! The state that the driver's thread shows to everybody, and the bell that rings when it changes.

use crate::{
    error::{StopReason, WaitError},
    queue::Queue,
};
use datafan_core::{engine::SameKeyPlace, head::Head, id::MemberId, time::Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Whether a member is running.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RunState {
    /// It is running.
    Running,
    /// Its thread has ended and its store is closed.
    Stopped(StopReason),
}

/// The state that the thread and the handles share.
pub struct Shared {
    /// The queue to the thread.
    pub queue: Arc<Queue>,
    board: Mutex<Board>,
    /// Rings after each change of the board. Waiting callers check the board itself, so nothing depends on
    /// how often they were woken.
    bell: watch::Sender<()>,
}

/// The shown state.
pub struct Board {
    /// Timestamps of the visible heads; written after the store, so whoever sees one here can read its data.
    heads: HashMap<MemberId, Timestamp>,
    /// Counts changes of `heads`.
    n_changes: u64,
    /// Number of peers that are up.
    pub links: usize,
    /// Set if another process writes with the member's key: its head, and ours.
    pub key_conflict: Option<(Head, Option<Head>)>,
    /// Set if another process with the member's key, which began before this one, is running.
    pub key_in_use: Option<KeyInUse>,
    /// Whether the member is running.
    pub run_state: RunState,
}

/// Another process with a member's key, which began before this one and is running.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyInUse {
    /// Where it was found.
    pub place: SameKeyPlace,
    /// Whether this process began without any data of its own.
    pub empty: bool,
}

impl Shared {
    /// Starts with the heads that a store holds.
    pub fn new(heads: impl IntoIterator<Item = (MemberId, Timestamp)>) -> Self {
        let heads = heads.into_iter().collect();
        let board = Board {
            heads,
            n_changes: 0,
            links: 0,
            key_conflict: None,
            key_in_use: None,
            run_state: RunState::Running,
        };
        Self { queue: Arc::new(Queue::new()), board: Mutex::new(board), bell: watch::Sender::new(()) }
    }

    /// The board; lock it only briefly.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        // A panic cannot leave it half changed.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the board and rings.
    pub fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.board());
        self.bell.send_modify(|()| {});
    }

    /// Waits until the board is as wanted. Changes before the call count, so nothing is missed.
    pub async fn until(&self, wanted: impl Fn(&Board) -> bool) -> Result<(), WaitError> {
        let mut bell = self.bell.subscribe();
        loop {
            // Subscribed before the check: a change after it rings again.
            bell.borrow_and_update();
            if wanted(&self.board()) {
                return Ok(());
            }
            if let RunState::Stopped(reason) = &self.board().run_state {
                return Err(WaitError::Stopped { reason: reason.clone() });
            }
            bell.changed().await.expect("the sender is ours");
        }
    }

    /// Waits until the member has stopped, and returns the reason.
    pub async fn stopped(&self) -> StopReason {
        match self.until(|_| false).await {
            Err(WaitError::Stopped { reason }) => reason,
            other => unreachable!("never reached and without a limit: {other:?}"),
        }
    }
}

impl Board {
    /// Records heads that moved; 0 for a shard that was dropped.
    pub fn moved(&mut self, heads: impl IntoIterator<Item = (MemberId, Timestamp)>) {
        self.heads.extend(heads);
        self.n_changes += 1;
    }

    /// Replaces all heads: the store was opened again.
    pub fn reset(&mut self, heads: impl IntoIterator<Item = (MemberId, Timestamp)>) {
        self.heads = heads.into_iter().collect();
        self.n_changes += 1;
    }

    /// The timestamp of an owner's head; 0 for none.
    pub fn head(&self, owner: &MemberId) -> Timestamp {
        self.heads.get(owner).copied().unwrap_or_default()
    }

    /// Number of changes of heads so far.
    pub fn n_changes(&self) -> u64 {
        self.n_changes
    }
}
