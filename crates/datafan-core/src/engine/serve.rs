//! Answers requests of peers for deltas, nodes and ranges, as many at once as the link takes.

use super::{
    disk::Disk,
    handlers::Server,
    links::{PendingRequest, Term},
    replicas::Owner,
    send_budget::answer_bytes_max,
};
use crate::{
    connector::Lane,
    engine::rejection::Rejection,
    hash::Hash,
    head::Head,
    id::MemberId,
    limits::{DELTA_ITEMS_MAX, DELTA_TOMBSTONES_MAX, ITEM_OVERHEAD_MAX, RANGE_BYTES_MAX, RANGE_ITEMS_MAX},
    message::{Ask, ChildAnswer, Delta, Message, NodeAnswer, Request, Want, encode_delta},
    shard::View,
    store::{Page, ShardNumber, ShardRecord, ShardState, Store, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, Node, Nodes, at_slot, sum_after},
};
use alloc::{format, sync::Arc, vec::Vec};

/// Bytes of answers per call, for one link and for all links together. The rest follows in later calls, so
/// that a push need not wait for all of it.
const SERVE_BYTES_MAX: usize = 1 << 20;
const SERVE_ALL_BYTES_MAX: usize = 4 << 20;
/// Bytes that each slot counts at least, because its lookup has a cost.
const SLOT_BYTES: usize = 4_096;

