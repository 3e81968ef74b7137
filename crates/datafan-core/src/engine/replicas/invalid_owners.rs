//! Owners that signed an invalid state.

use crate::{id::MemberId, limits::INVALID_OWNERS_MAX};
use alloc::collections::BTreeSet;

/// Owners that signed a head with invalid content, at most [`INVALID_OWNERS_MAX`]. Further ones are not
/// remembered.
#[derive(Default)]
pub(super) struct InvalidOwners(BTreeSet<MemberId>);

impl InvalidOwners {
    pub(super) fn insert(&mut self, owner: &MemberId) {
        if self.0.len() < INVALID_OWNERS_MAX {
            self.0.insert(*owner);
        }
    }

    pub(super) fn has(&self, owner: &MemberId) -> bool {
        self.0.contains(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_remembered_owners_is_bounded() {
        let mut owners = InvalidOwners::default();
        let id = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            MemberId(id)
        };
        (0..INVALID_OWNERS_MAX + 9).for_each(|n| owners.insert(&id(n)));
        assert_eq!(owners.0.len(), INVALID_OWNERS_MAX);
        assert!(owners.has(&id(0)) && !owners.has(&id(INVALID_OWNERS_MAX)));
    }
}
