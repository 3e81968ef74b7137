//! Answers to the requests of a reconciliation. They are verified against the hash in the request, then added
//! to the build.

use super::{
    super::{
        handlers::{Gossip, Reconciler},
        learned::Learned,
    },
    Reconciliation,
    building::ROW_BYTES,
    lending::{Going, end_lending},
    state::{Expect, Slot, What},
};
use crate::{
    engine::rejection::Rejection,
    hash::{Hash, Hasher},
    head::Head,
    id::MemberId,
    item::Item,
    message::{ChildAnswer, NodeAnswer},
    shard::Edit,
    store::{Store, StoreError},
    time::Timestamp,
    trie::{Branch, NewNodes, Node, Place, at_slot, join, node_hash, root_hash},
};
use alloc::{sync::Arc, vec::Vec};

/// Most items that are removed in one step.
const REMOVED_MAX: usize = 16_384;

/// Why an answer is not used.
enum Wrong {
    /// The answer does not match the hash: a violation by the peer.
    Answer,
    /// The answer matches the hash but contradicts the signed head: only the owner can have caused this.
    Content,
}

/// A verified node: its place and its children as (digit, expected content, whether it was hinted).
struct Remote {
    place: Place,
    children: Vec<(u8, Expect, bool)>,
}

impl<S: Store> Reconciler<'_, S> {
    /// The owner whose reconciliation an answer belongs to; `None` if no request matches any more.
    pub(super) fn asked(&mut self, from: &MemberId, id: u32) -> Option<MemberId> {
        let owner = self.links.get_mut(from)?.requests.end(id);
        if owner.is_none() {
            self.cx.stats.reject(Rejection::Unasked);
        }
        owner
    }

    pub(in crate::engine) fn on_nodes(
        &mut self,
        from: MemberId,
        id: u32,
        answers: Vec<NodeAnswer>,
    ) -> Result<(), StoreError> {
        let Some(owner) = self.asked(&from, id) else { return Ok(()) };
        let Some(mut reconciliation) = self.replicas.lend_reconciliation(&owner) else { return Ok(()) };
        let going = self.take_nodes(from, id, answers, &mut reconciliation)?;
        end_lending(self.replicas, self.links, &owner, reconciliation, going);
        Ok(())
    }

    /// Handles nodes. Returns whether the reconciliation continues.
    fn take_nodes(
        &mut self,
        from: MemberId,
        id: u32,
        answers: Vec<NodeAnswer>,
        reconciliation: &mut Reconciliation,
    ) -> Result<Going, StoreError> {
        let Some(flight) = reconciliation.flight.remove(&id) else { return Ok(Going::On) };
        self.links.on_answer(&from, flight.bytes, flight.sent, self.cx.now.time);
        if flight.what != What::Nodes || flight.slots.len() != answers.len() {
            self.links.penalize(self.cx, from, Rejection::WrongAnswer);
            self.drop_misbehaving_source(reconciliation, &from);
            return Ok(Going::On);
        }
        let mut remotes = Vec::new();
        for ((slot, expect, hinted), answer) in flight.slots.into_iter().zip(answers) {
            match verify_node(&slot, &expect, hinted.as_ref(), &answer) {
                Ok(remote) => remotes.push((slot, expect, remote)),
                Err(Wrong::Content) => {
                    self.replicas.refuse_invalid(self.cx, &reconciliation.target);
                    return Ok(Going::Over);
                }
                Err(Wrong::Answer) if hinted.is_some() => {
                    reconciliation.work.insert(slot, Expect { plain: true, ..expect });
                }
                Err(Wrong::Answer) => {
                    self.links.penalize(self.cx, from, Rejection::Node);
                    self.drop_misbehaving_source(reconciliation, &from);
                    break;
                }
            }
        }
        self.queue_children(reconciliation, remotes)?;
        Ok(Going::On)
    }

    /// Empties the state under construction, because the target has no items; no request is needed. True
    /// while there is more to remove.
    pub(super) fn clear_build(&mut self, reconciliation: &mut Reconciliation) -> Result<bool, StoreError> {
        reconciliation.work.clear();
        let Some(build) = reconciliation.build.take() else { return Ok(false) };
        let mut edit = Edit::new(build.view(self.disk));
        let (n, done) =
            edit.remove_all(Place::ALL, Some(reconciliation.target.timestamp), REMOVED_MAX, |_| false)?;
        let (root, change) = edit.finish(build.root())?;
        reconciliation.build = Some(build);
        self.add_to_build(reconciliation, root, change, n * ROW_BYTES)?;
        Ok(!done)
    }

    /// Records the places where the target has nothing but the build has items, and queues the children as
    /// work.
    fn queue_children(
        &mut self,
        reconciliation: &mut Reconciliation,
        remotes: Vec<(Slot, Expect, Remote)>,
    ) -> Result<(), StoreError> {
        let Some(build) = &reconciliation.build else { return Ok(()) };
        let (view, root) = (build.view(self.disk), build.root());
        let mut work = Vec::new();
        for (slot, expect, remote) in remotes {
            if reconciliation.has_much_absent() {
                work.push((slot, expect));
                continue;
            }
            for place in absent(slot.place, &remote) {
                if at_slot(&view, root, place)?.is_some() {
                    reconciliation.absent.push(place);
                }
            }
            let children = remote.children.into_iter().filter(|(_, _, hinted)| !hinted);
            work.extend(
                children.map(|(digit, expect, _)| (reconciliation.slot(remote.place.slot(digit)), expect)),
            );
        }
        drop(view);
        reconciliation.work.extend(work);
        Ok(())
    }

    /// Removes items from places where the target has nothing. True while there is more to remove.
    ///
    /// This is done late, because most of these items are gone by then: newer items with the same keys
    /// replaced them.
    pub(super) fn clear_absent(&mut self, reconciliation: &mut Reconciliation) -> Result<bool, StoreError> {
        if reconciliation.absent.is_empty() {
            return Ok(false);
        }
        let Some(build) = reconciliation.build.take() else { return Ok(false) };
        let tombstones = Some(reconciliation.target.timestamp);
        let mut edit = Edit::new(build.view(self.disk));
        let mut removed = 0;
        while let Some(place) = reconciliation.absent.last().filter(|_| removed < REMOVED_MAX) {
            let (n, done) = edit.remove_all(*place, tombstones, REMOVED_MAX - removed, |_| false)?;
            removed += n;
            if done {
                reconciliation.absent.pop();
            }
        }
        let (root, change) = edit.finish(build.root())?;
        reconciliation.build = Some(build);
        self.add_to_build(reconciliation, root, change, removed * ROW_BYTES)?;
        Ok(!reconciliation.absent.is_empty())
    }

    pub(in crate::engine) fn on_ranges(
        &mut self,
        from: MemberId,
        id: u32,
        ranges: Vec<Vec<Item>>,
    ) -> Result<(), StoreError> {
        let Some(owner) = self.asked(&from, id) else { return Ok(()) };
        let Some(mut reconciliation) = self.replicas.lend_reconciliation(&owner) else { return Ok(()) };
        let going = self.take_ranges(from, id, ranges, &mut reconciliation)?;
        end_lending(self.replicas, self.links, &owner, reconciliation, going);
        Ok(())
    }

    /// Handles ranges. Returns whether the reconciliation continues.
    fn take_ranges(
        &mut self,
        from: MemberId,
        id: u32,
        ranges: Vec<Vec<Item>>,
        reconciliation: &mut Reconciliation,
    ) -> Result<Going, StoreError> {
        let owner = reconciliation.target.owner;
        let Some(flight) = reconciliation.flight.remove(&id) else { return Ok(Going::On) };
        self.links.on_answer(&from, flight.bytes, flight.sent, self.cx.now.time);
        if flight.what != What::Ranges || flight.slots.len() != ranges.len() {
            self.links.penalize(self.cx, from, Rejection::WrongAnswer);
            self.drop_misbehaving_source(reconciliation, &from);
            return Ok(Going::On);
        }
        let mut good = Vec::new();
        for ((slot, expect, _), items) in flight.slots.into_iter().zip(ranges) {
            match verify_range(slot.place, &expect, &items, reconciliation.target.timestamp) {
                Ok(()) => good.push((slot, expect, items)),
                Err(Wrong::Content) => {
                    self.replicas.refuse_invalid(self.cx, &reconciliation.target);
                    return Ok(Going::Over);
                }
                Err(Wrong::Answer) => {
                    self.links.penalize(self.cx, from, Rejection::Range);
                    self.drop_misbehaving_source(reconciliation, &from);
                    break;
                }
            }
        }
        let bytes = good.iter().flat_map(|(_, _, items)| items).map(Item::bytes).sum();
        self.replicas.count(self.cx, &owner, 0, bytes);
        self.build_ranges(reconciliation, good)?;
        Ok(Going::On)
    }

    /// Replaces the contents of slots by whole ranges.
    fn build_ranges(
        &mut self,
        reconciliation: &mut Reconciliation,
        ranges: Vec<(Slot, Expect, Vec<Item>)>,
    ) -> Result<(), StoreError> {
        let Some(build) = reconciliation.build.take() else { return Ok(()) };
        let tombstones = Some(reconciliation.target.timestamp);
        let mut edit = Edit::new(build.view(self.disk));
        let (mut removed, mut grown, mut put) = (0, 0, 0);
        for (slot, expect, items) in ranges {
            let same = |old: &Item| {
                items
                    .binary_search_by_key(&old.timestamp, |item| item.timestamp)
                    .is_ok_and(|at| items[at] == *old)
            };
            let (n, done) = edit.remove_all(slot.place, tombstones, REMOVED_MAX - removed, same)?;
            removed = (removed + n).min(REMOVED_MAX);
            if !done {
                reconciliation.work.insert(slot, expect);
                continue;
            }
            grown += items.iter().map(|item| item.bytes() as usize + ROW_BYTES).sum::<usize>();
            put += items.len() as u64;
            let items: Vec<Arc<Item>> = items.into_iter().map(Arc::new).collect();
            edit.put_all(&items)?;
        }
        let (root, change) = edit.finish(build.root())?;
        reconciliation.build = Some(build);
        self.cx.stats.range_items += put;
        self.add_to_build(reconciliation, root, change, grown + removed * ROW_BYTES)
    }
}

