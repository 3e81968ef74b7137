//! Reads the trie: the content of a slot, and the sums after a position.

use super::branch::{Branch, Nodes, Place};

/// The topmost branch at or below `slot`; `None` if the slot is empty.
pub fn at_slot<N: Nodes>(nodes: &N, root: Option<Branch>, slot: Place) -> Result<Option<Branch>, N::Error> {
    let mut here = root;
    while let Some(branch) = here {
        if slot.contains(&branch.place) {
            return Ok(Some(branch));
        }
        if !branch.place.contains(&slot) {
            return Ok(None);
        }
        let node = nodes.node(branch.place)?;
        here = node.child(branch.place.digit_of(slot.first())).copied();
    }
    Ok(None)
}

/// Count and bytes of the leaves after `position`. Reads one path.
pub fn sum_after<N: Nodes>(nodes: &N, root: Option<Branch>, position: u64) -> Result<(u64, u64), N::Error> {
    let mut sums = (0, 0);
    let mut here = root;
    while let Some(branch) = here {
        if branch.place.first() > position {
            return Ok((sums.0 + branch.count, sums.1 + branch.bytes));
        }
        if branch.place.last() <= position {
            return Ok(sums);
        }
        let node = nodes.node(branch.place)?;
        let digit = branch.place.digit_of(position);
        for child in &node.children {
            if branch.place.digit_of(child.place.first()) > digit {
                sums = (sums.0 + child.count, sums.1 + child.bytes);
            }
        }
        here = node.child(digit).copied();
    }
    Ok(sums)
}