impl<S: Store> Server<'_, S> {
    /// Queues requests of a peer.
    pub(super) fn queue(&mut self, from: MemberId, requests: impl Iterator<Item = PendingRequest>) {
        // Only members may read data, including the roster. Other peers get a refusal and nothing else.
        if !self.members.belongs(self.replicas, &from) {
            self.cx.stats.reject(Rejection::NotServed);
            return;
        }
        let Some(link) = self.links.get_mut(&from) else { return };
        for request in requests {
            if !link.queue(request) {
                self.cx.stats.reject(Rejection::TooManyRequests);
            }
        }
    }

    /// Answers pending requests, link by link, starting after the link that was served last.
    pub(super) fn serve(&mut self) -> Result<(), StoreError> {
        let mut bytes = 0;
        for peer in self.links.with_pending() {
            if !self.cx.may_answer() {
                return Ok(());
            }
            if bytes >= SERVE_ALL_BYTES_MAX {
                self.cx.more_to_do = true;
                return Ok(());
            }
            bytes += self.serve_peer(peer)?;
            self.links.on_served(peer);
        }
        Ok(())
    }

    /// Returns the bytes that the answers count.
    fn serve_peer(&mut self, peer: MemberId) -> Result<usize, StoreError> {
        let mut bytes = 0;
        while self.cx.may_answer()
            && let Some(link) = self.links.get_mut(&peer)
        {
            if link.is_full(Lane::Bulk) || link.is_full(Lane::Small) {
                break;
            }
            if bytes >= SERVE_BYTES_MAX {
                self.cx.more_to_do |= link.has_pending();
                break;
            }
            let Some(pending) = link.pop_pending() else { break };
            let before = self.cx.stats.bytes_sent;
            match pending {
                PendingRequest::Heads(asks) => {
                    bytes += asks.len() * SLOT_BYTES;
                    self.serve_heads(peer, &asks);
                }
                PendingRequest::Pull(want) => self.serve_pull(peer, &want)?,
                PendingRequest::Nodes(request) => {
                    bytes += request.slots.len() * SLOT_BYTES;
                    self.serve_nodes(peer, &request)?;
                }
                PendingRequest::Ranges(request) => {
                    bytes += request.slots.len() * SLOT_BYTES;
                    self.serve_ranges(peer, &request)?;
                }
            }
            bytes += (self.cx.stats.bytes_sent - before) as usize;
        }
        Ok(bytes)
    }

    fn serve_pull(&mut self, peer: MemberId, want: &Want) -> Result<(), StoreError> {
        self.exchange().graft_pulled(peer, &want.owner);
        let whole = self.replicas.get(&want.owner).and_then(Owner::whole);
        let Some((shard, record)) = whole.map(|(shard, record)| (shard, record.clone())) else {
            self.cx.send(peer, &Message::UpToDate(want.owner));
            return Ok(());
        };
        let head = *record.head().expect("a visible shard has a head");
        if head.timestamp <= want.since {
            self.cx.send(peer, &Message::UpToDate(want.owner));
            return Ok(());
        }
        match delta_body(self.disk, shard, &record, want.since, answer_bytes_max(&self.cx.config))? {
            Some(body) => {
                self.cx.stats.deltas_sent += 1;
                self.cx.send(peer, &Message::Delta(Delta::new(head, want.since, &body)));
            }
            None => {
                self.cx.stats.deltas_unavailable += 1;
                self.cx.send(peer, &Message::DeltaUnavailable(head));
            }
        }
        self.mark_current(peer, &head);
        Ok(())
    }

    /// Records that the peer will soon have the same state as we.
    fn mark_current(&mut self, peer: MemberId, head: &Head) {
        let held = self.replicas.get(&head.owner).and_then(|owner| owner.head());
        if held.is_some_and(|held| held.order() == head.order()) {
            self.links.set_position(&peer, &head.owner, None);
        }
    }

    /// The state that a request refers to, which is then pinned for the peer: the current one, or one that is
    /// pinned already. The current one is preferred, since pinning it keeps no old pages.
    #[expect(clippy::type_complexity, reason = "a snapshot and a shard in it")]
    fn wanted_state(
        &mut self,
        peer: MemberId,
        request: &Request,
    ) -> Result<Option<(Arc<super::disk::Snapshot<S>>, ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let term = self.pin_term();
        let present = self.disk.share_current();
        if let Some((shard, record)) = self.divergent_copy(&request.owner, &request.root)? {
            return Ok(Some((present, shard, record)));
        }
        let Some(link) = self.links.get_mut(&peer) else { return Ok(None) };
        for snapshot in [present].into_iter().chain(link.pinned(&request.owner)) {
            if let Some((shard, record)) = snapshot.whole(&request.owner)?
                && record.head().is_some_and(|head| head.root == request.root)
            {
                link.pin(request.owner, snapshot.clone(), term);
                return Ok(Some((snapshot, shard, record)));
            }
        }
        Ok(None)
    }

    fn pin_term(&self) -> Term {
        Term { now: self.cx.now.time, micros: self.cx.config.pin_micros, written: self.disk.written_bytes() }
    }

    fn send_state_changed(&mut self, peer: MemberId, request: &Request) {
        let term = self.pin_term();
        let head = self.replicas.get(&request.owner).and_then(|owner| owner.head().copied());
        // A busy owner may have committed again by the time the peer requests this state, so it is pinned
        // now.
        if let Some(link) = self.links.get_mut(&peer).filter(|_| head.is_some()) {
            link.pin(request.owner, self.disk.share_current(), term);
        }
        self.cx.send(peer, &Message::StateChanged(request.id, head));
    }

    fn serve_nodes(&mut self, peer: MemberId, request: &Request) -> Result<(), StoreError> {
        let Some((snapshot, shard, record)) = self.wanted_state(peer, request)? else {
            self.send_state_changed(peer, request);
            return Ok(());
        };
        let view = View::new(&*snapshot, shard, None);
        let mut answers = Vec::with_capacity(request.slots.len());
        for ask in &request.slots {
            match at_slot(&view, record.root, ask.slot)? {
                Some(branch) if branch.hash == ask.hash && branch.place.level > 0 => {
                    answers.push(node_answer(&view.node(branch.place)?, ask));
                }
                _ => {
                    // The root matches the request, so we never sent this hash.
                    self.cx.stats.reject(Rejection::WrongRequest);
                    self.send_state_changed(peer, request);
                    return Ok(());
                }
            }
        }
        self.cx.send(peer, &Message::Nodes(request.id, answers));
        Ok(())
    }

    fn serve_ranges(&mut self, peer: MemberId, request: &Request) -> Result<(), StoreError> {
        let Some((snapshot, shard, record)) = self.wanted_state(peer, request)? else {
            self.send_state_changed(peer, request);
            return Ok(());
        };
        let view = View::new(&*snapshot, shard, None);
        let mut branches = Vec::with_capacity(request.slots.len());
        let (mut items, mut bytes) = (0, 0);
        for ask in &request.slots {
            let branch = at_slot(&view, record.root, ask.slot)?.filter(|branch| branch.hash == ask.hash);
            items += branch.as_ref().map_or(0, |branch| branch.count);
            bytes += branch.as_ref().map_or(0, |branch| branch.bytes);
            branches.push(branch);
        }
        let sound = branches.iter().all(Option::is_some);
        if !sound || items > RANGE_ITEMS_MAX as u64 || bytes > RANGE_BYTES_MAX as u64 {
            self.cx.stats.reject(Rejection::WrongRequest);
            self.send_state_changed(peer, request);
            return Ok(());
        }
        let mut ranges = Vec::with_capacity(branches.len());
        for branch in branches.iter().flatten() {
            ranges.push(read_range(&*snapshot, shard, branch)?);
        }
        self.cx.send(peer, &Message::Ranges(request.id, ranges));
        Ok(())
    }

    /// The divergent copy of `owner`'s shard with this root.
    pub(super) fn divergent_copy(
        &self,
        owner: &MemberId,
        root: &Hash,
    ) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        for shard in self.divergent.of(owner) {
            let record = self.disk.current().shard(*shard)?;
            if let Some(record) = record.filter(|record| record.head().is_some_and(|head| head.root == *root))
            {
                return Ok(Some((*shard, record)));
            }
        }
        Ok(None)
    }
}