impl<S: Store> Gossip<'_, S> {
    /// The peer's state has changed. Its current head becomes the target if it is acceptable, and the data
    /// fetched so far is kept.
    pub(in crate::engine) fn on_state_changed(&mut self, from: MemberId, id: u32, head: Option<&Head>) {
        let Some(owner) = self.reconciler().asked(&from, id) else { return };
        let good = head.filter(|head| head.owner == owner);
        let learned = good.map(|head| self.learn(from, head, self.cx.now.time));
        let Some(mut reconciliation) = self.replicas.lend_reconciliation(&owner) else { return };
        if let Some(flight) = reconciliation.flight.remove(&id) {
            if reconciliation.from != Some(from) {
                reconciliation.work.extend(flight.slots.into_iter().map(|(slot, expect, _)| (slot, expect)));
                self.reconciler().drop_source(&mut reconciliation, &from);
            } else {
                let newer = good.filter(|_| learned == Some(Learned::Newer));
                match newer.filter(|head| self.rules().is_newer(head, Some(&reconciliation.target))) {
                    Some(head) => {
                        reconciliation.target = *head;
                        reconciliation.passes = 0;
                    }
                    None => {
                        self.cx.stats.reject(Rejection::StateChanged);
                        self.reconciler().drop_source(&mut reconciliation, &from);
                    }
                }
                reconciliation.restart();
            }
        }
        end_lending(self.replicas, self.links, &owner, reconciliation, Going::On);
    }
}

