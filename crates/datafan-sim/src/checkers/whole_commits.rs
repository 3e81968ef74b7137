//! Readers see whole commits.

use super::checker::{Checked, Checker, Scene, Seen, must};
use crate::{ledger::Applied, store::State};
use datafan_core::{
    hash::Hasher,
    trie::{Branch, NewNodes, join, root_hash},
};

/// The data under a head is exactly what the head describes: counted, summed and hashed again, by key and by
/// timestamp.
#[derive(Default)]
pub struct WholeCommits {
    seen: Seen,
}

impl Checker for WholeCommits {
    fn name(&self) -> &'static str {
        "whole_commits"
    }

    fn on_applied(&mut self, _: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        match applied.state {
            Some(state) if self.seen.is_due(state) => check(applied.member, state),
            Some(_) | None => Ok(()),
        }
    }

    fn on_started(&mut self, scene: &Scene<'_>, member: usize) -> Checked {
        let snapshot = scene.world.snapshot(member);
        let mut due = snapshot.states().filter(|state| self.seen.is_due(state));
        due.try_for_each(|state| check(member, state))
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: datafan_core::time::Time) -> Checked {
        for member in (0..scene.world.n_members()).filter(|member| scene.world.runs(*member)) {
            for state in scene.world.snapshot(member).states() {
                if self.seen.0.insert(state.serial()) {
                    check(member, state)?;
                }
            }
        }
        Ok(())
    }
}

fn check(member: usize, state: &State) -> Checked {
    let Some(head) = state.record().and_then(|record| record.head().copied()) else { return Ok(()) };
    let leaves: Vec<Branch> = state.items().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
    let bytes: u64 = state.items().map(|item| item.bytes()).sum();
    let root = root_hash(join(Hasher::NODE, &leaves, &mut NewNodes::new()).as_ref());
    let found = (leaves.len() as u64, bytes, root);
    must(found == (head.items, head.bytes, head.root), || {
        format!("m{member} shows {head:?}, but has {} items, {bytes} B, root {root:?}", leaves.len())
    })?;
    let by_key = state.keys().filter(|(key, at)| {
        state.item(key.as_str()).is_some_and(|item| item.key == **key && item.timestamp == **at)
    });
    must(by_key.count() == leaves.len() && state.keys().count() == leaves.len(), || {
        format!("m{member} has different items of {:?} by key and by timestamp", head.owner)
    })
}