/// The encoded changes after `since`; `None` if they exceed `bytes_max` or tombstones are missing.
pub(super) fn delta_body<S: Store>(
    disk: &Disk<S>,
    shard: ShardNumber,
    record: &ShardRecord,
    since: Timestamp,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let ShardState::Whole { head, tombstones } = record.state else { return Ok(None) };
    let from_nothing = since == Timestamp::ZERO;
    if !from_nothing && since < tombstones.since || head.timestamp <= since {
        return Ok(None);
    }
    let view = disk.committed(shard);
    let (count, bytes) = sum_after(&view, record.root, since.0)?;
    let most = bytes.saturating_add(count.saturating_mul(ITEM_OVERHEAD_MAX as u64));
    if count > DELTA_ITEMS_MAX as u64 || most > bytes_max as u64 {
        return Ok(None);
    }
    let first = since.next().expect("`since` is before the head");
    let tombstones = match from_nothing {
        true => Vec::new(),
        false => {
            let page = Page { rows: DELTA_TOMBSTONES_MAX + 1, bytes: bytes_max + 1 };
            disk.current().tombstones(shard, first..=head.timestamp, page)?
        }
    };
    let tombstone_bytes: usize =
        tombstones.iter().map(|(_, key)| key.as_str().len() + ITEM_OVERHEAD_MAX).sum();
    if tombstones.len() > DELTA_TOMBSTONES_MAX || most as usize + tombstone_bytes > bytes_max {
        return Ok(None);
    }
    let page = Page { rows: count as usize + 1, bytes: usize::MAX };
    let items = disk.current().log(shard, first..=head.timestamp, page)?;
    if items.len() as u64 != count {
        let what = format!("shard {} has {} rows where its trie counts {count}", shard.0, items.len());
        return Err(StoreError::Damaged { what });
    }
    let items: Vec<&crate::item::Item> = items.iter().map(|item| &**item).collect();
    Ok(Some(encode_delta(since, &items, &tombstones)))
}

fn read_range<V: StoreSnapshot>(
    snapshot: &V,
    shard: ShardNumber,
    branch: &Branch,
) -> Result<Vec<crate::item::Item>, StoreError> {
    let span = Timestamp(branch.place.first())..=Timestamp(branch.place.last());
    let page = Page { rows: branch.count as usize, bytes: usize::MAX };
    let items = snapshot.log(shard, span, page)?;
    Ok(items.iter().map(|item| (**item).clone()).collect())
}

/// A node as it is sent: children that match the hints are only named.
fn node_answer(node: &Node, ask: &Ask) -> NodeAnswer {
    let hints = ask.hints.as_ref().filter(|hints| hints.place == node.place);
    let child = |child: &Branch| {
        let digit = node.place.digit_of(child.place.first());
        let known = hints.is_some_and(|hints| hints.has(digit, &child.hash));
        let other = ChildAnswer::Other { count: child.count, bytes: child.bytes, hash: child.hash };
        (digit, if known { ChildAnswer::Same } else { other })
    };
    NodeAnswer { place: node.place, children: node.children.iter().map(child).collect() }
}