/// The node of an answer, if it matches the request.
fn verify_node(
    slot: &Slot,
    expect: &Expect,
    hinted: Option<&Node>,
    answer: &NodeAnswer,
) -> Result<Remote, Wrong> {
    let place = answer.place;
    let hinted = hinted.filter(|node| node.place == place);
    let mut children = Vec::with_capacity(answer.children.len());
    for (digit, child) in &answer.children {
        let child = match child {
            ChildAnswer::Other { count, bytes, hash } => (*count, *bytes, *hash, false),
            ChildAnswer::Same => {
                let own = hinted.and_then(|node| node.child(*digit)).ok_or(Wrong::Answer)?;
                (own.count, own.bytes, own.hash, true)
            }
        };
        children.push((*digit, child));
    }
    let parts = children.iter().map(|(digit, (count, bytes, hash, _))| (*digit, *count, *bytes, *hash));
    if node_hash(Hasher::NODE, place, parts) != expect.hash {
        return Err(Wrong::Answer);
    }
    let sum = |part: fn(&(u64, u64, Hash, bool)) -> u64| {
        children.iter().try_fold(0u64, |sum, (_, child)| sum.checked_add(part(child)))
    };
    let sums = (sum(|child| child.0), sum(|child| child.1));
    let fits = place.level > 0 && slot.place.contains(&place);
    if !fits || sums != (Some(expect.count), Some(expect.bytes)) {
        return Err(Wrong::Content);
    }
    let child = |(digit, (count, bytes, hash, hinted)): (u8, (u64, u64, Hash, bool))| {
        (digit, Expect { count, bytes, hash, plain: false }, hinted)
    };
    Ok(Remote { place, children: children.into_iter().map(child).collect() })
}

/// Whether `items` are exactly what is expected in `slot`, none of them later than the head.
fn verify_range(slot: Place, expect: &Expect, items: &[Item], last: Timestamp) -> Result<(), Wrong> {
    let leaves: Vec<Branch> = items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
    let top = join(Hasher::NODE, &leaves, &mut NewNodes::new());
    if root_hash(top.as_ref()) != expect.hash {
        return Err(Wrong::Answer);
    }
    let sums = top.map_or((0, 0), |top| (top.count, top.bytes));
    let fits = |item: &Item| item.timestamp <= last && slot.span().contains(&item.timestamp.0);
    if sums == (expect.count, expect.bytes) && items.iter().all(fits) { Ok(()) } else { Err(Wrong::Content) }
}

/// The places of `slot` in which the verified node has nothing.
fn absent(slot: Place, remote: &Remote) -> Vec<Place> {
    let mut places = Vec::new();
    for level in remote.place.level + 1..=slot.level {
        let above = Place::containing(remote.place.first(), level);
        let own = above.digit_of(remote.place.first());
        places.extend((0..16).filter(|digit| *digit != own).map(|digit| above.slot(digit)));
    }
    let has = |digit: &u8| remote.children.iter().any(|(present, ..)| present == digit);
    places.extend((0..16).filter(|digit| !has(digit)).map(|digit| remote.place.slot(digit)));
    places
}
