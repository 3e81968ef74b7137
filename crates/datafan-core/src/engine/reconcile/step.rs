//! Advances a reconciliation: chooses sources and sends requests.

use super::{
    super::handlers::Reconciler,
    Reconciliation,
    state::{Expect, Flight, Slot, What},
};
use crate::{
    connector::Lane,
    engine::rejection::Rejection,
    id::MemberId,
    limits::{DELTA_BYTES_MAX, RANGE_BYTES_MAX, RANGE_ITEMS_MAX, REQUESTS_IN_FLIGHT_MAX, SLOTS_MAX},
    message::{Ask, Hints, Message, Request},
    store::{Store, StoreError},
    trie::{Branch, Node, Nodes, at_slot},
};
use alloc::vec::Vec;

type Slots = Vec<(Slot, Expect, Option<Node>)>;

impl<S: Store> Reconciler<'_, S> {
    /// Discards the data of a divergent state that was not completed.
    pub(super) fn give_up_divergent(&mut self, reconciliation: &mut Reconciliation) {
        if let Some(build) = reconciliation.build.take_if(|_| reconciliation.divergent) {
            self.disk.retire(reconciliation.target.owner, build.shard());
        }
    }

    /// Whether there is a source. Looks for another one if the current one is gone or silent.
    pub(super) fn has_source(&mut self, reconciliation: &mut Reconciliation) -> bool {
        let now = self.cx.now.time;
        for late in reconciliation.late(now) {
            self.cx.stats.reject(Rejection::LateAnswer);
            if let Some(link) = self.links.get_mut(&late) {
                link.requests.on_late(now);
            }
            self.drop_source(reconciliation, &late);
        }
        if let Some(from) = reconciliation.from.filter(|from| self.links.is_penalized(from, self.cx.time())) {
            self.drop_source(reconciliation, &from);
        }
        if reconciliation.from.is_some() {
            return true;
        }
        if !reconciliation.is_of_divergent() {
            reconciliation.from =
                self.exchange().source(&reconciliation.target.owner, &reconciliation.target);
        }
        if reconciliation.from.is_none() {
            // No linked peer has it. The rounds will announce it again, and a hidden copy is kept until then.
            if !reconciliation.is_of_divergent() {
                self.replicas.forget(&reconciliation.target.owner);
            }
        }
        reconciliation.from.is_some()
    }

    /// Stops using a peer and drops its pending requests. Its position for this owner is no longer known.
    pub(super) fn drop_source(&mut self, reconciliation: &mut Reconciliation, peer: &MemberId) {
        let owner = reconciliation.target.owner;
        reconciliation.drop_peer(peer);
        self.links.set_position(peer, &owner, None);
        if let Some(link) = self.links.get_mut(peer) {
            link.requests.drop_about(&owner, |_| false);
        }
    }

    /// Stops using a misbehaving peer. Everything is compared again; slots that are equal by now are skipped.
    pub(super) fn drop_misbehaving_source(&mut self, reconciliation: &mut Reconciliation, peer: &MemberId) {
        self.drop_source(reconciliation, peer);
        reconciliation.restart();
    }

    /// Sends requests while there is work and few requests are in flight.
    pub(super) fn request(&mut self, reconciliation: &mut Reconciliation) -> Result<(), StoreError> {
        let Some(from) = reconciliation.from else { return Ok(()) };
        let owner = reconciliation.target.owner;
        for link in self.links.values_mut() {
            link.requests.drop_about(&owner, |id| reconciliation.flight.contains_key(&id));
        }
        self.request_of(from, reconciliation)?;
        for helper in self.helpers(reconciliation) {
            if reconciliation.work.is_empty() {
                break;
            }
            self.request_of(helper, reconciliation)?;
        }
        Ok(())
    }

    /// Other peers that hold exactly the target and can be asked too.
    fn helpers(&self, reconciliation: &Reconciliation) -> Vec<MemberId> {
        if reconciliation.work.is_empty() || reconciliation.is_of_divergent() {
            return Vec::new();
        }
        let (owner, timestamp) = (reconciliation.target.owner, reconciliation.target.timestamp);
        let holds = self.links.iter().filter(|(peer, link)| {
            link.is_up()
                && link.position(&owner) == Some(timestamp)
                && !self.links.is_penalized(peer, self.cx.time())
        });
        let others = holds.map(|(peer, _)| *peer).filter(|peer| reconciliation.from != Some(*peer));
        others.take(HELPERS_MAX).collect()
    }

    fn request_of(&mut self, from: MemberId, reconciliation: &mut Reconciliation) -> Result<(), StoreError> {
        let owner = reconciliation.target.owner;
        while reconciliation.n_asked(&from) < REQUESTS_IN_FLIGHT_MAX
            && self
                .links
                .get(&from)
                .is_some_and(|link| !link.is_full(Lane::Small) && link.requests.has_room())
            && self.replicas.pause(self.cx, &owner).is_none()
            && (reconciliation.flight.is_empty()
                || !self.replicas.would_exceed(self.cx, &owner, reconciliation.bytes_asked()))
        {
            let (window, left) =
                (self.links[&from].requests.window().bytes(), self.links[&from].requests.window_left());
            if left == 0 && reconciliation.n_asked(&from) > 0 {
                return Ok(());
            }
            let (nodes, ranges) = self.next_slots(reconciliation, window, left)?;
            if nodes.is_empty() && ranges.is_empty() {
                return Ok(());
            }
            self.send_request(from, reconciliation, What::Nodes, nodes);
            self.send_request(from, reconciliation, What::Ranges, ranges);
        }
        Ok(())
    }

    fn send_request(
        &mut self,
        from: MemberId,
        reconciliation: &mut Reconciliation,
        what: What,
        slots: Slots,
    ) {
        if slots.is_empty() {
            return;
        }
        let id = self.replicas.new_request();
        let ask = |(slot, expect, node): &(Slot, Expect, Option<Node>)| Ask {
            slot: slot.place,
            hash: expect.hash,
            hints: node.as_ref().map(Hints::of),
        };
        let (owner, root) = (reconciliation.target.owner, reconciliation.target.root);
        let request = Request { id, owner, root, slots: slots.iter().map(ask).collect() };
        let message = match what {
            What::Nodes => Message::AskNodes(request),
            What::Ranges => Message::AskRanges(request),
        };
        let bytes = match what {
            What::Nodes => slots.len() as u64 * NODE_BYTES,
            What::Ranges => slots.iter().fold(0, |sum: u64, (_, expect, _)| sum.saturating_add(expect.bytes)),
        };
        // The size that an owner states for a single item is checked when the item arrives.
        let bytes = bytes.min(DELTA_BYTES_MAX as u64);
        let sent = self.cx.now.time;
        let mut deadline = sent.after(self.cx.config.request_micros);
        if let Some(link) = self.links.get_mut(&from) {
            deadline = deadline.after(link.requests.window().extra_micros(bytes));
            link.requests.begin(id, owner, bytes);
        }
        reconciliation.flight.insert(id, Flight { from, what, slots, bytes, sent, deadline });
        self.cx.send(from, &message);
    }

    /// The next slots to request: nodes, and ranges that we lack entirely. Slots that are equal by now are
    /// dropped. A slot larger than `window` is requested in parts. At most `left` bytes are requested at
    /// once, except that one slot is always allowed.
    fn next_slots(
        &self,
        reconciliation: &mut Reconciliation,
        window: u64,
        left: u64,
    ) -> Result<(Slots, Slots), StoreError> {
        let request = if window < FAST_WINDOW { RANGE_BYTES_MAX as u64 } else { REQUEST_BYTES_MAX };
        let (range_bytes_max, left) = (window.min(request), left.min(request));
        let build = reconciliation.build.take().expect("begun before");
        let view = build.view(self.disk);
        let (mut nodes, mut ranges) = (Slots::new(), Slots::new());
        let (mut items, mut bytes) = (0, 0_u64);
        let mut right_first =
            reconciliation.flight.values().flat_map(|flight| &flight.slots).any(|(slot, ..)| !slot.left);
        while let Some((&slot, &expect)) = reconciliation.work.first_key_value() {
            let enough = bytes.saturating_add(NODE_BYTES * nodes.len() as u64) > left
                && !(nodes.is_empty() && ranges.is_empty());
            if slot.left && right_first || nodes.len() == SLOTS_MAX || ranges.len() == SLOTS_MAX || enough {
                break;
            }
            let local = at_slot(&view, build.root(), slot.place)?;
            if is_equal(local.as_ref(), &expect) {
                reconciliation.work.pop_first();
                continue;
            }
            let fits = expect.count <= RANGE_ITEMS_MAX as u64 && expect.bytes <= range_bytes_max;
            if expect.count <= 1 || local.is_none() && fits {
                (items, bytes) = (items + expect.count, bytes.saturating_add(expect.bytes));
                if !ranges.is_empty() && (items > RANGE_ITEMS_MAX as u64 || bytes > left) {
                    break;
                }
                ranges.push((slot, expect, None));
            } else {
                let hinted = local.filter(|local| local.place.level > 0 && !expect.plain);
                let node = hinted.map(|local| view.node(local.place)).transpose()?;
                nodes.push((slot, expect, node));
            }
            right_first |= !slot.left;
            reconciliation.work.pop_first();
        }
        drop(view);
        reconciliation.build = Some(build);
        Ok((nodes, ranges))
    }
}

/// Most other sources beside the main one.
const HELPERS_MAX: usize = 3;
/// Most bytes of items that one request covers on a fast link, except for a single larger item. An answer is
/// read, and later verified, in one call of an engine, and a push waits meanwhile. On a slow link larger
/// requests are better, since an answer that waits behind another one arrives too late.
const REQUEST_BYTES_MAX: u64 = 1 << 20;
const FAST_WINDOW: u64 = 8 * REQUEST_BYTES_MAX;
const _: () = assert!(REQUEST_BYTES_MAX <= RANGE_BYTES_MAX as u64);
/// Approximate bytes of the answer for one node.
const NODE_BYTES: u64 = 512;

/// Whether the local content matches the expected content.
fn is_equal(local: Option<&Branch>, expect: &Expect) -> bool {
    match local {
        Some(local) => local.hash == expect.hash,
        None => expect.count == 0,
    }
}
