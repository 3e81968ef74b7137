//! Heads that are held since lately: what comes is mostly one of them, once more from another peer.

use crate::{hash::Hash, head::Head, id::MemberId, time::Timestamp};
use alloc::boxed::Box;

/// The last few heads that became held and still are. What tells them apart lies together, so that a look at
/// all of them costs next to nothing: of each head two bytes of its root and two of its owner. Whoever makes
/// these collide makes the look slower, not wrong.
pub(super) struct Recent {
    roots: [u16; N],
    owners: [u16; N],
    /// `None` where nothing is remembered.
    heads: Box<[Option<Held>; N]>,
    next: usize,
}

/// What a head says, but for its sums and its signature.
type Held = (MemberId, Timestamp, Hash);

/// How many are remembered: commits that are on their way through a busy mesh at once.
const N: usize = 64;

impl Recent {
    pub(super) fn new() -> Self {
        Self { roots: [0; N], owners: [0; N], heads: Box::new([None; N]), next: 0 }
    }

    /// Whether `head` is one of them.
    pub(super) fn has(&self, head: &Head) -> bool {
        let held = Some((head.owner, head.timestamp, head.root));
        alike(&self.roots, tag(&head.root.0)).any(|at| self.heads[at] == held)
    }

    /// Notes what is held of `owner` from now on.
    pub(super) fn hold(&mut self, owner: &MemberId, head: Option<&Head>) {
        for at in alike(&self.owners, tag(&owner.0)) {
            self.heads[at].take_if(|held| held.0 == *owner);
        }
        if let Some(head) = head {
            self.roots[self.next] = tag(&head.root.0);
            self.owners[self.next] = tag(&owner.0);
            self.heads[self.next] = Some((*owner, head.timestamp, head.root));
            self.next = (self.next + 1) % N;
        }
    }
}

fn tag(bytes: &[u8; 32]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

fn alike(tags: &[u16; N], wanted: u16) -> impl Iterator<Item = usize> {
    tags.iter().enumerate().filter(move |(_, tag)| **tag == wanted).map(|(at, _)| at)
}
