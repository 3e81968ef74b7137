//! No acknowledged own write is lost.

use super::checker::{Checked, Checker, Scene, must};
use crate::{ledger::Asked, store::State};
use datafan_core::time::Time;
use std::sync::Arc;

/// Under each key an owner holds the value of its last acknowledged write, or of a later one. Checked
/// whenever a member starts, and at the end. For a member restored from an older copy, only writes
/// acknowledged since count; before that, its keys may hold what the mesh gave back. What it wrote alone may
/// be in a divergent copy: its visible state is then that of the mesh, which has a later end.
#[derive(Default)]
pub struct Acknowledged;

impl Checker for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged"
    }

    fn on_started(&mut self, scene: &Scene<'_>, member: usize) -> Checked {
        check(scene, member)
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        let running = (0..scene.world.n_members()).filter(|member| scene.world.runs(*member));
        running.into_iter().try_for_each(|member| check(scene, member))
    }
}

fn check(scene: &Scene<'_>, member: usize) -> Checked {
    if scene.ledger.ending(member).is_some() {
        return Ok(());
    }
    let snapshot = scene.world.snapshot(member);
    let id = scene.world.id(member);
    let state = snapshot.state_of(&id);
    let divergent = snapshot
        .states()
        .filter(|state| state.record().is_some_and(|record| record.owner == id && record.is_divergent()));
    let divergent: Vec<_> = divergent.collect();
    let restored = scene.ledger.was_restored(member);
    let counts = |asked: &&Vec<Asked>| !restored || asked.first().is_some_and(|first| first.acknowledged);
    for (key, asked) in scene.ledger.asked(member).iter().filter(|(_, asked)| counts(asked)) {
        let tag = |state: &Arc<State>| {
            state.item(key.as_str()).and_then(|item| item.value.first_chunk::<16>().copied())
        };
        let held = state.and_then(tag);
        let is_kept = restored && divergent.iter().any(|state| may_hold(asked, tag(state)));
        must(may_hold(asked, held) || is_kept, || {
            let asked: Vec<_> = asked.iter().map(|asked| (asked.ticket, asked.acknowledged)).collect();
            let held = held.map(|tag| String::from_utf8_lossy(&tag).into_owned());
            format!("m{member} holds {held:?} under {key}; asked for, and whether acknowledged: {asked:?}")
        })?;
    }
    Ok(())
}

fn may_hold(asked: &[Asked], held: Option<[u8; 16]>) -> bool {
    let never_acknowledged = asked.first().is_none_or(|first| !first.acknowledged);
    held.is_none() && never_acknowledged || asked.iter().any(|asked| asked.tag == held)
}
