//! Heads that are held since lately: what comes is mostly one of them, once more from another peer.

use crate::{hash::Hash, head::Head, id::MemberId, time::Timestamp};

/// The last few heads that became held and still are. They lie together, so that a look at them costs next to nothing.
#[derive(Default)]
pub(super) struct Recent {
    /// Of each entry; 0 for none.
    timestamps: [Timestamp; N],
    heads: [Option<(MemberId, Hash)>; N],
    next: usize,
}

/// How many are remembered: commits that are on their way through a busy mesh at once.
const N: usize = 8;

impl Recent {
    /// Whether `head` is one of them.
    pub(super) fn has(&self, head: &Head) -> bool {
        let at_one_time = self.timestamps.iter().zip(&self.heads).filter(|(at, _)| **at == head.timestamp);
        let mut known = at_one_time.filter_map(|(_, known)| known.as_ref());
        known.any(|(owner, root)| *root == head.root && *owner == head.owner)
    }

    /// Notes what is held of `owner` from now on.
    pub(super) fn hold(&mut self, owner: &MemberId, head: Option<&Head>) {
        for (at, known) in self.timestamps.iter_mut().zip(&mut self.heads) {
            if known.is_some_and(|(known, _)| known == *owner) {
                (*at, *known) = (Timestamp::ZERO, None);
            }
        }
        if let Some(head) = head {
            self.timestamps[self.next] = head.timestamp;
            self.heads[self.next] = Some((*owner, head.root));
            self.next = (self.next + 1) % N;
        }
    }
}
