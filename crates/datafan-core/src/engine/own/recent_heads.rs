//! The last heads that this run made.

use crate::{hash::Hash, head::Head, time::Timestamp};
use alloc::collections::VecDeque;

/// The last heads that a run made.
#[derive(Default)]
pub(super) struct RecentHeads(VecDeque<(Timestamp, Hash)>);

/// Most heads that are remembered.
const HEADS_MAX: usize = 1_024;

impl RecentHeads {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, head: &Head) {
        if self.0.len() == HEADS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(head.order());
    }

    /// Whether a head is remembered.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.0.binary_search(&head.order()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{head, owner};
    use alloc::vec::Vec;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut made = RecentHeads::default();
        assert!(made.is_empty());
        let heads: Vec<Head> = (0..=HEADS_MAX as u64).map(|at| head(owner(1), at)).collect();
        heads.iter().for_each(|head| made.add(head));
        assert!(!made.has(&heads[0]) && made.has(&heads[1]) && made.has(&heads[HEADS_MAX]));
        let other = Head { root: Hash([7; 32]), ..heads[1] };
        assert!(!made.has(&other), "another head with that timestamp");
    }
}
