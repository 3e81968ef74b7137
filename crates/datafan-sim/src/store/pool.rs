//! All states of shards that the members of a world hold.

use super::{state::State, sum::Sum};
use crate::world::ids::Ids;
use datafan_core::{id::MemberId, store::ShardChange};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The states of a world's shards, each once. Clones are handles of one pool.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    /// By the sum of the rows and that of the record. For lookups only.
    states: HashMap<(Sum, Sum), Arc<State>>,
    /// At this number of states, unused ones are removed.
    sweep_at: usize,
    n_made: u64,
    owners: Ids,
    n_owners: usize,
    /// New states not yet taken by a checker; `None` while nobody checks.
    fresh: Option<Vec<Arc<State>>>,
}

/// With fewer states than this, removing unused ones is not worthwhile.
const SWEEP_MIN: usize = 4_096;

impl Pool {
    /// Number of states.
    pub fn len(&self) -> usize {
        self.content().states.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records every new state from now on, for [`Pool::fresh`].
    pub fn record(&self) {
        self.content().fresh.get_or_insert_default();
    }

    /// The new states since the last call, in order.
    pub fn fresh(&self) -> Vec<Arc<State>> {
        self.content().fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A small number for an owner, the same for all members.
    pub(super) fn number_of(&self, owner: &MemberId) -> u32 {
        let mut content = self.content();
        match content.owners.get(owner) {
            Some(number) => number as u32,
            None => {
                let number = content.n_owners;
                content.n_owners += 1;
                content.owners.insert(*owner, number);
                number as u32
            }
        }
    }

    /// `old` after `change`: the state that another member already has, or a new one.
    pub(super) fn after(&self, old: &State, change: &ShardChange) -> Arc<State> {
        let rows = old.sum_after(change);
        let record = change.record.as_ref().or(old.record.as_ref());
        let record = record.map_or(Sum::default(), |record| Sum::of_record(record));
        let mut content = self.content();
        if let Some(state) = content.states.get(&(rows, record)) {
            return state.clone();
        }
        let mut state = old.clone();
        state.apply(change);
        state.sum = rows;
        content.n_made += 1;
        state.serial = content.n_made;
        let state = Arc::new(state);
        if content.states.len() >= content.sweep_at {
            content.states.retain(|_, state| Arc::strong_count(state) > 1);
            content.sweep_at = SWEEP_MIN.max(2 * content.states.len());
        }
        content.states.insert((rows, record), state.clone());
        if let Some(fresh) = &mut content.fresh {
            fresh.push(state.clone());
        }
        state
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
