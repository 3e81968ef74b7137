//! Only the owner makes versions of its shard, and it uses no timestamp twice.

use super::checker::{Checked, Checker, Scene, Seen, Violation, must};
use crate::{
    ledger::{Applied, Owner},
    store::State,
};
use datafan_core::{hash::Hash, time::Timestamp};
use std::collections::BTreeMap;

/// Every visible item became visible at its owner first; no two of them ever shared a timestamp.
#[derive(Default)]
pub struct SingleWriter {
    /// Leaf hashes of what owners wrote.
    written: BTreeMap<(Owner, Timestamp), Hash>,
    seen: Seen,
}

impl Checker for SingleWriter {
    fn name(&self) -> &'static str {
        "single_writer"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let Some(state) = applied.state else { return Ok(()) };
        if scene.ledger.writer(applied.owner) == applied.member {
            let before = scene.ledger.made(applied.owner, applied.before);
            let before = before.map_or(Timestamp::ZERO, |made| made.head.timestamp);
            return self.note(scene, applied.owner, state, before);
        }
        if !self.seen.is_due(state) {
            return Ok(());
        }
        for item in state.items() {
            let known = self.written.get(&(applied.owner, item.timestamp));
            must(known == Some(&item.leaf_hash()), || {
                let owner = scene.ledger.name(applied.owner);
                format!(
                    "m{} shows {} at {}, which {owner} never wrote",
                    applied.member, item.key, item.timestamp
                )
            })?;
        }
        Ok(())
    }
}

impl SingleWriter {
    fn note(&mut self, scene: &Scene<'_>, owner: Owner, state: &State, after: Timestamp) -> Checked {
        for item in state.items_after(after) {
            let leaf = item.leaf_hash();
            let known = self.written.insert((owner, item.timestamp), leaf);
            if known.is_some_and(|known| known != leaf) {
                let name = scene.ledger.name(owner);
                return Err(Violation(format!("{name} used timestamp {} twice", item.timestamp)));
            }
        }
        Ok(())
    }
}
