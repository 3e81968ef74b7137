//! Recently adopted heads: most incoming heads are one of them, repeated by another peer.

use crate::{hash::Hash, head::Head, id::MemberId, time::Timestamp};
use alloc::boxed::Box;

/// The last few heads that became held and still are. Two bytes of each root and of each owner are stored
/// together, so that comparing all of them costs almost nothing. Deliberate collisions make a lookup slower,
/// not wrong.
pub(super) struct Recent {
    roots: [u16; N],
    owners: [u16; N],
    /// The heads; `None` for unused entries.
    heads: Box<[Option<Held>; N]>,
    next: usize,
}

/// A head without its sums and its signature.
type Held = (MemberId, Timestamp, Hash);

/// Number of heads that are remembered: about the commits that travel through a busy mesh at once.
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

    /// Records the new held head of `owner`.
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
