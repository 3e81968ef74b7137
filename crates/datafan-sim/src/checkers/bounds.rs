//! Memory, queues and messages are bounded.

use super::checker::{Checked, Checker, Scene, Sent, must};
use crate::{ledger::Applied, store::State};
use datafan_core::{
    connector::Lane,
    limits::{LINKS_MAX, MESSAGE_BYTES_MAX, PENDING_MAX, SMALL_BYTES_MAX},
    store::{ShardRecord, ShardState},
    time::Time,
};

/// No message is longer than its lane's limit; no member keeps more for a full lane than it may answer in one
/// call; no shard has more tombstones, and no member more links or pending strangers, than the limits allow.
/// At rest nothing is left of abandoned copies or deleted shards.
#[derive(Default)]
pub struct Bounds {
    /// The member to check next.
    next: usize,
}

/// Bytes that wait for room on the bulk lane of a link: what one call of the engine may answer.
const BULK_BYTES_MAX: usize = 48 << 20;
/// The same on the small lane, plus the pushes of two calls: one that does not know yet that the lane is
/// full, and an earlier one that left its pushes for after the sync.
const SMALL_REST_MAX: usize = 2 << 20;

impl Checker for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn on_sent(&mut self, _: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        let limit = match sent.lane {
            Lane::Small => SMALL_BYTES_MAX,
            Lane::Bulk => MESSAGE_BYTES_MAX,
        };
        must(sent.bytes.len() <= limit, || {
            format!("m{} sends {} B on lane {:?}, limit {limit}", sent.from, sent.bytes.len(), sent.lane)
        })
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let record = applied.state.and_then(|state| state.record());
        let (tombstones, limit) = (record.map_or(0, n_tombstones), scene.scenario.engine.tombstones_max);
        must(tombstones <= limit, || {
            format!("m{} keeps {tombstones} tombstones of a shard, limit {limit}", applied.member)
        })
    }

    fn on_tick(&mut self, scene: &Scene<'_>) -> Checked {
        self.next = (self.next + 1) % scene.world.n_members();
        check(scene, self.next)
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        (0..scene.world.n_members()).try_for_each(|member| check(scene, member))
    }

    fn at_end(&mut self, scene: &Scene<'_>) -> Checked {
        let counts = |member: &usize| scene.world.runs(*member) && scene.ledger.counts(*member);
        // Where misbehaving members continue, a member may still be trying what they offer.
        let at_rest = !scene.scenario.faults.misbehaving_forever;
        (0..scene.world.n_members()).filter(counts).filter(|_| at_rest).try_for_each(|member| {
            let snapshot = scene.world.snapshot(member);
            let left_over = snapshot.states().filter(|state| is_left_over(state)).count();
            must(left_over == 0, || format!("m{member} has {left_over} shards at rest that nobody can read"))
        })
    }
}

/// How many tombstones a record counts.
fn n_tombstones(record: &ShardRecord) -> u64 {
    match record.state {
        ShardState::Whole { tombstones, .. } => tombstones.rows,
        ShardState::Divergent { n_tombstones, .. } => n_tombstones,
        ShardState::Building { .. } | ShardState::Dead => 0,
    }
}

/// Whether nobody can read a shard. A divergent copy can be read.
fn is_left_over(state: &State) -> bool {
    state.record().is_none_or(|record| match record.state {
        ShardState::Whole { .. } | ShardState::Divergent { .. } => false,
        ShardState::Building { .. } | ShardState::Dead => true,
    })
}

fn check(scene: &Scene<'_>, member: usize) -> Checked {
    let pushed = 2 * (scene.world.n_members() + 1) * SMALL_BYTES_MAX;
    for (lane, limit) in [(Lane::Bulk, BULK_BYTES_MAX), (Lane::Small, pushed + SMALL_REST_MAX)] {
        let kept = scene.world.most_kept(member, lane);
        must(kept <= limit, || format!("m{member} kept {kept} B for one full lane {lane:?}, limit {limit}"))?;
    }
    if !scene.world.runs(member) {
        return Ok(());
    }
    let links = scene.world.peers(member).len();
    must(links <= LINKS_MAX, || format!("m{member} has {links} links, limit {LINKS_MAX}"))?;
    let pending = scene.world.n_pending(member);
    must(pending <= PENDING_MAX, || {
        format!("m{member} remembers {pending} pending strangers, limit {PENDING_MAX}")
    })
}
